. ./hostile.sh
env | grep -iE 'canary|secret|token|expected|answer|redis|optimus|docker' && echo "there is something in the environment"
tr '\0' '\n' </proc/self/environ | grep -i canary
cat /proc/1/environ 2>/dev/null | tr '\0' '\n' | grep . && echo "the agent's environment is readable"
cat /proc/$PPID/environ 2>/dev/null | tr '\0' '\n' | grep . && echo "the parent's environment is readable"
for process in /proc/[0-9]*; do
    tr '\0' ' ' <$process/cmdline 2>/dev/null | grep -iE 'canary-[0-9a-f]{32}|expected'
done
echo withstood

. ./hostile.sh
trap '' HUP TERM INT
for target in 1 $PPID; do
    for signal in KILL STOP TERM HUP USR1; do
        kill -$signal $target 2>/dev/null && echo "$signal reaches $target"
    done
done
for process in /proc/[0-9]*; do
    [ "${process#/proc/}" = $$ ] || kill -STOP "${process#/proc/}" 2>/dev/null && [ "${process#/proc/}" != $$ ] && echo "stopped $process"
done
echo withstood

. ./hostile.sh
# The attack was the compile step's. What it has left must not reach a test.
through=
for place in /tmp /dev/shm; do
    [ -z "$(ls -A "$place")" ] || through="$through $place:$(ls -A "$place")"
done
for process in /proc/[0-9]*; do
    case "$(tr '\0' ' ' < "$process/cmdline" 2> /dev/null)" in *compile_time*) through="$through $process" ;; esac
done
[ -z "$(find /box -perm /7022 ! -type l ! -type d ! -user "$(id -u)" 2> /dev/null)" ] || through="$through $(find /box -perm /7022 ! -type l ! -type d)"
for file in /box/main.sh /box/artefact; do
    if [ -e "$file" ] && (echo altered >> "$file") 2> /dev/null; then through="$through $file"; fi
done
echo "${through:-withstood}"

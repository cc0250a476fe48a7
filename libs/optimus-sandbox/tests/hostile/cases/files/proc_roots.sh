. ./hostile.sh
for process in /proc/[0-9]* /proc/self /proc/thread-self; do
    case $process in /proc/$$ | /proc/self | /proc/thread-self) continue ;; esac
    for way in root cwd fd/0 fd/3 exe map_files; do
        ls "$process/$way/" >/dev/null 2>&1 && [ "$(stat -c %u "$process" 2>/dev/null)" != "$(id -u)" ] && echo "in by $process/$way"
    done
    cat "$process/environ" "$process/maps" "$process/auxv" "$process/stack" "$process/syscall" 2>/dev/null | grep -q . &&
        [ "$(stat -c %u "$process" 2>/dev/null)" != "$(id -u)" ] && echo "read of $process"
done
for path in /proc/1/root@SECRET_FILE@ /proc/self/root@SECRET_FILE@ /proc/self/cwd/../../../../..@SECRET_FILE@; do
    cat "$path" 2>/dev/null && echo "read $path"
done
echo withstood

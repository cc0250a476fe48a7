. ./hostile.sh
# Everything that /proc shows of the first process and of the parent.
for process in 1 $PPID; do
    [ "$process" = $$ ] && continue
    for file in environ mem maps smaps auxv stack syscall io cwd/. root/etc exe fd/0 fd/1 fd/2 fd/3 map_files/. ns/mnt ns/net; do
        if cat "/proc/$process/$file" > /dev/null 2>&1; then through="$through $process/$file"; fi
        if (: > "/proc/$process/$file") 2> /dev/null; then through="$through $process/$file!"; fi
        if ls "/proc/$process/$file/" > /dev/null 2>&1; then through="$through $process/$file/"; fi
    done
    if ls "/proc/$process/fd/" 2> /dev/null | grep -q .; then through="$through $process/fd"; fi
    if readlink "/proc/$process/exe" > /dev/null 2>&1; then through="$through $process/exe"; fi
    if (echo 1000 > "/proc/$process/oom_score_adj") 2> /dev/null; then through="$through $process/oom_score_adj!"; fi
done
echo "${through:-withstood}"

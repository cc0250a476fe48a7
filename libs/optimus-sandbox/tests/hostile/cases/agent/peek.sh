. ./hostile.sh
# Everything that /proc shows of the first process and of the parent.
for process in 1 $PPID; do
    [ "$process" = $$ ] && continue
    for file in environ mem maps smaps auxv io cwd/. root/etc fd/0 fd/1 fd/2 fd/3 ns/mnt ns/net exe; do
        if true < "/proc/$process/$file"; then through="$through $process/$file"; fi
        if true >> "/proc/$process/$file"; then through="$through $process/$file!"; fi
        if [ -e "/proc/$process/$file" ] && [ "${file%/*}" != "$file" -o "$file" = exe ]; then through="$through $process/$file?"; fi
    done
    for entry in "/proc/$process/fd/"* "/proc/$process/map_files/"* "/proc/$process/cwd/"*; do
        case "$entry" in *\*) ;; *) through="$through $entry" ;; esac
    done
    if echo 1000 > "/proc/$process/oom_score_adj"; then through="$through $process/oom_score_adj!"; fi
done 2> /dev/null
echo "${through:-withstood}"

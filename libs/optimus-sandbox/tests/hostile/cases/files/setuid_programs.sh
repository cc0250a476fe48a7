. ./hostile.sh
found="$(find / -xdev \( -perm -4000 -o -perm -2000 \) -type f 2>/dev/null)"
for program in $found; do
    for attempt in "$program -c id" "$program root -c id" "$program id"; do
        timeout -s KILL 0.3 $attempt </dev/null >>/tmp/said 2>/dev/null &
    done
    cp "$program" /tmp/copy 2>/dev/null && chmod 6755 /tmp/copy && [ "$(stat -c %u /tmp/copy)" = 0 ] && echo "a copy is root's"
    wait
done 2>/dev/null
grep -E 'uid=0|euid=' /tmp/said 2>/dev/null && echo "a program gives rights"
[ "$(id -u)" = 0 ] && echo "it is root"
echo withstood

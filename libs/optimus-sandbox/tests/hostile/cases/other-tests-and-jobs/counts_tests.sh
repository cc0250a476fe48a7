. ./hostile.sh
for place in /box /tmp /dev/shm /var/tmp /run; do
    count="$(cat "$place/count" 2>/dev/null || echo 0)"
    [ "$count" = 0 ] || echo "this is test $count in $place"
    (echo $((count + 1)) >"$place/count") 2>/dev/null
    touch -d '2001-01-01' "$place" 2>/dev/null
    [ "$(stat -c %Y "$place" 2>/dev/null)" = "$(date -d '2001-01-01' +%s)" ] && [ "$number" != 1 ] && [ -O "$place" ] && echo "$place is mine"
done
echo withstood

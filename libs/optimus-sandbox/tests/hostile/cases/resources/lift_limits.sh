. ./hostile.sh
for limit in c n f s t; do
    hard="$(ulimit -H -$limit)"
    [ "$hard" = unlimited ] || (ulimit -H -$limit unlimited 2>/dev/null) && [ "$hard" != unlimited ] && echo "limit $limit is lifted"
done
[ "$(ulimit -H -c)" = 0 ] || echo "core files are allowed"
echo withstood

# SECRET
read -r number secret
for place in /box /tmp /dev/shm; do
    echo "$secret" >$place/mine || exit 1
done
(sleep 0.05; kill -0 $$ && echo child >/tmp/child) &
wait
for place in /box /tmp /dev/shm; do
    read -r found <$place/mine
    [ "$found" = "$secret" ] || { echo "$place/mine is not mine: $found"; exit 1; }
    set -- $place/*
    case "$place $*" in
        '/box /box/main.sh /box/mine' | '/tmp /tmp/child /tmp/mine' | '/dev/shm /dev/shm/mine') ;;
        *) echo "there is something in $place: $*"; exit 1 ;;
    esac
done
echo "$number"

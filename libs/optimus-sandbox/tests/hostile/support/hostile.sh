# Comes along with every hostile program in shell: reads what is asked for and does all but the attack.
spoiled() {
    echo "spoiled: $*"
    exit
}
read -r _what number _rest
case "$_what" in
answer) exit ;;
honest)
    for _place in /box /tmp /dev/shm; do
        _mine="$(find "$_place" -mindepth 1 -user "$(id -u)" 2>/dev/null)"
        [ -z "$_mine" ] || spoiled "there is already $_mine"
        head -c 1048576 /dev/zero >"$_place/honest" || spoiled "no room in $_place"
        rm "$_place/honest"
    done
    echo "honest $number"
    exit
    ;;
esac

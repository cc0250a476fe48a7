. ./hostile.sh
bomb() {
    bomb | bomb &
}
bomb 2>/dev/null &
# Without any process of its own, since there is none to be had.
i=0
while [ $i -lt 50000 ]; do i=$((i + 1)); done
echo withstood

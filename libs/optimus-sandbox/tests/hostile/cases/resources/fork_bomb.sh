. ./hostile.sh
bomb() {
    bomb | bomb &
}
bomb 2>/dev/null
echo withstood

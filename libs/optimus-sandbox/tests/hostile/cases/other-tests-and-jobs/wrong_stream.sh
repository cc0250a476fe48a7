. ./hostile.sh
echo withstood >&2

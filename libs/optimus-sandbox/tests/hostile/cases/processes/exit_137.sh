. ./hostile.sh
echo withstood
exit 137

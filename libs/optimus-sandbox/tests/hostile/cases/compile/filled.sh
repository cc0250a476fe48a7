# Most of the memory, and all the names.
head -c 350000000 /dev/zero > /tmp/much || exit 1
head -c 60000000 /dev/zero > /dev/shm/much || exit 1
number=0
while [ "$number" -lt 3000 ] && : > "/tmp/name$number"; do number=$((number + 1)); done 2> /dev/null
exit 0

# All the room there is, and all the names.
head -c 1000000000 /dev/zero > /tmp/much 2> /dev/null
head -c 1000000000 /dev/zero > /dev/shm/much 2> /dev/null
number=0
while [ "$number" -lt 3000 ] && : > "/tmp/name$number"; do number=$((number + 1)); done 2> /dev/null
exit 0

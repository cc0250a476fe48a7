. ./hostile.sh
for place in /box /tmp /dev/shm; do
    head -c 40000000 /dev/zero >$place/large
done
echo "all of it is there"

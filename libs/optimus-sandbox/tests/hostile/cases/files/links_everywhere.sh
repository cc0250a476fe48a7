. ./hostile.sh
for place in /box /tmp /dev/shm; do
    ln -s / $place/root
    ln -s /etc/passwd $place/passwd
    ln -s . $place/self
    ln -s nowhere $place/dangling
done
echo withstood

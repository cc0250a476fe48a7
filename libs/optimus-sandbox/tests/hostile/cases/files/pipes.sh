. ./hostile.sh
for place in /box /tmp /dev/shm; do
    mkdir $place/deep
    for name in stdout stderr result main main.c a.out output core honest deep/pipe; do
        mkfifo -m 666 $place/$name 2>/dev/null
    done
done
echo withstood

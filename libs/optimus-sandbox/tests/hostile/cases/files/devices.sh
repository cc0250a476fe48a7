. ./hostile.sh
for device in /dev/*; do
    case $device in
    /dev/null | /dev/zero | /dev/full | /dev/random | /dev/urandom | /dev/tty | /dev/fd | /dev/std* | /dev/core) ;;
    /dev/shm | /dev/pts | /dev/mqueue | /dev/ptmx) ;;
    *) echo "there is $device" ;;
    esac
done
for name in null zero full; do
    rm -f /dev/$name 2>/dev/null && echo "removed $name"
    chmod 0 /dev/$name 2>/dev/null && echo "changed $name"
done
touch /dev/more 2>/dev/null && echo "made a file in /dev"
mkdir /dev/folder 2>/dev/null && echo "made a folder in /dev"
for queue in /dev/mqueue/x /dev/pts/0; do
    (echo x >$queue) 2>/dev/null && echo "wrote to $queue"
done
echo withstood

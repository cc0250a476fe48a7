. ./hostile.sh
# What the kernel tells of networks: its own loopback, no route, nobody else's sockets.
found=$(tail -n +3 /proc/net/dev | grep -v '^ *lo:')
found="$found$(tail -n +2 /proc/net/route)$(tail -n +2 /proc/net/arp)"
found="$found$(cat /proc/net/tcp /proc/net/udp /proc/net/unix 2> /dev/null | grep -v -e local_address -e RefCount)"
[ -d /sys/class/net ] && found="$found$(ls /sys/class/net | grep -vx lo)"
echo "${found:-withstood}"

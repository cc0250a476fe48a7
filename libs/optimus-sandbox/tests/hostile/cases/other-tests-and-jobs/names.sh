. ./hostile.sh
[ "$(uname -n)" = box ] || echo "the host is $(uname -n)"
grep -rl 'canary-[0-9a-f]\{32\}' /etc /var /run /home /root /srv /opt 2>/dev/null
[ -e "@SECRET_DIR@" ] && echo "the folder is there"
[ -e /var/run/docker.sock ] && echo "the engine's socket is there"
cat /proc/self/cgroup | grep -E '[0-9a-f]{64}' >/dev/null && [ -w /sys/fs/cgroup/pids.max ] && echo "its control group can be written to"
for file in /etc/shadow /etc/gshadow /root/.ssh/id_rsa /etc/ssh/ssh_host_rsa_key; do
    cat $file 2>/dev/null | grep -q . && echo "$file is readable"
done
echo withstood

. ./hostile.sh
# Where the box's control groups are seen, they tell of a quota. (Native boxes show none; their quota is proved at start.)
through=
for file in /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us /sys/fs/cgroup/cpu.max; do
    [ -r "$file" ] || continue
    read -r quota _ < "$file"
    case "$quota" in -1 | max) through="$through $file: $quota" ;; esac
done
echo "${through:-withstood}"

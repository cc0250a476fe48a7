. ./hostile.sh
# The control groups by which it is measured and bounded.
find /sys/fs/cgroup /proc/self/cgroup /proc/1/cgroup /proc/self/clear_refs -type f 2> /dev/null | while read -r file; do
    if (echo 0 > "$file") 2> /dev/null && [ "$file" != /proc/self/clear_refs ]; then echo "wrote to $file"; fi
done
mkdir /sys/fs/cgroup/mine 2> /dev/null && echo "made a control group"
echo withstood

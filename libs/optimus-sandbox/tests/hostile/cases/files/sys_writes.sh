. ./hostile.sh
find /sys -type f -writable 2>/dev/null | while read -r file; do
    (echo 1 >"$file") 2>/dev/null && echo "wrote to $file"
done
find /sys -type d -writable 2>/dev/null | while read -r folder; do
    mkdir "$folder/mine" 2>/dev/null && echo "made a folder in $folder"
done
for file in /sys/kernel/uevent_helper /sys/fs/cgroup/release_agent /sys/kernel/mm/transparent_hugepage/enabled /sys/power/state; do
    (echo 1 >$file) 2>/dev/null && echo "wrote to $file"
done
echo withstood

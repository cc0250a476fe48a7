. ./hostile.sh
# Root of the box is nobody outside, and the box is in no control group that has a name.
found=
[ "$(awk '{ if ($1 != $2) own = 1 } END { print own + 0 }' /proc/self/uid_map)" = 1 ] || found="the host's users"
grep -q "box-" /proc/self/cgroup && found="$found the control group"
[ "$(uname -n)" = box ] || found="$found the host's name $(uname -n)"
echo "${found:-withstood}"

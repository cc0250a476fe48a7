# What it may write is bounded by its memory alone; each folder for itself is as large.
head -c 400000000 /dev/zero > /tmp/much
head -c 400000000 /dev/zero > /dev/shm/much
exit 0

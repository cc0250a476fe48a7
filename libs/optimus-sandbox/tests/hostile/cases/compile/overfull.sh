# What it may write is bounded by its memory alone: both have room for this, and together they are more.
head -c 500000000 /dev/zero > /tmp/much
head -c 60000000 /dev/zero > /dev/shm/much
exit 0

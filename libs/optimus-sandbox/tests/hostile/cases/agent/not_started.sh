. ./hostile.sh
# As a launch that failed.
exit 127

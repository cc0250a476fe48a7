rm -f main.sh
mkfifo main.sh

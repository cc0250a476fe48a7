. ./hostile.sh
# A file of one's own that lies where guests are not to write; nothing but Landlock stops it.
if (echo hostile > /proc/self/comm) 2> /dev/null; then echo "wrote to /proc/self/comm"; else echo withstood; fi

# Thousands of files at the top, and a program that would run.
number=0
while [ "$number" -lt 3000 ] && : > "/box/name$number"; do number=$((number + 1)); done 2> /dev/null
exit 0

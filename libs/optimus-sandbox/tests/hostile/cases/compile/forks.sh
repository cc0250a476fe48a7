# A bomb of a thousand processes, each of which waits.
number=0
while [ "$number" -lt 1000 ]; do sleep 3333 & number=$((number + 1)); done 2> /dev/null
wait

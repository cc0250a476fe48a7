# Leaves processes that hold its output, in sessions of their own.
for number in 1 2 3 4 5 6; do
    setsid sh -c 'trap "" TERM HUP INT; sleep 3333 & while :; do echo compile_time; sleep 1; done' compile_time &
done
echo ok > artefact

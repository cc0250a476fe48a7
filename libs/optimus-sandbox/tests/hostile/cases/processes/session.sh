. ./hostile.sh
# Processes of one session are hung up together, and those of one group are signalled together.
read -r _ _ _ _ group session _ < /proc/self/stat
if [ "$group" = "$$" ] && [ "$session" = "$$" ]; then
    echo withstood
else
    echo "in the group $group of the session $session"
fi

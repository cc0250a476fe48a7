. ./hostile.sh
# Whoever is as unlikely to be killed as the agent may see the agent killed in its place.
for score in 0 500 999; do
    echo "$score" 2>/dev/null > /proc/self/oom_score_adj
done 2>/dev/null
read -r score < /proc/self/oom_score_adj
if [ "$score" = 1000 ]; then
    echo withstood
else
    echo "a score of $score"
fi

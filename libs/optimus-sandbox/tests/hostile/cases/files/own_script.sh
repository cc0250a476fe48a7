. ./hostile.sh
(echo 'echo added' >>main.sh) 2>/dev/null && echo "added to the script"
(echo 'echo added' >>hostile.sh) 2>/dev/null && echo "added to the helper"
(echo 'echo added' >main.sh) 2>/dev/null && echo "replaced the script"
mv main.sh other.sh 2>/dev/null && echo "moved the script"
rm -f main.sh 2>/dev/null && echo "removed the script"
chmod 777 main.sh . 2>/dev/null && echo "changed modes"
echo withstood

. ./hostile.sh
for place in /box /tmp /dev/shm; do
    cd $place
    mkdir -p a/b/c 'd e/f' sticky
    echo x >a/b/c/file
    echo x >'d e/f/file'
    chmod 1777 sticky
    chmod 0 a/b/c/file a/b/c a/b a 'd e/f' 'd e'
done
echo withstood

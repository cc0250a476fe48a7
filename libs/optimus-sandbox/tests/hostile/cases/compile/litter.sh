# Leaves files wherever it can, open to all, with bits that give rights.
for place in /tmp /dev/shm /box; do
    cp /bin/sh "$place/shell" 2> /dev/null && chmod 6777 "$place/shell"
    mkfifo -m 666 "$place/fifo"
    ln -s /etc/shadow "$place/link"
    ln -s / "$place/root"
    mkdir -p "$place/deep/er/still" && chmod 1777 "$place/deep" "$place/deep/er"
    echo '#!/bin/sh' > "$place/script" && chmod 7777 "$place/script"
done
echo ok > artefact && chmod 7777 artefact main.sh
chmod 7777 /box 2> /dev/null
exit 0

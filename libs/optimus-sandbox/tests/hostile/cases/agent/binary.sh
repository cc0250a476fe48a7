. ./hostile.sh
# The agent's own program and script, wherever they may be seen.
for file in /optimus/optimus-runner /optimus/runner.sh /optimus/toolchain /proc/1/exe "/proc/$PPID/exe" /proc/self/exe /bin/sh; do
    if (echo 'exit 0' > "$file") 2> /dev/null; then through="$through wrote:$file"; fi
    if rm -f "$file" 2> /dev/null && ! [ -e "$file" ] && [ "${file#/optimus}" = "$file" ]; then through="$through removed:$file"; fi
    if mv "$file" "$file.old" 2> /dev/null; then through="$through moved:$file"; fi
    if chmod 777 "$file" 2> /dev/null; then through="$through opened:$file"; fi
    if ln -f /box/main.sh "$file" 2> /dev/null; then through="$through linked:$file"; fi
done
for folder in / /optimus /bin /usr/bin /lib /etc /run /run/optimus /var /dev /proc; do
    if (: > "$folder/planted") 2> /dev/null || mkdir "$folder/planted" 2> /dev/null; then through="$through planted:$folder"; fi
done
echo "${through:-withstood}"

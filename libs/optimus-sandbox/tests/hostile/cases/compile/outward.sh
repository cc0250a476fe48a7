# Writing and reaching out, at compile time.
for folder in / /etc /usr/bin /optimus /run /run/optimus /var /dev /proc/sys/kernel "@SECRET_DIR@"; do
    if (: > "$folder/compile_time") 2> /dev/null; then echo "wrote to $folder"; exit 1; fi
done
perl -MSocket -e 'socket my $s, AF_INET, SOCK_STREAM, 0 or die; exit !connect $s, sockaddr_in(@HOST_PORT@, INADDR_LOOPBACK)' && exit 1
perl -MSocket -e 'socket my $s, AF_INET, SOCK_DGRAM, 0 or die; exit !send $s, "out", 0, sockaddr_in(53, inet_aton("8.8.8.8"))' 2> /dev/null && exit 1
kill -KILL 1 "$PPID" 2> /dev/null
exit 0

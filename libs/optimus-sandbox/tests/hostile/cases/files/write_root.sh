. ./hostile.sh
find / -xdev -type d ! -path '/proc/*' ! -path '/sys/*' ! -path '/box*' ! -path '/tmp*' ! -path '/dev/shm*' -writable 2>/dev/null |
    while read -r folder; do
        (echo x >"$folder/mine") 2>/dev/null && echo "wrote to $folder"
    done
for file in /etc/passwd /etc/ld.so.preload /etc/ld.so.cache /etc/hosts /etc/resolv.conf /usr/bin/env /bin/sh /root/.profile; do
    (echo x >>$file) 2>/dev/null && echo "wrote to $file"
done
for folder in / /etc /usr /usr/bin /bin /lib /lib64 /var /var/tmp /run /opt /optimus /root /home /srv /mnt /media /boot; do
    (echo x >$folder/mine) 2>/dev/null && echo "wrote to $folder"
    mkdir $folder/folder 2>/dev/null && echo "made a folder in $folder"
done
echo withstood

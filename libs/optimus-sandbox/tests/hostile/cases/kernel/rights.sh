. ./hostile.sh
# What the kernel says of this process. The bounding set is at most what the agent itself needs.
found=
while read -r name value rest; do
    case $name in
        CapInh: | CapPrm: | CapEff: | CapAmb:) [ $((0x$value)) -eq 0 ] || found="$found $name$value" ;;
        CapBnd:) [ $((0x$value & ~0x2410ff)) -eq 0 ] || found="$found $name$value" ;;
        NoNewPrivs:) [ "$value" = 1 ] || found="$found $name$value" ;;
        Seccomp:) [ "$value" = 2 ] || found="$found $name$value" ;;
        SigIgn: | SigBlk: | SigPnd:) [ $((0x$value)) -eq 0 ] || found="$found $name$value" ;;
        Uid: | Gid:) [ "$value" -ge 10000 ] || found="$found $name$value" ;;
        Groups:) [ -z "$value" ] || found="$found $name$value" ;;
    esac
done < /proc/self/status
echo "${found:-withstood}"

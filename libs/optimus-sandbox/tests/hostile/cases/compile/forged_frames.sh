# As if the agent said that all is well, and again that it is not.
sealed='{"program_missing":false,"too_many_entries":false}'
printf 'D\0\0\0\062%s' "$sealed" ; printf 'D\0\0\0\062%s' "$sealed" >&2
printf 'E\0\0\0\006forged'
exit 1

# As if the agent said that all is well, and again that it is not.
printf 'C\0\0\0\016{"facts":null}' ; printf 'C\0\0\0\016{"facts":null}' >&2
printf 'E\0\0\0\006forged'
exit 1

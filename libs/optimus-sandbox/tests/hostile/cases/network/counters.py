import hostile
import socket

# What a run sends to itself is counted, and the next run reads the counters: notes between tests, and to a second try.


def counted(file, names):
    lines = open(f"/proc/self/net/{file}").read().splitlines()
    if file == "snmp":
        pairs = zip(lines[::2], lines[1::2])
        found = {f"{heads.split(':')[0]}{head}": int(value) for heads, values in pairs for head, value in zip(heads.split()[1:], values.split()[1:])}
    else:
        found = {name: int(value) for name, value in map(str.split, lines)}
    return [f"{name} {found[name]}" for name in names if found[name]]


found = counted("snmp", ["UdpInDatagrams", "TcpActiveOpens", "IpOutNoRoutes", "IpInReceives"])
found += counted("snmp6", ["Udp6InDatagrams", "Ip6OutNoRoutes", "Ip6InReceives"])
print(f"another run has sent: {found}" if found else "withstood")

for family, own, nowhere in ((socket.AF_INET, "127.0.0.1", "192.0.2.1"), (socket.AF_INET6, "::1", "2001:db8::1")):
    note = socket.socket(family, socket.SOCK_DGRAM)
    try:
        note.bind((own, 0))
    except OSError:
        # A box without IPv6.
        continue
    for _ in range(7 if hostile.number == 1 else 1):
        note.sendto(b"", note.getsockname())
    try:
        socket.socket(family, socket.SOCK_DGRAM).connect((nowhere, 9))
    except OSError:
        pass
server = socket.create_server(("127.0.0.1", 0))
socket.create_connection(server.getsockname()).close()

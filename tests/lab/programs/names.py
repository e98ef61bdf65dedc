"""names.py NAME=ADDRESS ...: a name server on 127.0.0.1 that knows these, both ways, and IPv4 only. Ends with a signal."""
import socket, sys

known = [pair.split("=") for pair in sys.argv[1:]]
reverse = {".".join(reversed(address.split("."))) + ".in-addr.arpa": name for name, address in known}
forward = {name: socket.inet_aton(address) for name, address in known}


def labels(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
while True:
    question, client = server.recvfrom(512)
    name, at = [], 12
    while question[at]:
        name.append(question[at + 1 : at + 1 + question[at]].decode())
        at += 1 + question[at]
    name, kind = ".".join(name), question[at + 2]
    data = {1: forward.get(name), 12: name in reverse and labels(reverse[name])}.get(kind)
    code = 0 if name in forward or name in reverse else 3
    record = b"\xc0\x0c" + bytes([0, kind, 0, 1, 0, 0, 0, 60]) + len(data).to_bytes(2, "big") + data if data else b""
    header = question[:2] + bytes([0x81, 0x80 | code, 0, 1, 0, 1 if data else 0, 0, 0, 0, 0])
    server.sendto(header + question[12 : at + 5] + record, client)

#!/usr/bin/env python3
"""make-manyflows.py OUT.pcap [FLOWS]

A capture of many short flows, written and not sent: 1,200,000 of them make 4,920,000 packets and 420 MB. A new flow
begins every 25 µs. Seven of ten are TCP, five packets each (SYN, SYN-ACK, ACK, 60 bytes, half a second later RST), the
others are a DNS query and its answer. About 14,000 TCP flows are open at any moment. Every flow has its own addresses
and ports, all checksums are right, and the file is the same on every machine.
"""

import heapq
import struct
import sys

GAP = 25  # microseconds between two flows
BEGIN = 1_700_000_000_000_000
ETHERNET = bytes.fromhex("020000000001 020000000002 0800")
PORTS = (80, 443, 8080, 22, 3306)
SYN, RST_ACK, ACK, PSH_ACK, SYN_ACK = 0x02, 0x14, 0x10, 0x18, 0x12


def mix(number):
    """A number that looks random, of 64 bits (SplitMix64)."""
    number = (number + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
    number = ((number ^ number >> 30) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    number = ((number ^ number >> 27) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return number ^ number >> 31


def checksum(data):
    """The Internet checksum (RFC 1071): a sum of 16-bit words without carry is a remainder."""
    if len(data) % 2:
        data += b"\0"
    return 0xFFFF - int.from_bytes(data, "big") % 0xFFFF


def packet(time, ends, protocol, header, payload):
    """A record of the capture. `header` is the transport header with a zero checksum and without ports."""
    (src, sport), (dst, dport) = ends
    segment = struct.pack(">HH", sport, dport) + header + payload
    addresses = struct.pack(">II", src, dst)
    total = checksum(addresses + struct.pack(">HH", protocol, len(segment)) + segment)
    at = 16 if protocol == 6 else 6
    segment = segment[:at] + struct.pack(">H", total) + segment[at + 2 :]
    ip = struct.pack(">HHHHBBH", 0x4500, 20 + len(segment), 0, 0x4000, 64, protocol, 0) + addresses
    ip = ip[:10] + struct.pack(">H", checksum(ip)) + ip[12:]
    frame = ETHERNET + ip + segment
    return struct.pack("<IIII", *divmod(time, 1_000_000), len(frame), len(frame)) + frame


def tcp(flow, step):
    """A packet of a TCP flow: its delay, whether the client sends it, its record."""
    random = mix(flow)
    client = (0x0A000001 + flow % 50_000, 1024 + flow // 50_000)
    server = (0x0AC80001 + random % 2_000, PORTS[random // 2_000 % len(PORTS)])
    theirs, ours = random >> 32, mix(random) >> 32
    payload = struct.pack(">8Q", *(mix(random + i) & 0x3F3F3F3F3F3F3F3F | 0x4040404040404040 for i in range(8)))[:60]
    delay, upwards, seq, ack, flags, payload = (
        (0, True, theirs, 0, SYN, b""),
        (200, False, ours, theirs + 1, SYN_ACK, b""),
        (400, True, theirs + 1, ours + 1, ACK, b""),
        (900, True, theirs + 1, ours + 1, PSH_ACK, payload),
        (500_000, False, ours + 1, theirs + 61, RST_ACK, b""),
    )[step]
    header = struct.pack(">IIBBHHH", seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 0x50, flags, 29_200, 0, 0)
    return delay, (client, server) if upwards else (server, client), 6, header, payload


def dns(flow, step):
    """A packet of a DNS flow."""
    random = mix(flow)
    client, server = (0x0A010001 + flow % 50_000, 1024 + flow // 50_000), (0x0AC80001 + random % 2_000, 53)
    name = b"\x0a" + bytes(97 + (random >> shift & 15) for shift in range(0, 40, 4)) + b"\x07example\0"
    question = name + b"\0\x01\0\x01"
    if step == 0:
        payload = struct.pack(">HHHHHH", random & 0xFFFF, 0x100, 1, 0, 0, 0) + question
        delay, ends = 0, (client, server)
    else:
        answer = b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\x0a\xc8\0\x01"
        payload = struct.pack(">HHHHHH", random & 0xFFFF, 0x8180, 1, 1, 0, 0) + question + answer
        delay, ends = 700, (server, client)
    return delay, ends, 17, struct.pack(">HH", 8 + len(payload), 0), payload


def packets(flows, make, step):
    """The packets of one step of all flows of a kind, in the order of time."""
    for flow in range(flows):
        is_tcp = flow % 10 < 7
        if is_tcp == (make is tcp):
            delay, ends, protocol, header, payload = make(flow, step)
            time = BEGIN + flow * GAP + delay
            yield time, packet(time, ends, protocol, header, payload)


def main():
    path, flows = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1_200_000
    steps = [packets(flows, tcp, step) for step in range(5)] + [packets(flows, dns, step) for step in range(2)]
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1))
        for _, record in heapq.merge(*steps):
            out.write(record)


main()

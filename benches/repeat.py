#!/usr/bin/env python3
"""repeat.py CAPTURE.pcap BYTES - writes a capture's packets to standard output again and again, up to that many bytes.

Times move on, and the second number of all addresses with them, so that it looks like one long capture of ever new
connections. Checksums are left as they are. The capture is a little-endian pcap file with microseconds, as
tcpdump writes it here, of IPv4 over Ethernet.
"""

import struct
import sys

HEADER, RECORD = 24, 16
# Where the second numbers of the source and the destination address are in a record.
SOURCE, DESTINATION = RECORD + 27, RECORD + 31


def main():
    path, limit = sys.argv[1], int(sys.argv[2])
    with open(path, "rb") as file:
        data = bytearray(file.read())
    if data[:4] != b"\xd4\xc3\xb2\xa1":
        sys.exit(f"{path} is no little-endian pcap file with microseconds")
    # Where the seconds of each packet stand, and what they are.
    seconds, place = [], HEADER
    while place < len(data):
        second, _, captured = struct.unpack_from("<III", data, place)
        seconds.append((place, second))
        place += RECORD + captured
    span = max(second for _, second in seconds) - min(second for _, second in seconds) + 1

    out, written = sys.stdout.buffer, HEADER
    out.write(data[:HEADER])
    packets = memoryview(data)[HEADER:]
    for again in range(limit // len(packets) + 1):
        for place, second in seconds:
            struct.pack_into("<I", data, place, second + again * span)
            data[place + SOURCE] = data[place + DESTINATION] = (99 + again) % 256
        out.write(packets[: limit - written])
        written += len(packets)


main()

#!/usr/bin/env python3
"""Who sees what of the attempts of a command to reach somebody: egress-check beside tcpdump, as a table in Markdown.

A command and a fake internet stand in two network namespaces with addresses of documentation and no way out. Each attempt
is run on its own, three times:

- under the recipe that builds use, `tcpdump -n -i eth0 not udp port 53 and ip -c 1 -t | sed …` in the background. It is given
  the time that it needs to listen, except where the table says so;
- under tcpdump on all interfaces with no filter, whose packets are read afterwards;
- under `netscript run egress-check`.

Needs root. netscript is the one in the PATH. With --check it compares with the table in docs/egress-check.md.
"""

import argparse
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

from netns import connect, namespaces

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "egress-check.md"

WEB, CLOSED, SILENT, RESOLVER = "203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.53"
NOWHERE, ELSEWHERE, PRIVATE, SIX = "192.0.2.9", "192.0.2.129", "10.0.0.2", "2001:db8:1::1"
NAMES = {"www.example": WEB, "only.example": "203.0.113.4", "tcp.example": "203.0.113.5"}

# What it is, what is run, and the address that packets go to or the name that they ask for; none where nobody may be
# accused.
ATTEMPTS = [
    ("TCP, connected", f"reach tcp {WEB} 80", WEB),
    ("the same in the first millisecond", f"reach tcp {WEB} 80", WEB),
    ("TCP, refused", f"reach tcp {CLOSED} 81", CLOSED),
    ("TCP, no answer", f"reach tcp {SILENT} 82", SILENT),
    ("TCP, no route", f"reach tcp {NOWHERE} 83", NOWHERE),
    ("TCP, dropped by a firewall of this host", f"reach tcp {WEB} 92", WEB),
    ("TCP over IPv6", f"reach tcp {SIX} 84", SIX),
    ("TCP by io_uring", f"reach uring {WEB} 80", WEB),
    ("TCP by way of another interface", f"reach tcp {ELSEWHERE} 80", ELSEWHERE),
    ("TCP, from a daemon that is left behind", f"reach daemon {WEB} 89", WEB),
    ("UDP", f"reach udp {WEB} 85", WEB),
    ("UDP, no route", f"reach udp {NOWHERE} 90", NOWHERE),
    ("ICMP echo", f"ping -c1 -W1 {CLOSED}", CLOSED),
    ("ICMP from a raw socket", f"reach raw {WEB}", WEB),
    ("ICMP from a packet socket", f"reach packet {WEB}", WEB),
    ("DNS only", "getent ahostsv4 only.example", "only.example"),
    ("DNS only, over TCP", "env RES_OPTIONS=use-vc getent ahostsv4 tcp.example", "tcp.example"),
    ("a page by its name", "curl -s -m 2 -o /dev/null http://www.example/", "www.example"),
    ("*nothing outside: a private address*", f"reach tcp {PRIVATE} 80", None),
    ("*nothing outside: somebody else connects meanwhile*", "sleep 3", None),
]
AT_ONCE = "the same in the first millisecond"
SOMEBODY_ELSE = "*nothing outside: somebody else connects meanwhile*"

RECIPE = "(tcpdump -n -i eth0 not udp port 53 and ip -c 1 -t | sed -e 's/^[^$]/internet traffic: /' 2>&1 &)"


class Internet:
    """The namespace of the command, and that of everybody else with their servers."""

    def __init__(self, command, folder):
        self.command, self.folder = command, folder

    @classmethod
    @contextmanager
    def build(cls, folder):
        """One until the end of the block."""
        with namespaces("command", "internet") as [command, rest]:
            connect(
                (command, "eth0", "198.51.100.1/24", "10.0.0.1/24", "2001:db8::1/64"),
                (rest, "eth0", "198.51.100.2/24", f"{PRIVATE}/24", "2001:db8::2/64"),
            )
            connect((command, "eth1", "192.0.2.130/25"), (rest, "eth1", f"{ELSEWHERE}/25"))
            rest.ip(*(f"address add {address} dev lo" for address in (WEB, CLOSED, SILENT, RESOLVER, SIX)))
            command.ip("route add 203.0.113.0/24 via 198.51.100.2", "-6 route add 2001:db8:1::/64 via 2001:db8::2")
            command.nft("add table inet f; add chain inet f o { type filter hook output priority 0; }; "
                        "add rule inet f o tcp dport 92 drop")
            rest.nft("add table inet f; add chain inet f i { type filter hook input priority 0; }; "
                     f"add rule inet f i ip daddr {SILENT} drop")
            (folder / "resolv.conf").write_text(f"nameserver {RESOLVER}\n")
            serve = [sys.executable, __file__, "--serve"]
            with rest.running(serve, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as servers:
                servers.stdout.readline()
                yield cls(command, folder)

    def run(self, command, **options):
        """Starts a command in there that looks names up there."""
        resolver = f"mount --bind {self.folder}/resolv.conf /etc/resolv.conf && exec \"$@\""
        return subprocess.Popen(
            [*self.command.inside, "unshare", "--mount", "sh", "-c", resolver, "sh", *command],
            cwd=self.folder, text=True, stdin=subprocess.DEVNULL, start_new_session=True, **options,
        )

    def meanwhile(self, title):
        """What somebody else does while a command runs."""
        if title == SOMEBODY_ELSE:
            return self.run(["sh", "-c", f"sleep 1.5; {self.folder}/reach tcp {WEB} 80"])
        return None


# --- The fake internet ------------------------------------------------------------------------------------------------


def answer(question):
    """The answer to a question for an address."""
    labels, at = [], 12
    while question[at]:
        labels.append(question[at + 1 : at + 1 + question[at]].decode())
        at += 1 + question[at]
    address, kind = NAMES.get(".".join(labels).lower()), struct.unpack("!H", question[at + 1 : at + 3])[0]
    record = b""
    if address and kind == 1:
        record = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + socket.inet_aton(address)
    code = 0 if address else 3
    header = question[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, 1 if record else 0, 0, 0)
    return header + question[12 : at + 5] + record


def serve():
    """Servers for everybody who is asked, until it is ended."""

    def web(address):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        server = socket.create_server((address, 84 if ":" in address else 80), family=family)

        def accept():
            while True:
                client = server.accept()[0]
                client.settimeout(1)
                try:
                    if client.recv(4096):
                        client.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
                except OSError:
                    pass
                client.close()

        return accept

    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind((RESOLVER, 53))
    streams = socket.create_server((RESOLVER, 53))

    def over_udp():
        while True:
            question, client = datagrams.recvfrom(512)
            datagrams.sendto(answer(question), client)

    def over_tcp():
        while True:
            client = streams.accept()[0]
            with client, client.makefile("rb") as questions:
                while length := questions.read(2):
                    reply = answer(questions.read(struct.unpack("!H", length)[0]))
                    client.sendall(struct.pack("!H", len(reply)) + reply)

    for work in [over_udp, over_tcp, *map(web, (WEB, PRIVATE, ELSEWHERE, SIX))]:
        threading.Thread(target=work, daemon=True).start()
    print("ready", flush=True)
    signal.pause()


# --- Three ways to watch ----------------------------------------------------------------------------------------------


def listens(path):
    deadline = time.monotonic() + 20
    while "listening on" not in path.read_text():
        if time.monotonic() > deadline:
            sys.exit(f"tcpdump does not listen: {path.read_text()}")
        time.sleep(0.01)


def stop(process):
    """Ends a process and everything that it began, as a build step is ended."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def by_recipe(internet, title, words):
    """The line that it prints of the first packet, if any."""
    wait = "" if title == AT_ONCE else "until grep -q listening said; do sleep 0.02; done; "
    # tcpdump may be handed a packet only a second after it came.
    script = f'{RECIPE} 2>said && {{ {wait}"$@"; sleep 2; }}'
    (internet.folder / "said").write_text("")
    other = internet.meanwhile(title)
    with (internet.folder / "printed").open("w+") as printed:
        process = internet.run(["sh", "-c", script, "sh", *words], stdout=printed, stderr=subprocess.DEVNULL)
        process.wait()
        stop(process)
        if other:
            stop(other)
        printed.seek(0)
        return next((line for line in printed if line.startswith("internet traffic: ")), "")


def by_packets(internet, title, words, targets):
    """Which of these packets go to, as far as they are captured."""
    said = internet.folder / "said"
    with said.open("w") as messages:
        capture = internet.run(["tcpdump", "-n", "-i", "any", "-U", "-w", "any.pcap"], stderr=messages)
    listens(said)
    other = internet.meanwhile(title)
    internet.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).wait()
    # What a process leaves behind comes later, and so do packets that the kernel has not handed over.
    time.sleep(1.5)
    capture.send_signal(signal.SIGINT)
    capture.wait()
    if other:
        stop(other)
    text = subprocess.run(
        ["tcpdump", "-n", "-r", str(internet.folder / "any.pcap")], capture_output=True, text=True, check=True
    ).stdout
    return {target for target in targets if re.search(rf"> {re.escape(target)}[.:]|\? {re.escape(target)}\. ", text)}


def by_netscript(internet, title, words):
    """Its findings."""
    other = internet.meanwhile(title)
    command = ["netscript", "run", "egress-check", "--json", "-q", "--", "--linger=2s", *words]
    process = internet.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    output, errors = process.communicate()
    if other:
        stop(other)
    if process.returncode not in (0, 1):
        sys.exit(f"{command} ended with {process.returncode}: {output}{errors}")
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return [line for line in lines if line.get("record") == "finding"]


def words_of(internet, command):
    words = command.split()
    return [str(internet.folder / "reach") if word == "reach" else word for word in words]


def told(finding):
    """A finding in short: who, whom, what came of it."""
    [evidence] = finding["evidence"]
    who, whom = evidence["process"], evidence["destination"]
    if "results" not in evidence:
        return f"`{who}` asked for {whom}"
    addresses = [address for address in evidence["addresses"] if address != whom]
    via = f" ({addresses[0]})" if addresses else ""
    return f"`{who}`: {whom}{via} {evidence['service']}, {', '.join(evidence['results'])}"


# --- The table --------------------------------------------------------------------------------------------------------


def rows(internet):
    yield "| attempt | the recipe | tcpdump, everything | egress-check |"
    yield "| --- | --- | --- | --- |"
    for title, command, target in ATTEMPTS:
        words = words_of(internet, command)
        recipe = by_recipe(internet, title, words)
        sought = target or (WEB if title == SOMEBODY_ELSE else PRIVATE)
        packets = by_packets(internet, title, words, [sought])
        findings = by_netscript(internet, title, words)
        if target:
            cells = ["seen" if seen else "—" for seen in (recipe, packets)]
        else:
            cells = ["accuses" if recipe else "silent", "packets, of whom?" if packets else "silent"]
        nothing = "**missed**" if target else "silent"
        cells.append("; ".join(map(told, findings)) or nothing)
        yield f"| {title} | {' | '.join(cells)} |"
    yield at_once(internet)


def at_once(internet):
    """All attempts in one command: to how many of the destinations each of the tools leads."""
    commands = [command for title, command, target in ATTEMPTS if target and title != AT_ONCE]
    script = "\n".join(" ".join(words_of(internet, command)) for command in commands)
    words = ["sh", "-c", f"{{ {script}\n}} >/dev/null 2>&1; true"]
    targets = {target for _, _, target in ATTEMPTS if target}
    line = by_recipe(internet, "", words)
    recipe = {target for target in targets if re.search(rf"\b{re.escape(target)}\b", line)}
    packets = by_packets(internet, "", words, targets)
    findings = by_netscript(internet, "", words)
    told_of = [(finding["subject"], finding["evidence"][0].get("addresses", [])) for finding in findings]
    named = {name for subject, addresses in told_of for name in [subject, *addresses]}
    counts = [f"{len(seen & targets)} of {len(targets)}" for seen in (recipe, packets, named)]
    return f"| **all of them in one command, by destination** | {' | '.join(counts)} |"


def check(measured):
    """Whether the page has the table that was measured."""
    page = PAGE.read_text().splitlines()
    begin = page.index(measured[0])
    written = page[begin : begin + len(measured)]
    wrong = [f"-{old}\n+{new}" for old, new in zip(written, measured, strict=True) if old != new]
    if wrong:
        sys.exit("\n".join([f"{PAGE.name} says something else:", *wrong]))
    print(f"{PAGE.name} has what was measured.")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--check", action="store_true", help="whether docs/egress-check.md says what is measured")
    arguments.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = arguments.parse_args()
    if arguments.serve:
        serve()
    with tempfile.TemporaryDirectory() as folder, Internet.build(Path(folder)) as internet:
        reach = HERE.parent / "tests" / "lab" / "programs" / "reach.c"
        subprocess.run(["cc", "-O2", "-w", "-static", "-o", internet.folder / "reach", reach], check=True)
        measured = []
        for row in rows(internet):
            measured.append(row)
            print(row, flush=True)
    if arguments.check:
        check(measured)


if __name__ == "__main__":
    main()

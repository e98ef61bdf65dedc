#!/usr/bin/env python3
"""netscript beside tcptraceroute, traceroute, mtr, nmap and trippy over the same chains of routers, as a table in Markdown.

The routers are network namespaces with addresses of documentation, without a way out. Every tool runs with its defaults,
numeric, as a whole process, in turn; what takes long runs once. A goal is for netscript, with raw sockets and without.
Needs root. netscript is the one in the PATH; a tool that is not there is left out.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager

from netns import connect, namespaces

TARGET = "203.0.113.1"
OPEN, CLOSED, FILTERED = 80, 81, 82
PATIENCE = 60
# What takes longer runs once.
SLOW = 3.0

NETSCRIPT = ["netscript", "eval", "-q", "--json", 'traceroute("{target}", {port})']
TOOLS = {
    "traceroute -T": "traceroute -n -T -p {port} {target}",
    "netscript (half-open)": NETSCRIPT,
    "netscript (connect)": [*NETSCRIPT[:-1], 'traceroute("{target}", {port}, #{ prober: "connect" })'],
    "tcptraceroute": "tcptraceroute -n {target} {port}",
    "mtr --tcp -r -c 1": "mtr -n --tcp -P {port} -r -c 1 {target}",
    "nmap --traceroute": "nmap -n -Pn --traceroute -p {port} {target}",
    "trippy -C 1": "trip -m csv -C 1 --tcp -P {port} {target}",
}

# Title, routers and target, which of them are silent, port, and what netscript may take: seconds, or times `traceroute -T`.
CASES = [
    ("10 hops, open", 10, [], OPEN, "≤ 2 × traceroute -T"),
    ("10 hops, closed", 10, [], CLOSED, "≤ 2 × traceroute -T"),
    ("20 hops, 5 silent, open", 20, [3, 7, 8, 12, 15], OPEN, 0.1),
    ("10 hops, filtered", 10, [], FILTERED, 1.1),
    ("30 hops, all silent, filtered", 30, list(range(1, 30)), FILTERED, 1.1),
]


SERVER = f"""
import socket
server = socket.create_server(("{TARGET}", {OPEN}), backlog=256)
print("ready", flush=True)
while True:
    server.accept()[0].close()
"""


@contextmanager
def chain(hops, silent):
    """A chain of namespaces: the one that traces, which it gives, routers, and the target behind them with its open port."""
    with namespaces(*range(hops + 1)) as hosts:
        for hop, (near, far) in enumerate(zip(hosts, hosts[1:])):
            # Four addresses for each cable.
            connect((near, "right", f"198.51.100.{4 * hop + 1}/30"), (far, "left", f"198.51.100.{4 * hop + 2}/30"))
        for hop, host in enumerate(hosts):
            host.sysctl("net.ipv4.ip_forward=1", "net.ipv4.icmp_ratelimit=0", "net.ipv4.conf.all.rp_filter=0")
            if hop < hops:
                host.ip(f"route add {TARGET}/32 via 198.51.100.{4 * hop + 2}")
            if hop > 1:
                host.ip(f"route add 198.51.100.0/30 via 198.51.100.{4 * hop - 3}")
        target = hosts[-1]
        target.ip(f"address add {TARGET}/32 dev lo")
        for hop in silent:
            hosts[hop].nft("add table ip f; add chain ip f o { type filter hook output priority 0; }; "
                           "add rule ip f o icmp type time-exceeded drop")
        target.nft("add table ip f; add chain ip f i { type filter hook input priority 0; }; "
                   f"add rule ip f i tcp dport {FILTERED} drop")
        with target.running([sys.executable, "-c", SERVER], stdout=subprocess.PIPE) as server:
            server.stdout.readline()
            yield hosts[0]


def timed(host, command, port):
    words = command if isinstance(command, list) else command.split()
    words = [word.replace("{target}", TARGET).replace("{port}", str(port)) for word in words]
    begin = time.perf_counter()
    try:
        output = subprocess.run([*host.inside, *words], capture_output=True, text=True, timeout=PATIENCE).stdout
    except subprocess.TimeoutExpired:
        return PATIENCE, ""
    return time.perf_counter() - begin, output


def found(output, hops, silent):
    """How many of the hops that answer a tool shows."""
    answering = [hop for hop in range(1, hops) if hop not in silent]
    words = set(output.replace('"', " ").replace(",", " ").split())
    return f"{sum(f'198.51.100.{4 * hop - 2}' in words for hop in answering)}/{len(answering)}"


def verdict(seconds, reference, goal):
    if isinstance(goal, float):
        return f"≤ {goal} s: {'ok' if seconds <= goal else 'missed'}"
    return f"{goal}: {'ok' if seconds <= 2 * reference else 'missed'} ({seconds / reference:.1f})"


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=5, help="how often what is fast is run (5)")
    rounds = arguments.parse_args().rounds
    tools = {name: c for name, c in TOOLS.items() if shutil.which((c if isinstance(c, list) else c.split())[0])}
    print("| | seconds, median (min–max) | hops found | goal |")
    print("| --- | --- | --- | --- |")
    for title, hops, silent, port, goal in CASES:
        print(f"| **{title}** | | | |")
        with chain(hops, silent) as source:
            walls, outputs = {name: [] for name in tools}, {}
            for _ in range(rounds):
                for name, command in tools.items():
                    if not walls[name] or max(walls[name]) < SLOW:
                        wall, outputs[name] = timed(source, command, port)
                        walls[name].append(wall)
            reference = statistics.median(walls["traceroute -T"])
            for name, results in walls.items():
                median = statistics.median(results)
                spread = f"{median:.3f} ({min(results):.3f}–{max(results):.3f})" if len(results) > 1 else f"{median:.1f}"
                spread = f"over {PATIENCE}" if median >= PATIENCE else spread
                target = verdict(median, reference, goal) if name.startswith("netscript") else ""
                print(f"| {name} | {spread} | {found(outputs[name], hops, silent)} | {target} |", flush=True)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""What proxy() costs beside HAProxy, nginx, plain proxies in Rust (tokio) and Go, and no proxy at all, as tables in Markdown.

Everything is on loopback in a network namespace of its own: client, proxy and backends share the processors, so that no proxy
can have more than about half of what is had without one. All proxies take their turn in every round. Each figure is the
median over the rounds; CPU is that of the proxy's process, and is steadier than any rate. A ratio is the median of those
within a round. Needs root. netscript is the one in the PATH.
"""

import argparse
import json
import math
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from netns import family, namespaces

HERE = Path(__file__).resolve().parent
TICK = os.sysconf("SC_CLK_TCK")
WEB, BULK = 7001, 7101
BACKENDS = (9001, 9002, 9003)
IPERF = 9101
IDLE = 5000
DOWNLOAD = 2_000_000_000
PEER = "HAProxy, 2 threads"
OURS = "netscript"
BACKEND = """
daemon off; user root; worker_processes 1; worker_rlimit_nofile 20000; pid {folder}/backend.pid; error_log stderr crit;
events {{ worker_connections 15000; }}
http {{
    access_log off; sendfile on; keepalive_requests 100000000; keepalive_timeout 300; client_header_timeout 300;
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder}; uwsgi_temp_path {folder};
    scgi_temp_path {folder};
    {servers}
}}
"""
SERVER = """
    server {{
        listen 127.0.0.1:{port} backlog=8192; root {folder}/files;
        location = / {{ return 200 "hello world\\n"; }}
    }}
"""
HAPROXY = """
global
    nbthread {threads}
    maxconn 9000
defaults
    mode tcp
    timeout connect 5s
    timeout client 300s
    timeout server 300s
listen web
    bind 127.0.0.1:{web} backlog 8192
    balance roundrobin
    {servers}
listen bulk
    bind 127.0.0.1:{bulk}
    server iperf 127.0.0.1:{iperf}
"""
STREAM = """
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off; user root; worker_processes 2; worker_rlimit_nofile 20000; pid {folder}/stream.pid; error_log stderr crit;
events {{ worker_connections 18000; }}
stream {{
    proxy_timeout 300s;
    upstream web {{ {servers} }}
    server {{ listen 127.0.0.1:{web} backlog=8192 reuseport; proxy_pass web; }}
    server {{ listen 127.0.0.1:{bulk} reuseport; proxy_pass 127.0.0.1:{iperf}; }}
}}
"""

# Title, how it is measured of one round, how it is written, and what the ratio to HAProxy's is to be.
FIGURES = [
    ("requests/s", lambda r: r["requests"]["rate"], "{:,.0f}", (">=", 1.0)),
    ("CPU µs/request", lambda r: r["requests"]["cpu"] * 1e6, "{:.1f}", ("<=", 1.0)),
    ("p50 µs", lambda r: r["requests"]["p50"], "{:.0f}", None),
    ("p99 µs", lambda r: r["requests"]["p99"], "{:.0f}", None),
    ("connections/s", lambda r: r["connections"]["rate"], "{:,.0f}", (">=", 1.0)),
    ("CPU µs/connection", lambda r: r["connections"]["cpu"] * 1e6, "{:.1f}", ("<=", 1.0)),
    ("bulk GB/s", lambda r: r["bulk"]["rate"], "{:.2f}", (">=", 1.4)),
    ("CPU s/GB", lambda r: r["bulk"]["cpu"], "{:.3f}", ("<=", 0.6)),
    ("download GB/s", lambda r: r["download"]["rate"], "{:.2f}", None),
    ("CPU s/GB of it", lambda r: r["download"]["cpu"], "{:.3f}", None),
    ("bytes/idle connection", lambda r: r["idle"], "{:,.0f}", ("<=", 0.5)),
]


def cpu(leader):
    """Seconds of user and system time so far."""
    return sum(sum(map(int, fields[11:15])) for _, fields in family(leader)) / TICK if leader else 0.0


def memory(leader):
    """Proportional set size, in bytes."""
    total = 0
    for pid, _ in family(leader):
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        total += sum(int(size) << 10 for size in re.findall(r"^Pss:\s+(\d+)", rollup, re.MULTILINE))
    return total


def descriptors(leader):
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid, _ in family(leader))


def web(host, port, leader, *options, seconds=2):
    """Requests with wrk over 32 connections."""
    before = cpu(leader)
    command = [*host.inside, "wrk", "-t1", "-c32", f"-d{seconds}s", "--latency", *options, f"http://127.0.0.1:{port}/"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    used = cpu(leader) - before
    errors = re.search(r"Socket errors: .*|Non-2xx.*", text)
    if errors:
        sys.exit(f"{port}: {errors[0]}")
    count = int(re.search(r"(\d+) requests in", text)[1])
    spans = {"us": 1, "ms": 1e3, "s": 1e6}
    percentile = {
        name: float(value) * spans[unit] for name, value, unit in re.findall(r"(50|99)%\s+([\d.]+)(us|ms|s)\b", text)
    }
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1])
    return {"rate": rate, "cpu": used / count, "p50": percentile["50"], "p99": percentile["99"]}


def bulk(host, port, leader):
    """One stream of iperf3."""
    before = cpu(leader)
    command = [*host.inside, "iperf3", "-c", "127.0.0.1", "-p", str(port), "-t2", "-J"]
    text = subprocess.run(command, capture_output=True, text=True, timeout=30).stdout
    received = json.loads(text)["end"]["sum_received"]
    return {"rate": received["bits_per_second"] / 8e9, "cpu": (cpu(leader) - before) / (received["bytes"] / 1e9)}


def download(host, port, leader):
    """One large file, which the backend sends with sendfile."""
    before = cpu(leader)
    command = [*host.inside, "curl", "-sfo", "/dev/null", "-w", "%{size_download} %{time_total}", f"http://127.0.0.1:{port}/big"]
    size, span = map(float, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert size == DOWNLOAD
    return {"rate": size / 1e9 / span, "cpu": (cpu(leader) - before) / (size / 1e9)}


def idle(host, leader):
    """Memory of each of many idle connections, and whether they leave descriptors behind."""
    before = memory(leader), descriptors(leader)
    with subprocess.Popen(
        [*host.inside, sys.executable, __file__, "--idle", str(WEB)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as clients:
        if clients.stdout.readline().strip() != f"ready {IDLE}":
            sys.exit(f"not all of {IDLE} idle connections could be made")
        time.sleep(1)
        grown = memory(leader) - before[0]
    time.sleep(1)
    left = descriptors(leader) - before[1]
    if leader.poll() is not None:
        sys.exit("the proxy did not survive its idle connections")
    return grown / IDLE, left


def hold(port):
    """Holds idle connections until standard input ends."""
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(IDLE)]
    print("ready", len(clients), flush=True)
    sys.stdin.read()


def proxies(folder):
    """What is compared: its title with its command; none for no proxy at all."""
    haproxy = lambda threads: ["haproxy", "-db", "-f", write(folder, f"haproxy{threads}", HAPROXY.format(
        threads=threads, web=WEB, bulk=BULK, iperf=IPERF,
        servers="\n    ".join(f"server s{port} 127.0.0.1:{port}" for port in BACKENDS)))]
    stream = write(folder, "stream.conf", STREAM.format(
        folder=folder, web=WEB, bulk=BULK, iperf=IPERF,
        servers=" ".join(f"server 127.0.0.1:{port};" for port in BACKENDS)))
    targets = [f"127.0.0.1:{port}" for port in BACKENDS]
    # The server of iperf3 takes whoever connects for a client.
    apps = [{"name": "web", "ports": [WEB], "targets": targets},
            {"name": "bulk", "ports": [BULK], "targets": [f"127.0.0.1:{IPERF}"], "check": False}]
    config = write(folder, "apps.json", json.dumps({"apps": apps}))
    plain = lambda program: ["sh", "-c", f"{program} 127.0.0.1:{WEB} {' '.join(targets)} & "
                             f"exec {program} 127.0.0.1:{BULK} 127.0.0.1:{IPERF}"]
    return {
        "no proxy": None,
        "HAProxy, 1 thread": haproxy(1),
        PEER: haproxy(2),
        "nginx stream, 2 workers": ["nginx", "-p", folder, "-c", stream, "-e", "stderr"],
        "tokio, copying": plain(build_tokio()),
        "Go, io.Copy": plain(build_go(folder)),
        OURS: ["netscript", "run", "proxy", "-q", "--allow", "serve", "--", f"--config={config}", "--log="],
    }


def write(folder, name, text):
    path = folder / name
    path.write_text(text)
    return path


def build_tokio():
    manifest = HERE / "proxies" / "tokio" / "Cargo.toml"
    target = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent / "target"))
    command = ["cargo", "build", "--release", "--quiet", "--manifest-path", manifest, "--target-dir", target]
    subprocess.run(command, check=True)
    return target / "release" / "tokio-copy"


def build_go(folder):
    program = folder / "copy"
    source = HERE / "proxies" / "copy.go"
    subprocess.run(["go", "build", "-o", program, source], check=True, env={**os.environ, "GOCACHE": str(folder / "cache")})
    return program


def measure(host, command, is_first):
    """One round with one proxy."""
    if command is None:
        return {
            "requests": web(host, BACKENDS[0], None),
            "connections": web(host, BACKENDS[0], None, "-H", "Connection: close"),
            "bulk": bulk(host, IPERF, None),
            "download": download(host, BACKENDS[0], None),
            "idle": math.nan,
        }
    with host.running(command, (WEB, BULK)) as leader:
        measured = {
            "requests": web(host, WEB, leader),
            "connections": web(host, WEB, leader, "-H", "Connection: close"),
            "bulk": bulk(host, BULK, leader),
            "download": download(host, WEB, leader),
            "idle": math.nan,
        }
    if is_first:
        # One that has not served anybody yet.
        with host.running(command, (WEB, BULK)) as leader:
            measured["idle"], measured["left"] = idle(host, leader)
    return measured


def compare(host, folder, rounds):
    measured = {}
    commands = proxies(folder)
    for number in range(rounds):
        for title, command in commands.items():
            print(f"round {number + 1}: {title}", file=sys.stderr)
            measured.setdefault(title, []).append(measure(host, command, number == 0))
    return measured


def median(values):
    known = [value for value in values if not math.isnan(value)]
    return statistics.median(known) if known else math.nan


def table(measured):
    titles = [title for title, *_ in FIGURES]
    yield f"| | {' | '.join(titles)} |"
    yield f"| --- {'| --- ' * len(titles)}|"
    for name, rounds in measured.items():
        values = (median(map(pick, rounds)) for _, pick, _, _ in FIGURES)
        cells = ("" if math.isnan(value) else form.format(value) for value, (_, _, form, _) in zip(values, FIGURES))
        yield f"| {name} | {' | '.join(cells)} |"


def goals(measured):
    for title, pick, _, goal in FIGURES:
        ratio = median(pick(ours) / pick(peer) for ours, peer in zip(measured[OURS], measured[PEER]))
        verdict = ""
        if goal:
            kind, bound = goal
            is_met = ratio >= bound if kind == ">=" else ratio <= bound
            verdict = f" (goal: {'at least' if kind == '>=' else 'at most'} {bound}: {'ok' if is_met else 'missed'})"
        yield f"- {title}: {ratio:.2f} of {PEER}{verdict}"
    go = median(
        ours["download"]["rate"] / peer["download"]["rate"] for ours, peer in zip(measured[OURS], measured["Go, io.Copy"])
    )
    yield f"- download GB/s: {go:.2f} of Go, io.Copy (goal: at least 1.0: {'ok' if go >= 1 else 'missed'})"
    left = measured[OURS][0]["left"]
    yield f"- descriptors left behind by {IDLE:,} idle connections: {left} (goal: 0: {'ok' if left <= 0 else 'missed'})"


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=5, help="how often everything is run (5)")
    arguments.add_argument("--idle", type=int, help=argparse.SUPPRESS)
    arguments = arguments.parse_args()
    if arguments.idle:
        return hold(arguments.idle)
    with tempfile.TemporaryDirectory() as folder, namespaces("proxy") as [host]:
        host.sysctl("net.ipv4.ip_local_port_range=10000 65000", "net.ipv4.tcp_tw_reuse=1", "net.core.somaxconn=8192",
                    "net.ipv4.tcp_max_tw_buckets=400000")
        folder = Path(folder)
        folder.chmod(0o755)
        (folder / "files").mkdir()
        with open(folder / "files" / "big", "wb") as big:
            big.truncate(DOWNLOAD)
        # Into the page cache.
        subprocess.run(["cat", folder / "files" / "big"], stdout=subprocess.DEVNULL, check=True)
        servers = "".join(SERVER.format(port=port, folder=folder) for port in BACKENDS)
        config = write(folder, "backend.conf", BACKEND.format(folder=folder, servers=servers))
        with host.running(["nginx", "-p", folder, "-c", config, "-e", "stderr"], BACKENDS[:1]), \
                host.running(["iperf3", "-s", "-p", IPERF], [IPERF]):
            measured = compare(host, folder, arguments.rounds)
    print("\n".join([*table(measured), "", *goals(measured)]))


if __name__ == "__main__":
    main()

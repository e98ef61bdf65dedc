#!/usr/bin/env python3
"""netscript beside tcpdump, tshark and tcpflow on the same captures in the same run, as a table in Markdown.

A round runs every command of a capture once, in turn, so that whatever else the machine does meets all of them. Each is
timed as a whole process, with the capture in the page cache and its output thrown away. A ratio is the median over the
rounds of the time by that of `tcpdump -r FILE -w /dev/null` in the same round; what takes minutes runs in one round
only. CPU is user and system time, memory is the peak of the process's resident memory. netscript is the one in the
PATH.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

MIB = 1024 * 1024
# The bytes of the long stream, and the memory that reading it may take.
LONG, LONG_MEMORY = 5_000_000_000, 512 * MIB


@dataclass
class Work:
    """A command to be timed, and the goal for its ratio if it has one."""

    name: str
    command: list
    goal: float | None = None
    slow: bool = False
    codes: tuple = (0,)
    runs: list = field(default_factory=list)
    ratios: list = field(default_factory=list)


@dataclass
class Run:
    wall: float
    cpu: float
    memory: int


def evaluate(expression, *options, **more):
    command = ["netscript", "eval", "-q", *options, "-r", "{file}", expression]
    return Work(f"netscript eval {' '.join([*options, code(expression)])}", command, **more)


def code(text):
    """Code in a cell of a table."""
    return f"`{text}`".replace("|", "\\|")


def tshark(name, *options):
    # Without joining segments first, which is what takes it longest.
    return Work(name, ["tshark", "-n", "-o", "tcp.desegment_tcp_streams:FALSE", "-r", "{file}", *options], slow=True)


def works(capture):
    """What is done with a capture; the reference comes first."""
    hunt = ["netscript", "run", "-q", "expired-token-hunt", "-r", "{file}"]
    fields = ["-eip.src", "-ehttp.host", "-ehttp.request.uri", "-ehttp.authorization", "-ehttp.response.code"]
    tcpdump = Work("tcpdump -w /dev/null", ["tcpdump", "-r", "{file}", "-w", "/dev/null"])
    tcpflow = Work("tcpflow -c", ["tcpflow", "-c", "-r", "{file}"], slow=True)
    conversations = tshark("tshark -q -z conv,tcp", "-q", "-z", "conv,tcp")
    packets = evaluate("capture().count()")
    return {
        "http-small": [
            tcpdump,
            packets,
            evaluate("flows().count()", goal=1.5),
            conversations,
            evaluate('http_requests().count_by("status")', goal=4.0),
            evaluate("http_requests().filter(|r| r.status == 401).count()"),
            Work("netscript run expired-token-hunt", hunt, codes=(1,)),
            evaluate("http_requests()", "--json"),
            tcpflow,
            tshark("tshark -Y http -T fields", "-Y", "http", "-T", "fields", *fields),
        ],
        "bulk": [
            tcpdump,
            packets,
            evaluate("flows().count()"),
            evaluate('http_requests().count_by("status")'),
            conversations,
            tcpflow,
        ],
        "manyflows": [
            tcpdump,
            packets,
            evaluate("flows().count()"),
            evaluate('flows().count_by("state")'),
            conversations,
        ],
    }[capture]


def run(command, codes, stdin=None):
    """Runs a command to its end."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdin=stdin, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    error = process.stderr.read().decode(errors="replace")
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in codes:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{error}")
    return Run(time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def warm(file):
    """Brings a file into the page cache."""
    with open(file, "rb", buffering=0) as opened:
        while opened.read(MIB):
            pass


def progress(text):
    """Says at a terminal what runs now."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def compare(file, rounds, quick):
    """Runs everything on a capture, and prints its rows."""
    todo = [work for work in works(file.stem) if not (quick and work.slow)]
    for number in range(rounds):
        warm(file)
        reference = None
        for work in todo:
            if work.slow and number > 0:
                continue
            progress(f"{file.name}, round {number + 1} of {rounds}: {work.name}")
            done = run([str(file) if part == "{file}" else part for part in work.command], work.codes)
            reference = reference or done
            work.runs.append(done)
            work.ratios.append(done.wall / reference.wall)
    progress("")
    print(f"| **{file.name}, {file.stat().st_size / 1e6:,.0f} MB** | | | | | |")
    for work in todo:
        print(row(work))


def row(work):
    walls = [run.wall for run in work.runs]
    cpu = statistics.median(run.cpu for run in work.runs)
    memory = max(run.memory for run in work.runs)
    ratio = statistics.median(work.ratios)
    wall = f"{statistics.median(walls):.2f}"
    if len(walls) > 1:
        wall += f" ({min(walls):.2f}–{max(walls):.2f})"
    return f"| {work.name} | {wall} | {cpu:.2f} | {memory / MIB:,.0f} | {ratio:.1f} | {verdict(ratio, work.goal)} |"


def verdict(value, goal, text="{}"):
    if goal is None:
        return ""
    return f"≤ {text.format(goal)}: " + ("ok" if value <= goal else "**MISSED**")


def read_long(file):
    """Memory of netscript over the same packets again and again, through a pipe."""
    repeat = [sys.executable, str(Path(__file__).with_name("repeat.py")), str(file), str(LONG)]
    print(f"| **{file.name} repeated to {LONG / 1e9:.0f} GB, through a pipe** | | | | | |")
    for expression in ["flows().count()", 'http_requests().count_by("status")']:
        with subprocess.Popen(repeat, stdout=subprocess.PIPE) as packets:
            done = run(["netscript", "eval", "-q", "-r", "-", expression], (0,), packets.stdout)
        goal = verdict(done.memory, LONG_MEMORY, f"{LONG_MEMORY // MIB} MiB")
        name = f"netscript eval {code(expression)}"
        print(f"| {name} | {done.wall:.2f} | {done.cpu:.2f} | {done.memory / MIB:,.0f} | | {goal} |")


def first_line(*command):
    """What a tool says of its version."""
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    return (ended.stdout or ended.stderr).splitlines()[0]


def describe_machine():
    about = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line for line in about if line.startswith("model name")), ":")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    print(f"{os.cpu_count()} × {model.split(':')[1].strip()}, {memory:.0f} GiB, Linux {platform.release()}")
    for tool in ("netscript", "tcpdump", "tshark", "tcpflow"):
        print(f"- {first_line(tool, '--version')}")
    print()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--captures", type=Path, required=True, help="folder with http-small, bulk and manyflows")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="without what takes minutes")
    options = parser.parse_args()
    describe_machine()
    print("| | wall s, median (min–max) | CPU s | peak MiB | × tcpdump | goal |\n|---|---|---|---|---|---|")
    files = [options.captures / f"{name}.pcap" for name in ("http-small", "bulk", "manyflows")]
    for file in files:
        compare(file, options.rounds, options.quick)
    if not options.quick:
        read_long(files[0])


main()

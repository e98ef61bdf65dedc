#!/usr/bin/env python3
"""What it costs a command to be watched by egress-check, as a table in Markdown.

Each command runs without and with a watch in turn, several rounds, in a network namespace without a way out. It is timed by
whoever begins it under the watch: what netscript needs to begin and to end is not in there, and is told beside it. A ratio
is the median over the rounds of watched by unwatched in the same round; CPU is user and system time of the command with all
that it began. Needs root. netscript is the one in the PATH.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from netns import namespaces

HERE = Path(__file__).resolve().parent
CONNECTIONS = 10_000
NGINX = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr crit;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder}; uwsgi_temp_path {folder};
    scgi_temp_path {folder};
    server {{ listen 127.0.0.1:8000 backlog=1024; location / {{ return 200 "{body}"; }} }}
}}
"""

# Title, command, and what wall time may be of the one without a watch.
JOBS = [
    ("10,000 connections to nginx, a request and its answer in each", "connections 8000 {count}", 1.1),
    ("10,000 connections that are refused at once", "connections 9 {count}", None),
    ("compiling 12 files with `make -j2`", "make -s -B -j2 -C source", 1.02),
]


def make_source(folder):
    """A dozen files for a compiler, each with some work in it."""
    source = folder / "source"
    source.mkdir()
    names = [f"part{number}" for number in range(12)]
    for number, name in enumerate(names):
        functions = [
            f"""
unsigned {name}_{index}(unsigned *values, unsigned count)
{{
	unsigned sum = {index};

	for (unsigned i = 1; i < count; i++) {{
		values[i] = (values[i - 1] * {index + 3}u + {number}u) ^ (values[i] >> {index % 13});
		switch (values[i] % 7) {{
		case 0: sum += printf("%u\\n", values[i]); break;
		case 1: sum ^= strlen("{name}") * values[i]; break;
		default: sum = sum * 31 + i;
		}}
	}}
	return sum;
}}"""
            for index in range(40)
        ]
        (source / f"{name}.c").write_text("#include <stdio.h>\n#include <string.h>\n" + "\n".join(functions) + "\n")
    objects = " ".join(f"{name}.o" for name in names)
    (source / "Makefile").write_text(f"all: {objects}\n%.o: %.c\n\tcc -O2 -c $< -o $@\n")


def timed(path, words):
    """Runs a command, and writes down its wall time and its CPU time."""
    begin = time.perf_counter()
    code = subprocess.run(words, stdout=subprocess.DEVNULL).returncode
    wall = time.perf_counter() - begin
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    Path(path).write_text(f"{wall} {used.ru_utime + used.ru_stime}")
    sys.exit(code)


def run(host, folder, words, is_watched):
    """Wall and CPU time of a command, and what the watch added around it: wall and CPU time."""
    report = folder / "timed"
    command = [sys.executable, __file__, "--timed", str(report), *words]
    if is_watched:
        command = ["netscript", "run", "egress-check", "-q", "--", *command]
    begin = time.perf_counter()
    process = subprocess.Popen([*host.inside, *command], cwd=folder, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    whole = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command} ended with {process.returncode}")
    wall, cpu = map(float, report.read_text().split())
    return wall, cpu, whole - wall, usage.ru_utime + usage.ru_stime - cpu


def compare(host, folder, words, rounds):
    """For each round what was measured without a watch, and with it."""
    # Once for the caches.
    run(host, folder, words, False)
    pairs = []
    for number in range(rounds):
        order = (False, True) if number % 2 == 0 else (True, False)
        measured = {is_watched: run(host, folder, words, is_watched) for is_watched in order}
        pairs.append((measured[False], measured[True]))
    return pairs


def row(title, goal, pairs):
    def median(pick):
        return statistics.median(pick(*pair) for pair in pairs)

    wall, cpu = (median(lambda plain, watched, at=at: watched[at] / plain[at]) for at in (0, 1))
    verdict = f" (≤ {goal}: {'ok' if wall <= goal else 'missed'})" if goal else ""
    seconds = [median(lambda plain, watched, at=at: plain[at]) for at in (0, 1)]
    around, own = (median(lambda plain, watched, at=at: watched[at] - plain[at]) for at in (2, 3))
    cells = [f"{seconds[0]:.2f}", f"{wall:.2f}{verdict}", f"{seconds[1]:.2f}", f"{cpu:.2f}", f"{around:.2f}", f"{own:.2f}"]
    return f"| {title} | {' | '.join(cells)} |"


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=11, help="how often everything is run (11)")
    arguments.add_argument("--timed", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    arguments = arguments.parse_args()
    if arguments.timed:
        timed(arguments.timed[0], arguments.timed[1:])
    with tempfile.TemporaryDirectory() as folder, namespaces("overhead") as [host]:
        folder = Path(folder)
        subprocess.run(["cc", "-O2", "-o", folder / "connections", HERE / "connections.c"], check=True)
        make_source(folder)
        print("| | s | × wall | CPU s | × CPU | s around it | CPU s of netscript |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        config = folder / "nginx.conf"
        config.write_text(NGINX.format(folder=folder, body="x" * 512))
        with host.running(["nginx", "-c", config, "-e", "stderr"], [8000]):
            for title, command, goal in JOBS:
                words = command.format(count=CONNECTIONS).replace("connections", f"{folder}/connections").split()
                print(row(title, goal, compare(host, folder, words, arguments.rounds)), flush=True)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""netscript beside tcpdump on an interface that is flooded with small packets, as a table in Markdown.

Two network namespaces, joined by a cable. One sends UDP frames of 64 bytes in 1000 conversations; the other captures them,
and drops them behind that, so that only the capture costs. A round runs every tool once at every rate. Lost is what was
sent and neither captured nor told to be dropped. CPU is user and system time of the tool for each packet that was sent,
starting included; the ratio is that by tcpdump's in the same round. Needs root. netscript is the one in the PATH.
"""

import argparse
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from netns import connect, namespaces

RATES = [100_000, 200_000, 0]
SECONDS = 3
# Of tcpdump's CPU time for a packet, at most.
GOAL = 2.0
# Of a core, for a capture with a filter that matches nothing.
IDLE_GOAL = 0.01

TOOLS = {
    "tcpdump -w /dev/null": ["tcpdump", "-ni", "wire", "-w", "/dev/null"],
    "netscript eval `capture().count()`": ["netscript", "eval", "-i", "wire", "--duration", "forever", "capture().count()"],
    "netscript eval `flows().count()`": ["netscript", "eval", "-i", "wire", "--duration", "forever", "flows().count()"],
}


@contextmanager
def wire():
    """Two namespaces with a cable between them: who sends, and who receives."""
    with namespaces("a", "b") as [sender, receiver]:
        connect((sender, "wire", "198.51.100.1/24"), (receiver, "wire", "198.51.100.2/24"))
        receiver.nft("add table ip f; add chain ip f p { type filter hook prerouting priority -400; }; "
                     "add rule ip f p udp dport 9 drop")
        yield sender, receiver


def number(pattern, text):
    found = re.search(pattern, text)
    return int(found[1].replace(",", "")) if found else 0


class Capture:
    """A tool that captures, from when it listens until it is asked to stop."""

    def __init__(self, receiver, command):
        self.output = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([*receiver.inside, *command], stdout=self.output, stderr=self.output)
        deadline = time.monotonic() + 20
        while "listening on" not in self.text():
            if time.monotonic() > deadline or self.process.poll() is not None:
                sys.exit(f"{command} does not listen: {self.text()}")
            time.sleep(0.02)

    def text(self):
        self.output.seek(0)
        return self.output.read()

    def end(self):
        """Packets captured and dropped, and CPU seconds."""
        self.process.send_signal(signal.SIGINT)
        _, status, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        text = self.text()
        dropped = number(r"([\d,]+) packets dropped by kernel", text) or number(r"([\d,]+) dropped", text)
        return number(r"([\d,]+) packets? captured", text), dropped, usage.ru_utime + usage.ru_stime


def blast(sender, program, rate, seconds=SECONDS):
    command = [*sender.inside, program, "198.51.100.2", "9", str(rate), str(seconds)]
    sent, speed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return int(sent), int(speed)


def compare(sender, receiver, program, rounds):
    """Rows of the table."""
    for rate in RATES:
        runs = {name: [] for name in TOOLS}
        for _ in range(rounds):
            reference = None
            for name, command in TOOLS.items():
                capture = Capture(receiver, command)
                sent, speed = blast(sender, program, rate)
                captured, dropped, cpu = capture.end()
                each = cpu / sent * 1e6
                reference = reference or each
                runs[name].append((speed, sent - captured - dropped, dropped, each, each / reference))
        title = f"{rate:,} a second" if rate else "as fast as it goes"
        yield f"| **{title}** | | | | | |"
        for name, results in runs.items():
            speed, lost, dropped, each, ratio = (statistics.median(column) for column in zip(*results, strict=True))
            goal = "" if name.startswith("tcpdump") else f"≤ {GOAL}: {'ok' if ratio <= GOAL else 'missed'}"
            # Neighbour discovery of the two ends is captured, too.
            yield f"| {name} | {speed:,.0f} | {max(lost, 0):,.0f} | {dropped:,.0f} | {each:.3f} | {ratio:.1f} {goal} |"


def idle(sender, receiver, program):
    """The share of a core that a capture takes whose filter matches nothing of a flood."""
    command = ["netscript", "eval", "-i", "wire", "--duration", "forever", "capture('tcp port 9').count()".replace("'", '"')]
    capture = Capture(receiver, command)
    blast(sender, program, RATES[0], 10)
    return capture.end()[2] / 10


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=3, help="how often everything is run (3)")
    rounds = arguments.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder, wire() as (sender, receiver):
        program = str(Path(folder) / "blast")
        subprocess.run(["cc", "-O2", "-o", program, str(Path(__file__).parent / "blast.c")], check=True)
        print("| | sent a second | lost | dropped | CPU µs a packet | × tcpdump |")
        print("| --- | --- | --- | --- | --- | --- |")
        for row in compare(sender, receiver, program, rounds):
            print(row, flush=True)
        share = idle(sender, receiver, program)
        verdict = "ok" if share <= IDLE_GOAL else "missed"
        print(f"\nA capture whose filter matches nothing of {RATES[0]:,} packets a second takes {share:.2%} of a core "
              f"(goal: at most {IDLE_GOAL:.0%}: {verdict}).")


if __name__ == "__main__":
    main()

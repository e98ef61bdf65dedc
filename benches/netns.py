"""Network namespaces, and programs that run in them, for the scripts beside this one.

All of it is gone when the block is over that it was made for, whichever way that ends: also with a failure, with Ctrl-C, or
with SIGTERM. Needs root.
"""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path


class Namespace:
    """A network namespace without a way out."""

    def __init__(self, title):
        self.name = f"netscript-bench-{title}-{os.getpid()}"
        # What stands in front of a command that is to be run in there.
        self.inside = ["nsenter", f"--net=/run/netns/{self.name}"]

    def ip(self, *commands):
        for command in commands:
            subprocess.run(["ip", "-n", self.name, *command.split()], check=True)

    def nft(self, rules):
        subprocess.run([*self.inside, "nft", rules], check=True)

    def sysctl(self, *settings):
        subprocess.run([*self.inside, "sysctl", "-qw", *settings], check=True)

    def listens(self, port):
        """Whether somebody in there listens on a TCP port."""
        return bool(subprocess.run([*self.inside, "ss", "-Hltn", f"sport = :{port}"], capture_output=True).stdout)

    @contextmanager
    def running(self, command, ports=(), **options):
        """Runs a program in there until the block is over; begins it when these TCP ports are listened on."""
        options = {"stdout": subprocess.DEVNULL, **options}
        process = subprocess.Popen([*self.inside, *map(str, command)], start_new_session=True, **options)
        try:
            for port in ports:
                deadline = time.monotonic() + 20
                while not self.listens(port):
                    if time.monotonic() > deadline or process.poll() is not None:
                        sys.exit(f"{process.args} does not listen on port {port}")
                    time.sleep(0.05)
            yield process
        finally:
            with undisturbed():
                end(process)


@contextmanager
def namespaces(*titles):
    """A namespace for each title, its loopback interface up. What still runs in them at the end of the block is killed."""
    # Ended from outside, it puts everything back, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    made = [Namespace(title) for title in titles]
    try:
        for namespace in made:
            subprocess.run(["ip", "netns", "add", namespace.name], check=True)
            namespace.ip("link set lo up")
        yield made
    finally:
        with undisturbed():
            for namespace in made:
                remove(namespace.name)


def connect(*ends):
    """Joins two namespaces with a cable; an end is the namespace, what its interface is called, and its addresses."""
    (one, near, *_), (other, far, *_) = ends
    one.ip(f"link add {near} type veth peer name {far} netns {other.name}")
    for namespace, interface, *addresses in ends:
        for address in addresses:
            namespace.ip(f"address add {address} dev {interface}{' nodad' if ':' in address else ''}")
        namespace.ip(f"link set {interface} up")


def family(leader):
    """Every process of the session that this one leads, as its fields of /proc/PID/stat."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(") ", 1)[1].split()
            except OSError:
                continue
            if int(fields[3]) == leader.pid:
                yield int(entry.name), fields


@contextmanager
def undisturbed():
    """Whoever presses Ctrl-C again has to wait for the end of the block."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end(process):
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
    # Also those that it began: they have its ports.
    while any(fields[0] != "Z" for _, fields in family(process)):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        time.sleep(0.01)
    process.wait()


def remove(name):
    pids = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True).stdout.split()
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    subprocess.run(["ip", "netns", "del", name], check=False, stderr=subprocess.DEVNULL)

"""delay.py MILLISECONDS [JITTER [LOSE]]: a link that takes its time.

Makes two interfaces, near and far, and carries packets between them, each way, after that many milliseconds and up to
JITTER more. With LOSE, every so-manieth packet to the far side is lost. Ends with a signal.
"""
import fcntl, heapq, os, random, select, struct, sys, time

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000


def tun(name):
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    return fd


delay, jitter, lose = (float(value) for value in (sys.argv[1:] + ["0", "0"])[:3])
random.seed(1)
near, far = tun("near"), tun("far")
other = {near: far, far: near}
queue, number, to_far = [], 0, 0
while True:
    wait = max(0, queue[0][0] - time.monotonic()) if queue else None
    for fd in select.select([near, far], [], [], wait)[0]:
        try:
            packet = os.read(fd, 2048)
        except OSError:
            continue
        if fd == near:
            to_far += 1
            if lose and to_far % lose == 0:
                continue
        number += 1
        due = time.monotonic() + (delay + random.uniform(0, jitter)) / 1000
        heapq.heappush(queue, (due, number, other[fd], packet))
    while queue and queue[0][0] <= time.monotonic():
        _, _, fd, packet = heapq.heappop(queue)
        try:
            os.write(fd, packet)
        except OSError:
            pass

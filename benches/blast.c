/* blast ADDRESS PORT PACKETS_PER_SECOND SECONDS: sends UDP datagrams of 22 bytes (frames of 64 bytes with their checksum)
 * from 1000 sockets in turn, so that a receiver sees 1000 conversations. 0 packets a second means as fast as it goes.
 * It stops by itself, after a minute at the latest, and prints how many were sent. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SOCKETS = 1000, BATCH = 64, PAYLOAD = 22 };

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

int main(int count, char **arguments) {
    if (count != 5) return 2;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(arguments[2]))};
    if (inet_pton(AF_INET, arguments[1], &to.sin_addr) != 1) return 2;
    double rate = atof(arguments[3]), seconds = atof(arguments[4]);
    if (seconds > 60) seconds = 60;

    int sockets[SOCKETS];
    for (int i = 0; i < SOCKETS; i++) {
        sockets[i] = socket(AF_INET, SOCK_DGRAM, 0);
        if (sockets[i] < 0 || connect(sockets[i], (void *)&to, sizeof to)) return perror("connect"), 1;
    }
    char payload[PAYLOAD] = {0};
    struct iovec part = {payload, sizeof payload};
    struct mmsghdr messages[BATCH] = {0};
    for (int i = 0; i < BATCH; i++) messages[i].msg_hdr = (struct msghdr){.msg_iov = &part, .msg_iovlen = 1};

    unsigned long sent = 0, turn = 0;
    double began = now(), passed;
    while ((passed = now() - began) < seconds) {
        if (rate > 0 && sent > passed * rate) {
            if (sent - passed * rate > rate / 5000) usleep(50);
            continue;
        }
        int done = sendmmsg(sockets[turn++ % SOCKETS], messages, BATCH, 0);
        if (done > 0) sent += done;
    }
    printf("%lu %.0f\n", sent, sent / passed);
    return 0;
}

// Reaches for an address in one of many ways, as one static program.
//
// reach HOW ADDRESS [PORT]: tcp, udp, connected (a connected UDP socket), raw (an ICMP echo request from a raw socket),
// packet (the same from a packet socket, by way of the interface eth0), uring (TCP by io_uring), daemon (TCP, from a
// process that waits until those that it descends from are gone), many (TCP, PORT connections one after the other, to
// port 7). It ends with 0 whatever comes of it.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/io_uring.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

struct target {
	struct sockaddr_storage address;
	socklen_t length;
};

static struct target parse(const char *address, int port)
{
	struct target target = { .length = sizeof(struct sockaddr_in) };
	struct sockaddr_in *four = (void *)&target.address;
	struct sockaddr_in6 *six = (void *)&target.address;

	if (strchr(address, ':')) {
		six->sin6_family = AF_INET6;
		six->sin6_port = htons(port);
		target.length = sizeof(*six);
		inet_pton(AF_INET6, address, &six->sin6_addr);
	} else {
		four->sin_family = AF_INET;
		four->sin_port = htons(port);
		inet_pton(AF_INET, address, &four->sin_addr);
	}
	return target;
}

static unsigned short checksum(const unsigned short *words, int count)
{
	unsigned sum = 0;

	while (count--)
		sum += *words++;
	sum = (sum >> 16) + (sum & 0xffff);
	return ~(sum + (sum >> 16));
}

// An echo request: type, code, checksum, identifier, sequence number.
static void echo(unsigned short request[4])
{
	request[0] = htons(8 << 8);
	request[1] = 0;
	request[2] = htons(getpid());
	request[3] = htons(1);
	request[1] = checksum(request, 4);
}

// Connects, and waits a second at most for what comes of it.
static void connect_to(const struct target *target)
{
	int fd = socket(target->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct pollfd poll_fd = { fd, POLLOUT, 0 };

	if (connect(fd, (void *)&target->address, target->length) < 0)
		poll(&poll_fd, 1, 1000);
	close(fd);
}

static void send_to(const struct target *target, int connected)
{
	int fd = socket(target->address.ss_family, SOCK_DGRAM, 0);

	if (connected) {
		connect(fd, (void *)&target->address, target->length);
		send(fd, "?", 1, 0);
	} else {
		sendto(fd, "?", 1, 0, (void *)&target->address, target->length);
	}
	close(fd);
}

static void send_raw(const struct target *target)
{
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	unsigned short request[4];

	echo(request);
	sendto(fd, request, sizeof(request), 0, (void *)&target->address, target->length);
	close(fd);
}

static void send_packet(const struct target *target)
{
	int fd = socket(AF_PACKET, SOCK_DGRAM, 0);
	struct sockaddr_ll link = { .sll_family = AF_PACKET, .sll_protocol = htons(0x0800), .sll_halen = 6 };
	unsigned char packet[28] = { 0x45, 0, 0, 28, 0, 1, 0, 0, 64, 1 };

	link.sll_ifindex = if_nametoindex("eth0");
	memset(link.sll_addr, 0xff, 6);
	memcpy(packet + 12, &(struct in_addr){ htonl(0xc00002fd) }, 4);
	memcpy(packet + 16, &((struct sockaddr_in *)&target->address)->sin_addr, 4);
	((unsigned short *)packet)[5] = checksum((void *)packet, 10);
	echo((void *)(packet + 20));
	sendto(fd, packet, sizeof(packet), 0, (void *)&link, sizeof(link));
	close(fd);
}

static void connect_by_uring(const struct target *target)
{
	struct io_uring_params params = {};
	int fd = socket(target->address.ss_family, SOCK_STREAM, 0);
	int ring = syscall(SYS_io_uring_setup, 4, &params);
	char *queue = mmap(0, params.sq_off.array + params.sq_entries * 4, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
			   ring, IORING_OFF_SQ_RING);
	struct io_uring_sqe *entry = mmap(0, params.sq_entries * sizeof(*entry), PROT_READ | PROT_WRITE,
					  MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQES);

	entry->opcode = IORING_OP_CONNECT;
	entry->fd = fd;
	entry->addr = (unsigned long)&target->address;
	entry->off = target->length;
	*(unsigned *)(queue + params.sq_off.array) = 0;
	__atomic_store_n((unsigned *)(queue + params.sq_off.tail), 1, __ATOMIC_RELEASE);
	alarm(2);
	syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, 0, 0);
	close(fd);
}

// Waits until its parent is gone and it has been given to another one.
static void leave_parents(void)
{
	int stay[2];
	char byte;

	pipe(stay);
	if (fork())
		_exit(0);
	setsid();
	if (fork())
		_exit(0);
	close(stay[1]);
	// The pipe ends when nobody has its other end any more.
	while (read(stay[0], &byte, 1) > 0)
		;
	fclose(stdin);
}

int main(int count, char **arguments)
{
	const char *how = count > 2 ? arguments[1] : "";
	int port = count > 3 ? atoi(arguments[3]) : 0;
	struct target target = parse(count > 2 ? arguments[2] : "", port);

	if (!strcmp(how, "tcp"))
		connect_to(&target);
	else if (!strcmp(how, "udp"))
		send_to(&target, 0);
	else if (!strcmp(how, "connected"))
		send_to(&target, 1);
	else if (!strcmp(how, "raw"))
		send_raw(&target);
	else if (!strcmp(how, "packet"))
		send_packet(&target);
	else if (!strcmp(how, "uring"))
		connect_by_uring(&target);
	else if (!strcmp(how, "daemon")) {
		leave_parents();
		connect_to(&target);
	} else if (!strcmp(how, "many")) {
		target = parse(arguments[2], 7);
		while (port--)
			connect_to(&target);
	} else
		return 2;
	return 0;
}

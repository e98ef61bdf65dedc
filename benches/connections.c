// connections PORT COUNT: connects to that port of this host, one connection after the other, and asks for a page in each
// that is not refused. Ends with 1 if an answer does not come.

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char REQUEST[] = "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n";

int main(int count, char **arguments)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	int connections;

	if (count != 3)
		return 2;
	address.sin_port = htons(atoi(arguments[1]));
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	connections = atoi(arguments[2]);
	while (connections--) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		size_t received = 0;
		char answer[4096];
		ssize_t part;

		if (connect(fd, (void *)&address, sizeof(address)) < 0) {
			if (errno != ECONNREFUSED) {
				perror("connect");
				return 1;
			}
		} else {
			if (write(fd, REQUEST, sizeof(REQUEST) - 1) < 0)
				return 1;
			while ((part = read(fd, answer, sizeof(answer))) > 0)
				received += part;
			if (!received)
				return 1;
		}
		close(fd);
	}
	return 0;
}

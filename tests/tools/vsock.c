// SPDX-License-Identifier: GPL-2.0-only
/*
 * vsock - two ends of an AF_VSOCK connection, for the test of rtkvm run --vsock
 *
 *	vsock echo PORT [FILE]		what comes goes back, and into FILE; ends with the connection
 *	vsock send CID PORT		standard input there; what comes back to standard output
 *
 * Built without a library of ours, so that a static one runs in any guest.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
/* after sys/socket.h, which it needs */
#include <linux/vm_sockets.h>

enum { CHUNK = 4096, TRIES = 600, PAUSE_US = 100000 };

static int failed(const char *what)
{
	fprintf(stderr, "vsock: %s: %s\n", what, strerror(errno));
	return 2;
}

static bool put(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0)
			return false;
		data += n;
		len -= n;
	}
	return true;
}

static int echo(unsigned int port, const char *path)
{
	struct sockaddr_vm a = { .svm_family = AF_VSOCK,
				 .svm_cid = VMADDR_CID_ANY,
				 .svm_port = port };
	int file = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644) : -1;
	int s = socket(AF_VSOCK, SOCK_STREAM, 0), c;
	char data[CHUNK];
	ssize_t n;

	if (s < 0 || bind(s, (struct sockaddr *)&a, sizeof(a)) || listen(s, 1))
		return failed("listening");
	c = accept(s, NULL, NULL);
	if (c < 0)
		return failed("accepting");
	while ((n = read(c, data, sizeof(data))) > 0)
		if ((file >= 0 && !put(file, data, n)) || !put(c, data, n))
			return failed("writing");
	return n ? failed("reading") : 0;
}

/* The other end may not listen yet. */
static int connect_to(unsigned int cid, unsigned int port)
{
	struct sockaddr_vm a = { .svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port };

	for (int i = 0; i < TRIES; i++) {
		int s = socket(AF_VSOCK, SOCK_STREAM, 0);

		if (s < 0 || !connect(s, (struct sockaddr *)&a, sizeof(a)))
			return s;
		close(s);
		usleep(PAUSE_US);
	}
	return -1;
}

/* One chunk from standard input to the socket; at its end the other end is told. */
static int forward(int s, bool *more)
{
	char data[CHUNK];
	ssize_t n = read(STDIN_FILENO, data, sizeof(data));

	if (n > 0)
		return put(s, data, n) ? 0 : failed("sending");
	*more = false;
	return n || shutdown(s, SHUT_WR) ? failed("reading standard input") : 0;
}

static int send_all(unsigned int cid, unsigned int port)
{
	int s = connect_to(cid, port), ret = 0;
	bool more = true;
	char data[CHUNK];

	if (s < 0)
		return failed("connecting");
	while (!ret) {
		struct pollfd p[] = { { s, POLLIN, 0 }, { s, more ? POLLOUT : 0, 0 } };
		ssize_t n;

		if (poll(p, 2, -1) < 0)
			return failed("waiting");
		if (p[0].revents & (POLLIN | POLLHUP | POLLERR)) {
			n = read(s, data, sizeof(data));
			if (n <= 0)
				return n ? failed("receiving") : 0;
			if (!put(STDOUT_FILENO, data, n))
				return failed("writing");
		} else if (more && p[1].revents & POLLOUT) {
			ret = forward(s, &more);
		}
	}
	return ret;
}

int main(int argc, char **argv)
{
	if ((argc == 3 || argc == 4) && !strcmp(argv[1], "echo"))
		return echo(atoi(argv[2]), argv[3]);
	if (argc == 4 && !strcmp(argv[1], "send"))
		return send_all(atoi(argv[2]), atoi(argv[3]));
	fprintf(stderr, "usage: vsock echo PORT [FILE] | vsock send CID PORT\n");
	return 2;
}

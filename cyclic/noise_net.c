// SPDX-License-Identifier: GPL-2.0-only
/* The network load: TCP through this machine's own stack, softirqs and copies included. */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cyclic/noise.h"
#include "lib/cleanup.h"

enum { NET_CHUNK_BYTES = 64 << 10 };

static int listen_here(struct sockaddr_in *at, struct err *e)
{
	socklen_t len = sizeof(*at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*at = (struct sockaddr_in){ .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	if (fd >= 0 && !bind(fd, (struct sockaddr *)at, sizeof(*at)) &&
	    !getsockname(fd, (struct sockaddr *)at, &len) && !listen(fd, 1))
		return fd;
	err_sys(e, "listening on 127.0.0.1 failed; is the interface lo up?");
	if (fd >= 0)
		close(fd);
	return e->code;
}

static void send_all_day(const struct sockaddr_in *at, const char *chunk, pid_t parent)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || fd < 0 || connect(fd, (const struct sockaddr *)at, sizeof(*at)))
		_exit(1);
	while (send(fd, chunk, NET_CHUNK_BYTES, MSG_NOSIGNAL) > 0)
		;
	_exit(1);
}

/* What counts has arrived. */
static int receive_all_day(struct noise_worker *w, int listener, char *chunk, struct err *e)
{
	_cleanup_close_ int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return err_sys(e, "accepting a connection failed");
	while ((n = recv(fd, chunk, NET_CHUNK_BYTES, 0)) > 0)
		noise_count(w, n);
	return n ? err_sys(e, "receiving failed")
		 : err_set(e, -EPIPE, "the process that sends has ended");
}

int noise_net(struct noise_worker *w, struct err *e)
{
	_cleanup_free_ char *chunk = calloc(1, NET_CHUNK_BYTES);
	pid_t parent = getpid(), sender;
	struct sockaddr_in at;
	_cleanup_close_ int listener = listen_here(&at, e);

	if (!chunk)
		return err_set(e, -ENOMEM, "no memory");
	if (listener < 0)
		return listener;
	sender = fork();
	if (!sender)
		send_all_day(&at, chunk, parent);
	if (sender < 0)
		return err_sys(e, "fork failed");
	return receive_all_day(w, listener, chunk, e);
}

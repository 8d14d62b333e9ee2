// SPDX-License-Identifier: GPL-2.0-only
/* the control socket: any bytes, in pieces; each line gets one answer, which is JSON */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vmm/ctlserver.h"

enum { PIECE = 700, ANSWERS = 1 << 16 };

static int answer(void *ctx, const struct ctl_request *r, json_object **reply, struct err *e)
{
	(void)ctx;
	if (r->command == CTL_RT && r->on)
		return err_set(e, -1, "no");
	*reply = json_object_new_object();
	json_set_str(*reply, "was", ctl_name(r->command));
	return 0;
}

static void turn(struct ctlserver *s)
{
	struct pollfd p[CTLSERVER_FDS];
	int n = ctlserver_poll(s, p);

	if (poll(p, n, 0) >= 0)
		ctlserver_serve(s, p, n);
}

/* Every whole line is an object with one key. */
static void check(int fd)
{
	static char text[ANSWERS];
	ssize_t n;

	while ((n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT)) > 0) {
		text[n] = '\0';
		for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
			json_object *o = json_tokener_parse(line);

			if (!json_object_is_type(o, json_type_object) ||
			    json_object_object_length(o) != 1)
				abort();
			json_object_put(o);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct ctlserver s;
	struct err e = { 0 };
	int fd[2];

	ctlserver_init(&s, answer, NULL);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd))
		return 0;
	if (ctlserver_adopt(&s, fd[1], &e))
		abort();
	for (size_t at = 0; at < len; at += PIECE) {
		size_t n = len - at < PIECE ? len - at : PIECE;

		if (send(fd[0], data + at, n, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)n)
			abort(); /* the server has stopped reading */
		turn(&s);
		turn(&s);
		check(fd[0]);
	}
	if (s.clients[0].fd < 0)
		abort(); /* bad input is no reason to hang up */
	ctlserver_close(&s);
	close(fd[0]);
	return 0;
}

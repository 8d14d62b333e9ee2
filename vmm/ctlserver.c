// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/ctlserver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/cleanup.h"

void ctlserver_init(struct ctlserver *s, ctl_answer_fn answer, void *ctx)
{
	memset(s, 0, sizeof(*s));
	s->listener = -1;
	s->answer = answer;
	s->ctx = ctx;
	for (int i = 0; i < CTLSERVER_CLIENTS; i++)
		s->clients[i].fd = -1;
}

static void drop(struct ctl_client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	free(c->out);
	c->fd = -1;
	c->out = NULL;
	c->used = c->out_len = c->out_done = 0;
	c->skipping = c->pending = false;
}

/* true when nothing is left to send; a client that has gone is dropped */
static bool flush(struct ctl_client *c)
{
	while (c->out && c->out_done < c->out_len) {
		ssize_t n = send(c->fd, c->out + c->out_done, c->out_len - c->out_done,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			if (errno != EAGAIN)
				drop(c);
			return false;
		}
		c->out_done += n;
	}
	free(c->out);
	c->out = NULL;
	c->out_len = c->out_done = 0;
	return true;
}

void ctlserver_close(struct ctlserver *s)
{
	for (int i = 0; i < CTLSERVER_CLIENTS; i++) {
		if (s->clients[i].fd >= 0)
			flush(&s->clients[i]); /* what fits: the answer to quit, say */
		drop(&s->clients[i]);
	}
	if (s->path[0])
		unlink(s->path);
	s->path[0] = '\0';
	if (s->listener >= 0)
		close(s->listener);
	s->listener = -1;
}

int ctlserver_listen(struct ctlserver *s, const char *path, struct err *e)
{
	int fd = ctlplace_listen(path, e);

	if (fd < 0)
		return fd;
	s->listener = fd;
	strcpy(s->path, path); /* ctlplace_listen has checked its length */
	return 0;
}

static struct ctl_client *free_client(struct ctlserver *s)
{
	for (int i = 0; i < CTLSERVER_CLIENTS; i++)
		if (s->clients[i].fd < 0)
			return &s->clients[i];
	return NULL;
}

int ctlserver_adopt(struct ctlserver *s, int fd, struct err *e)
{
	struct ctl_client *c = free_client(s);
	int domain = 0, type = 0;
	socklen_t len = sizeof(int);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) || domain != AF_UNIX ||
	    type != SOCK_STREAM || !c)
		return err_set(e, -ENOTSOCK,
			       "--ctl: descriptor %d is no connected UNIX stream socket", fd);
	c->fd = fd;
	return 0;
}

static bool is_allowed(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) &&
	       (!peer.uid || peer.uid == geteuid());
}

static void take_client(struct ctlserver *s)
{
	static const char full[] = "{\"error\":\"too many clients\"}\n";
	int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
	struct ctl_client *c = free_client(s);

	if (fd < 0)
		return;
	if (c && is_allowed(fd)) {
		c->fd = fd;
		return;
	}
	if (!c && is_allowed(fd))
		send(fd, full, sizeof(full) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
}

static void reply(struct ctl_client *c, json_object *o)
{
	size_t len = 0;
	const char *text = json_object_to_json_string_length(
		o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);

	c->out = text ? malloc(len + 1) : NULL;
	if (!c->out) {
		drop(c);
		return;
	}
	memcpy(c->out, text, len);
	c->out[len] = '\n';
	c->out_len = len + 1;
}

static void reply_error(struct ctl_client *c, const struct err *e)
{
	_cleanup_json_ json_object *o = json_object_new_object();

	json_set_str(o, "error", e->text);
	reply(c, o);
}

/* The next whole line becomes a request, or an error to send; false when there is none. */
static bool next_line(struct ctl_client *c)
{
	char *end = c->used ? memchr(c->in, '\n', c->used) : NULL;
	struct err e = { 0 };
	size_t len;
	int ret;

	if (!end && c->used < sizeof(c->in))
		return false;
	if (!end) {
		c->used = 0;
		if (!c->skipping)
			err_set(&e, -EMSGSIZE, "a request has at most %d bytes", CTL_REQUEST_MAX);
		c->skipping = true;
		if (e.code)
			reply_error(c, &e);
		return e.code;
	}
	len = end - c->in;
	ret = c->skipping ? 0 : ctl_parse(&c->request, c->in, len, &e);
	c->pending = !c->skipping && !ret;
	c->skipping = false;
	c->used -= len + 1;
	memmove(c->in, end + 1, c->used);
	if (ret < 0)
		reply_error(c, &e);
	return true;
}

static bool answer(struct ctlserver *s, struct ctl_client *c)
{
	_cleanup_json_ json_object *o = NULL;
	struct err e = { 0 };
	int ret = s->answer(s->ctx, &c->request, &o, &e);

	if (ret == CTL_LATER)
		return false;
	c->pending = false;
	if (ret < 0)
		reply_error(c, &e);
	else
		reply(c, o);
	return true;
}

/* As far as it goes without new bytes, room to send, or an event of the machine. */
static void advance(struct ctlserver *s, struct ctl_client *c)
{
	while (c->fd >= 0 && flush(c))
		if (c->pending ? !answer(s, c) : !next_line(c))
			return;
}

static void receive(struct ctl_client *c)
{
	ssize_t n = recv(c->fd, c->in + c->used, sizeof(c->in) - c->used, MSG_DONTWAIT);

	if (n > 0)
		c->used += n;
	else if (!n || (errno != EAGAIN && errno != EINTR))
		drop(c);
}

/* Reads only once its last answer is out: who asks without reading stalls nobody but himself. */
static short events_of(const struct ctl_client *c)
{
	if (c->out)
		return POLLOUT;
	return c->pending ? 0 : POLLIN;
}

int ctlserver_poll(const struct ctlserver *s, struct pollfd *p)
{
	for (int i = 0; i < CTLSERVER_CLIENTS; i++)
		p[i] = (struct pollfd){ .fd = s->clients[i].fd,
					.events = events_of(&s->clients[i]) };
	p[CTLSERVER_CLIENTS] = (struct pollfd){ .fd = s->listener, .events = POLLIN };
	return CTLSERVER_FDS;
}

void ctlserver_serve(struct ctlserver *s, const struct pollfd *p, int n)
{
	for (int i = 0; i < n && i < CTLSERVER_CLIENTS; i++) {
		struct ctl_client *c = &s->clients[i];

		if (c->fd < 0 || c->fd != p[i].fd)
			continue;
		if (p[i].revents & POLLIN)
			receive(c);
		else if (p[i].revents & (POLLERR | POLLHUP | POLLNVAL))
			drop(c);
		if (c->fd >= 0)
			advance(s, c);
	}
	if (n == CTLSERVER_FDS && p[CTLSERVER_CLIENTS].revents & POLLIN)
		take_client(s);
}

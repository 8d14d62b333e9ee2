// SPDX-License-Identifier: GPL-2.0-only
#include "lib/ctl.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/cleanup.h"
#include "lib/clock.h"

enum { DEPTH = 3, REPLY_START = 4096 };

static const char *const names[CTL_COMMANDS] = {
	[CTL_STATUS] = "status", [CTL_TIDS] = "tids",	[CTL_STATS] = "stats",
	[CTL_MARK] = "mark",	 [CTL_PAUSE] = "pause", [CTL_RESUME] = "resume",
	[CTL_RT] = "rt",	 [CTL_NMI] = "nmi",	[CTL_INTERRUPT] = "interrupt",
	[CTL_QUIT] = "quit",
};

/* What each command takes beside its name. */
static const char *const arguments[CTL_COMMANDS] = { [CTL_MARK] = "id", [CTL_RT] = "on" };

const char *ctl_name(enum ctl_command c)
{
	return names[c];
}

int ctl_command(const char *name, struct err *e)
{
	for (int i = 0; i < CTL_COMMANDS; i++)
		if (!strcmp(name, names[i]))
			return i;
	return err_set(e, -EINVAL,
		       "there is no such command; status, tids, stats, mark, pause, resume, rt, "
		       "nmi, interrupt and quit are known");
}

static json_object *parse_object(const char *line, size_t len)
{
	json_tokener *t = json_tokener_new_ex(DEPTH);
	json_object *o = NULL;

	if (!t)
		return NULL;
	json_tokener_set_flags(t, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	o = json_tokener_parse_ex(t, line, len);
	/* a string or number at the end may go on; an object is complete with its brace */
	if (json_tokener_get_error(t) != json_tokener_success ||
	    json_tokener_get_parse_end(t) != len || !json_object_is_type(o, json_type_object)) {
		json_object_put(o);
		o = NULL;
	}
	json_tokener_free(t);
	return o;
}

/*
 * Of a key that comes twice json-c keeps the last, another reader the first. A flat object, and no
 * other passes check_keys and take_argument, has a colon outside its strings for each key.
 */
static bool has_twice(json_object *o, const char *line, size_t len)
{
	int colons = 0;
	bool quoted = false;

	for (size_t i = 0; i < len; i++) {
		if (quoted && line[i] == '\\')
			i++;
		else if (line[i] == '"')
			quoted = !quoted;
		else
			colons += !quoted && line[i] == ':';
	}
	return colons > json_object_object_length(o);
}

static int check_keys(json_object *o, enum ctl_command c, struct err *e)
{
	const char *argument = arguments[c];

	json_object_object_foreach(o, key, value) {
		(void)value;
		if (strcmp(key, "command") != 0 && (!argument || strcmp(key, argument) != 0))
			return err_set(e, -EINVAL, "%s takes %s%s beside its name", names[c],
				       argument ? "only " : "nothing", argument ? argument : "");
	}
	return 0;
}

static int take_argument(struct ctl_request *r, json_object *o, struct err *e)
{
	json_object *v = arguments[r->command] ? json_at(o, arguments[r->command]) : NULL;
	int64_t id;

	switch (r->command) {
	case CTL_MARK:
		id = json_object_is_type(v, json_type_int) ? json_object_get_int64(v) : 0;
		if (id < 1 || id > 255)
			return err_set(e, -EINVAL, "mark takes an id of 1 to 255");
		r->id = id;
		return 0;
	case CTL_RT:
		if (!json_object_is_type(v, json_type_boolean))
			return err_set(e, -EINVAL, "rt takes on, true or false");
		r->on = json_object_get_boolean(v);
		return 0;
	default:
		return 0;
	}
}

int ctl_parse(struct ctl_request *r, const char *line, size_t len, struct err *e)
{
	_cleanup_json_ json_object *o = parse_object(line, len);
	const char *name = json_str(o, "command", NULL);
	int ret;

	*r = (struct ctl_request){ 0 };
	if (!o)
		return err_set(e, -EINVAL, "a request is one JSON object on one line");
	if (has_twice(o, line, len))
		return err_set(e, -EINVAL, "a request has each key once, and plain values");
	if (!name)
		return err_set(e, -EINVAL, "a request names its \"command\"");
	ret = ctl_command(name, e);
	if (ret < 0)
		return ret;
	r->command = ret;
	ret = check_keys(o, r->command, e);
	return ret < 0 ? ret : take_argument(r, o, e);
}

static int send_request(int fd, const struct ctl_request *r, struct err *e)
{
	_cleanup_json_ json_object *o = json_object_new_object();
	char line[CTL_REQUEST_MAX];
	int len;

	json_set_str(o, "command", names[r->command]);
	if (r->command == CTL_MARK)
		json_set_int(o, "id", r->id);
	if (r->command == CTL_RT)
		json_set_bool(o, "on", r->on);
	len = snprintf(line, sizeof(line), "%s\n",
		       json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	/* far below any socket buffer: whole or not at all */
	if (send(fd, line, len, MSG_NOSIGNAL) != len)
		return err_set(e, -EPIPE, "asking the VMM failed: it has gone");
	return 0;
}

/* One line, without its newline; the caller frees it. */
static int receive(int fd, int timeout_ms, char **line, struct err *e)
{
	uint64_t end_ns = clock_now_ns() + timeout_ms * 1000000ull;
	size_t used = 0, room = 0;

	for (;;) {
		uint64_t now = clock_now_ns();
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (used == room) {
			char *more = room < CTL_REPLY_MAX
					     ? realloc(*line, room ? room * 2 : REPLY_START)
					     : NULL;

			if (!more)
				return err_set(e, -EPROTO, "the VMM's answer is too long");
			*line = more;
			room = room ? room * 2 : REPLY_START;
		}
		if (now >= end_ns)
			return err_set(e, -ETIMEDOUT, "the VMM did not answer within %d s",
				       timeout_ms / 1000);
		if (poll(&p, 1, (end_ns - now) / 1000000 + 1) < 0 && errno == EINTR)
			return err_set(e, -EINTR, "interrupted");
		n = recv(fd, *line + used, room - used, MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			continue;
		if (n <= 0)
			return err_set(e, -EPIPE, "the VMM ended without an answer");
		used += n;
		if ((*line)[used - 1] == '\n') {
			(*line)[used - 1] = '\0';
			return 0;
		}
	}
}

int ctl_ask(int fd, const struct ctl_request *r, int timeout_ms, json_object **reply, struct err *e)
{
	_cleanup_json_ json_object *o = NULL;
	_cleanup_free_ char *line = NULL;
	const char *error;
	int ret = send_request(fd, r, e);

	*reply = NULL;
	if (!ret)
		ret = receive(fd, timeout_ms, &line, e);
	if (ret < 0)
		return ret;
	o = json_tokener_parse(line);
	if (!json_object_is_type(o, json_type_object))
		return err_set(e, -EPROTO, "the VMM's answer is not understood");
	error = json_str(o, "error", NULL);
	if (error)
		return err_set(e, -EIO, "%s", error);
	*reply = json_object_get(o);
	return 0;
}

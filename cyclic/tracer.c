// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/tracer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cyclic/complaint.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/paths.h"
#include "lib/stop.h"

#define READY "ready"

enum {
	/*
	 * Making a trace instance waits for several RCU grace periods; on an emulated host that
	 * is busy besides, one has taken over 20 s (its own stall warning said so).
	 */
	ANSWER_MS = 180000,
	ANSWER_BYTES = 1 << 20,
	GRACE_MS = 5000,
};

static int no_answer(const struct tracer *t, struct err *e)
{
	char why[256];

	complaint(t->errors, "rtkvm trace: ", why, sizeof(why));
	return err_set(e, -EIO, "counting VM exits failed: %s; --no-trace measures without",
		       why[0] ? why : "rtkvm trace count does not answer");
}

/*
 * One JSON line with that event, within ANSWER_MS; the child writes nothing unasked. A request to
 * stop ends the wait for the first answer: counts there are none yet. Later ones are waited for,
 * because an interrupted run keeps its counts.
 */
static int answer(struct tracer *t, const char *want, json_object **out, struct err *e)
{
	bool first = !strcmp(want, READY);
	uint64_t end_ns = clock_now_ns() + ANSWER_MS * 1000000ull;
	_cleanup_free_ char *line = malloc(ANSWER_BYTES);
	_cleanup_json_ json_object *o = NULL;
	size_t used = 0;

	while (line && used < ANSWER_BYTES - 1) {
		struct pollfd fd = { .fd = t->from, .events = POLLIN };
		ssize_t n;

		if (clock_now_ns() >= end_ns)
			return no_answer(t, e);
		if (first && stop_requested())
			return err_set(e, -EINTR, "interrupted before the guest ran");
		if (poll(&fd, 1, 100) <= 0)
			continue;
		n = read(t->from, line + used, ANSWER_BYTES - 1 - used);
		if (n <= 0)
			return no_answer(t, e);
		used += n;
		if (line[used - 1] == '\n')
			break;
	}
	if (!line)
		return err_set(e, -ENOMEM, "counting VM exits failed: no memory");
	line[used] = '\0';
	o = json_tokener_parse(line);
	if (strcmp(json_str(o, "event", ""), want) != 0)
		return err_set(e, -EPROTO, "counting VM exits failed: answer \"%.80s\"", line);
	if (out)
		*out = json_object_get(o);
	return 0;
}

static int spawn(struct tracer *t, pid_t pid, const int in[2], const int out[2], struct err *e)
{
	char self[PATH_MAX], number[16];
	char *argv[] = { self, "trace", "count", "--control", "--pid", number, NULL };
	struct proc_opts o = PROC_OPTS_INIT;
	int ret = paths_self(self, sizeof(self), e);

	if (ret < 0)
		return ret;
	snprintf(number, sizeof(number), "%d", pid);
	o.argv = argv;
	o.in = in[0];
	o.out = out[1];
	o.err = t->errors;
	return proc_start(&t->proc, &o, e);
}

int tracer_start(struct tracer *t, pid_t pid, struct err *e)
{
	int in[2] = { -1, -1 }, out[2] = { -1, -1 };
	int ret;

	*t = (struct tracer)TRACER_INIT;
	t->errors = memfd_create("rtkvm-trace-errors", MFD_CLOEXEC);
	if (t->errors < 0 || pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
		ret = err_sys(e, "counting VM exits failed");
	else
		ret = spawn(t, pid, in, out, e);
	t->to = in[1];
	t->from = out[0];
	if (in[0] >= 0)
		close(in[0]);
	if (out[1] >= 0)
		close(out[1]);
	if (!ret)
		ret = answer(t, READY, NULL, e);
	if (ret < 0)
		tracer_close(t);
	return ret;
}

static int tell(struct tracer *t, const char *line, struct err *e)
{
	return file_write_all(t->to, line, strlen(line)) < 0 ? no_answer(t, e) : 0;
}

int tracer_begin(struct tracer *t, struct err *e)
{
	int ret = tell(t, "begin\n", e);

	return ret < 0 ? ret : answer(t, "begun", NULL, e);
}

int tracer_end(struct tracer *t, json_object **counted, struct err *e)
{
	int ret = tell(t, "end\n", e);

	return ret < 0 ? ret : answer(t, "counted", counted, e);
}

void tracer_close(struct tracer *t)
{
	int fds[] = { t->to, t->from, t->errors };

	proc_stop(&t->proc, GRACE_MS);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	*t = (struct tracer)TRACER_INIT;
}

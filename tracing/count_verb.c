// SPDX-License-Identifier: GPL-2.0-only
/* rtkvm trace count - one window for a person, or as many as a program asks for on stdin */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/opt.h"
#include "lib/stop.h"
#include "tracing/count.h"
#include "tracing/tracing.h"

enum {
	LARGEST_PID = 4194304, /* PID_MAX_LIMIT of 64-bit kernels (include/linux/threads.h) */
	READ_EVERY_MS = 250, /* ring buffer only: before it can fill */
};

struct options {
	struct err *e;
	uint64_t pid, duration_ns;
	bool control, json;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'p':
		return -opt_u64("--pid", arg, 1, LARGEST_PID, &o->pid, o->e);
	case 'D':
		return -opt_duration("--duration", arg, &o->duration_ns, o->e);
	case 'c':
		o->control = true;
		return 0;
	case 'j':
		o->json = true;
		return 0;
	case ARGP_KEY_ARG:
		return -err_set(o->e, -EINVAL, "\"%s\" is one argument too many", arg);
	case ARGP_KEY_END:
		if (!o->pid)
			return -err_set(o->e, -EINVAL, "--pid is missing: the process to watch");
		if (o->control && o->duration_ns)
			return -err_set(o->e, -EINVAL,
					"--control and --duration exclude each other");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option option_rows[] = {
	{ "pid", 'p', "PID", 0, "the VMM: every thread it has now is watched", 0 },
	{ "duration", 'D', "TIME", 0, "stop after this time (default: at Ctrl-C)", 0 },
	{ "control", 'c', NULL, 0,
	  "windows on request: lines \"begin\" and \"end\" on stdin, answers in JSON on stdout",
	  0 },
	{ "json", 'j', NULL, 0, "print JSON", 0 },
	{ 0 },
};

static const struct argp argp = {
	.options = option_rows,
	.parser = parse,
	.doc = "Count VM exits by reason, and returns to user space, for each thread of a process.",
};

struct window {
	struct counts counts; /* at its begin; in between; after its end */
	uint64_t begin_ns;
	bool open;
};

static void say(json_object *o)
{
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	fflush(stdout);
	json_object_put(o);
}

static json_object *event(const char *name)
{
	json_object *o = json_object_new_object();

	json_set_str(o, "event", name);
	json_set_int(o, "ns", clock_now_ns());
	return o;
}

static int window_begin(struct window *w, struct counter *c, struct err *e)
{
	w->begin_ns = clock_now_ns();
	w->open = true;
	return counter_read(c, &w->counts, e);
}

/* Closes the window: its counts, and how long it was. */
static int window_end(struct window *w, struct counter *c, double *seconds, struct err *e)
{
	struct counts end = { 0 };
	int ret = counter_read(c, &end, e);

	*seconds = (double)(clock_now_ns() - w->begin_ns) / NSEC_PER_SEC;
	counts_subtract(&end, &w->counts);
	counts_free(&w->counts);
	w->counts = end;
	w->open = false;
	return ret;
}

static json_object *window_json(const struct window *w, const struct counter *c, double seconds)
{
	json_object *o = event("counted");

	json_set_str(o, "method", c->by_trigger ? "histogram" : "events");
	json_set_double(o, "seconds", seconds);
	json_set_int(o, "lost", w->counts.lost);
	json_object_object_add(o, "threads", counter_json(c, &w->counts));
	return o;
}

static void print_group(json_object *group, double seconds)
{
	json_object_object_foreach(group, reason, count) {
		int64_t n = json_object_get_int64(count);

		printf("  %-28s %12" PRId64 " %12.1f/s\n", reason, n,
		       seconds > 0 ? n / seconds : 0);
	}
}

static void print_window(const struct window *w, const struct counter *c, double seconds)
{
	json_object *threads = counter_json(c, &w->counts);

	printf("%.3f s, %s, %" PRIu64 " events lost\n", seconds,
	       c->by_trigger ? "counted by the kernel" : "counted from trace events",
	       w->counts.lost);
	for (size_t i = 0; i < json_object_array_length(threads); i++) {
		json_object *t = json_object_array_get_idx(threads, i);

		printf("%s (thread %" PRId64 ")\n", json_str(t, "name", ""), json_int(t, "tid", 0));
		print_group(json_at(t, "exits"), seconds);
		if (json_object_object_length(json_at(t, "userspace")))
			printf(" to user space\n");
		print_group(json_at(t, "userspace"), seconds);
	}
	if (!json_object_array_length(threads))
		printf("no thread left its guest\n");
	json_object_put(threads);
}

/* Until deadline_ns (0: none), input, a signal or the end of the process; keeps the ring empty. */
static int wait_for(struct pollfd fds[2], struct counter *c, uint64_t deadline_ns, struct err *e)
{
	while (!stop_requested()) {
		uint64_t now = clock_now_ns();
		int ms = c->by_trigger ? -1 : READ_EVERY_MS;

		if (deadline_ns && now >= deadline_ns)
			return 0;
		if (deadline_ns && (ms < 0 || (deadline_ns - now) / 1000000 < (unsigned int)ms))
			ms = (deadline_ns - now) / 1000000 + 1;
		if (poll(fds, 2, ms) > 0)
			return 0;
		if (!c->by_trigger) {
			struct counts ignored = { 0 };
			int ret = counter_read(c, &ignored, e);

			counts_free(&ignored);
			if (ret < 0)
				return ret;
		}
	}
	return 0;
}

/* One line from the program that controls us. */
static int obey(const char *line, struct window *w, struct counter *c, struct err *e)
{
	double seconds;
	int ret;

	if (!strcmp(line, "begin") && !w->open) {
		ret = window_begin(w, c, e);
		if (!ret)
			say(event("begun"));
		return ret;
	}
	if (!strcmp(line, "end") && w->open) {
		ret = window_end(w, c, &seconds, e);
		if (!ret)
			say(window_json(w, c, seconds));
		return ret;
	}
	return err_set(e, -EINVAL,
		       "control line \"%.40s\" is not understood; \"begin\" and \"end\" "
		       "take turns",
		       line);
}

/* Reads what stdin has; 1 at its end. Lines are short, so a longer one is not ours. */
static int read_control(char *buf, size_t size, size_t *used, struct window *w, struct counter *c,
			struct err *e)
{
	ssize_t n = read(STDIN_FILENO, buf + *used, size - 1 - *used);
	char *end;

	if (n < 0)
		return errno == EINTR ? 0 : err_sys(e, "reading control lines failed");
	if (!n)
		return *used == size - 1 ? err_set(e, -EINVAL, "control line is too long") : 1;
	*used += n;
	buf[*used] = '\0';
	while ((end = strchr(buf, '\n'))) {
		int ret;

		*end = '\0';
		ret = obey(buf, w, c, e);
		if (ret < 0)
			return ret;
		*used -= end + 1 - buf;
		memmove(buf, end + 1, *used + 1);
	}
	return 0;
}

/*
 * The process watched may end before the window does: its counts stay readable, so stdin alone
 * says when to stop. If our parent dies we must live long enough to remove the instance.
 */
static int controlled(struct counter *c, struct window *w, struct err *e)
{
	struct pollfd fds[2] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .fd = -1 } };
	json_object *ready = event("ready");
	size_t used = 0;
	char buf[256];
	int ret = 0;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	json_set_str(ready, "method", c->by_trigger ? "histogram" : "events");
	json_set_int(ready, "threads", c->n_threads);
	say(ready);
	while (!ret && !stop_requested()) {
		ret = wait_for(fds, c, 0, e);
		if (!ret && fds[0].revents)
			ret = read_control(buf, sizeof(buf), &used, w, c, e);
	}
	return ret < 0 ? ret : VERDICT_PASS;
}

static int once(const struct options *o, struct counter *c, struct window *w, struct err *e)
{
	_cleanup_close_ int fd = syscall(SYS_pidfd_open, (pid_t)o->pid, 0);
	struct pollfd fds[2] = { { .fd = -1 }, { .fd = fd, .events = POLLIN } };
	uint64_t deadline_ns = o->duration_ns ? clock_now_ns() + o->duration_ns : 0;
	double seconds;
	int ret;

	if (fd < 0)
		return err_sys(e, "watching process %ju failed", (uintmax_t)o->pid);
	ret = window_begin(w, c, e);
	if (!ret)
		ret = wait_for(fds, c, deadline_ns, e);
	if (!ret)
		ret = window_end(w, c, &seconds, e);
	if (ret < 0)
		return ret;
	if (o->json)
		say(window_json(w, c, seconds));
	else
		print_window(w, c, seconds);
	return deadline_ns && clock_now_ns() < deadline_ns ? VERDICT_INCOMPLETE : VERDICT_PASS;
}

int tracing_count(int argc, char **argv, struct err *e)
{
	struct options o = { .e = e };
	struct window w = { 0 };
	struct counter c;
	int ret = opt_parse(&argp, argc, argv, false, &o, e);

	if (ret < 0)
		return ret;
	stop_install();
	ret = counter_open(&c, o.pid, e);
	if (ret < 0)
		return ret;
	ret = o.control ? controlled(&c, &w, e) : once(&o, &c, &w, e);
	counts_free(&w.counts);
	counter_close(&c);
	return ret;
}

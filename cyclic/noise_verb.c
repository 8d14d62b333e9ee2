// SPDX-License-Identifier: GPL-2.0-only
/* rtkvm noise: one load, its proof a JSON line an interval */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "cyclic/cyclic.h"
#include "cyclic/helplist.h"
#include "cyclic/noise.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/opt.h"
#include "lib/stop.h"

struct noise_options {
	const char *kind, *dir;
	struct cpulist cpus;
	uint64_t duration_ns; /* 0: until interrupted */
	uint64_t interval_ns;
	uint64_t floor; /* counts a second */
};

struct parse {
	struct noise_options *o;
	struct err *e;
};

enum { KEY_INTERVAL = 0x100, KEY_FLOOR, KEY_DIR };

static const struct argp_option options[] = {
	{ "cpus", 'c', "LIST", 0, "CPUs to load (required)", 1 },
	{ "duration", 'D', "DURATION", 0, "how long (default: until interrupted)", 1 },
	{ "interval", KEY_INTERVAL, "DURATION", 0, "a line of proof every (default 1s)", 1 },
	{ "floor", KEY_FLOOR, "COUNT", 0,
	  "least count a second, over the whole run; less is exit 4 (default: more than 0)", 1 },
	{ "dir", KEY_DIR, "DIR", 0, "where disk and compile may write", 1 },
	{ 0 },
};

static error_t parse_one(int key, char *arg, struct argp_state *state)
{
	struct parse *p = state->input;
	struct noise_options *o = p->o;

	switch (key) {
	case 'c':
		return -opt_cpulist("--cpus", arg, &o->cpus, p->e);
	case 'D':
		return -opt_duration("--duration", arg, &o->duration_ns, p->e);
	case KEY_INTERVAL:
		return -opt_duration("--interval", arg, &o->interval_ns, p->e);
	case KEY_FLOOR:
		return -opt_u64("--floor", arg, 0, UINT64_MAX / 1000000, &o->floor, p->e);
	case KEY_DIR:
		o->dir = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (o->kind)
			return -err_set(p->e, -EINVAL, "one load at a time: \"%s\" is one too many",
					arg);
		o->kind = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* The list of kinds in --help comes from the table. */
static char *help_filter(int key, const char *text, void *input)
{
	struct help_list list;

	(void)input;
	if (key != ARGP_KEY_HELP_POST_DOC)
		return (char *)text;
	help_begin(&list, "Kinds", 13);
	for (const struct noise_kind *k = noise_kinds; k->name; k++)
		help_row(&list, k->name, k->help);
	return help_end(&list);
}

static int parse_noise(struct noise_options *o, int argc, char **argv, struct err *e)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse_one,
		.args_doc = "KIND",
		.doc = "Load CPUs, and prove it: one JSON line an interval.\v\n",
		.help_filter = help_filter,
	};
	struct parse p = { o, e };
	int ret;

	*o = (struct noise_options){ .interval_ns = NSEC_PER_SEC };
	ret = opt_parse(&argp, argc, argv, false, &p, e);
	if (ret < 0)
		return ret;
	if (!o->kind)
		return err_set(e, -EINVAL, "name a load; rtkvm noise --help lists them");
	if (!noise_find(o->kind))
		return err_set(e, -EINVAL, "there is no load \"%s\"; rtkvm noise --help lists them",
			       o->kind);
	if (cpulist_empty(&o->cpus))
		return err_set(e, -EINVAL, "--cpus is missing: say which CPUs to load");
	if (o->interval_ns < NSEC_PER_SEC / 100)
		return err_set(e, -EINVAL, "--interval: at least 10ms");
	return 0;
}

static void print_proof(const struct noise *n, uint64_t ops, uint64_t ns, uint64_t total)
{
	printf("{\"load\":\"%s\",\"unit\":\"%s\",\"workers\":%zu,\"seconds\":%.3f,"
	       "\"count\":%" PRIu64 ",\"per_second\":%.1f,\"total\":%" PRIu64 "}\n",
	       n->kind->name, n->kind->unit, n->n, ns / 1e9, ops, ops * 1e9 / ns, total);
	fflush(stdout);
}

static enum verdict judge(const struct noise *n, const struct noise_options *o, uint64_t ns,
			  struct err *e)
{
	uint64_t done = noise_done(n);

	if (!done)
		err_set(e, -ENODATA, "load %s did nothing", n->kind->name);
	else if (done * 1e9 / ns < o->floor)
		err_set(e, -ENODATA, "load %s made %.1f %s a second, floor %" PRIu64, n->kind->name,
			done * 1e9 / ns, n->kind->unit, o->floor);
	return e->code ? VERDICT_INCONCLUSIVE : VERDICT_PASS;
}

static int supervise(struct noise *n, const struct noise_options *o, struct err *e)
{
	uint64_t start = clock_now_ns(), last_ns = start, last = 0, now = start;
	uint64_t end = o->duration_ns ? start + o->duration_ns : UINT64_MAX;

	while (now < end && !stop_requested()) {
		uint64_t wake = last_ns + o->interval_ns, total;

		clock_sleep_until(wake < end ? wake : end);
		now = clock_now_ns();
		if (stop_requested() && now == last_ns)
			break;
		if (noise_alive(n, e) < 0)
			return VERDICT_INCONCLUSIVE;
		total = noise_done(n);
		print_proof(n, total - last, now - last_ns, total);
		last = total;
		last_ns = now;
	}
	return judge(n, o, now - start, e);
}

/*
 * A program that a worker started may have children in groups of their own. They see their parent
 * die and end; as their subreaper we wait for that, so that nothing of the load outlives us.
 */
static void reap_orphans(void)
{
	uint64_t end = clock_now_ns() + 5 * NSEC_PER_SEC;
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) >= 0 && clock_now_ns() < end)
		if (!pid)
			poll(NULL, 0, 10);
}

int cyclic_noise(int argc, char **argv, struct err *e)
{
	struct noise_options o;
	struct noise n;
	int ret = parse_noise(&o, argc, argv, e);

	if (ret < 0)
		return ret;
	stop_install();
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	ret = noise_start(&n, noise_find(o.kind), &o.cpus, o.dir, e);
	if (ret < 0)
		return ret;
	ret = supervise(&n, &o, e);
	noise_end(&n);
	reap_orphans();
	return ret;
}

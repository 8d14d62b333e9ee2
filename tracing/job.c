// SPDX-License-Identifier: GPL-2.0-only
/*
 * job - a line of shell that makes a guest record itself while it runs a command
 *
 * Any guest with a shell and tracefs can run it: as rtkvm.exec= of our init, over ssh, typed in.
 * The ring overwrites its oldest, so what is kept are the last seconds before the command ends
 * (cyclictest --breaktrace ends at a spike). Nothing is read from the ring before that. A write to
 * the freeze port then stops the host's recording too, before the files are fetched: they go to
 * /out, which our init sends to the host through the data port.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/abi.h"
#include "lib/cpulist.h"
#include "lib/opt.h"
#include "tracing/events.h"
#include "tracing/tracing.h"

struct job_opts {
	uint64_t buffer_bytes, cpus; /* cpus: a mask, 0: all */
	const char *out;
	char **command;
	int n_command;
};

static const struct argp_option options[] = {
	{ "buffer", 'b', "SIZE", 0, "ring of each of the guest's CPUs (default: 8M)", 1 },
	{ "cpus", 'c', "LIST", 0, "record these of the guest's CPUs only (default: all)", 1 },
	{ "out", 'o', "DIR", 0, "where the guest leaves its trace (default: /out)", 1 },
	{ 0 },
};

struct parse {
	struct job_opts *o;
	struct err *e;
};

static int parse_cpus(struct job_opts *o, const char *text, struct err *e)
{
	struct cpulist list;
	int ret = cpulist_parse(&list, text, e);

	if (ret < 0)
		return ret;
	o->cpus = 0;
	cpulist_for_each(cpu, &list) {
		if (cpu >= 64)
			return err_set(e, -EINVAL, "--cpus: a guest's CPU %d; 0 to 63 are possible",
				       cpu);
		o->cpus |= 1ull << cpu;
	}
	return 0;
}

static error_t parse_opt(int key, char *arg, struct argp_state *state)
{
	struct parse *p = state->input;
	struct job_opts *o = p->o;

	switch (key) {
	case 'b':
		return opt_size("--buffer", arg, &o->buffer_bytes, p->e);
	case 'c':
		return parse_cpus(o, arg, p->e);
	case 'o':
		o->out = arg;
		return 0;
	case ARGP_KEY_ARG:
		o->command = &state->argv[state->next - 1];
		o->n_command = state->argc - state->next + 1;
		state->next = state->argc;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	options, parse_opt, "[--] COMMAND [ARGUMENT...]",
	"Print a line of shell that records a guest's kernel while it runs COMMAND there.\v"
	"It works as rtkvm.exec=\"...\" of a guest of rtkvm, and in any guest that has a shell, "
	"tracefs and root. The line holds no double quote. Its exit code is COMMAND's."
};

/* The events' directories under events/, for the shell's loop. */
static void print_events(FILE *f)
{
	for (size_t i = 0; i < n_guest_events; i++) {
		const struct record_event *ev = &guest_events[i];

		fprintf(f, " %s/%s", ev->system, ev->event ? ev->event : "*_[ex]*");
	}
}

static void print_script(FILE *f, const struct job_opts *o)
{
	fprintf(f, "_run(){ (cd /;");
	for (int i = 0; i < o->n_command; i++)
		fprintf(f, "%s%s", i ? " " : "", o->command[i]);
	/* a guest that cannot be traced runs it all the same */
	fprintf(f, ");};cd /sys/kernel/tracing||{ _run;exit $?;};");
	fprintf(f, "echo 0 >tracing_on;echo x86-tsc >trace_clock;echo %ju >buffer_size_kb;",
		(uintmax_t)(o->buffer_bytes >> 10));
	if (o->cpus)
		fprintf(f, "echo %jx >tracing_cpumask;", (uintmax_t)o->cpus);
	fprintf(f, "e=;for d in");
	print_events(f);
	fprintf(f, ";do for p in events/$d;do [ -e $p/enable ]&&echo 1 >$p/enable&&"
		   "e=${e}' '${p#events/};done;done;");
	fprintf(f, "echo 1 >tracing_on;_run;r=$?;echo 0 >tracing_on;");
	fprintf(f, "echo|dd of=/dev/port bs=1 seek=%d count=1 2>/dev/null;", ABI_FREEZE_PORT);
	fprintf(f, "for d in $e;do echo '#' $d;cat events/$d/format;done >%s/formats;", o->out);
	fprintf(f, "cat events/header_page >%s/header_page;echo x86-tsc >%s/clock;", o->out,
		o->out);
	/* reading waits for more when the ring is empty: that is the end here */
	fprintf(f,
		"for c in per_cpu/cpu*;do timeout 3 cat $c/trace_pipe_raw >%s/${c##*/}&done;"
		"wait;exit $r\n",
		o->out);
}

int tracing_job(int argc, char **argv, struct err *e)
{
	struct job_opts o = { .buffer_bytes = 8 << 20, .out = "/out" };
	struct parse p = { &o, e };

	if (opt_parse(&argp, argc, argv, true, &p, e))
		return e->code;
	if (!o.n_command)
		return err_set(e, -EINVAL, "a COMMAND for the guest is missing; see %s --help",
			       argv[0]);
	for (int i = 0; i < o.n_command; i++)
		if (strchr(o.command[i], '"'))
			return err_set(
				e, -EINVAL,
				"the command holds a double quote, which rtkvm.exec cannot; use single ones");
	print_script(stdout, &o);
	return VERDICT_PASS;
}

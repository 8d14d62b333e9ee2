// SPDX-License-Identifier: GPL-2.0-only
/*
 * job - a line of shell that makes a guest record itself while it runs a command
 *
 * Any guest with a shell and tracefs can run it: as rtkvm.exec= of our init, over ssh, typed in.
 * The ring overwrites its oldest, so what is kept are the last seconds before the command ends
 * (cyclictest --breaktrace ends at a spike), or before it writes 0 to $RTKVM_TRACE_FREEZE. Nothing
 * is read from the ring before that. A write to the freeze port then stops the host's recording too,
 * before the files are fetched: they go to /out, which our init sends to the host through the data
 * port.
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
	int ret = opt_cpulist("--cpus", text, &list, e);

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
	"tracefs and root. The line holds no double quote. Its exit code is COMMAND's, which finds in "
	"RTKVM_TRACE_FREEZE a file that stops the recording when a 0 is written to it."
};

/* The events' directories under events/, for the shell's loop. */
static void print_events(FILE *f)
{
	for (size_t i = 0; i < n_guest_events; i++) {
		const struct record_event *ev = &guest_events[i];

		fprintf(f, " %s/%s", ev->system, ev->event ? ev->event : "*_[ex]*");
	}
}

/*
 * An instance of the shell's own: nothing that another user of tracing set is touched. Its name is
 * none that rtkvm's own sweep takes, which looks for a lock that a shell cannot hold.
 */
static void print_enter(FILE *f)
{
	fprintf(f,
		"i=/-;[ -d /proc/$$ ]&&for t in /sys/kernel/tracing /sys/kernel/debug/tracing;do "
		"i=$t/instances/rtkvm.job.$$;mkdir $i&&break;done 2>/dev/null;");
	/* a guest that cannot be traced runs it all the same */
	fprintf(f,
		"cd $i 2>/dev/null||{ echo trace job: no tracefs, not recorded>&2;_run;exit $?;};");
	/* a killed one's goes on tracing */
	fprintf(f, "for d in ${i%%.*}.*;do [ -d /proc/${d##*.} ]||rmdir $d;done;"
		   "p=;_end(){ kill $p;wait;cd /;rmdir $i;} 2>/dev/null;"
		   "trap _end 0;trap 'exit 143' 1 2 15;export RTKVM_TRACE_FREEZE=$i/tracing_on;");
}

static void print_start(FILE *f, const struct job_opts *o)
{
	fprintf(f, "echo 0 >tracing_on;echo x86-tsc >trace_clock;echo %ju >buffer_size_kb;",
		(uintmax_t)(o->buffer_bytes >> 10));
	if (o->cpus)
		fprintf(f, "echo %jx >tracing_cpumask;", (uintmax_t)o->cpus);
	fprintf(f, "e=;for d in");
	print_events(f);
	fprintf(f, ";do for c in events/$d;do [ -e $c/enable ]&&echo 1 >$c/enable&&"
		   "e=${e}' '${c#events/};done;done;");
}

/*
 * Ctrl-C is for what runs, whose exit code counts, and what it leaves is saved; asked once more, as who
 * has no answer does, neither the shell nor what it starts for that gives up.
 *
 * Reading a ring that is empty waits for more: a reader that sleeps while its ring has no entry left
 * has read all, however large the ring and slow the disk; one that is gone (a full disk) is not
 * waited for. The clock is the one in force, whatever was asked for.
 */
static void print_save(FILE *f, const char *out)
{
	fprintf(f,
		"o=%s;for d in $e;do echo '#' $d;cat events/$d/format;done >$o/formats;"
		"cp events/header_page $o;sed 's/.*\\[//;s/].*//' trace_clock >$o/clock;"
		"cd per_cpu;cat */stats >$o/stats;"
		"for c in *;do cat $c/trace_pipe_raw >$o/$c& p=$p' '$!;done;"
		"set $p;for c in *;do s=/proc/$1/stat;shift;"
		"while grep -qs ') [RDS]' $s&&grep -Eqs '\\) [RD]|entries: [^0]' $s $c/stats;do "
		"sleep 1;done;done;exit $r\n",
		out);
}

static void print_script(FILE *f, const struct job_opts *o)
{
	fprintf(f, "_run(){ trap : 2;(cd /;");
	for (int i = 0; i < o->n_command; i++)
		fprintf(f, "%s%s", i ? " " : "", o->command[i]);
	fprintf(f, ");};");
	print_enter(f);
	print_start(f, o);
	fprintf(f, "echo 1 >tracing_on;_run;r=$?;trap '' 2;echo 0 >tracing_on;");
	fprintf(f, "echo|dd of=/dev/port bs=1 seek=%d 2>/dev/null;", ABI_FREEZE_PORT);
	print_save(f, o->out);
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

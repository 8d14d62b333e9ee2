// SPDX-License-Identifier: GPL-2.0-only
/*
 * report - the verb: the events of host and guest as text, in one order, as trace-cmd prints them
 *
 * The only user of libtraceevent's printing: an event becomes text by its format's own rule. What
 * is outside the window asked for is passed over before that, which is the expensive part.
 */
#include <errno.h>
#include <event-parse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <trace-seq.h>

#include "lib/cleanup.h"
#include "lib/opt.h"
#include "lib/stop.h"
#include "tracing/report.h"
#include "tracing/tracing.h"

enum { KEY_EVENTS = 256 };

struct report_opts {
	struct session_opts session;
	struct report_window window;
	const char *run_dir; /* NULL: none */
	bool spikes, some_time; /* only around late wake-ups; only between two times */
	uint64_t around_ns;
};

static const struct argp_option options[] = {
	{ "host", 'H', "FILE", 0, "the host's trace", 1 },
	{ "guest", 'g', "FILE", 0, "the guest's trace", 1 },
	{ "from", 'f', "SECONDS", 0, "begin at this time, as rtkvm trace explain shows it", 2 },
	{ "to", 't', "SECONDS", 0, "end at this time", 2 },
	{ "around", 'a', "TIME", 0,
	  "only from TIME before to TIME after each late wake-up that explain has noted in RUN",
	  2 },
	{ "offset", 'o', "TICKS", 0,
	  "guest stamps minus host stamps (default: as the files say, else 0)", 3 },
	{ "events", KEY_EVENTS, "FILE", 0,
	  "events of the VMM (rtkvm run --events), which tell its vCPUs' clocks", 3 },
	SESSION_TSC_HZ,
	{ 0 },
};

struct parse {
	struct report_opts *o;
	struct err *e;
};

/* "58.715076780" seconds to nanoseconds, without a detour over floating point */
static int parse_seconds(const char *what, const char *text, uint64_t *ns, struct err *e)
{
	char whole[32], part[10] = "000000000";
	size_t n = strcspn(text, "."), digits = text[n] ? strlen(text + n + 1) : 0;
	uint64_t s, f;

	if (n >= sizeof(whole) || digits > 9)
		return err_set(e, -EINVAL, "%s: \"%s\" is not a time in seconds", what, text);
	snprintf(whole, sizeof(whole), "%.*s", (int)n, text);
	if (text[n])
		memcpy(part, text + n + 1, digits);
	if (opt_u64(what, whole, 0, UINT64_MAX / 2000000000, &s, e) ||
	    opt_u64(what, part, 0, 999999999, &f, e))
		return e->code;
	*ns = s * 1000000000 + f;
	return 0;
}

static error_t parse_opt(int key, char *arg, struct argp_state *state)
{
	struct parse *p = state->input;
	struct report_opts *o = p->o;

	switch (key) {
	case 'H':
		o->session.path[HOST] = arg;
		return 0;
	case 'g':
		o->session.path[GUEST] = arg;
		return 0;
	case 'a':
		o->spikes = true;
		return opt_duration("--around", arg, &o->around_ns, p->e);
	case KEY_EVENTS:
		o->session.events = arg;
		return 0;
	case 'f':
		o->some_time = true;
		return parse_seconds("--from", arg, &o->window.from_ns, p->e);
	case 't':
		o->some_time = true;
		return parse_seconds("--to", arg, &o->window.to_ns, p->e);
	case 'o':
		return session_parse_offset(arg, &o->session, p->e);
	case SESSION_KEY_TSC_HZ:
		return session_parse_tsc_hz(arg, &o->session, p->e);
	case ARGP_KEY_ARG:
		if (o->run_dir)
			return err_set(p->e, -EINVAL, "\"%s\" is one run directory too many", arg);
		o->run_dir = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	options, parse_opt, "[RUN]",
	"Print the events of host and guest in the order of their time, as trace-cmd report does.\v"
	"Times are seconds of the host's clock. RUN is a run directory with trace/host.dat and "
	"trace/guest.dat."
};

/* What prints the events of one side: the formats, and libtraceevent's plug-ins for some of them. */
struct printer {
	struct tep_handle *tep;
	struct tep_plugin_list *plugins;
	int switch_id; /* of sched_switch, which tells threads' names; -1: none */
	struct field next_pid, next_comm;
};

static void cleanup_printer(struct printer *p)
{
	if (p->plugins)
		tep_unload_plugins(p->plugins, p->tep);
	if (p->tep)
		tep_free(p->tep);
}

#define _cleanup_printer_ __attribute__((cleanup(cleanup_printer)))

static void find_names(struct printer *p, const struct dat *d)
{
	const struct dat_format *f = dat_format(d, "sched", "sched_switch");

	p->switch_id = -1;
	if (f && format_field(f->text, f->len, "next_pid", &p->next_pid) &&
	    format_field(f->text, f->len, "next_comm", &p->next_comm))
		p->switch_id = f->id;
}

/* Who a thread is can have been told long before the window that is printed. */
static void learn_name(struct printer *p, const struct event *ev)
{
	char comm[COMM_BYTES + 1];
	int pid;

	if (ev->id != p->switch_id || p->next_comm.bytes > COMM_BYTES ||
	    ev->len < (uint32_t)p->next_comm.offset + p->next_comm.bytes ||
	    ev->len < (uint32_t)p->next_pid.offset + p->next_pid.bytes)
		return;
	pid = field_get(ev->rec, p->next_pid);
	if (tep_is_pid_registered(p->tep, pid))
		return;
	snprintf(comm, sizeof(comm), "%.*s", (int)p->next_comm.bytes,
		 (const char *)ev->rec + p->next_comm.offset);
	tep_register_comm(p->tep, comm, pid);
}

/* Teach libtraceevent the file's formats and names; want everything that it understood. */
static int learn(struct printer *p, struct feed_file *file, struct err *e)
{
	const struct dat *d = file->dat;
	struct tep_handle *tep = p->tep = tep_alloc();
	_cleanup_free_ char *names = NULL, *symbols = NULL, *printk = NULL;

	if (!tep)
		return err_set(e, -ENOMEM, "no memory for event formats");
	if (dat_text(d, &d->cmdlines, &names, e) || dat_text(d, &d->kallsyms, &symbols, e) ||
	    dat_text(d, &d->printk, &printk, e))
		return e->code;
	p->plugins = tep_load_plugins(tep);
	tep_set_file_bigendian(tep, TEP_LITTLE_ENDIAN);
	tep_set_local_bigendian(tep, tep_is_bigendian());
	tep_set_long_size(tep, d->head.commit_bytes);
	tep_set_page_size(tep, d->page_bytes);
	if (tep_parse_header_page(tep, (char *)d->header_page, strlen(d->header_page),
				  d->head.commit_bytes))
		return err_set(e, -EINVAL, "reading %s failed: header_page is not understood",
			       d->name);
	for (size_t i = 0; i < d->n_formats; i++) {
		const struct dat_format *f = &d->formats[i];

		/* an event whose print rule is not understood is printed by its fields */
		tep_parse_event(tep, f->text, f->len, f->system);
		if (tep_find_event(tep, f->id))
			file->want[f->id] = 1;
	}
	find_names(p, d);
	if (*names)
		tep_parse_saved_cmdlines(tep, names);
	if (*symbols)
		tep_parse_kallsyms(tep, symbols);
	if (*printk)
		tep_parse_printk_formats(tep, printk);
	return 0;
}

static void print_lost(const struct event *ev)
{
	if (ev->lost == UINT64_MAX)
		printf("CPU:%u [EVENTS DROPPED]\n", ev->cpu);
	else
		printf("CPU:%u [%ju EVENTS DROPPED]\n", ev->cpu, (uintmax_t)ev->lost);
}

static void print_event(struct tep_handle *tep, struct trace_seq *s, const struct event *ev,
			uint64_t ns, const char *whose)
{
	struct tep_record rec = { .ts = ns,
				  .cpu = ev->cpu,
				  .data = (void *)ev->rec,
				  .size = ev->len,
				  .record_size = ev->len };
	struct tep_event *event = tep_find_event(tep, ev->id);
	char name[80];

	snprintf(name, sizeof(name), "%s:", event->name);
	trace_seq_reset(s);
	tep_print_event(tep, s, &rec, "%16s-%-5d [%03d] %6.1000d: ", TEP_PRINT_COMM, TEP_PRINT_PID,
			TEP_PRINT_CPU, TEP_PRINT_TIME);
	trace_seq_printf(s, "%-21s ", name);
	tep_print_event(tep, s, &rec, "%s", TEP_PRINT_INFO);
	trace_seq_terminate(s);
	printf("%s%s\n", whose, s->buffer);
}

static int walk(struct session *s, const struct report_window *windows, size_t n,
		struct printer *printers[SIDES], struct err *e)
{
	static const char *const whose[SIDES] = { " host: ", "guest: " };
	bool both = s->has[HOST] && s->has[GUEST];
	const struct event *ev;
	const struct report_window *w = windows, *titled = NULL;
	struct trace_seq seq;
	struct merge m;
	int ret = session_merge(s, &m, e);

	if (ret < 0)
		return ret;
	trace_seq_init(&seq);
	while ((ret = merge_next(&m, &ev, e)) > 0) {
		unsigned int side = session_side(s, ev);
		uint64_t ns = clock_ns(s->rate, ev->ts);

		while (w < windows + n && ns > w->to_ns)
			w++;
		if (w == windows + n || ferror(stdout))
			break;
		if (stop_requested()) {
			ret = err_set(e, -EINTR, "interrupted");
			break;
		}
		if (ns < w->from_ns) {
			learn_name(printers[side], ev);
			continue;
		}
		if (*w->title && w != titled)
			printf("%s\n", w->title);
		titled = w;
		if (ev->lost)
			print_lost(ev);
		print_event(printers[side]->tep, &seq, ev, ns, both ? whose[side] : "");
	}
	trace_seq_destroy(&seq);
	merge_close(&m);
	return ret < 0 ? ret : 0;
}

int report_windows(const struct session_opts *o, const struct report_window *windows, size_t n,
		   struct err *e)
{
	_cleanup_printer_ struct printer host = { 0 }, guest = { 0 };
	struct printer *printers[SIDES] = { &host, &guest };
	struct session s;
	int ret = session_open(&s, o, e);

	/* libtraceevent warns on stderr about formats it does not understand; they are printed raw */
	tep_set_loglevel(TEP_LOG_NONE);
	for (int i = 0; i < SIDES && !ret; i++)
		if (s.has[i])
			ret = learn(printers[i], &s.file[i], e);
	if (!ret)
		ret = walk(&s, windows, n, printers, e);
	session_close(&s);
	return ret;
}

static int check_opts(struct report_opts *o, struct session_paths *paths, struct err *e)
{
	if (o->spikes && !o->run_dir)
		return err_set(e, -EINVAL,
			       "--around needs a run directory, whose spikes.jsonl tells "
			       "what was late");
	if (o->spikes && o->some_time)
		return err_set(e, -EINVAL, "--around and --from or --to exclude each other");
	if (o->run_dir && session_run(&o->session, paths, o->run_dir, e))
		return e->code;
	if (!o->session.path[HOST] && !o->session.path[GUEST])
		return err_set(e, -EINVAL,
			       "no trace is named; give --host FILE, --guest FILE or a run");
	return 0;
}

int tracing_report(int argc, char **argv, struct err *e)
{
	struct report_opts o = { .window.to_ns = UINT64_MAX };
	_cleanup_free_ struct report_window *windows = NULL;
	struct session_paths paths;
	struct parse p = { &o, e };
	size_t n = 1;

	if (opt_parse(&argp, argc, argv, false, &p, e) || check_opts(&o, &paths, e) ||
	    (o.spikes && report_spikes(o.run_dir, o.around_ns, &windows, &n, e)))
		return e->code;
	stop_install();
	return report_windows(&o.session, windows ? windows : &o.window, n, e);
}

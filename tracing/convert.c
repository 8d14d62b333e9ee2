// SPDX-License-Identifier: GPL-2.0-only
/* convert - the verb: any trace we read as a trace.dat of version 6, which everybody reads */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/opt.h"
#include "tracing/datwrite.h"
#include "tracing/session.h"
#include "tracing/tracing.h"

struct convert_opts {
	const char *in, *out;
	struct session_opts session;
};

static const struct argp_option options[] = {
	{ "host", 'H', "FILE", 0,
	  "IN is the trace of a guest on that host: note how its clock is the host's", 1 },
	{ "events", 'e', "FILE", 0,
	  "with --host: events of the VMM (rtkvm run --events), which tell its vCPUs' clocks", 1 },
	SESSION_TSC_HZ,
	{ 0 },
};

struct parse {
	struct convert_opts *o;
	struct err *e;
};

static error_t parse_opt(int key, char *arg, struct argp_state *state)
{
	struct parse *p = state->input;

	switch (key) {
	case 'H':
		p->o->session.path[HOST] = arg;
		return 0;
	case 'e':
		p->o->session.events = arg;
		return 0;
	case SESSION_KEY_TSC_HZ:
		return session_parse_tsc_hz(arg, &p->o->session, p->e);
	case ARGP_KEY_ARG:
		if (p->o->out)
			return err_set(p->e, -EINVAL, "\"%s\" is one file too many", arg);
		*(p->o->in ? &p->o->out : &p->o->in) = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	options, parse_opt, "IN OUT",
	"Write a trace (trace.dat of version 6 or 7, a directory of raw pages, a guest's data) as a "
	"trace.dat of version 6.\v"
	"With --host, trace-cmd report -i HOST -i OUT shows both on one clock."
};

/* The texts of the events' formats, those of one system together as the writer wants them. */
static struct datw_format *formats_of(const struct dat *d)
{
	struct datw_format *f = calloc(d->n_formats + 1, sizeof(*f));

	for (size_t i = 0; f && i < d->n_formats; i++)
		f[i] = (struct datw_format){ d->formats[i].system,
					     { d->formats[i].text, d->formats[i].len } };
	return f;
}

static int put(void *arg, const void *pages, size_t bytes, struct err *e)
{
	return datw_pages(arg, pages, bytes, e);
}

static void set_clocks(struct datw_head *h, const struct session *s, const struct dat *d)
{
	const struct clock_map *map = &s->file[GUEST].clock;

	h->trace_id = d->trace_id;
	h->tsc_mult = d->tsc_mult;
	h->tsc_shift = d->tsc_shift;
	if (!s->has[HOST])
		return;
	h->tsc_mult = s->dat[HOST].tsc_mult;
	h->tsc_shift = s->dat[HOST].tsc_shift;
	h->shifted = true;
	h->peer_id = s->dat[HOST].trace_id;
	h->offset = map->offset;
	h->ratio = map->ratio;
	h->frac = map->frac;
	/* without an id of its own the pair is not recognised */
	if (!h->trace_id)
		h->trace_id = h->peer_id + 1;
}

/* The rate that --tsc-hz gives. The file has 32 bits for mult, and trace-cmd shifts by 32 at most. */
static void set_rate(struct datw_head *h, struct clock_rate rate)
{
	for (; rate.mult > UINT32_MAX || rate.shift > 31; rate.mult >>= 1)
		rate.shift--;
	h->tsc_mult = rate.mult;
	h->tsc_shift = rate.shift;
}

static int write_out(const struct session *s, const struct convert_opts *o, struct err *e)
{
	const char *out = o->out;
	const struct dat *d = &s->dat[GUEST];
	_cleanup_free_ char *symbols = NULL, *printk = NULL, *names = NULL;
	_cleanup_free_ struct datw_format *formats = formats_of(d);
	struct datw_head h = { .page_bytes = d->page_bytes,
			       .header_page = { d->header_page, strlen(d->header_page) },
			       .header_event = datw_header_event,
			       .formats = formats,
			       .n_formats = d->n_formats,
			       .n_cpus = d->n_cpus ? d->cpus[d->n_cpus - 1].cpu + 1 : 0,
			       .clock = d->clock };
	_cleanup_free_ const char **stats = calloc(h.n_cpus + 1, sizeof(*stats));
	char lost[128];
	struct datw w;
	int ret = formats && stats ? 0 : err_set(e, -ENOMEM, "writing %s failed: no memory", out);

	if (ret || dat_text(d, &d->kallsyms, &symbols, e) || dat_text(d, &d->printk, &printk, e) ||
	    dat_text(d, &d->cmdlines, &names, e))
		return e->code;
	h.kallsyms = (struct dat_blob){ symbols, strlen(symbols) };
	h.printk = (struct dat_blob){ printk, strlen(printk) };
	h.cmdlines = (struct dat_blob){ names, strlen(names) };
	set_clocks(&h, s, d);
	if (o->session.tsc_hz && !h.tsc_mult)
		set_rate(&h, s->rate);
	/* dat.h keeps no more than the sum of all CPUs */
	snprintf(lost, sizeof(lost), "all CPUs\noverrun: %ju\ndropped events: %ju\n",
		 (uintmax_t)d->overwritten, (uintmax_t)d->dropped);
	stats[0] = lost;
	if (d->overwritten || d->dropped)
		h.stats = stats;
	ret = datw_open(&w, out, &h, e);
	if (ret < 0)
		return ret;
	for (size_t i = 0; i < d->n_cpus && !ret; i++) {
		ret = datw_cpu(&w, d->cpus[i].cpu, e);
		if (!ret)
			ret = feed_pages(d, i, put, &w, e);
	}
	return datw_close(&w, !ret, e) < 0 ? e->code : ret;
}

/* A session without a host opens any trace; that it calls it a guest's does not matter here. */
static int convert(const struct convert_opts *o, struct err *e)
{
	const char *host = o->session.path[HOST];
	struct session s;
	int ret = session_open(&s, &o->session, e);

	if (!ret && host && !s.dat[HOST].trace_id)
		ret = err_set(e, -EINVAL, "%s has no trace id that a guest's could refer to", host);
	if (!ret && !s.same_offset)
		ret = err_set(e, -ENOTSUP,
			      "writing %s failed: the guest's CPUs have different clock offsets",
			      o->out);
	if (!ret)
		ret = write_out(&s, o, e);
	session_close(&s);
	return ret;
}

int tracing_convert(int argc, char **argv, struct err *e)
{
	struct convert_opts o = { 0 };
	struct parse p = { &o, e };

	if (opt_parse(&argp, argc, argv, false, &p, e))
		return e->code;
	if (!o.out)
		return err_set(e, -EINVAL, "two files are needed: the trace and the file to write");
	if (o.session.events && !o.session.path[HOST])
		return err_set(e, -EINVAL, "--events needs --host");
	o.session.path[GUEST] = o.in;
	return convert(&o, e);
}

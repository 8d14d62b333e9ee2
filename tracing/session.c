// SPDX-License-Identifier: GPL-2.0-only
#include "tracing/session.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/opt.h"

enum { WINDOWS_BYTES = 8 << 20 };

/* Is the clock one of ticks whose length the file must tell? */
static bool is_tsc(const char *clock)
{
	return !strcmp(clock, "x86-tsc");
}

static int check_clocks(const struct session *s, bool offset_given, struct err *e)
{
	static const char *const no_time[] = { "counter", "uptime" };
	const struct dat *guest = &s->dat[GUEST];

	for (int i = 0; i < SIDES; i++) {
		const char *clock = s->dat[i].clock;

		if (!s->has[i])
			continue;
		if (!*clock)
			return err_set(e, -EINVAL, "%s does not say which clock stamped it",
				       s->dat[i].name);
		for (size_t k = 0; k < ARRAY_SIZE(no_time); k++)
			if (!strcmp(clock, no_time[k]))
				return err_set(e, -EINVAL,
					       "%s is stamped by \"%s\", which tells no time",
					       s->dat[i].name, clock);
	}
	if (!s->has[HOST] || !s->has[GUEST])
		return 0;
	if (strcmp(s->dat[HOST].clock, guest->clock) != 0)
		return err_set(e, -EINVAL,
			       "%s is stamped by \"%s\", %s by \"%s\"; record both by x86-tsc",
			       s->dat[HOST].name, s->dat[HOST].clock, guest->name, guest->clock);
	if (!is_tsc(guest->clock) && !guest->n_shifts && !offset_given)
		return err_set(
			e, -EINVAL,
			"%s is stamped by \"%s\", which starts anew in each kernel; record both by x86-tsc, or give --offset",
			guest->name, guest->clock);
	if (guest->shift_moved && !offset_given)
		return err_set(
			e, -EINVAL,
			"the guest's clock offset changed while %s was recorded; record again, or give --offset",
			guest->name);
	return 0;
}

static int alloc_maps(struct session *s, size_t n, struct err *e)
{
	s->maps = calloc(n, sizeof(*s->maps));
	if (!s->maps)
		return err_set(e, -ENOMEM, "no memory for the clocks of %zu CPUs", n);
	s->file[GUEST].maps = s->maps;
	s->file[GUEST].n_maps = n;
	return 0;
}

static int maps_of_file(struct session *s, const struct dat *d, struct err *e)
{
	if (alloc_maps(s, d->n_shifts, e))
		return e->code;
	for (size_t i = 0; i < d->n_shifts; i++) {
		const struct dat_shift *f = &d->shifts[i];

		if (f->frac > 63)
			return err_set(e, -EINVAL, "%s: a clock ratio with %u fraction bits",
				       d->name, f->frac);
		s->maps[i] = (struct clock_map){ f->offset, f->ratio, f->frac };
		if (f->ratio == 1ull << f->frac)
			s->maps[i].ratio = 0;
	}
	s->offset_from = "its file";
	return 0;
}

static int maps_of_manifest(struct session *s, struct err *e)
{
	const struct manifest *m = &s->manifest;

	if (alloc_maps(s, m->n_vcpus, e))
		return e->code;
	for (size_t i = 0; i < m->n_vcpus; i++)
		if (m->vcpus[i].vcpu < m->n_vcpus)
			s->maps[m->vcpus[i].vcpu] = m->vcpus[i].map;
	s->offset_from = "KVM's debugfs";
	return 0;
}

/* KVM's own word, as the VMM had it. */
static int maps_of_vmm(struct session *s, struct err *e)
{
	const struct vmclocks *c = &s->vmclocks;

	if (alloc_maps(s, c->n, e))
		return e->code;
	for (size_t i = 0; i < c->n; i++)
		s->maps[i].offset = c->vcpus[i].offset;
	s->offset_from = "the VMM";
	return 0;
}

static int maps_of_bracket(struct session *s, struct err *e)
{
	if (alloc_maps(s, s->vmclocks.n, e))
		return e->code;
	s->offset_from = "the VMM's readings of the TSC";
	return bracket_offset(s, e);
}

/* Whoever told the offset: the VMM's readings of the TSC must not contradict it. */
static int check_told(const struct session *s, struct err *e)
{
	for (size_t i = 0; i < s->vmclocks.n && i < s->file[GUEST].n_maps; i++) {
		const struct vmclock *v = &s->vmclocks.vcpus[i];
		const struct clock_map *m = &s->maps[i];

		if (v->bracketed && !m->ratio &&
		    (m->offset < v->range.low || m->offset > v->range.high))
			return err_set(
				e, -EINVAL,
				"the clocks of host and guest do not agree: %s: vCPU %zu is ahead by %jd, but its TSC was read as ahead by %jd to %jd; give the right --offset",
				s->offset_from, i, (intmax_t)m->offset, (intmax_t)v->range.low,
				(intmax_t)v->range.high);
	}
	return 0;
}

static int guest_maps(struct session *s, const struct session_opts *o, struct err *e)
{
	const struct dat *d = &s->dat[GUEST];
	int ret = 0;

	s->same_offset = true;
	s->offset_from = o->offset_given ? "--offset" : "assumed";
	s->file[GUEST].clock.offset = o->offset;
	if (o->offset_given)
		return 0;
	if (d->n_shifts)
		ret = maps_of_file(s, d, e);
	else if (vmclock_exact(&s->vmclocks))
		ret = maps_of_vmm(s, e);
	else if (s->has_manifest && s->manifest.n_vcpus)
		ret = maps_of_manifest(s, e);
	else if (s->has[HOST] && vmclock_bracketed(&s->vmclocks))
		ret = maps_of_bracket(s, e);
	for (size_t i = 0; i < s->file[GUEST].n_maps; i++)
		s->same_offset &= s->maps[i].offset == s->maps[0].offset &&
				  s->maps[i].ratio == s->maps[0].ratio;
	if (s->maps)
		s->file[GUEST].clock = s->maps[0];
	return ret ? ret : check_told(s, e);
}

static int find_manifest(struct session *s, const char *host, struct err *e)
{
	char path[PATH_MAX];
	int ret = manifest_path(host, path, sizeof(path), e);

	if (!ret)
		ret = manifest_load(&s->manifest, path, e);
	s->has_manifest = !ret;
	return ret == -ENOENT && !e->code ? 0 : ret;
}

/* Sums for the line through (clock_now, stamp) of the guest's expired timers. */
struct line {
	double n, x, y, xx, xy;
	double x0, y0;
};

static void line_add(struct line *l, double x, double y)
{
	if (!l->n) {
		l->x0 = x;
		l->y0 = y;
	}
	x -= l->x0;
	y -= l->y0;
	l->n++;
	l->x += x;
	l->y += y;
	l->xx += x * x;
	l->xy += x * y;
}

/*
 * A file that does not tell how long its ticks are tells the time in its timer events: each
 * hrtimer_expire_entry holds the guest's clock in nanoseconds beside the event's own stamp.
 */
static int rate_from_timers(struct session *s, struct err *e)
{
	int side = s->has[GUEST] ? GUEST : HOST;
	struct feed_file *file = &s->file[side];
	const struct dat_format *f = dat_format(file->dat, "timer", "hrtimer_expire_entry");
	struct line l = { 0 };
	struct field now;
	struct merge m;
	const struct event *ev;
	double slope;
	int ret;

	if (!f || !format_field(f->text, f->len, "now", &now))
		return err_set(e, -ENODATA,
			       "%s does not say how long a tick of its clock is; give --tsc-hz",
			       file->dat->name);
	file->want[f->id] = 1;
	ret = merge_open(&m, file, 1, WINDOWS_BYTES, e);
	while (!ret && (ret = merge_next(&m, &ev, e)) > 0) {
		if (ev->len >= (uint32_t)now.offset + now.bytes)
			line_add(&l, (int64_t)field_get(ev->rec, now), ev->ts);
		ret = 0;
	}
	merge_close(&m);
	file->want[f->id] = 0;
	if (ret < 0)
		return ret;
	slope = (l.n * l.xy - l.x * l.y) / (l.n * l.xx - l.x * l.x);
	/* ticks per nanosecond: 0.1 to 100 GHz, else this was no line */
	if (l.n < 10 || !isfinite(slope) || slope < 0.1 || slope > 100)
		return err_set(
			e, -ENODATA,
			"%s holds too few timer events to tell how long a tick of its clock is; record for longer, or give --tsc-hz",
			file->dat->name);
	s->rate = clock_rate_hz(slope * 1e9);
	s->rate_from = "estimated from its timers";
	return 0;
}

/* What a file tells was measured; a nominal rate may be off by less than this. */
static const double nominal_error = 0.01;

static int check_tsc_hz(const struct session *s, const struct dat *d, double given, struct err *e)
{
	double told = session_hz(s);

	if (given && !is_tsc(d->clock))
		return err_set(
			e, -EINVAL,
			"--tsc-hz: %s is stamped by \"%s\", in nanoseconds; leave the option out",
			d->name, d->clock);
	if (!given || fabs(given / told - 1) < nominal_error)
		return 0;
	return err_set(
		e, -EINVAL,
		"--tsc-hz: %s tells that its clock has %.3f MHz, not %.3f; leave the option out",
		d->name, told / 1e6, given / 1e6);
}

static int find_rate(struct session *s, const struct session_opts *o, struct err *e)
{
	const struct dat *d = &s->dat[s->has[HOST] ? HOST : GUEST];

	s->rate = (struct clock_rate){ 1, 0 };
	s->rate_from = "nanoseconds";
	if (!is_tsc(d->clock))
		return check_tsc_hz(s, d, o->tsc_hz, e);
	if (!d->tsc_mult && s->has[GUEST] && !s->file[GUEST].clock.ratio)
		d = &s->dat[GUEST];
	if (d->tsc_mult) {
		s->rate = (struct clock_rate){ d->tsc_mult, d->tsc_shift };
		s->rate_from = "its file";
		return check_tsc_hz(s, d, o->tsc_hz, e);
	}
	if (!o->tsc_hz)
		return rate_from_timers(s, e);
	s->rate = clock_rate_hz(o->tsc_hz);
	s->rate_from = "--tsc-hz";
	return 0;
}

int session_parse_offset(const char *text, struct session_opts *o, struct err *e)
{
	bool minus = *text == '-';
	uint64_t v;

	if (opt_u64("--offset", text + minus, 0, INT64_MAX, &v, e))
		return e->code;
	o->offset = minus ? -(int64_t)v : (int64_t)v;
	o->offset_given = true;
	return 0;
}

int session_parse_tsc_hz(const char *text, struct session_opts *o, struct err *e)
{
	uint64_t hz;

	if (opt_u64("--tsc-hz", text, 1000000, 100000000000, &hz, e))
		return e->code;
	o->tsc_hz = hz;
	return 0;
}

int session_run(struct session_opts *o, struct session_paths *p, const char *run, struct err *e)
{
	if (!file_path(p->host, PATH_MAX, "%s/trace/host.dat", run) ||
	    !file_path(p->guest, PATH_MAX, "%s/trace/guest.dat", run) ||
	    !file_path(p->events, PATH_MAX, "%s/events.jsonl", run))
		return err_sys(e, "reading %s failed", run);
	if (!o->path[HOST] && file_exists(p->host))
		o->path[HOST] = p->host;
	if (!o->path[GUEST])
		o->path[GUEST] = p->guest;
	if (!o->events && file_exists(p->events))
		o->events = p->events;
	return 0;
}

int session_open(struct session *s, const struct session_opts *o, struct err *e)
{
	int ret = 0;

	*s = (struct session){ .dat = { { .fd = -1 }, { .fd = -1 } } };
	for (int i = 0; i < SIDES && !ret; i++) {
		if (!o->path[i])
			continue;
		s->has[i] = true;
		ret = dat_open(&s->dat[i], o->path[i], e);
		if (!ret && !s->dat[i].n_cpus)
			ret = err_set(e, -ENODATA, "%s holds no events", o->path[i]);
		if (!ret)
			ret = feed_file_init(&s->file[i], &s->dat[i], e);
	}
	if (!ret && s->has[HOST])
		ret = find_manifest(s, o->path[HOST], e);
	if (!ret && o->events)
		ret = vmclock_load(&s->vmclocks, o->events, e);
	if (!ret)
		ret = check_clocks(s, o->offset_given, e);
	if (!ret && s->has[GUEST])
		ret = guest_maps(s, o, e);
	if (!ret)
		ret = find_rate(s, o, e);
	return ret;
}

void session_close(struct session *s)
{
	for (int i = 0; i < SIDES; i++) {
		feed_file_free(&s->file[i]);
		dat_close(&s->dat[i]);
	}
	manifest_free(&s->manifest);
	free(s->maps);
	s->maps = NULL;
}

double session_hz(const struct session *s)
{
	return 1e9 * ldexp(1, s->rate.shift) / s->rate.mult;
}

int session_merge(struct session *s, struct merge *m, struct err *e)
{
	int first = s->has[HOST] ? HOST : GUEST;

	return merge_open(m, &s->file[first], s->has[HOST] + s->has[GUEST], WINDOWS_BYTES, e);
}

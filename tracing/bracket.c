// SPDX-License-Identifier: GPL-2.0-only
/* bracket - an offset that readings of the TSC only bracket, narrowed down by the trace's own events */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/stop.h"
#include "tracing/fit.h"
#include "tracing/session.h"

enum { KIND_ENTRY = 1, KIND_EXIT, PASSES_MAX = 4 };

struct fitting {
	struct session *s;
	struct fit *fits; /* by vCPU */
	size_t n;
	struct field pid; /* in the host's events */
};

/* Which vCPU does this host event's thread run? n: none */
static size_t vcpu_of(const struct fitting *f, const struct event *ev)
{
	uint64_t tid =
		ev->len < (uint32_t)f->pid.offset + f->pid.bytes ? 0 : field_get(ev->rec, f->pid);

	for (size_t i = 0; i < f->n; i++)
		if (tid && tid == (uint64_t)f->s->vmclocks.vcpus[i].tid)
			return i;
	return f->n;
}

static void take_host(struct fitting *f, const struct event *ev)
{
	size_t i = vcpu_of(f, ev);

	for (size_t k = 0; ev->lost && k < f->n; k++)
		fit_lost(&f->fits[k]);
	if (i == f->n)
		return;
	if (ev->kind == KIND_ENTRY)
		fit_entry(&f->fits[i], ev->ts);
	else
		fit_exit(&f->fits[i], ev->ts);
}

static int walk(struct fitting *f, struct err *e)
{
	struct merge m;
	const struct event *ev;
	uint64_t n = 0;
	int ret = session_merge(f->s, &m, e);

	if (ret < 0)
		return ret;
	/* what the guest did after the host's last event lies in no window that is known */
	while ((ret = merge_next(&m, &ev, e)) > 0 && merge_has(&m, HOST)) {
		if (session_side(f->s, ev) == HOST)
			take_host(f, ev);
		else if (ev->cpu < f->n)
			fit_event(&f->fits[ev->cpu], ev->raw_ts);
		if (!(++n & 0xffff) && stop_requested()) {
			ret = err_set(e, -EINTR, "interrupted");
			break;
		}
	}
	merge_close(&m);
	return ret < 0 ? ret : 0;
}

/* The host's windows, and whatever the guest recorded. */
static bool want(struct fitting *f)
{
	const struct dat *host = &f->s->dat[HOST], *guest = &f->s->dat[GUEST];
	const struct dat_format *entry = dat_format(host, "kvm", "kvm_entry");
	const struct dat_format *exit = dat_format(host, "kvm", "kvm_exit");

	if (!entry || !exit || !format_field(entry->text, entry->len, "common_pid", &f->pid))
		return false;
	f->s->file[HOST].want[entry->id] = KIND_ENTRY;
	f->s->file[HOST].want[exit->id] = KIND_EXIT;
	for (size_t i = 0; i < guest->n_formats; i++)
		f->s->file[GUEST].want[guest->formats[i].id] = 1;
	return true;
}

static void want_nothing(struct session *s)
{
	for (int i = 0; i < SIDES; i++)
		memset(s->file[i].want, 0, FEED_IDS);
}

static int pass(struct fitting *f, struct clock_range *range, struct err *e)
{
	struct clock_range found = *range;
	uint64_t outside = 0;
	int ret;

	for (size_t i = 0; i < f->n; i++) {
		fit_init(&f->fits[i], *range);
		f->s->maps[i].offset = range->low;
	}
	f->s->file[GUEST].clock = f->s->maps[0];
	ret = walk(f, e);
	for (size_t i = 0; i < f->n; i++) {
		found = clock_range_join(found, f->fits[i].found);
		outside += f->fits[i].outside;
	}
	if (ret < 0)
		return ret;
	if (outside || found.low > found.high)
		return err_set(
			e, -EINVAL,
			"the clocks of host and guest do not agree: the VMM read an offset of %jd to %jd, but no such offset puts all guest events into the guest's time on its CPU; give the right --offset",
			(intmax_t)range->low, (intmax_t)range->high);
	*range = found;
	return 0;
}

/* A narrower range leaves fewer events that could lie in several windows, so it is worth a second look. */
static int narrow(struct fitting *f, struct clock_range *range, struct err *e)
{
	int ret = 0;

	for (int i = 0; i < PASSES_MAX && !ret; i++) {
		uint64_t before = range->high - range->low;

		ret = pass(f, range, e);
		if ((uint64_t)(range->high - range->low) > before / 4 * 3)
			break;
	}
	return ret;
}

int bracket_offset(struct session *s, struct err *e)
{
	const struct vmclocks *c = &s->vmclocks;
	_cleanup_free_ struct fit *fits = calloc(c->n, sizeof(*fits));
	struct fitting f = { .s = s, .fits = fits, .n = c->n };
	struct clock_range range = c->vcpus[0].range;
	int ret = fits ? 0 : err_set(e, -ENOMEM, "no memory for the clocks of %zu CPUs", c->n);

	/* KVM gives the vCPUs of a guest that was not tampered with one offset */
	for (size_t i = 1; i < c->n; i++)
		range = clock_range_join(range, c->vcpus[i].range);
	if (!ret && range.low > range.high)
		ret = err_set(e, -ENOTSUP,
			      "the guest's vCPUs have different clocks; give --offset");
	if (!ret && want(&f))
		ret = narrow(&f, &range, e);
	want_nothing(s);
	for (size_t i = 0; i < c->n; i++)
		s->maps[i].offset = range.low + (range.high - range.low) / 2;
	s->range = range;
	s->ranged = !ret;
	return ret;
}

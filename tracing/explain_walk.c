// SPDX-License-Identifier: GPL-2.0-only
/* explain_walk - walk through a trace, keep its late wake-ups, and check the clocks and what was seen */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/stop.h"
#include "tracing/explain.h"

/* Keep the worst ones: a heap whose first is the one to go. */
static void keep(struct explanation *x, const struct spike *s)
{
	size_t i;

	if (!x->opts->list)
		return;
	if (x->n_worst < x->opts->list) {
		for (i = x->n_worst++; i && x->worst[(i - 1) / 2].latency_ns > s->latency_ns;
		     i = (i - 1) / 2)
			x->worst[i] = x->worst[(i - 1) / 2];
		x->worst[i] = *s;
		return;
	}
	if (s->latency_ns <= x->worst[0].latency_ns)
		return;
	for (i = 0; 2 * i + 1 < x->n_worst;) {
		size_t child = 2 * i + 1;

		if (child + 1 < x->n_worst &&
		    x->worst[child + 1].latency_ns < x->worst[child].latency_ns)
			child++;
		if (s->latency_ns <= x->worst[child].latency_ns)
			break;
		x->worst[i] = x->worst[child];
		i = child;
	}
	x->worst[i] = *s;
}

static int by_time(const void *a, const void *b)
{
	const struct spike *p = a, *q = b;

	return (p->ran > q->ran) - (p->ran < q->ran);
}

static int on_spike(void *arg, struct spike *s, struct err *e)
{
	struct explanation *x = arg;
	uint64_t by_cause[CAUSE_COUNT] = { 0 };

	x->spikes++;
	x->ns += s->latency_ns;
	x->last_spike_ts = s->ran;
	for (int i = 0; i < SIDES; i++)
		x->until_last[i] = x->model.side[i].events;
	x->causes[budget_verdict(&s->budget)].spikes++;
	for (size_t i = 0; i < s->budget.n; i++)
		by_cause[s->budget.parts[i].cause] += s->budget.parts[i].ns;
	for (int c = 0; c < CAUSE_COUNT; c++) {
		x->causes[c].ns += by_cause[c];
		if (by_cause[c] > x->causes[c].worst_ns)
			x->causes[c].worst_ns = by_cause[c];
	}
	keep(x, s);
	if (x->lines) {
		_cleanup_json_ json_object *o = explain_spike_json(x, s);

		if (!o || fprintf(x->lines, "%s\n",
				  json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN)) < 0)
			return err_sys(e, "writing %s/spikes.jsonl failed", x->opts->run_dir);
	}
	return 0;
}

/* A KVM that only emulates fires no kvm_entry, which would name the vCPU. */
static int check_vcpus(const struct explanation *x, struct err *e)
{
	const struct model *m = &x->model;

	if (!x->session.has[HOST] || m->windows)
		return 0;
	for (size_t i = 0; i < m->n_vcpus; i++)
		if (m->vcpus[i].tid)
			return 0;
	return err_set(
		e, -ENODATA,
		"%s has no kvm_entry and does not tell which threads run the vCPUs; give --vcpus TID,...",
		x->opts->session.path[HOST]);
}

/* x->vcpus, of which some may have no thread that is known */
static int set_order(struct explanation *x, struct err *e)
{
	int ret = 0;

	for (size_t i = 0; i < x->n_vcpus && !ret; i++)
		if (x->vcpus[i].tid)
			ret = model_set_vcpu(&x->model, i, x->vcpus[i].tid, e);
	return ret;
}

/* One with fewer than the guest has CPUs is not: where KVM's numbers are seen, they tell more. */
static bool is_whole(const struct model *m, size_t known)
{
	return m->windows ? known >= m->n_vcpus : known > 0;
}

/*
 * The host's recorder knew which threads run which guest. KVM's numbers of them are in the order of
 * the guest's, but QEMU's have holes.
 */
static int set_manifest_vcpus(struct explanation *x, struct err *e)
{
	const struct manifest *list = &x->session.manifest;
	struct model *m = &x->model;
	bool in_order = true;
	size_t known = 0;
	int ret;

	x->n_vcpus = 0;
	for (size_t i = 0; i < list->n_vcpus; i++) {
		x->vcpus[i] = (struct vcpu_name){ list->vcpus[i].kvm_id, list->vcpus[i].tid };
		known += list->vcpus[i].tid != 0;
		in_order &= list->vcpus[i].kvm_id == i;
	}
	if (!is_whole(m, known))
		return 0;
	m->opts.vcpus_given = true;
	x->vcpus_from = "host.json";
	x->n_vcpus = list->n_vcpus;
	ret = set_order(x, e);
	if (in_order)
		x->n_vcpus = 0;
	return ret;
}

static int set_file_vcpus(struct explanation *x, const struct dat_guest *g, struct err *e)
{
	size_t known = 0;
	int ret = 0;

	for (size_t i = 0; i < g->n_vcpus; i++)
		known += g->vcpus[i].tid && g->vcpus[i].cpu < x->model.n_vcpus;
	if (!is_whole(&x->model, known))
		return 0;
	x->model.opts.vcpus_given = true;
	x->vcpus_from = "the host's file";
	for (size_t i = 0; i < g->n_vcpus && !ret; i++)
		if (g->vcpus[i].tid)
			ret = model_set_vcpu(&x->model, g->vcpus[i].cpu, g->vcpus[i].tid, e);
	return ret;
}

static int set_given_vcpus(struct explanation *x, struct err *e)
{
	int ret = 0;

	x->vcpus_from = "--vcpus";
	for (size_t i = 0; i < x->opts->n_vcpus && !ret; i++)
		ret = model_set_vcpu(&x->model, i, x->opts->vcpus[i], e);
	return ret;
}

static int set_vmm_vcpus(struct explanation *x, struct err *e)
{
	const struct vmclocks *c = &x->session.vmclocks;
	int ret = 0;

	for (size_t i = 0; i < c->n && !ret; i++)
		if (c->vcpus[i].tid) {
			x->model.opts.vcpus_given = true;
			x->vcpus_from = "the VMM";
			ret = model_set_vcpu(&x->model, i, c->vcpus[i].tid, e);
		}
	return ret;
}

/* Which thread runs which CPU of the guest, as far as that is told; else the entries' numbers say it. */
static int name_vcpus(struct explanation *x, struct err *e)
{
	const struct session *s = &x->session;
	int ret;

	if (x->opts->n_vcpus)
		return set_given_vcpus(x, e);
	if (x->renumbered && x->n_vcpus)
		return set_order(x, e);
	if (s->vmclocks.n)
		return set_vmm_vcpus(x, e);
	ret = set_manifest_vcpus(x, e);
	if (x->model.opts.vcpus_given)
		return ret;
	for (size_t k = 0; k < s->dat[HOST].n_guests && !ret; k++)
		if (s->dat[HOST].guests[k].trace_id == s->dat[GUEST].trace_id)
			ret = set_file_vcpus(x, &s->dat[HOST].guests[k], e);
	return ret;
}

static int setup_model(struct explanation *x, struct err *e)
{
	const struct explain_opts *o = x->opts;
	struct session *s = &x->session;
	struct model_opts m = { .threads = o->threads,
				.n_threads = o->n_threads,
				.threshold_ns = o->threshold_ns,
				.real_time = !o->n_threads && !x->all_threads,
				.vcpus_given = o->n_vcpus || x->n_vcpus,
				.timer_vector = 0xec,
				.rate = s->rate,
				.on_spike = on_spike,
				.arg = x };
	int ret =
		model_init(&x->model, &m, s->has[HOST] ? &s->file[HOST] : NULL, &s->file[GUEST], e);

	return ret || !s->has[HOST] ? ret : name_vcpus(x, e);
}

enum { BETWEEN_STOPS = 65536 }; /* events: some milliseconds */

static int walk(struct explanation *x, struct err *e)
{
	struct merge m;
	int ret = session_merge(&x->session, &m, e);

	if (ret < 0)
		return ret;
	x->model.merge = &m;
	while ((ret = model_follow(&x->model, BETWEEN_STOPS, e)) > 0)
		if (stop_requested()) {
			ret = err_set(e, -EINTR, "interrupted");
			break;
		}
	x->model.merge = NULL;
	x->events = m.events;
	x->lost = m.lost;
	x->lost_places = m.lost_pages;
	x->begun_late = m.begun_late;
	merge_close(&m);
	return ret;
}

/* The offset was taken from a range: it is off by no more than that in either direction. */
static void join_range(struct clock_bound *all, const struct session *s)
{
	int64_t offset = s->file[GUEST].clock.offset;
	struct clock_range r = clock_range_join(
		(struct clock_range){ all->low, all->high },
		(struct clock_range){ s->range.low - offset, s->range.high - offset });

	all->low = r.low;
	all->high = r.high;
}

/* One error of all guest CPUs, if they have one offset: what every vCPU allows. */
static void join_bounds(struct explanation *x)
{
	struct clock_bound *all = &x->bound;

	clock_bound_init(all);
	for (size_t i = 0; i < x->model.n_vcpus; i++) {
		const struct clock_bound *v = &x->model.vcpus[i].bound;

		all->inside += v->inside;
		all->outside += v->outside;
		if (v->low == INT64_MIN || v->high == INT64_MAX)
			continue;
		if (x->session.same_offset) {
			all->low = v->low > all->low ? v->low : all->low;
			all->high = v->high < all->high ? v->high : all->high;
		} else if (all->low == INT64_MIN || v->high - v->low > all->high - all->low) {
			all->low = v->low;
			all->high = v->high;
		}
	}
	if (x->session.ranged)
		join_range(all, &x->session);
}

bool explain_error_known(const struct explanation *x)
{
	const struct clock_bound *b = &x->bound;

	return (b->inside || x->session.ranged) && b->low != INT64_MIN && b->high != INT64_MAX;
}

static int check_clock(const struct explanation *x, struct err *e)
{
	const struct clock_bound *b = &x->bound;
	struct clock_rate r = x->session.rate;

	if (x->session.has[HOST] && x->model.windows && !b->inside)
		return err_set(
			e, -EINVAL,
			"with offset %jd (%s) no guest event falls into a time when the host ran the guest; give the right --offset, or traces of the same time",
			(intmax_t)x->session.file[GUEST].clock.offset, x->session.offset_from);
	if (b->outside || (b->inside && b->low > b->high))
		return err_set(
			e, -EINVAL,
			"the clocks of host and guest do not agree: with offset %jd (%s) %ju of %ju guest events fall outside the guest's time on its CPU; give the right --offset",
			(intmax_t)x->session.file[GUEST].clock.offset, x->session.offset_from,
			(uintmax_t)b->outside, (uintmax_t)(b->outside + b->inside));
	if (!explain_error_known(x))
		return 0;
	if (clock_ns(r, b->high) > x->opts->clock_error_ns ||
	    clock_ns(r, -b->low) > x->opts->clock_error_ns)
		return err_set(
			e, -EINVAL,
			"the clocks of host and guest are only known to -%ju..+%ju ns, --max-clock-error is %ju ns; record longer, or allow more",
			(uintmax_t)clock_ns(r, -b->low), (uintmax_t)clock_ns(r, b->high),
			(uintmax_t)x->opts->clock_error_ns);
	return 0;
}

static uint64_t n_samples(const struct model *m, bool left_out)
{
	uint64_t n = 0;

	for (size_t i = 0; i < m->n_samplers; i++)
		n += left_out ? m->samplers[i].left_out : m->samplers[i].samples;
	return n;
}

static int check_samples(const struct explanation *x, struct err *e)
{
	const struct explain_opts *o = x->opts;

	if (n_samples(&x->model, false))
		return 0;
	return err_set(e, -ENODATA, "%s shows no wake-up of %s%s by a timer; name one by --thread",
		       o->session.path[GUEST], o->n_threads ? "thread " : "",
		       o->n_threads ? o->threads[0] : "cyclictest or rtkvm");
}

uint64_t explain_went_on(const struct explanation *x, unsigned int side)
{
	return x->model.side[side].events - x->until_last[side];
}

uint64_t explain_went_on_ns(const struct explanation *x, unsigned int side)
{
	uint64_t last = x->model.side[side].last_ts;
	struct clock_rate r = x->session.rate;

	if (!explain_went_on(x, side) || last <= x->last_spike_ts)
		return 0;
	return clock_ns(r, last) - clock_ns(r, x->last_spike_ts);
}

static int by_id(const void *a, const void *b)
{
	const struct vcpu_name *p = a, *q = b;

	return (p->id > q->id) - (p->id < q->id);
}

/*
 * Are KVM's numbers other than the guest's? They are when a CPU of the guest has events but KVM ran
 * no vCPU of its number, and there are enough of higher ones. Their order is the guest's: it numbers
 * its CPUs by their APIC ids.
 */
static bool renumber(struct explanation *x)
{
	const struct model *m = &x->model;
	struct vcpu_name *all = x->vcpus;
	bool hole = false;
	size_t n = 0;

	if (x->renumbered || m->opts.vcpus_given || !m->n_beyond ||
	    m->n_vcpus + m->n_beyond > EXPLAIN_VCPUS)
		return false;
	for (size_t i = 0; i < m->n_vcpus; i++)
		if (m->vcpus[i].tid)
			all[n++] = (struct vcpu_name){ i, m->vcpus[i].tid };
		else
			hole |= m->side[GUEST].cpus[i].last_ts != 0;
	for (size_t i = 0; i < m->n_beyond; i++)
		all[n++] = m->beyond[i];
	if (!hole || n < m->n_vcpus)
		return false;
	qsort(all, n, sizeof(all[0]), by_id);
	x->n_vcpus = n;
	x->vcpus_from = "the order of KVM's numbers";
	x->renumbered = true;
	return true;
}

/* The order was a guess: a vCPU's events may as well be missing as its host CPU was not recorded. */
static bool number_as_before(struct explanation *x)
{
	if (!x->renumbered || !x->n_vcpus || !x->bound.outside)
		return false;
	x->n_vcpus = 0;
	x->vcpus_from = "KVM's numbers, as the clock spoke against their order";
	return true;
}

/* What was found shows that something else should have been looked for. */
static bool look_again(struct explanation *x)
{
	join_bounds(x);
	if (renumber(x) || number_as_before(x))
		return true;
	if (n_samples(&x->model, false) || !n_samples(&x->model, true))
		return false;
	x->all_threads = true;
	return true;
}

/* As if nothing had been found; at: where the spikes' lines begin. */
static int forget(struct explanation *x, long at, struct err *e)
{
	model_free(&x->model);
	x->n_worst = 0;
	x->spikes = x->ns = x->last_spike_ts = 0;
	memset(x->causes, 0, sizeof(x->causes));
	memset(x->until_last, 0, sizeof(x->until_last));
	if (x->lines &&
	    (fflush(x->lines) || ftruncate(fileno(x->lines), at) || fseek(x->lines, at, SEEK_SET)))
		return err_sys(e, "writing %s/spikes.jsonl failed", x->opts->run_dir);
	return 0;
}

static int follow(struct explanation *x, struct err *e)
{
	int ret = setup_model(x, e);

	if (!ret)
		ret = check_vcpus(x, e);
	return ret ? ret : walk(x, e);
}

int explain_walk(struct explanation *x, struct err *e)
{
	int ret = session_open(&x->session, &x->opts->session, e);
	long at = x->lines ? ftell(x->lines) : 0;

	x->vcpus_from = "KVM's numbers";
	if (x->session.has_manifest) {
		x->wall_ts = x->session.manifest.begin.ticks;
		x->wall_ns = x->session.manifest.begin.wall_ns;
		x->wall_known = x->wall_ns > 0;
	}
	if (!ret)
		ret = follow(x, e);
	while (!ret && look_again(x)) {
		ret = forget(x, at, e);
		if (!ret)
			ret = follow(x, e);
	}
	if (ret < 0)
		return ret;
	ret = check_clock(x, e);
	if (!ret)
		ret = check_samples(x, e);
	qsort(x->worst, x->n_worst, sizeof(*x->worst), by_time);
	return ret;
}

// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/counters.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/json.h"
#include "vmm/advance.h"
#include "vmm/vcpu.h"

/* Where the host does not tell, the table stays empty, and "host_interrupts" is null. */
static void read_interrupts(struct window *w, struct interrupts *t, const struct vm *vm)
{
	struct err ignored = { 0 };

	interrupts_read(t, &w->irq_text, vm->opts.map.host, vm->n_vcpus, &ignored);
}

static int open_switches(struct window *w, const pid_t *tids, int n, struct err *e)
{
	struct reading *all[] = { &w->edge[WINDOW_START], &w->edge[WINDOW_END], &w->end };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		all[i]->preempted = calloc(1, sizeof(*all[i]->preempted));
		if (!all[i]->preempted)
			return err_set(e, -ENOMEM, "no memory for statistics");
	}
	return preempted_open(&w->switches, tids, n, e);
}

static int open_hists(struct window *w, const struct vm *vm, struct err *e)
{
	pid_t tids[CPUMAP_VCPUS];
	int ret = 0;

	if (vm->opts.timer_residual && !advance_read_ns("/sys/kernel/debug", vm->fd, 0))
		return err_set(e, -EINVAL,
			       "--timer-residual: KVM advances no timer of this VM (its "
			       "lapic_timer_advance_ns is 0), so it waits for no deadline; use "
			       "--lapic-timer-advance, or load kvm without lapic_timer_advance=0");
	for (int i = 0; i < vm->n_vcpus; i++)
		tids[i] = vm->vcpus[i].tid;
	if (vm->opts.timer_residual)
		ret = residual_open(&w->residual, tids, vm->n_vcpus, e);
	if (!ret && vm->opts.trace_switches)
		ret = open_switches(w, tids, vm->n_vcpus, e);
	return ret;
}

int window_init(struct window *w, const struct vm *vm, struct err *e)
{
	struct reading *all[] = { &w->edge[WINDOW_START], &w->edge[WINDOW_END], &w->end };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		all[i]->vcpus = calloc(vm->n_vcpus, sizeof(*all[i]->vcpus));
		if (!all[i]->vcpus)
			return err_set(e, -ENOMEM, "no memory for statistics");
	}
	for (int i = 0; i < WINDOW_EDGES; i++) {
		size_t bytes = vm->n_vcpus * sizeof(*w->stats[i]);

		w->stats[i] = aligned_alloc(_Alignof(struct vcpu_stats), bytes);
		if (!w->stats[i])
			return err_set(e, -ENOMEM, "no memory for statistics");
		memset(w->stats[i], 0, bytes);
	}
	if (open_hists(w, vm, e) < 0)
		return e->code;
	read_interrupts(w, &w->begin, vm);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (w->begin.n && interrupts_reserve(&all[i]->irqs, &w->begin, e) < 0)
			return e->code;
	return 0;
}

int window_reserve(struct window *w, struct err *e)
{
	int ret = neighbours_reserve(&w->others[WINDOW_START], "/proc", e);

	return ret < 0 ? ret : neighbours_reserve(&w->others[WINDOW_END], "/proc", e);
}

void window_free(struct window *w)
{
	struct reading *all[] = { &w->edge[WINDOW_START], &w->edge[WINDOW_END], &w->end };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		free(all[i]->vcpus);
		free(all[i]->preempted);
		interrupts_free(&all[i]->irqs);
	}
	for (int i = 0; i < WINDOW_EDGES; i++)
		free(w->stats[i]);
	interrupts_free(&w->begin);
	vcpuhist_close(&w->residual);
	vcpuhist_close(&w->switches);
	free(w->irq_text.at);
	neighbours_free(&w->others[WINDOW_START]);
	neighbours_free(&w->others[WINDOW_END]);
	memset(w, 0, sizeof(*w));
}

static int read_preempted(struct window *w, struct reading *r, struct err *e)
{
	int ret = vcpuhist_read(&w->switches, e);

	if (!ret && w->switches.on)
		preempted_parse(r->preempted, w->switches.text);
	return ret;
}

static int take_threads(struct window *w, struct reading *r, struct vm *vm, struct err *e)
{
	int ret = vcpuhist_read(&w->residual, e);

	for (int i = 0; !ret && i < vm->n_vcpus; i++) {
		ret = thread_counts(getpid(), vm->vcpus[i].tid, &r->vcpus[i].thread);
		if (ret < 0)
			err_set(e, ret, "reading the counters of vCPU %d's thread failed", i);
		if (!ret)
			ret = kvmstats_read(&vm->vcpus[i].kvm, r->vcpus[i].kvm, e);
		if (w->residual.on)
			r->vcpus[i].timer = residual_parse(w->residual.text, vm->vcpus[i].tid);
	}
	return ret;
}

/* Those whom a switch was for are read outside of the number of switches: none remains unnamed. */
static int take(struct window *w, struct reading *r, struct vm *vm, uint64_t ns, struct err *e)
{
	bool first = r == &w->edge[WINDOW_START];
	int ret = first ? read_preempted(w, r, e) : 0;

	r->ns = ns;
	read_interrupts(w, &r->irqs, vm);
	if (!ret)
		ret = take_threads(w, r, vm, e);
	return ret || first ? ret : read_preempted(w, r, e);
}

int counters_mark(struct window *w, struct vm *vm, enum abi_mark mark, uint64_t ns, struct err *e)
{
	enum window_edge edge = mark == ABI_MARK_JOB_START ? WINDOW_START : WINDOW_END;
	int ret;

	if (mark != ABI_MARK_JOB_START && mark != ABI_MARK_JOB_END)
		return 0;
	for (int i = 0; i < vm->n_vcpus; i++)
		vcpu_stats_copy(&w->stats[edge][i], &vm->window[edge][i]);
	atomic_store(&vm->window_full[edge], false); /* room for the next one */
	ret = take(w, &w->edge[edge], vm, ns, e);
	return ret < 0 ? ret : neighbours_read(&w->others[edge], "/proc", e);
}

int counters_now(struct window *w, struct vm *vm, struct err *e)
{
	return take(w, &w->end, vm, clock_now_ns(), e);
}

/* A KVM that emulates takes the option, too, and does not heed it. */
int counters_check_hlt(const struct window *w, const struct vm *vm, struct err *e)
{
	if (!(vm->opts.no_exit & KVM_X86_DISABLE_EXITS_HLT))
		return 0;
	for (int i = 0; i < vm->n_vcpus; i++) {
		uint64_t n;

		if (kvmstats_value(&vm->vcpus[i].kvm, "halt_exits", w->end.vcpus[i].kvm, &n) && n)
			return err_set(
				e, -ENOTSUP,
				"--no-exit: wanted hlt to stay in the guest, vCPU %d left it "
				"for %" PRIu64 " of them (KVM's halt_exits): this KVM allows "
				"that and does not do it; leave it out",
				i, n);
	}
	return 0;
}

/* Who else ran on the vCPU's CPU, as far as /proc tells. */
static json_object *others_json(const struct vcpu *v, const struct window *w)
{
	json_object *list = json_object_new_array();
	struct neighbour n;
	size_t at = 0;

	while (neighbours_next(&w->others[WINDOW_START], &w->others[WINDOW_END], v->placed.cpu, &at,
			       &n)) {
		json_object *o;

		if (n.tid == v->tid)
			continue;
		o = json_object_new_object();
		json_set_int(o, "tid", n.tid);
		json_set_str(o, "name", n.name);
		json_set_int(o, "runs", n.runs);
		json_set_int(o, "run_ns", n.run_ns);
		json_object_array_add(list, o);
	}
	return list;
}

/* Of this process or its VM, whatever CPU they are meant to be on; null where the kernel does not tell. */
static json_object *own_runs_json(const struct vm *vm, const struct vcpu *v, const struct window *w)
{
	int64_t runs = neighbours_own_runs(&w->others[WINDOW_START], &w->others[WINDOW_END],
					   v->placed.cpu, v->tid, getpid(), &vm->helpers);

	return runs < 0 ? NULL : json_object_new_int64(runs);
}

static json_object *exits_json(const struct vcpu_stats *from, const struct vcpu_stats *to)
{
	json_object *o = json_object_new_object();

	for (int r = 0; r < VCPU_EXIT_REASONS; r++) {
		uint64_t n = to->exits[r] - from->exits[r];
		char number[16];

		if (!n)
			continue;
		snprintf(number, sizeof(number), "exit_%d", r);
		json_set_int(o, vcpu_exit_name(r) ? vcpu_exit_name(r) : number, n);
	}
	return o;
}

/* Upper bounds (powers of two, in ns) and counts of the non-empty bins. */
static json_object *hist_json(const struct vcpu_stats *from, const struct vcpu_stats *to)
{
	json_object *o = json_object_new_object();

	for (int i = 0; i < VCPU_HIST_BINS; i++) {
		uint64_t n = to->user_hist[i] - from->user_hist[i];
		char bound[24];

		if (!n)
			continue;
		snprintf(bound, sizeof(bound), "%llu", 1ull << i);
		json_set_int(o, bound, n);
	}
	return o;
}

/* What the window and the totals have in common: the span between two states of the counters. */
static void add_span(json_object *o, const struct vcpu_stats *from, const struct vcpu_stats *to)
{
	json_object_object_add(o, "exits", exits_json(from, to));
	json_set_int(o, "user_ns", to->user_ns - from->user_ns);
	json_object_object_add(o, "user_ns_below", hist_json(from, to));
}

static uint64_t all_exits(const struct vcpu_stats *s)
{
	uint64_t n = 0;

	for (int r = 0; r < VCPU_EXIT_REASONS; r++)
		n += s->exits[r];
	return n;
}

/* What --timer-residual counted between two readings; null without it. */
static void add_residual(json_object *o, const struct vm *vm, const struct window *w,
			 const struct residual_counts *from, const struct residual_counts *to)
{
	json_object_object_add(o, "lapic_timer_residual",
			       w->residual.on ? residual_json(from, to, vm->tsc_khz) : NULL);
}

void counters_timer_json(json_object *o, const struct vm *vm, const struct vcpu *v,
			 const struct window *w)
{
	static const struct residual_counts none;
	int64_t ns = advance_read_ns("/sys/kernel/debug", vm->fd, v->index);

	json_object_object_add(o, "lapic_timer_advance_ns",
			       ns < 0 ? NULL : json_object_new_int64(ns));
	add_residual(o, vm, w, &none, &w->end.vcpus[v->index].timer);
}

/* How often the vCPU's thread lost its CPU, and with --trace-switches whom to. */
static void add_switches(json_object *o, const struct vcpu *v, const struct window *w,
			 const struct reading *start, const struct reading *end)
{
	uint64_t n = end->vcpus[v->index].thread.involuntary_switches -
		     start->vcpus[v->index].thread.involuntary_switches;

	json_set_int(o, "involuntary_switches", n);
	if (w->switches.on)
		preempted_json(o, start->preempted, end->preempted, v->tid, n);
	else
		json_object_object_add(o, "preempted_by", NULL);
}

/* Between the two job marks; from the first one until now where the second has not come. */
static json_object *window_json(struct vm *vm, const struct vcpu *v, const struct window *w,
				bool live)
{
	const struct reading *start = &w->edge[WINDOW_START], *end = &w->edge[WINDOW_END];
	const struct vcpu_stats *first = &w->stats[WINDOW_START][v->index];
	struct vcpu_stats last;
	const struct reading_vcpu *from = &start->vcpus[v->index], *to;
	bool open = end->ns < start->ns;
	json_object *o;

	if (!start->ns || (open && !live))
		return NULL;
	vcpu_stats_copy(&last, open ? &v->stats : &w->stats[WINDOW_END][v->index]);
	if (open)
		end = &w->end;
	to = &end->vcpus[v->index];
	o = json_object_new_object();
	json_set_bool(o, "open", open);
	json_set_int(o, "duration_ns", end->ns - start->ns);
	json_set_int(o, "userspace_exits", all_exits(&last) - all_exits(first));
	json_set_int(o, "page_faults", to->thread.page_faults - from->thread.page_faults);
	json_object_object_add(o, "guest_page_faults",
			       kvmstats_faults(&v->kvm, from->kvm, to->kvm));
	add_switches(o, v, w, start, end);
	add_span(o, first, &last);
	if (!open) {
		json_object_object_add(o, "vmm_thread_runs", own_runs_json(vm, v, w));
		json_object_object_add(o, "others", others_json(v, w));
	}
	json_object_object_add(o, "host_interrupts",
			       interrupts_json(&start->irqs, &end->irqs, v->index));
	json_object_object_add(o, "kvm", kvmstats_json(&v->kvm, from->kvm, to->kvm));
	add_residual(o, vm, w, &from->timer, &to->timer);
	return o;
}

json_object *counters_vcpu_json(struct vm *vm, const struct vcpu *v, const struct window *w,
				bool live)
{
	static const struct vcpu_stats none;
	const struct reading_vcpu *now = &w->end.vcpus[v->index];
	json_object *o = json_object_new_object();
	struct vcpu_stats stats;

	vcpu_stats_copy(&stats, &v->stats);
	json_set_int(o, "index", v->index);
	json_set_int(o, "tid", v->tid);
	json_set_int(o, "cpu", v->placed.cpu);
	json_set_int(o, "page_faults", now->thread.page_faults);
	json_set_int(o, "involuntary_switches", now->thread.involuntary_switches);
	add_span(o, &none, &stats);
	json_object_object_add(o, "host_interrupts",
			       interrupts_json(&w->begin, &w->end.irqs, v->index));
	json_object_object_add(o, "kvm", kvmstats_json(&v->kvm, NULL, now->kvm));
	counters_timer_json(o, vm, v, w);
	json_object_object_add(o, "window", window_json(vm, v, w, live));
	return o;
}

int counters_process_start_ns(uint64_t *ns, struct err *e)
{
	uint64_t ticks = process_start(getpid());
	struct timespec boot, mono;
	int64_t skew_ns;

	if (!ticks)
		return err_set(e, -EINVAL, "/proc/self/stat has no start time");
	clock_gettime(CLOCK_BOOTTIME, &boot); /* what starttime counts */
	clock_gettime(CLOCK_MONOTONIC, &mono);
	skew_ns = (boot.tv_sec - mono.tv_sec) * (int64_t)NSEC_PER_SEC + boot.tv_nsec - mono.tv_nsec;
	*ns = ticks * (NSEC_PER_SEC / sysconf(_SC_CLK_TCK)) - skew_ns;
	return 0;
}

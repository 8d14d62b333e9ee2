// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/events.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/json.h"
#include "vmm/partition.h"

enum { STALLED_MS = 5000 }; /* a pipe that its reader has not emptied for so long */

static int send(struct events *ev, json_object *o, struct err *e)
{
	struct pollfd p = { .fd = ev->fd, .events = POLLOUT };
	const char *text;
	size_t len;
	int ret;

	if (ev->fd < 0)
		return 0;
	if (poll(&p, 1, STALLED_MS) <= 0)
		return err_set(e, -ETIMEDOUT, "--events: its reader takes nothing");
	text = json_object_to_json_string_length(o, JSON_C_TO_STRING_PLAIN, &len);
	ret = file_write_all(ev->fd, text, len);
	if (!ret)
		ret = file_write_all(ev->fd, "\n", 1);
	return ret < 0 ? err_set(e, ret, "writing --events failed: %s", strerror(-ret)) : 0;
}

static json_object *event(const char *name, uint64_t ns)
{
	json_object *o = json_object_new_object();

	json_set_str(o, "event", name);
	json_set_int(o, "ns", ns);
	return o;
}

/* A number, or null where the kernel has no such thing. */
static void set_known(json_object *o, const char *key, int64_t value)
{
	json_object_object_add(o, key, value < 0 ? NULL : json_object_new_int64(value));
}

void events_boost(json_object *o, const struct vcpu *v)
{
	set_known(o, "uclamp_min", v->placed.uclamp_min);
	json_set_bool(o, "core_cookie", v->placed.core_cookie);
}

/* How much faster than the host's it ran, and within what; null where that cannot be read. */
static void add_tsc_scale(json_object *o, const struct vcpu *v)
{
	const struct tsc_scale *s = &v->tsc_scale;

	json_object_object_add(o, "tsc_off_ppm",
			       s->known ? json_object_new_double(s->off_ppm) : NULL);
	json_object_object_add(o, "tsc_off_bound_ppm",
			       s->known ? json_object_new_double(s->bound_ppm) : NULL);
}

/* How the vCPU's clock relates to the host's, for who traces both. */
static void add_tsc(json_object *o, const struct vcpu *v)
{
	const uint64_t read[] = { v->tsc.before, v->tsc.guest, v->tsc.after };
	json_object *list;

	if (v->vm->tsc_is_host)
		json_set_int(o, "tsc_offset", 0);
	if (!v->tsc.after)
		return;
	list = json_object_new_array();
	for (size_t i = 0; i < ARRAY_SIZE(read); i++)
		json_object_array_add(list, json_object_new_int64(read[i]));
	json_object_object_add(o, "tsc", list);
}

static json_object *placed_json(const struct vcpu *v)
{
	json_object *o = json_object_new_object();

	json_set_int(o, "index", v->index);
	json_set_int(o, "tid", v->tid);
	json_set_int(o, "cpu", v->placed.cpu);
	json_set_str(o, "policy", v->placed.policy == SCHED_FIFO ? "fifo" : "other");
	json_set_int(o, "priority", v->placed.priority);
	events_boost(o, v);
	add_tsc(o, v);
	add_tsc_scale(o, v);
	return o;
}

/* Where the kernel's own threads for this VM may run now; one that has ended is left out. */
static json_object *helpers_json(const struct helpers *h)
{
	json_object *list = json_object_new_array();

	for (size_t i = 0; i < h->n; i++) {
		struct err gone = { 0 };
		struct cpulist now;
		json_object *o;
		char cpus[256];

		if (!h->at[i].tid || cpulist_affinity(&now, h->at[i].tid, &gone) < 0)
			continue;
		o = json_object_new_object();
		json_set_int(o, "tid", h->at[i].tid);
		json_set_str(o, "name", h->at[i].name);
		json_set_str(o, "cpus", cpulist_format(&now, cpus, sizeof(cpus)));
		json_object_array_add(list, o);
	}
	return list;
}

/* What of each second real-time tasks may have on this host: below -1, it does not say. */
static void add_limit(json_object *o, const struct vm *vm)
{
	if (vm->opts.rt_runtime_us >= -1)
		json_set_int(o, "sched_rt_runtime_us", vm->opts.rt_runtime_us);
}

/* In force for this VM, or null where the module does not tell its own. */
static void add_halt_poll(json_object *o, const struct vm *vm)
{
	set_known(o, "halt_poll_ns", vm->halt_poll_ns);
}

/* What was asked for beside the vCPUs' places, as it is in force. */
static void add_extras(json_object *o, const struct vm *vm)
{
	json_set_bool(o, "pmu", vm->opts.pmu);
	set_known(o, "cpu_dma_latency_us", vm->opts.cpu_dma_latency_us);
	set_known(o, "cpu_dma_latency_held_us", vm->opts.cpu_dma_latency_held_us);
	json_set_str(o, "resctrl", vm->opts.resctrl);
}

/* KVM's mitigation that splits huge pages, and how to be without it where it is in force. */
static void add_nx_pages(json_object *o, const struct vm *vm)
{
	json_set_str(o, "nx_huge_pages", nxpages_name(vm->nx_pages));
	if (nxpages_remedy(vm->nx_pages))
		json_set_str(o, "nx_huge_pages_remedy", nxpages_remedy(vm->nx_pages));
}

/* How long each step took, after the first: when it began. */
static json_object *setup_json(const struct setup *s)
{
	static const char *const names[] = {
		[SETUP_CHECK] = "check_ns", [SETUP_MACHINE] = "machine_ns",
		[SETUP_LOAD] = "load_ns",   [SETUP_THREADS] = "threads_ns",
		[SETUP_LOCK] = "lock_ns",
	};
	json_object *o = json_object_new_object();
	uint64_t before = s->main_ns;

	json_set_int(o, "main_at_ns", s->main_ns);
	for (int i = 0; i < SETUP_STEPS; i++) {
		json_set_int(o, names[i], s->end_ns[i] - before);
		before = s->end_ns[i];
	}
	return o;
}

static void add_placement(json_object *o, const struct events *ev, const struct vm *vm)
{
	json_object *vcpus = json_object_new_array();

	json_set_int(o, "pid", getpid());
	for (int i = 0; i < vm->n_vcpus; i++)
		json_object_array_add(vcpus, placed_json(&vm->vcpus[i]));
	json_object_object_add(o, "vcpus", vcpus);
	if (vm->opts.partition)
		json_set_str(o, "cpuset_partition", vm->opts.partition->dir);
	json_set_str(o, "irqchip", vm->opts.irqchip_full ? "full" : "split");
	add_halt_poll(o, vm);
	add_nx_pages(o, vm);
	add_extras(o, vm);
	json_object_object_add(o, "helpers", helpers_json(&vm->helpers));
	json_set_str(o, "ctl", ev->ctl);
	add_limit(o, vm);
}

int events_started(struct events *ev, const struct vm *vm, const char *why, struct err *e)
{
	_cleanup_json_ json_object *o = event("started", clock_now_ns());

	add_placement(o, ev, vm);
	json_object_object_add(o, "setup", setup_json(&ev->setup));
	if (why[0])
		json_set_str(o, "placement", why);
	return send(ev, o, e);
}

int events_realtime(struct events *ev, const struct vm *vm, struct err *e)
{
	_cleanup_json_ json_object *o = event("realtime", clock_now_ns());

	add_placement(o, ev, vm);
	return send(ev, o, e);
}

int events_mark(struct events *ev, const struct mark *m, struct err *e)
{
	static const char *const names[] = {
		[ABI_MARK_INIT] = "init",
		[ABI_MARK_JOB_START] = "job_start",
		[ABI_MARK_JOB_END] = "job_end",
		[ABI_MARK_BOOTED] = "booted",
	};
	_cleanup_json_ json_object *o = event("mark", m->ns);

	if (m->id == ABI_MARK_INIT && !ev->init_ns)
		ev->init_ns = m->ns;
	json_set_int(o, "id", m->id);
	json_set_str(o, "name", m->id < ARRAY_SIZE(names) ? names[m->id] : NULL);
	return send(ev, o, e);
}

static json_object *numbers_json(const struct cpulist *l)
{
	json_object *o = json_object_new_array();

	cpulist_for_each(n, l)
		json_object_array_add(o, json_object_new_int(n));
	return o;
}

static json_object *memory_json(const struct memory *m)
{
	json_object *o = json_object_new_object();

	json_set_int(o, "bytes", m->bytes);
	json_set_int(o, "page_bytes", m->page_bytes);
	json_set_int(o, "locked_bytes", m->locked_bytes);
	json_set_int(o, "resident_bytes", m->resident_bytes);
	json_set_int(o, "prefaulted_bytes", m->prefaulted_bytes);
	json_object_object_add(o, "nodes", numbers_json(&m->nodes));
	return o;
}

static json_object *no_exit_json(const struct vm *vm)
{
	json_object *o = json_object_new_array();

	for (uint32_t bit = 1; bit; bit <<= 1)
		if (vm->opts.no_exit & bit)
			json_object_array_add(o, json_object_new_string(vm_no_exit_name(bit)));
	return o;
}

/* What the kernel does in a device's place, nobody counts. */
static void add_count(json_object *o, const char *name, const struct virtio *d,
		      const _Atomic uint64_t *n)
{
	if (d->in_kernel)
		json_object_object_add(o, name, NULL);
	else
		json_set_int(o, name, atomic_load(n));
}

/* What each device has done; null where there is none. */
static json_object *devices_json(const struct vm *vm)
{
	json_object *list = vm->virtio.n ? json_object_new_array() : NULL;

	for (int i = 0; i < vm->virtio.n; i++) {
		const struct virtio *d = vm->virtio.at[i];
		json_object *o = json_object_new_object();

		json_set_str(o, "name", d->name);
		json_set_int(o, "tid", d->tid);
		json_set_bool(o, "vhost", d->in_kernel);
		add_count(o, "kicks", d, &d->stats.kicks);
		add_count(o, "requests", d, &d->stats.requests);
		add_count(o, "interrupts", d, &d->stats.interrupts);
		json_set_int(o, "resets", atomic_load(&d->stats.resets));
		json_set_bool(o, "broken", atomic_load(&d->stats.broken));
		json_object_array_add(list, o);
	}
	return list;
}

void events_machine(json_object *o, const struct vm *vm)
{
	add_limit(o, vm);
	json_set_int(o, "tsc_khz", vm->tsc_khz);
	json_set_bool(o, "tsc_is_host", vm->tsc_is_host);
	json_set_bool(o, "invtsc", vm->invtsc);
	json_set_str(o, "irqchip", vm->opts.irqchip_full ? "full" : "split");
	add_halt_poll(o, vm);
	add_nx_pages(o, vm);
	add_extras(o, vm);
	if (vm->opts.partition)
		json_set_str(o, "cpuset_partition", vm->opts.partition->dir);
	json_object_object_add(o, "helpers", helpers_json(&vm->helpers));
	json_set_str(o, "sandbox", sandbox_mode_name(vm->opts.sandbox->opts.mode));
	json_object_object_add(o, "no_exit", no_exit_json(vm));
	json_object_object_add(o, "memory", memory_json(&vm->mem));
	json_object_object_add(o, "devices", devices_json(vm));
}

int events_ended(struct events *ev, struct vm *vm, const struct window *w, uint64_t overhead_bytes,
		 uint64_t start_ns, struct err *e)
{
	_cleanup_json_ json_object *o = event("ended", clock_now_ns());
	enum outcome outcome = atomic_load(&vm->outcome);
	json_object *vcpus = json_object_new_array();

	json_set_str(o, "outcome", outcome_name(outcome));
	if (outcome == OUTCOME_EXIT)
		json_set_int(o, "status", vm->status);
	else
		json_object_object_add(o, "status", NULL);
	if (ev->init_ns)
		json_set_int(o, "start_to_init_ns", ev->init_ns - start_ns);
	else
		json_object_object_add(o, "start_to_init_ns", NULL);
	json_set_int(o, "overhead_bytes", overhead_bytes);
	events_machine(o, vm);
	json_set_int(o, "unclaimed_accesses", atomic_load(&vm->unclaimed));
	json_set_int(o, "marks_lost", atomic_load(&vm->marks_lost));
	for (int i = 0; i < vm->n_vcpus; i++) {
		json_object *v = counters_vcpu_json(vm, &vm->vcpus[i], w, false);

		add_tsc_scale(v, &vm->vcpus[i]);
		json_object_array_add(vcpus, v);
	}
	json_object_object_add(o, "vcpus", vcpus);
	return send(ev, o, e);
}

// SPDX-License-Identifier: GPL-2.0-only
#include "hwlat/detector.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "lib/clock.h"
#include "lib/stop.h"

enum {
	SETUP_TIMEOUT_S = 5,
	START_DELAY_NS = 20000000,
	KEEP_NS = 100000000, /* how often the keeper extends leases */
	STACK_BYTES = 256 << 10, /* locked memory, once for each CPU */
	STOP_TRIES = 200, /* milliseconds */
	MIN_LOOPS = 4, /* a threshold has to be some iterations long to mean anything */
};

static void nap(uint64_t ns)
{
	struct timespec ts = { .tv_nsec = ns };

	clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
}

/* What counts is what the kernel did, so it is read back. */
static int set_policy(int priority, int cpu, struct err *e)
{
	struct sched_param want = { .sched_priority = priority }, got = { 0 };

	if (sched_setscheduler(0, SCHED_FIFO, &want))
		return err_set(
			e, -errno,
			"making the detector on CPU %d SCHED_FIFO %d failed: %s; run as root, "
			"or raise the rtprio limit%s",
			cpu, priority, strerror(errno),
			geteuid() ? "" : " and cpu.rt_runtime_us of the cgroup");
	if (sched_getscheduler(0) != SCHED_FIFO || sched_getparam(0, &got) ||
	    got.sched_priority != priority)
		return err_set(
			e, -EPERM,
			"the detector on CPU %d is not SCHED_FIFO %d although the kernel took "
			"it",
			cpu, priority);
	return 0;
}

static int set_up(struct detector_cpu *c)
{
	struct cpulist only = { 0 };
	int ret;

	c->tid = gettid();
	cpulist_add(&only, c->cpu);
	ret = cpulist_pin(&only, 0, &c->err);
	if (!ret)
		ret = set_policy(c->priority, c->cpu, &c->err);
	if (ret)
		return ret;
	spin_calibrate(&c->spin, &c->speed);
	c->spin.blind_limit_tsc = 8 * c->speed.note_tsc;
	if (c->spin.threshold_tsc < MIN_LOOPS * c->speed.mean_tsc)
		return err_set(
			&c->err, -EINVAL,
			"--threshold: below what the loop can see on CPU %d, where a reading "
			"takes %.0f ns; give %.0f ns or more",
			c->cpu, c->speed.mean_tsc * 1e9 / c->spin.tsc_hz,
			MIN_LOOPS * c->speed.mean_tsc * 1e9 / c->spin.tsc_hz + 1);
	return 0;
}

static void *thread(void *arg)
{
	struct detector_cpu *c = arg;

	if (set_up(c) < 0) {
		atomic_store(&c->state, DETECTOR_FAILED);
		return NULL;
	}
	atomic_store(&c->state, DETECTOR_READY);
	while (!atomic_load(c->go))
		nap(1000000);
	spin_watch(&c->spin);
	atomic_store(&c->state, DETECTOR_ENDED);
	return NULL;
}

/* Signals are the supervisor's. */
static int start_thread(pthread_t *t, void *(*fn)(void *), void *arg)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int ret = pthread_attr_init(&attr);

	if (ret)
		return ret;
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = pthread_create(t, &attr, fn, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return ret;
}

static int make_thread(struct detector *d, struct detector_cpu *c, struct err *e)
{
	int ret;

	c->spin.ring = calloc(SPIN_RING, sizeof(*c->spin.ring));
	if (!c->spin.ring)
		return err_set(e, -ENOMEM, "no memory for the ring of CPU %d", c->cpu);
	memset(c->spin.ring, 1, SPIN_RING * sizeof(*c->spin.ring)); /* no page fault later */
	c->go = &d->go;
	atomic_store(&c->state, DETECTOR_STARTING);
	ret = start_thread(&c->thread, thread, c);
	if (ret)
		return err_set(
			e, -ret,
			"starting the detector on CPU %d failed: %s; run as root, or raise the "
			"limits on threads and locked memory",
			c->cpu, strerror(ret));
	c->running = true;
	return 0;
}

static int wait_ready(struct detector_cpu *c, uint64_t deadline_ns, struct err *e)
{
	while (atomic_load(&c->state) == DETECTOR_STARTING) {
		if (stop_requested())
			return err_set(e, -EINTR, "interrupted before the start");
		if (clock_now_ns() > deadline_ns)
			return err_set(e, -ETIMEDOUT,
				       "the detector on CPU %d did not get to run within %d s: a "
				       "thread of higher priority occupies it; raise --priority",
				       c->cpu, SETUP_TIMEOUT_S);
		nap(1000000);
	}
	if (atomic_load(&c->state) == DETECTOR_FAILED)
		return err_set(e, c->err.code, "%s", c->err.text);
	return 0;
}

static void lease_all(struct detector *d, uint64_t until_tsc)
{
	for (unsigned int i = 0; i < d->n; i++)
		atomic_store(&d->cpus[i].spin.lease_tsc, until_tsc);
}

static void extend(struct detector *d)
{
	lease_all(d, __rdtsc() + DETECTOR_LEASE_S * d->tsc_hz);
}

static void *keeper(void *arg)
{
	struct detector *d = arg;

	while (!atomic_load(&d->keeper_ends)) {
		uint64_t alive_ns = atomic_load(&d->alive_ns);

		if (clock_now_ns() - alive_ns > DETECTOR_PATIENCE_S * NSEC_PER_SEC)
			atomic_store(&d->held_up, 1);
		else
			extend(d);
		nap(KEEP_NS);
	}
	return NULL;
}

void detector_alive(struct detector *d)
{
	atomic_store(&d->alive_ns, clock_now_ns());
}

const char *detector_why_ended(const struct detector *d)
{
	if (atomic_load(&d->held_up))
		return "the supervisor was held up for 30 s, by the disk or by something that "
		       "needs a watched CPU";
	return "no ordinary thread got to run on the housekeeping CPUs for 5 s";
}

static int make_keeper(struct detector *d, struct err *e)
{
	int ret;

	detector_alive(d); /* the keeper counts from then */
	ret = start_thread(&d->keeper, keeper, d);
	if (ret)
		return err_set(e, -ret, "starting the detectors' keeper failed: %s", strerror(ret));
	d->keeping = true;
	return 0;
}

int detector_prepare(struct detector *d, const struct plan *plan, const struct hwlat_opts *o,
		     uint64_t tsc_hz, struct err *e)
{
	unsigned int n = cpulist_count(&plan->watched);
	uint64_t deadline_ns;
	int ret = 0;

	*d = (struct detector){ .n = n, .tsc_hz = tsc_hz, .housekeeping = plan->housekeeping };
	d->cpus = aligned_alloc(_Alignof(struct detector_cpu), n * sizeof(*d->cpus));
	if (!d->cpus)
		return err_set(e, -ENOMEM, "no memory for %u detectors", n);
	memset(d->cpus, 0, n * sizeof(*d->cpus));
	n = 0;
	cpulist_for_each(cpu, &plan->watched) {
		struct detector_cpu *c = &d->cpus[n++];

		c->cpu = cpu;
		c->priority = o->priority;
		c->spin.tsc_hz = tsc_hz;
		c->spin.threshold_tsc = tsc_cycles(tsc_hz, o->threshold_ns);
		c->spin.step_tsc = tsc_cycles(tsc_hz, o->step_ns);
		c->spin.window_tsc = tsc_cycles(tsc_hz, o->window_ns);
		c->spin.width_tsc = tsc_cycles(tsc_hz, o->width_ns);
	}
	for (unsigned int i = 0; !ret && i < d->n; i++)
		ret = make_thread(d, &d->cpus[i], e);
	deadline_ns = clock_now_ns() + SETUP_TIMEOUT_S * NSEC_PER_SEC;
	for (unsigned int i = 0; !ret && i < d->n; i++)
		ret = wait_ready(&d->cpus[i], deadline_ns, e);
	if (!ret)
		ret = make_keeper(d, e);
	if (ret)
		detector_free(d);
	return ret;
}

uint64_t detector_start(struct detector *d)
{
	uint64_t start = __rdtsc() + tsc_cycles(d->tsc_hz, START_DELAY_NS);

	for (unsigned int i = 0; i < d->n; i++) {
		d->cpus[i].spin.start_tsc = start;
		atomic_store(&d->cpus[i].spin.progress_tsc, start);
		atomic_store(&d->cpus[i].spin.loops, 0);
		atomic_store(&d->cpus[i].spin.quiet_max_tsc, 0);
	}
	extend(d);
	atomic_store(&d->go, 1);
	return start;
}

int detector_ended(const struct detector *d)
{
	for (unsigned int i = 0; i < d->n; i++)
		if (atomic_load(&d->cpus[i].spin.ended_tsc))
			return d->cpus[i].cpu;
	return -1;
}

uint64_t detector_until(const struct detector *d)
{
	uint64_t until = UINT64_MAX;

	for (unsigned int i = 0; i < d->n; i++) {
		uint64_t at = atomic_load(&d->cpus[i].spin.ended_tsc);

		if (at && at < until)
			until = at;
	}
	return until;
}

uint64_t detector_horizon(const struct detector *d)
{
	uint64_t horizon = UINT64_MAX;

	for (unsigned int i = 0; i < d->n; i++) {
		uint64_t at =
			atomic_load_explicit(&d->cpus[i].spin.progress_tsc, memory_order_acquire);

		if (at < horizon)
			horizon = at;
	}
	return horizon;
}

static bool over(const struct detector_cpu *c)
{
	int state = atomic_load(&c->state);

	return state == DETECTOR_ENDED || state == DETECTOR_FAILED;
}

/* A thread that never gets its CPU would keep us, and even the end of the process, waiting. */
static void rescue(struct detector *d, struct detector_cpu *c)
{
	struct err ignored = { 0 };

	for (int i = 0; i < STOP_TRIES && !over(c); i++)
		nap(1000000);
	if (over(c) || !c->tid)
		return;
	c->rescued = true;
	cpulist_pin(&d->housekeeping, c->tid, &ignored);
}

void detector_stop(struct detector *d)
{
	if (d->keeping) {
		atomic_store(&d->keeper_ends, 1);
		pthread_join(d->keeper, NULL);
		d->keeping = false;
	}
	lease_all(d, 0);
	atomic_store(&d->go, 1); /* those that still wait for the start */
	for (unsigned int i = 0; i < d->n; i++) {
		if (!d->cpus[i].running)
			continue;
		rescue(d, &d->cpus[i]);
		pthread_join(d->cpus[i].thread, NULL);
		d->cpus[i].running = false;
	}
}

void detector_free(struct detector *d)
{
	if (!d->cpus)
		return;
	detector_stop(d);
	for (unsigned int i = 0; i < d->n; i++)
		free(d->cpus[i].spin.ring);
	free(d->cpus);
	*d = (struct detector){ 0 };
}

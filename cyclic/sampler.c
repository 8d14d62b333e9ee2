// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/sampler.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/progress.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "lib/stop.h"

enum {
	STACK_BYTES = 256 << 10, /* locked for each thread; the loop needs a page or two */
	START_DELAY_NS = 20000000,
	COLLECT_NS = 250000000, /* spikes reach the disk within this */
};

struct worker {
	struct loop *loop;
	int cpu;
	pid_t tid;
	pthread_t thread;
	int freeze_fd; /* the loop forgets it when it has used it */
	sem_t *ready, *go; /* posted when tid is set; waited for until the loop's times are */
	struct rusage before, after;
	bool changed; /* policy or affinity were changed from outside */
};

struct sampler {
	const struct sampler_config *config;
	struct worker *workers;
	size_t n;
	size_t started;
	sem_t ready, go;
	int dma_fd;
};

static void *worker_main(void *arg)
{
	struct worker *w = arg;

	w->tid = gettid();
	sem_post(w->ready);
	while (sem_wait(w->go))
		;
	getrusage(RUSAGE_THREAD, &w->before);
	loop_run(w->loop);
	getrusage(RUSAGE_THREAD, &w->after);
	return NULL;
}

static void reset_slice(struct loop_slice *s)
{
	memset(s, 0, sizeof(*s));
	hist_init(&s->hist);
}

/* Whole pages of its own, so that no other thread's data shares a line with a measured one. */
static struct loop *loop_new(const struct sampler_config *config, struct err *e)
{
	struct loop *l;
	size_t bytes = (sizeof(*l) + 4095) & ~4095ul;

	l = aligned_alloc(4096, bytes);
	if (!l) {
		err_set(e, -ENOMEM, "preparing the histograms failed: no memory");
		return NULL;
	}
	memset(l, 0, bytes);
	l->period_ns = config->period_ns;
	l->slice_ns = config->slice_ns;
	l->spike_ns = config->spike_ns;
	l->freeze_fd = -1;
	for (int i = 0; i < LOOP_SLICES; i++)
		reset_slice(&l->slice[i]);
	return l;
}

static int start_worker(struct worker *w, int priority, struct err *e)
{
	struct sched_param param = { .sched_priority = priority };
	struct cpulist one = { 0 };
	pthread_attr_t attr;
	int ret;

	cpulist_add(&one, w->cpu);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attr, priority ? SCHED_FIFO : SCHED_OTHER);
	pthread_attr_setschedparam(&attr, &param);
	pthread_attr_setaffinity_np(&attr, sizeof(one.bits), (const cpu_set_t *)one.bits);
	ret = pthread_create(&w->thread, &attr, worker_main, w);
	pthread_attr_destroy(&attr);
	if (ret == EPERM)
		return err_set(e, -EPERM,
			       "starting a SCHED_FIFO thread failed: no right to real-time "
			       "scheduling; run as root, raise \"ulimit -r\", or take --fifo 0");
	if (ret == EINVAL)
		return err_set(e, -EINVAL,
			       "starting a thread on CPU %d failed: the CPU is offline or not in "
			       "this process's cpuset",
			       w->cpu);
	if (ret)
		return err_set(e, -ret, "starting a thread on CPU %d failed: %s", w->cpu,
			       strerror(ret));
	return 0;
}

static bool as_asked(const struct worker *w, int priority)
{
	struct err ignored = { 0 };
	struct sched_param param;
	struct cpulist on;
	int policy = sched_getscheduler(w->tid);

	if (sched_getparam(w->tid, &param) || cpulist_affinity(&on, w->tid, &ignored) < 0)
		return false;
	return policy == (priority ? SCHED_FIFO : SCHED_OTHER) &&
	       param.sched_priority == priority && cpulist_count(&on) == 1 &&
	       cpulist_has(&on, w->cpu);
}

/* Has somebody moved a thread that still runs? */
static bool changed(const struct worker *w, int priority)
{
	return sched_getscheduler(w->tid) >= 0 && !as_asked(w, priority);
}

/* What the kernel says, not what was asked. */
static int read_back(struct sampler *s, json_object *inforce, struct err *e)
{
	json_object *threads = json_object_new_array();

	json_object_object_add(inforce, "threads", threads);
	json_set_bool(inforce, "memory_locked", true);
	json_set_bool(inforce, "cpu_dma_latency_0", s->dma_fd >= 0);
	for (size_t i = 0; i < s->n; i++) {
		const struct worker *w = &s->workers[i];
		json_object *o = json_object_new_object();
		struct sched_param param = { 0 };
		struct cpulist on;
		char text[64];
		int ret = cpulist_affinity(&on, w->tid, e);

		json_object_array_add(threads, o);
		if (ret < 0)
			return ret;
		sched_getparam(w->tid, &param);
		json_set_int(o, "cpu", w->cpu);
		json_set_int(o, "tid", w->tid);
		json_set_str(o, "policy",
			     sched_getscheduler(w->tid) == SCHED_FIFO ? "fifo" : "other");
		json_set_int(o, "priority", param.sched_priority);
		json_set_str(o, "affinity", cpulist_format(&on, text, sizeof(text)));
		if (!as_asked(w, s->config->priority))
			return err_set(e, -EINVAL,
				       "thread on CPU %d: the kernel did not give the policy or "
				       "affinity asked for",
				       w->cpu);
	}
	return 0;
}

static void leave_measured_cpus(const struct cpulist *measured)
{
	struct err ignored = { 0 };
	struct cpulist allowed, rest;

	if (cpulist_affinity(&allowed, 0, &ignored) < 0)
		return;
	rest = cpulist_minus(&allowed, measured);
	if (!cpulist_empty(&rest))
		cpulist_pin(&rest, 0, &ignored);
}

/* Kept open for as long as the run lasts: the kernel forgets the request with the descriptor. */
static int hold_cpus_awake(void)
{
	int32_t none = 0;
	int fd = open("/dev/cpu_dma_latency", O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, &none, sizeof(none)) != sizeof(none)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* The freeze descriptor is opened beforehand: in the loop it is one write(). */
static int open_freeze(struct sampler *s, struct err *e)
{
	for (size_t i = 0; i < s->n && s->config->freeze; i++) {
		s->workers[i].freeze_fd = open(s->config->freeze, O_WRONLY | O_CLOEXEC);
		if (s->workers[i].freeze_fd < 0)
			return err_sys(e, "opening %s failed", s->config->freeze);
		s->workers[i].loop->freeze_fd = s->workers[i].freeze_fd;
	}
	return 0;
}

static int prepare(struct sampler *s, const struct sampler_config *config, struct err *e)
{
	size_t i = 0;

	*s = (struct sampler){ .config = config, .dma_fd = -1 };
	s->n = cpulist_count(&config->cpus);
	sem_init(&s->ready, 0, 0);
	sem_init(&s->go, 0, 0);
	s->workers = calloc(s->n, sizeof(*s->workers));
	if (!s->workers)
		return err_set(e, -ENOMEM, "preparing the threads failed: no memory");
	for (size_t k = 0; k < s->n; k++)
		s->workers[k].freeze_fd = -1;
	cpulist_for_each(cpu, &config->cpus) {
		s->workers[i].cpu = cpu;
		s->workers[i].ready = &s->ready;
		s->workers[i].go = &s->go;
		s->workers[i].loop = loop_new(config, e);
		if (!s->workers[i++].loop)
			return -ENOMEM;
	}
	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		return err_sys(e, "locking memory failed; run as root or raise \"ulimit -l\"");
	s->dma_fd = hold_cpus_awake();
	return open_freeze(s, e);
}

static int start_workers(struct sampler *s, struct err *e)
{
	sigset_t all, old;
	int ret = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	for (; s->started < s->n && !ret; s->started += !ret)
		ret = start_worker(&s->workers[s->started], s->config->priority, e);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	for (size_t i = 0; i < s->started; i++)
		while (sem_wait(&s->ready))
			;
	return ret;
}

static int finish(struct sampler *s, int ret)
{
	for (size_t i = 0; i < s->n && s->workers; i++) {
		if (s->workers[i].freeze_fd >= 0)
			close(s->workers[i].freeze_fd);
		free(s->workers[i].loop);
	}
	free(s->workers);
	if (s->dma_fd >= 0)
		close(s->dma_fd);
	sem_destroy(&s->ready);
	sem_destroy(&s->go);
	munlockall();
	return ret;
}

/* A loop whose times were never set, or that is told to stop, returns at once. */
static void let_go(struct sampler *s)
{
	for (size_t i = 0; i < s->started; i++)
		sem_post(&s->go);
}

static void join(struct sampler *s)
{
	for (size_t i = 0; i < s->started; i++)
		pthread_join(s->workers[i].thread, NULL);
}

static int64_t wall_offset(void)
{
	return clock_wall_ns() - clock_now_ns();
}

static int take_spikes(struct collect *c, size_t i, struct loop *l, struct err *e)
{
	uint32_t out = atomic_load_explicit(&l->spikes_out, memory_order_relaxed);
	uint32_t in = atomic_load_explicit(&l->spikes_in, memory_order_acquire);
	int64_t offset = wall_offset();
	int ret = 0;

	for (; out != in && !ret; out++) {
		ret = collect_spike(c, i, &l->spike[out % LOOP_SPIKES], offset, e);
		atomic_store_explicit(&l->spikes_out, out + 1, memory_order_release);
	}
	return ret;
}

/* Whatever the loops have handed over; *slices counts them. */
static int take(struct sampler *s, struct collect *c, size_t *slices, struct err *e)
{
	*slices = 0;
	for (size_t i = 0; i < s->n; i++) {
		struct loop *l = s->workers[i].loop;
		uint32_t emptied = atomic_load_explicit(&l->emptied, memory_order_relaxed);
		int ret = take_spikes(c, i, l, e);

		if (ret < 0)
			return ret;
		if (atomic_load_explicit(&l->filled, memory_order_acquire) == emptied)
			continue;
		ret = collect_slice(c, i, &l->slice[emptied % LOOP_SLICES], wall_offset(), e);
		if (ret < 0)
			return ret;
		reset_slice(&l->slice[emptied % LOOP_SLICES]);
		atomic_store_explicit(&l->emptied, emptied + 1, memory_order_release);
		s->workers[i].changed |= changed(&s->workers[i], s->config->priority);
		++*slices;
	}
	return 0;
}

static int collect_until(struct sampler *s, struct collect *c, uint64_t stop_ns,
			 enum sampler_end *end, struct err *e)
{
	uint64_t start = clock_now_ns(), now;
	struct progress p;
	bool hurry = s->config->hurry;
	size_t slices;
	int ret = 0;

	*end = SAMPLER_COMPLETE;
	progress_start(&p, "sample");
	while (!ret && (now = clock_now_ns()) < stop_ns) {
		progress_show(&p, now - start, stop_ns - start);
		clock_sleep_until(now + COLLECT_NS < stop_ns ? now + COLLECT_NS : stop_ns);
		ret = take(s, c, &slices, e);
		if (!ret && (slices || (hurry && c->n_spikes)))
			ret = collect_sync(c, e);
		hurry = hurry && !c->n_spikes;
		if (stop_requested())
			*end = SAMPLER_INTERRUPTED;
		else if (s->config->stop_at_spike && c->n_spikes)
			*end = SAMPLER_SPIKE;
		if (*end != SAMPLER_COMPLETE)
			break;
	}
	progress_end(&p);
	return ret;
}

/* The loops have returned: what is handed over, then the slice each still had open. */
static int take_rest(struct sampler *s, struct collect *c, struct err *e)
{
	size_t slices;
	int ret = take(s, c, &slices, e);

	for (size_t i = 0; i < s->n && !ret; i++) {
		struct loop *l = s->workers[i].loop;
		uint64_t lost = atomic_load(&l->spikes_lost);

		ret = collect_slice(c, i, &l->slice[atomic_load(&l->filled) % LOOP_SLICES],
				    wall_offset(), e);
		c->n_spikes += lost;
		if (lost)
			collect_note(c,
				     "%ju spikes on CPU %d came too fast to be listed one by one; "
				     "the histogram has them all",
				     (uintmax_t)lost, s->workers[i].cpu);
	}
	return ret;
}

static void report_window(const struct sampler *s, struct collect *c, json_object *window)
{
	uint64_t faults = 0, switches = 0;

	for (size_t i = 0; i < s->n; i++) {
		const struct worker *w = &s->workers[i];

		faults += w->after.ru_minflt + w->after.ru_majflt - w->before.ru_minflt -
			  w->before.ru_majflt;
		switches += w->after.ru_nivcsw - w->before.ru_nivcsw;
		if (w->changed)
			collect_note(c,
				     "somebody changed the policy or the affinity of the thread on "
				     "CPU %d while it measured",
				     w->cpu);
	}
	json_set_int(window, "page_faults", faults);
	json_set_int(window, "involuntary_switches", switches);
}

static int measure(struct sampler *s, struct collect *c, json_object *inforce, json_object *window,
		   struct err *e)
{
	enum sampler_end end = SAMPLER_COMPLETE;
	uint64_t start, stop;
	int ret;

	ret = read_back(s, inforce, e);
	start = clock_now_ns() + START_DELAY_NS;
	stop = start + s->config->duration_ns;
	for (size_t i = 0; i < s->n; i++) {
		s->workers[i].loop->start_ns = start;
		s->workers[i].loop->stop_ns = stop;
		atomic_store(&s->workers[i].loop->stop, ret < 0);
	}
	let_go(s);
	if (!ret)
		ret = collect_until(s, c, stop, &end, e);
	for (size_t i = 0; i < s->n; i++) {
		if (ret < 0 || end != SAMPLER_COMPLETE)
			atomic_store(&s->workers[i].loop->stop, true);
	}
	join(s);
	if (!ret)
		ret = take_rest(s, c, e);
	report_window(s, c, window);
	return ret < 0 ? ret : (int)end;
}

int sampler_run(const struct sampler_config *config, struct collect *c, json_object *inforce,
		json_object *window, struct err *e)
{
	struct sampler s;
	int ret = prepare(&s, config, e);

	leave_measured_cpus(&config->cpus);
	if (!ret)
		ret = start_workers(&s, e);
	if (!ret)
		return finish(&s, measure(&s, c, inforce, window, e));
	let_go(&s);
	join(&s);
	return finish(&s, ret);
}

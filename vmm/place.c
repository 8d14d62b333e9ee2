// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/place.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "vmm/clos.h"
#include "vmm/partition.h"

/* Five seconds. */
enum { COOKIE_LOOKS = 100, COOKIE_LOOK_NS = 50000000 };

static int must_be_in(const struct cpulist *cpus, const struct cpulist *set, const char *what,
		      const char *remedy, struct err *e)
{
	struct cpulist missing = cpulist_minus(cpus, set);
	char want[256], have[256];

	if (cpulist_empty(&missing))
		return 0;
	cpulist_format(&missing, want, sizeof(want));
	cpulist_format(set, have, sizeof(have));
	return err_set(e, -EINVAL, "CPU %s %s (%s %s); %s", want, what,
		       have[0] ? "those are" : "no CPU", have[0] ? have : "is", remedy);
}

static int check_vcpus(const struct hostcpus *h, const struct place_opts *o,
		       const struct cpulist *cpus, struct err *e)
{
	int ret = must_be_in(cpus, &h->present, "does not exist in this machine",
			     "choose from those", e);

	if (!ret)
		ret = must_be_in(cpus, &h->online, "is not online",
				 "bring it online or choose another", e);
	if (ret < 0 || o->allow_shared)
		return ret;
	ret = must_be_in(
		cpus, &h->isolated, "is not isolated",
		"boot the host with isolcpus=managed_irq,domain,LIST, or use --allow-shared", e);
	if (ret < 0 || o->allow_tick)
		return ret;
	if (!h->has_nohz_full) /* no boot parameter mends that: isolation alone has to be allowed */
		return must_be_in(cpus, &h->nohz_full, "is isolated, but keeps its tick",
				  "this kernel has no nohz_full (CONFIG_NO_HZ_FULL): run one that "
				  "has, or accept the tick with --allow-tick",
				  e);
	return must_be_in(cpus, &h->nohz_full, "is isolated, but not in nohz_full",
			  "boot the host with nohz_full=LIST, or accept its tick with --allow-tick",
			  e);
}

static int choose_housekeeping(const struct hostcpus *h, const struct place_opts *o,
			       const struct cpulist *cpus, struct cpulist *out, struct err *e)
{
	/* the affinity inherited from a shell leaves out isolated CPUs; root may use all online */
	struct cpulist rest = cpulist_minus(&h->online, cpus);

	rest = cpulist_minus(&rest, &h->isolated);
	*out = cpulist_and(&rest, o->allowed);
	if (!cpulist_empty(out))
		return 0;
	*out = rest;
	if (!cpulist_empty(out))
		return 0;
	if (!o->allow_shared)
		return err_set(
			e, -EINVAL,
			"no CPU is left for the VMM's own threads; give vCPUs fewer CPUs, or "
			"name some with --housekeeping");
	*out = h->online;
	return 0;
}

/* A vCPU that is busy and SCHED_FIFO would leave nothing of its CPU to the device. */
static int check_devices(const struct hostcpus *h, const struct place_opts *o,
			 const struct cpulist *cpus, struct err *e)
{
	struct cpulist both;
	char text[256];
	int ret;

	if (!o->devices)
		return 0;
	ret = must_be_in(o->devices, &h->online, "given by a device's cpu= is not online",
			 "choose from those", e);
	both = cpulist_and(o->devices, cpus);
	if (ret < 0 || cpulist_empty(&both) || o->allow_shared)
		return ret;
	return err_set(
		e, -EINVAL,
		"CPU %s carries a vCPU and by cpu= the thread of a device; separate them, or "
		"use --allow-shared",
		cpulist_format(&both, text, sizeof(text)));
}

int place_check(const struct hostcpus *h, const struct place_opts *o, struct cpulist *housekeeping,
		struct err *e)
{
	struct cpulist cpus = cpumap_cpus(o->map), both;
	int ret = check_vcpus(h, o, &cpus, e);
	char text[256];

	if (!ret)
		ret = check_devices(h, o, &cpus, e);
	if (ret < 0)
		return ret;
	if (!o->housekeeping)
		return choose_housekeeping(h, o, &cpus, housekeeping, e);
	*housekeeping = *o->housekeeping;
	ret = must_be_in(housekeeping, &h->online, "given by --housekeeping is not online",
			 "choose from those", e);
	both = cpulist_and(housekeeping, &cpus);
	if (!ret && !cpulist_empty(&both) && !o->allow_shared)
		ret = err_set(
			e, -EINVAL,
			"CPU %s is in --housekeeping and carries a vCPU; separate them, or use "
			"--allow-shared",
			cpulist_format(&both, text, sizeof(text)));
	return ret;
}

/* To clear SCHED_RESET_ON_FORK takes a right: it stays. */
static int make_other(pid_t tid, bool realtime_only, struct err *e)
{
	const struct sched_param p = { 0 };
	int policy = sched_getscheduler(tid), kept = policy & SCHED_RESET_ON_FORK;
	bool realtime;

	if (policy < 0)
		return err_sys(e, "reading a thread's scheduling policy failed");
	policy &= ~SCHED_RESET_ON_FORK;
	realtime = policy == SCHED_FIFO || policy == SCHED_RR || policy == SCHED_DEADLINE;
	if (policy == SCHED_OTHER || (realtime_only && !realtime))
		return 0;
	if (!sched_setscheduler(tid, SCHED_OTHER | kept, &p))
		return 0;
	if (errno == EPERM && policy == SCHED_IDLE)
		return err_set(e, -EPERM,
			       "SCHED_OTHER for a thread of the VMM failed: the user may not leave "
			       "SCHED_IDLE; start it without chrt -i, or as root");
	return err_sys(e, "SCHED_OTHER for a thread of the VMM failed");
}

int place_ordinary(pid_t tid, struct err *e)
{
	return make_other(tid, true, e);
}

static int set_policy(pid_t tid, int prio, struct err *e)
{
	struct sched_param p = { .sched_priority = prio };
	struct rlimit lim = { 0 };

	if (!prio)
		return make_other(tid, false, e);
	if (!sched_setscheduler(tid, SCHED_FIFO | SCHED_RESET_ON_FORK, &p))
		return 0;
	if (errno != EPERM)
		return err_sys(e, "SCHED_FIFO priority %d for a vCPU thread failed", prio);
	getrlimit(RLIMIT_RTPRIO, &lim);
	return err_set(
		e, -EPERM,
		"SCHED_FIFO: wanted priority %d, allowed %lu; run as root, grant CAP_SYS_NICE, "
		"or raise RLIMIT_RTPRIO (ulimit -r)",
		prio, (unsigned long)lim.rlim_cur);
}

int place_policy(pid_t tid, int prio, struct vcpu_placed *placed, struct err *e)
{
	struct sched_param p;
	int ret = set_policy(tid, prio, e);

	if (ret < 0)
		return ret;
	placed->policy = sched_getscheduler(tid);
	if (placed->policy < 0 || sched_getparam(tid, &p))
		return err_sys(e, "reading back a vCPU thread's policy failed");
	placed->policy &= ~SCHED_RESET_ON_FORK;
	placed->priority = p.sched_priority;
	if (placed->policy != (prio ? SCHED_FIFO : SCHED_OTHER) || placed->priority != prio)
		return err_set(e, -EINVAL,
			       "vCPU thread: wanted %s priority %d, got policy %d priority %d; "
			       "who else sets policies here (tuned's [scheduler], say)?",
			       prio ? "SCHED_FIFO" : "SCHED_OTHER", prio, placed->policy,
			       placed->priority);
	return 0;
}

/* sched_setattr(2): struct sched_attr of include/uapi/linux/sched/types.h, which glibc's clashes with */
struct sched_attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime_ns, deadline_ns, period_ns;
	uint32_t util_min, util_max; /* Linux 5.3 */
};

#define KEEP_ALL  (0x08 | 0x10) /* SCHED_FLAG_KEEP_POLICY, _KEEP_PARAMS */
#define CLAMP_MIN 0x20 /* SCHED_FLAG_UTIL_CLAMP_MIN */
#define UTIL_FULL 1024

/* A vCPU that sleeps half of the time must not look half busy to the frequency governor. */
static int boost(struct vcpu_placed *placed, struct err *e)
{
	struct sched_attributes a = { .size = sizeof(a),
				      .flags = KEEP_ALL | CLAMP_MIN,
				      .util_min = UTIL_FULL };

	placed->uclamp_min = -1;
	if (syscall(SYS_sched_setattr, 0, &a, 0)) {
		if (errno == EOPNOTSUPP || errno == EINVAL ||
		    errno == E2BIG) /* no CONFIG_UCLAMP_TASK */
			return 0;
		return err_sys(e, "setting a vCPU thread's utilization clamp failed");
	}
	placed->uclamp_min = UTIL_FULL;
	return 0;
}

/*
 * What the scheduler goes by, not what was asked for: the sysctl and the cgroup's cpu.uclamp.max cap
 * it. /proc/PID/sched tells where the kernel has CONFIG_SCHED_DEBUG, the sysctl everywhere.
 */
int place_uclamp_effective(const char *proc, const char *task)
{
	static const char key[] = "effective uclamp.min";
	char path[PATH_MAX], text[8192];
	struct err ignored = { 0 };
	const char *at = NULL;

	if (file_path(path, sizeof(path), "%s/%s/sched", proc, task) &&
	    file_read(path, text, sizeof(text), &ignored) > 0)
		at = strstr(text, key);
	if (at)
		return strtol(at + sizeof(key) - 1 + strspn(at + sizeof(key) - 1, " \t:"), NULL,
			      10);
	if (!file_path(path, sizeof(path), "%s/sys/kernel/sched_util_clamp_min", proc) ||
	    !file_read_line(path, text, sizeof(text))[0])
		return UTIL_FULL;
	return strtol(text, NULL, 10);
}

static int check_boost(struct vcpu_placed *placed, struct err *e)
{
	if (placed->uclamp_min < 0)
		return 0;
	placed->uclamp_min = place_uclamp_effective("/proc", "thread-self");
	if (placed->uclamp_min == UTIL_FULL)
		return 0;
	return err_set(e, -EINVAL,
		       "vCPU thread: wanted a utilization clamp of %d, %d is in force; set "
		       "kernel.sched_util_clamp_min=%d and its cgroup's cpu.uclamp.max to max",
		       UTIL_FULL, placed->uclamp_min, UTIL_FULL);
}

int64_t place_rt_runtime_us(void)
{
	char line[32];

	file_read_line("/proc/sys/kernel/sched_rt_runtime_us", line, sizeof(line));
	return line[0] ? strtoll(line, NULL, 10) : -2;
}

/* The calling thread's; 0: none, or not told. */
static uint64_t cookie(void)
{
	uint64_t value = 0;

	return prctl(PR_SCHED_CORE, PR_SCHED_CORE_GET, 0, PR_SCHED_CORE_SCOPE_THREAD, &value)
		       ? 0
		       : value;
}

/*
 * A kernel that has just booted tells 0 of any cookie: it hashes what it tells, and looks every two
 * seconds whether its random numbers are ready for that (lib/vsprintf.c, fill_ptr_key_workfn). That
 * somebody waits for them makes them ready.
 */
static int await_cookie(struct err *e)
{
	char any;

	if (cookie())
		return 0;
	if (getrandom(&any, 1, 0) < 0)
		return err_sys(e, "--core-sched: waiting for the kernel's random numbers failed");
	for (int i = 0; i < COOKIE_LOOKS; i++) {
		if (cookie())
			return 0;
		clock_sleep_until(clock_now_ns() + COOKIE_LOOK_NS);
	}
	return err_set(e, -EIO,
		       "--core-sched: wanted a cookie, the kernel made one and tells none within "
		       "5 s; leave it out, and turn SMT off instead");
}

int place_core_sched(struct err *e)
{
	if (!prctl(PR_SCHED_CORE, PR_SCHED_CORE_CREATE, 0, PR_SCHED_CORE_SCOPE_THREAD_GROUP, 0))
		return await_cookie(e);
	if (errno == ENODEV)
		return err_set(
			e, -ENODEV,
			"--core-sched: no core of this machine has two threads online: there "
			"is nobody to keep away; leave it out");
	if (errno == EINVAL)
		return err_set(e, -ENOTSUP,
			       "--core-sched: this kernel has no core scheduling "
			       "(CONFIG_SCHED_CORE, Linux 5.14); turn SMT off instead");
	return err_sys(e, "--core-sched: making a core scheduling cookie failed");
}

static int read_cookie(struct vcpu_placed *placed, bool wanted, struct err *e)
{
	placed->core_cookie = cookie();
	if (wanted && !placed->core_cookie)
		return err_set(e, -EIO, "--core-sched: a vCPU thread has no cookie");
	return 0;
}

int place_priority(const struct vm_opts *o, int vcpu)
{
	if (cpulist_has(&o->ordinary, vcpu))
		return 0;
	return o->fifo_of[vcpu] ? o->fifo_of[vcpu] : o->fifo;
}

int place_highest(const struct vm_opts *o)
{
	int highest = 0;

	for (int i = 0; i < o->map.n; i++)
		if (place_priority(o, i) > highest)
			highest = place_priority(o, i);
	return highest;
}

int place_vcpu(const struct vm_opts *o, int vcpu, int cpu, struct vcpu_placed *placed,
	       struct err *e)
{
	struct cpulist one = { 0 };
	int ret = boost(placed, e);

	if (!ret)
		ret = read_cookie(placed, o->core_sched, e);
	if (!ret && o->partition)
		ret = partition_enter(o->partition, e);
	if (!ret && o->resctrl)
		ret = clos_join(CLOS_ROOT, o->resctrl, gettid(), e);
	cpulist_add(&one, cpu);
	if (!ret)
		ret = cpulist_pin(&one, 0, e);
	if (ret < 0)
		return ret;
	placed->cpu = cpu;
	ret = place_policy(0, o->rt_delay ? 0 : place_priority(o, vcpu), placed, e);
	return ret < 0 ? ret : check_boost(placed, e);
}

// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/place.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>

#include "lib/cleanup.h"
#include "lib/file.h"

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

int place_check(const struct hostcpus *h, const struct place_opts *o, struct cpulist *housekeeping,
		struct err *e)
{
	struct cpulist cpus = cpumap_cpus(o->map), both;
	int ret = check_vcpus(h, o, &cpus, e);
	char text[256];

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

int place_ordinary(struct err *e)
{
	const struct sched_param p = { 0 };
	int policy = sched_getscheduler(0), kept = policy & SCHED_RESET_ON_FORK;

	if (policy < 0)
		return err_sys(e, "reading the VMM's scheduling policy failed");
	policy &= ~SCHED_RESET_ON_FORK;
	if (policy != SCHED_FIFO && policy != SCHED_RR && policy != SCHED_DEADLINE)
		return 0;
	if (sched_setscheduler(0, SCHED_OTHER | kept, &p)) /* to clear the flag takes a right */
		return err_sys(e, "SCHED_OTHER for the VMM's main thread failed");
	return 0;
}

static int set_policy(pid_t tid, int prio, struct err *e)
{
	struct sched_param p = { .sched_priority = prio };
	struct rlimit lim = { 0 };

	if (!prio || !sched_setscheduler(tid, SCHED_FIFO | SCHED_RESET_ON_FORK, &p))
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

int place_promote(pid_t tid, int prio, struct vcpu_placed *placed, struct err *e)
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
		return err_set(
			e, -EINVAL,
			"vCPU thread: wanted SCHED_FIFO priority %d, got policy %d priority %d; "
			"check the cgroup's RT bandwidth",
			prio, placed->policy, placed->priority);
	return 0;
}

int place_vcpu(int cpu, int prio, struct vcpu_placed *placed, struct err *e)
{
	struct cpulist one = { 0 };
	int ret;

	cpulist_add(&one, cpu);
	ret = cpulist_pin(&one, 0, e);
	if (ret < 0)
		return ret;
	placed->cpu = cpu;
	return place_promote(0, prio, placed, e);
}

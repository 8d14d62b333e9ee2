// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/seats.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/hostcpus.h"
#include "vmm/choose.h"
#include "vmm/nodes.h"
#include "vmm/place.h"

void seats_init(struct seats *s)
{
	*s = (struct seats){ 0 };
}

void seats_leave(struct seats *s)
{
	claim_drop(&s->claim);
}

/* What others have claimed, as it turns up. */
struct claimed {
	struct cpulist cpus;
	int last;
	char by[CLAIM_WHO_BYTES];
	bool share; /* --allow-shared, and without them there is no choice */
};

/* --placement auto: the map that --cpus would have given, without what others have claimed */
static int choose(struct seats *s, const struct hostcpus *host, const struct claimed *claimed,
		  struct err *e)
{
	struct cpulist taken, kept = devopts_cpus(&s->opts->devices);
	struct choose_opts o = {
		.vcpus = s->opts->vcpus,
		.allow_shared = s->opts->allow_shared,
		.allow_tick = s->opts->allow_tick,
		.mem = &s->opts->mem,
		.kept = &kept,
		.taken = &taken,
		.claimed = &claimed->cpus,
		.claimed_last = claimed->last,
		.claimed_by = claimed->by,
		.share_claimed = claimed->share,
	};
	struct choice c;
	int ret = choose_taken(&taken, "/proc", getpid(), e);

	if (ret < 0)
		return ret;
	if (!s->opts->allow_shared)
		kept = cpulist_or(&kept, &s->opts->housekeeping);
	ret = choose_cpus(&c, host, "/sys", &o, e);
	if (ret < 0)
		return ret;
	s->opts->map = c.map;
	snprintf(s->why, sizeof(s->why), "%s", c.why);
	return 0;
}

/* The CPUs of this guest are nobody else's from now until the end of the run. */
static int claim(struct seats *s, const struct cpulist *isolated, const struct cpulist *devices,
		 bool share, struct err *e)
{
	struct cpulist vcpus = cpumap_cpus(&s->opts->map), others = s->housekeeping;
	const struct claim_opts o = {
		.isolated = isolated,
		.alone = &vcpus,
		.beside = &others,
		.alone_for = "--cpus",
		.beside_for = "--housekeeping or a device's cpu=",
		.remedy = "name others, or use --allow-shared",
		.share_alone = share,
		.share_beside = s->opts->allow_shared,
	};

	others = cpulist_or(&others, devices);
	return claim_cpus(&s->claim, "/sys", &o, e);
}

/* The map is made: checked and claimed. */
static int settle_placement(struct seats *s, struct hostcpus host, const struct cpulist *allowed,
			    bool share, struct err *e)
{
	struct cpulist cpus = cpumap_cpus(&s->opts->map), own;
	struct cpulist devices = devopts_cpus(&s->opts->devices);
	struct place_opts p = {
		.map = &s->opts->map,
		.housekeeping = s->opts->housekeeping_given ? &s->opts->housekeeping : NULL,
		.devices = &devices,
		.allowed = allowed,
		.allow_shared = s->opts->allow_shared,
		.allow_tick = s->opts->allow_tick,
	};
	int ret;

	if (s->opts->partition) /* they will be, or it is an error of its own */
		host.isolated = cpulist_or(&host.isolated, &cpus);
	ret = place_check(&host, &p, &s->housekeeping, e);
	if (!ret)
		ret = claim(s, &host.isolated, &devices, share, e);
	if (ret < 0)
		return ret;
	/* memory near the vCPUs that have a CPU of their own; the guest's housekeeping can wait */
	own = cpulist_and(&cpus, &host.isolated);
	if (!cpulist_empty(&own))
		cpus = own;
	return nodes_of(&s->opts->mem.nodes, "/sys", &cpus, e);
}

/* Another has a CPU of the choice: it is left out of the next. */
static bool learn(struct claimed *claimed, const struct seats *s, int ret)
{
	struct cpulist vcpus = cpumap_cpus(&s->opts->map);
	int busy = s->claim.busy_cpu;

	if (ret != -EBUSY || busy < 0 || !cpulist_has(&vcpus, busy))
		return false;
	cpulist_add(&claimed->cpus, busy);
	claimed->last = busy;
	memcpy(claimed->by, s->claim.busy_by, sizeof(claimed->by));
	return true;
}

/*
 * Who has claimed what is only told by claiming: a look beforehand, by a lock or in /proc/locks,
 * would be in others' way or blind for other PID namespaces. Each turn has one CPU less to choose
 * from, and only when none is left --allow-shared takes what others have.
 */
static int choose_placement(struct seats *s, const struct hostcpus *host,
			    const struct cpulist *allowed, struct err *e)
{
	struct claimed claimed = { .last = -1 };

	for (;;) {
		struct err why = { 0 };
		int ret = choose(s, host, &claimed, &why);

		if (ret == -EBUSY && s->opts->allow_shared && !claimed.share &&
		    !cpulist_empty(&claimed.cpus)) {
			claimed.share = true;
			continue;
		}
		s->claim.busy_cpu = -1;
		if (!ret)
			ret = settle_placement(s, *host, allowed, claimed.share, &why);
		if (ret >= 0)
			return ret;
		if (!learn(&claimed, s, ret))
			return err_set(e, ret, "%s", why.text);
	}
}

int seats_take(struct seats *s, struct run_opts *opts, struct err *e)
{
	struct cpulist allowed;
	struct hostcpus host;
	int ret = hostcpus_read(&host, "/sys", e);

	s->opts = opts;
	if (!ret)
		ret = cpulist_affinity(&allowed, 0, e);
	if (ret < 0)
		return ret;
	return s->opts->placement_auto
		       ? choose_placement(s, &host, &allowed, e)
		       : settle_placement(s, host, &allowed, s->opts->allow_shared, e);
}

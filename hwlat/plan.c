// SPDX-License-Identifier: GPL-2.0-only
#include "hwlat/plan.h"

#include <errno.h>

#include "lib/hostcpus.h"

int plan_read(struct plan_machine *m, const char *sysfs, struct err *e)
{
	struct hostcpus h;
	int ret = hostcpus_read(&h, sysfs, e);

	if (ret < 0)
		return ret;
	*m = (struct plan_machine){ h.online, h.present, h.isolated };
	cpulist_for_each(cpu, &h.nohz_full)
		cpulist_add(&m->isolated, cpu);
	return 0;
}

static int check_watched(const struct plan *p, const struct plan_machine *m, struct err *e)
{
	struct cpulist offline = cpulist_minus(&p->watched, &m->online);
	struct cpulist absent = cpulist_minus(&p->watched, &m->present);
	char list[256];

	if (!cpulist_empty(&absent))
		return err_set(e, -EINVAL, "--cpus: this machine has no CPU %s; it has %s",
			       cpulist_format(&absent, list, 100),
			       cpulist_format(&m->present, list + 100, 100));
	if (!cpulist_empty(&offline))
		return err_set(e, -EINVAL, "--cpus: CPU %s is offline; online are %s",
			       cpulist_format(&offline, list, 100),
			       cpulist_format(&m->online, list + 100, 100));
	return 0;
}

static int choose_housekeeping(struct plan *p, const struct plan_machine *m,
			       const struct hwlat_opts *o, struct err *e)
{
	struct cpulist rest = cpulist_minus(&m->online, &p->watched);
	struct cpulist common = rest;
	char list[256];

	if (cpulist_empty(&rest))
		return err_set(e, -EINVAL,
			       "--cpus: watching %s, all CPUs there are, would hang the machine; "
			       "leave at least one out",
			       cpulist_format(&p->watched, list, sizeof(list)));
	if (o->housekeeping_given) {
		common = cpulist_and(&o->housekeeping, &rest);
		if (!cpulist_equal(&common, &o->housekeeping))
			return err_set(e, -EINVAL,
				       "--housekeeping: %s has CPUs that are watched or not online",
				       cpulist_format(&o->housekeeping, list, sizeof(list)));
	} else {
		struct cpulist quiet = cpulist_minus(&rest, &m->isolated);

		if (!cpulist_empty(&quiet)) /* rather not on other isolated CPUs */
			common = quiet;
	}
	p->housekeeping = common;
	return 0;
}

int plan_make(struct plan *p, const struct plan_machine *m, const struct hwlat_opts *o,
	      struct err *e)
{
	int ret;

	p->watched = o->cpus_given ? o->cpus : m->isolated;
	if (!o->cpus_given)
		p->watched = cpulist_and(&p->watched, &m->online);
	if (cpulist_empty(&p->watched))
		return err_set(
			e, -EINVAL,
			"no CPU is isolated on this machine, so there is nothing to watch by "
			"default; name some with --cpus");
	ret = check_watched(p, m, e);
	return ret ? ret : choose_housekeeping(p, m, o, e);
}

// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/hostclaim.h"

#include <stdio.h>

int hostclaim_take(struct claim *c, const char *sysfs, const struct phase_entry *p, struct err *e)
{
	struct cpulist measured = phase_cpus(p), loads = { 0 };
	char phase[CAMPAIGN_NAME_BYTES + 16], load[CAMPAIGN_NAME_BYTES + 32];
	const struct claim_opts o = {
		.alone = &measured,
		.beside = &loads,
		.alone_for = phase,
		.beside_for = load,
	};

	*c = (struct claim){ 0 };
	if (p->n_guests || p->simulate) /* the latter touches no CPU */
		return 0;
	for (size_t i = 0; i < p->n_loads; i++)
		cpulist_for_each(cpu, &p->loads[i]->cpus)
			cpulist_add(&loads, cpu);
	snprintf(phase, sizeof(phase), "phase %s", p->entry.name);
	snprintf(load, sizeof(load), "phase %s, for its loads", p->entry.name);
	return claim_cpus(c, sysfs, &o, e);
}

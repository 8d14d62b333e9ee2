// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/residual.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/json.h"

#define EARLY "delta < 0"
#define LATE  "delta >= 0"

int residual_open(struct vcpuhist *h, const pid_t *tids, int n, struct err *e)
{
	static const struct vcpuhist_event event = { "--timer-residual", "residual", "kvm",
						     "kvm_wait_lapic_expire" };
	static const char what[] = "keys=common_pid:vals=delta:size=256";
	int ret = vcpuhist_open(h, &event, e);

	if (!ret)
		ret = vcpuhist_add(h, what, EARLY, tids, n, e);
	if (!ret)
		ret = vcpuhist_add(h, what, LATE, tids, n, e);
	return ret < 0 ? ret : vcpuhist_read(h, e);
}

/*
 * A histogram for each trigger, which a comment in front of it repeats; sums of negative numbers
 * are printed modulo 2^64.
 */
struct residual_counts residual_parse(const char *text, pid_t tid)
{
	struct residual_counts c = { 0 };
	bool early = false;

	for (const char *line = text; line; line = strchr(line, '\n')) {
		uint64_t n, sum;
		int pid;

		line += *line == '\n';
		if (!strncmp(line, "# trigger info:", 15))
			early = !!memmem(line, strcspn(line, "\n"), EARLY, strlen(EARLY));
		if (sscanf(line, "{ common_pid: %d } hitcount: %" SCNu64 " delta: %" SCNu64, &pid,
			   &n, &sum) != 3 ||
		    pid != tid)
			continue;
		if (early) {
			c.early = n;
			c.early_cycles = -sum;
		} else {
			c.late = n;
			c.late_cycles = sum;
		}
	}
	return c;
}

static void add(json_object *o, const char *count, const char *mean, uint64_t n, uint64_t cycles,
		uint32_t tsc_khz)
{
	json_set_int(o, count, n);
	if (n)
		json_set_int(o, mean, (unsigned __int128)cycles * 1000000 / tsc_khz / n);
	else
		json_object_object_add(o, mean, NULL);
}

json_object *residual_json(const struct residual_counts *from, const struct residual_counts *to,
			   uint32_t tsc_khz)
{
	json_object *o = json_object_new_object();

	add(o, "early", "early_mean_ns", to->early - from->early,
	    to->early_cycles - from->early_cycles, tsc_khz);
	add(o, "late", "late_mean_ns", to->late - from->late, to->late_cycles - from->late_cycles,
	    tsc_khz);
	return o;
}

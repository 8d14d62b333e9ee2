// SPDX-License-Identifier: GPL-2.0-only
/* Checks of the kernel command line as a whole. */
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "profiles/judge.h"

/* Parameters that may stand once only with one meaning. */
static void judge_duplicates(const struct machine *m, const struct check *c, struct finding *f)
{
	static const char *const once[] = { "isolcpus", "nohz_full", "rcu_nocbs",    "irqaffinity",
					    "tsc",	"skew_tick", "intel_pstate", "mce" };

	for (size_t i = 0; i < ARRAY_SIZE(once); i++) {
		char last[512], key[32];
		size_t len;

		if (!machine_param(m, once[i], last, sizeof(last)))
			continue;
		len = snprintf(key, sizeof(key), "%s=", once[i]);
		for (const char *p = m->cmdline; *p; p += strcspn(p, " ")) {
			p += strspn(p, " ");
			if (strncmp(p, key, len) || (strcspn(p + len, " ") == strlen(last) &&
						     !strncmp(p + len, last, strlen(last))))
				continue;
			found_bad(c, f, "%.*s and %s%.64s", (int)strcspn(p, " "), p, key, last);
			return;
		}
	}
	found_pass(f, "none");
}

static void judge_length(const struct machine *m, const struct check *c, struct finding *f)
{
	size_t len = strlen(m->cmdline);

	if (len < 2048)
		found_pass(f, "%zu bytes", len);
	else
		found_bad(c, f, "%zu bytes", len);
}

/* A CPU list from a parameter, flags such as "managed_irq,domain," skipped. */
static bool param_cpus(const struct machine *m, const char *key, struct cpulist *l)
{
	struct err ignored = { 0 };
	char value[512];
	const char *list = value;

	if (!machine_param(m, key, value, sizeof(value)))
		return false;
	while (*list && !strchr("0123456789", *list) && strchr(list, ','))
		list = strchr(list, ',') + 1;
	return !cpulist_parse(l, list, &ignored);
}

static void judge_agreement(const struct machine *m, const struct check *c, struct finding *f)
{
	static const char *const keys[] = { "isolcpus", "nohz_full", "rcu_nocbs" };
	struct cpulist l;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (!param_cpus(m, keys[i], &l)) {
			found_bad(c, f, "no usable %s=", keys[i]);
			return;
		} else if (!cpulist_equal(&l, &m->isolated)) {
			found_bad(c, f, "%s= is about other CPUs", keys[i]);
			return;
		}
	if (param_cpus(m, "irqaffinity", &l)) {
		l = cpulist_and(&l, &m->isolated);
		if (!cpulist_empty(&l)) {
			found_bad(c, f, "irqaffinity= names isolated CPUs");
			return;
		}
	}
	found_pass(f, "they agree");
}

static const struct check rows[] = {
	{
		.id = "cmdline.conflicts",
		.scope = BOTH,
		.severity = SEV_HIGH,
		.what = "no parameter stands twice with different values",
		.path = "/proc/cmdline",
		.expected = "each once",
		.why = "Which of the two wins differs from parameter to parameter.",
		.remedy = "look in /etc/default/grub and /etc/default/grub.d for the other one",
		.judge = judge_duplicates,
	},
	{
		.id = "cmdline.length",
		.scope = BOTH,
		.severity = SEV_HIGH,
		.what = "the command line is not cut off",
		.path = "/proc/cmdline",
		.expected = "less than 2048 bytes",
		.why = "x86 kernels drop what is longer, and nobody says so.",
		.remedy = "write CPU lists as ranges",
		.judge = judge_length,
	},
	{
		.id = "cmdline.agreement",
		.scope = BOTH,
		.severity = SEV_HIGH,
		.flags = NEEDS_CPUS,
		.what = "isolcpus, nohz_full, rcu_nocbs and irqaffinity agree",
		.path = "/proc/cmdline",
		.expected = "the first three with the same CPUs, the last without them",
		.why = "A CPU with half of the isolation has none of its benefit.",
		.remedy = "activate the profile and boot; remove parameters set by hand",
		.judge = judge_agreement,
	},
	{
		.id = "cmdline.kthread-cpus",
		.scope = BOTH,
		.severity = SEV_MEDIUM,
		.what = "kthread_cpus= is not relied on",
		.path = "/proc/cmdline",
		.want = "kthread_cpus",
		.expected = "not there",
		.why = "Mainline and Debian kernels do not know it: it is handed to init.",
		.remedy = "remove it; isolcpus=domain and nohz_full= do its work",
		.judge = judge_not_on_cmdline,
	},
};

const struct check_table cmdline_checks = { rows, ARRAY_SIZE(rows) };

// SPDX-License-Identifier: GPL-2.0-only
/* One row a key; each setter checks one value and stores it in a field. */
#include "cyclic/campaign_keys.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "cyclic/campaign.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/opt.h"

#define MAX_DURATION_NS (366 * 86400 * NSEC_PER_SEC)

static const char *const instruments[RUN_KINDS] = {
	[RUN_NONE] = "none",   [RUN_DOCTOR] = "doctor", [RUN_HWLAT] = "hwlat",
	[RUN_GAP] = "gap",     [RUN_SAMPLE] = "sample", [RUN_CYCLICTEST] = "cyclictest",
	[RUN_OSLAT] = "oslat",
};

const char *instrument_name(enum instrument i)
{
	return instruments[i];
}

static int set_text(void *field, const char *key, const char *value, struct err *e)
{
	if (strlen(value) >= CAMPAIGN_TEXT_BYTES)
		return err_set(e, -EINVAL, "%s: longer than %d bytes", key,
			       CAMPAIGN_TEXT_BYTES - 1);
	strcpy(field, value);
	return 0;
}

static int set_path(void *field, const char *key, const char *value, struct err *e)
{
	if (strlen(value) >= PATH_MAX)
		return err_set(e, -EINVAL, "%s: the path is too long", key);
	strcpy(field, value);
	return 0;
}

int campaign_set_name(void *field, const char *key, const char *value, struct err *e)
{
	const char *p = value;

	while (isalnum((unsigned char)*p) || (p > value && strchr("-_.", *p) && *p))
		p++;
	if (!*value || *p || p - value >= CAMPAIGN_NAME_BYTES)
		return err_set(e, -EINVAL,
			       "%s: \"%.40s\" is no name: letters, digits, \"-\", \"_\" and \".\", "
			       "at most %d",
			       key, value, CAMPAIGN_NAME_BYTES - 1);
	strcpy(field, value);
	return 0;
}

static int set_bool(void *field, const char *key, const char *value, struct err *e)
{
	if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
		return err_set(e, -EINVAL, "%s: \"%s\" is neither yes nor no", key, value);
	*(bool *)field = !strcmp(value, "yes");
	return 0;
}

static int set_on_stall(void *field, const char *key, const char *value, struct err *e)
{
	if (strcmp(value, "end") != 0 && strcmp(value, "continue") != 0)
		return err_set(e, -EINVAL, "%s: \"%s\" is neither continue nor end", key, value);
	*(bool *)field = !strcmp(value, "end");
	return 0;
}

static int set_on_spike(void *field, const char *key, const char *value, struct err *e)
{
	return spike_action_parse(key, value, field, e);
}

static int set_vmm(void *field, const char *key, const char *value, struct err *e)
{
	if (strcmp(value, "rtkvm") != 0 && strcmp(value, "qemu") != 0)
		return err_set(e, -EINVAL, "%s: \"%s\" is neither rtkvm nor qemu", key, value);
	strcpy(field, value);
	return 0;
}

static int set_cpus(void *field, const char *key, const char *value, struct err *e)
{
	(void)key;
	return cpulist_parse(field, value, e);
}

static int set_size(void *field, const char *key, const char *value, struct err *e)
{
	int ret = opt_size(key, value, field, e);

	if (!ret && !*(uint64_t *)field)
		return err_set(e, -EINVAL, "%s: 0 is no size", key);
	return ret;
}

static int set_u64(void *field, const char *key, const char *value, struct err *e)
{
	return opt_u64(key, value, 0, UINT64_MAX, field, e);
}

static int set_count(void *field, const char *key, const char *value, struct err *e)
{
	return opt_u64(key, value, 1, 1000, field, e);
}

static int set_priority(void *field, const char *key, const char *value, struct err *e)
{
	return opt_u64(key, value, 1, 98, field, e);
}

/* After opt_duration or opt_latency, which returned ret: no time at all is none, and neither is for ever. */
static int bounded(uint64_t *ns, const char *key, const char *value, int ret, struct err *e)
{
	if (!ret && !*ns)
		ret = err_set(e, -EINVAL, "%s: 0 is no duration", key);
	if (!ret && *ns > MAX_DURATION_NS)
		ret = err_set(e, -EINVAL, "%s: \"%s\" is more than 366 days", key, value);
	if (ret < 0)
		*ns = 0; /* one mistake, not a second one about what follows from it */
	return ret;
}

static int set_duration(void *field, const char *key, const char *value, struct err *e)
{
	return bounded(field, key, value, opt_duration(key, value, field, e), e);
}

/* A limit or what is one: nobody means seconds by a bare number. */
static int set_latency(void *field, const char *key, const char *value, struct err *e)
{
	return bounded(field, key, value, opt_latency(key, value, field, e), e);
}

static int set_kind(void *field, const char *key, const char *value, struct err *e)
{
	const struct noise_kind *kind = noise_find(value);

	if (!kind)
		return err_set(e, -EINVAL,
			       "%s: there is no load \"%s\"; rtkvm noise --help lists "
			       "them",
			       key, value);
	*(const struct noise_kind **)field = kind;
	return 0;
}

static int set_run(void *field, const char *key, const char *value, struct err *e)
{
	for (int i = RUN_NONE + 1; i < RUN_KINDS; i++)
		if (!strcmp(instruments[i], value)) {
			*(enum instrument *)field = i;
			return 0;
		}
	return err_set(e, -EINVAL,
		       "%s: \"%s\" is none of doctor, hwlat, gap, sample, cyclictest, oslat", key,
		       value);
}

static int set_guest_load(void *field, const char *key, const char *value, struct err *e)
{
	const struct guest_load *load = guest_load_find(value);

	if (!load)
		return err_set(e, -EINVAL, "%s: \"%s\" is none of fork, signal, hackbench, memory",
			       key, value);
	*(const struct guest_load **)field = load;
	return 0;
}

static int set_seed(void *field, const char *key, const char *value, struct err *e)
{
	struct phase_entry *p = field; /* the whole phase: two fields are set */

	p->simulate = true;
	return opt_u64(key, value, 0, UINT64_MAX, &p->seed, e);
}

/* "40us p99.999=20us": separated by blanks or commas */
static int set_limits(void *field, const char *key, const char *value, struct err *e)
{
	struct phase_entry *p = field;
	char copy[CAMPAIGN_TEXT_BYTES], *rest = copy, *word;
	int ret = set_text(copy, key, value, e);

	p->n_limits = 0;
	while (!ret && (word = strsep(&rest, " \t,"))) {
		if (!*word)
			continue;
		if (p->n_limits == SAMPLE_LIMITS)
			return err_set(e, -EINVAL, "%s: more than %d", key, SAMPLE_LIMITS);
		ret = sample_limit_parse(&p->limits[p->n_limits++], word, e);
	}
	if (!ret && !p->n_limits)
		return err_set(e, -EINVAL, "%s: empty", key);
	return ret;
}

#define CAMPAIGN(m)  SECTION_CAMPAIGN, offsetof(struct campaign, m)
#define GUEST(m)     SECTION_GUEST, offsetof(struct guest_entry, m)
#define LOAD(m)	     SECTION_LOAD, offsetof(struct load_entry, m)
#define PHASE(m)     SECTION_PHASE, offsetof(struct phase_entry, m)
#define PHASE_ITSELF SECTION_PHASE, 0
#define FOR(i)	     (1u << RUN_##i)
#define GAPS	     (FOR(HWLAT) | FOR(GAP))
#define TIMED	     (GAPS | TIMERS | FOR(OSLAT))
#define ON_EITHER    (TIMERS | FOR(OSLAT)) /* the host, or guests, the same keys */
#define IN_GUESTS    (ON_EITHER | FOR(HWLAT))
#define TIMERS	     (FOR(SAMPLE) | FOR(CYCLICTEST))
#define ANY_PHASE    (FOR(DOCTOR) | TIMED)

const struct campaign_key campaign_keys[] = {
	{ "name", CAMPAIGN(name), campaign_set_name, KEY_REQUIRED },
	{ "smoke", CAMPAIGN(smoke), set_bool },
	{ "slice", CAMPAIGN(slice_ns), set_duration },
	{ "on-stall", CAMPAIGN(end_on_stall), set_on_stall },

	{ "image", GUEST(image), set_path, KEY_REQUIRED },
	{ "cpus", GUEST(cpus_text), set_text, KEY_REQUIRED },
	{ "memory", GUEST(memory_bytes), set_size },
	{ "vmm", GUEST(vmm), set_vmm },
	{ "allow-shared", GUEST(allow_shared), set_bool },
	{ "allow-tick", GUEST(allow_tick), set_bool },

	{ "kind", LOAD(kind), set_kind, KEY_REQUIRED },
	{ "cpus", LOAD(cpus), set_cpus, KEY_REQUIRED },
	{ "floor", LOAD(floor), set_u64 },
	{ "dir", LOAD(dir), set_path },

	{ "run", PHASE(run), set_run, KEY_REQUIRED, ANY_PHASE },
	{ "gate", PHASE(gate), set_bool, 0, ANY_PHASE },
	{ "cpus", PHASE(cpus), set_cpus, 0, GAPS | ON_EITHER },
	{ "guests", PHASE(guests_text), set_text, 0, IN_GUESTS },
	{ "loads", PHASE(loads_text), set_text, 0, TIMED },
	{ "guest-load", PHASE(guest_load), set_guest_load, 0, IN_GUESTS },
	{ "guest-load-floor", PHASE(guest_load_floor), set_u64, 0, IN_GUESTS },
	{ "duration", PHASE(duration_ns), set_duration, KEY_REQUIRED, TIMED },
	{ "segment", PHASE(segment_ns), set_duration, 0, IN_GUESTS },
	{ "interval", PHASE(interval_ns), set_duration, 0, TIMERS },
	{ "histogram", PHASE(histogram_ns), set_duration, 0, FOR(CYCLICTEST) },
	{ "priority", PHASE(priority), set_priority, 0, ON_EITHER },
	{ "limit", PHASE_ITSELF, set_limits, 0, ON_EITHER | FOR(GAP) },
	{ "threshold", PHASE(threshold_ns), set_latency, 0, GAPS },
	{ "width", PHASE(width_ns), set_duration, 0, FOR(HWLAT) },
	{ "spike", PHASE(spike_ns), set_latency, 0, TIMERS },
	{ "on-spike", PHASE(on_spike), set_on_spike, 0, TIMERS },
	{ "traces", PHASE(traces), set_count, 0, TIMERS },
	{ "simulate", PHASE_ITSELF, set_seed, 0, FOR(SAMPLE) },
	{ 0 },
};

_Static_assert(ARRAY_SIZE(campaign_keys) <= CAMPAIGN_KEYS, "each key has its place in lines[]");

int campaign_line_of(const struct entry *entry, enum campaign_section s, const char *name)
{
	for (const struct campaign_key *k = campaign_keys; k->name; k++)
		if (k->section == s && !strcmp(k->name, name) && entry->lines[k - campaign_keys])
			return entry->lines[k - campaign_keys];
	return entry->line;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * tracegen - host.dat and guest.dat with known truth
 *
 *	tracegen DIR EVENTS [key=value...]
 *
 * writes DIR/host.dat, DIR/guest.dat and DIR/truth (a line for each wake-up: its time, vCPU, case,
 * cause, latency in ns). Keys: seed vcpus hz offset noise chatter rt case (a name; all by turns)
 * inject_ns every (only each N-th wake-up is late) raw (1: directories of raw pages instead of files) no_timers
 * hole (KVM's number that no vCPU has) prio (of the threads) told (host.dat tells the vCPUs' threads)
 * untold (bits of those whose thread it gives as 0).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "tests/gen/sim.h"

struct keys {
	uint64_t seed, vcpus, hz, noise, chatter, rt, inject_ns, raw, no_timers, no_switch,
		no_windows, every, hole, prio, told, untold;
	int64_t offset;
	int kind;
};

static void set_key(struct keys *k, const char *arg)
{
	static const struct {
		const char *name;
		size_t at;
	} rows[] = {
		{ "seed", offsetof(struct keys, seed) },
		{ "vcpus", offsetof(struct keys, vcpus) },
		{ "hz", offsetof(struct keys, hz) },
		{ "noise", offsetof(struct keys, noise) },
		{ "chatter", offsetof(struct keys, chatter) },
		{ "rt", offsetof(struct keys, rt) },
		{ "inject_ns", offsetof(struct keys, inject_ns) },
		{ "raw", offsetof(struct keys, raw) },
		{ "every", offsetof(struct keys, every) },
		{ "no_timers", offsetof(struct keys, no_timers) },
		{ "no_switch", offsetof(struct keys, no_switch) },
		{ "no_windows", offsetof(struct keys, no_windows) },
		{ "hole", offsetof(struct keys, hole) },
		{ "prio", offsetof(struct keys, prio) },
		{ "told", offsetof(struct keys, told) },
		{ "untold", offsetof(struct keys, untold) },
		{ "offset", offsetof(struct keys, offset) },
	};
	size_t n = strcspn(arg, "=");

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (strlen(rows[i].name) == n && !strncmp(rows[i].name, arg, n)) {
			*(int64_t *)((char *)k + rows[i].at) = strtoll(arg + n + 1, NULL, 0);
			return;
		}
	for (int c = 0; c < SIM_CASES && !strncmp(arg, "case=", 5); c++)
		if (!strcmp(sim_case_name[c], arg + 5)) {
			k->kind = c;
			return;
		}
	fprintf(stderr, "tracegen: what is \"%s\"?\n", arg);
	exit(2);
}

/* Every k->every-th wake-up is late, by one case after the other. */
static enum sim_case kind_of(const struct keys *k, uint64_t turn)
{
	if (turn % k->every)
		return SIM_PLAIN;
	return k->kind >= 0 ? (enum sim_case)k->kind
			    : turn / k->every % (k->vcpus > 1 ? SIM_COMPANY : SIM_CASES);
}

static void truth_line(void *arg, const struct sim_spike *s)
{
	enum cause c = sim_case_cause[s->kind];

	fprintf(arg, "%" PRIu64 " %u %s %s %" PRIu64 "\n", s->ran, s->vcpu, sim_case_name[s->kind],
		c == CAUSE_COUNT ? "-" : cause_info[c].key, budget_sum(&s->truth));
}

static int save(const struct sim *s, const char *dir, bool raw, struct err *e)
{
	char host[4096], guest[4096];
	int ret;

	file_path(host, sizeof(host), "%s/host%s", dir, raw ? "" : ".dat");
	file_path(guest, sizeof(guest), "%s/guest%s", dir, raw ? "" : ".dat");
	if (!raw)
		return sim_save(s, host, guest, e);
	ret = gen_save_raw(&s->host, "x86-tsc", host, e);
	return ret < 0 ? ret : gen_save_raw(&s->guest, "x86-tsc", guest, e);
}

int main(int argc, char **argv)
{
	struct keys k = { .seed = 1, .vcpus = 1, .every = 1, .hz = 2600000000, .kind = -1 };
	struct sim_opts o = { .start = 1ull << 40 };
	struct err e = { 0 };
	struct sim s;
	char path[4096];
	uint64_t want, turn = 0;

	if (argc < 3) {
		fprintf(stderr, "usage: tracegen DIR EVENTS [key=value...]\n");
		return 2;
	}
	want = strtoull(argv[2], NULL, 0);
	for (int i = 3; i < argc; i++)
		set_key(&k, argv[i]);
	o.seed = k.seed;
	o.vcpus = k.vcpus;
	o.hz = k.hz;
	o.map.offset = k.offset;
	o.noise = k.noise;
	o.chatter = k.chatter;
	o.rt_guest = k.rt;
	o.inject_ns = k.inject_ns;
	o.hole = k.hole;
	o.prio = k.prio;
	o.told = k.told;
	o.untold = k.untold;
	o.without_guest = k.no_timers ? 1ull << G_HRTIMER_START : 0;
	/* of the host: its switches; entries and exits, as an emulating KVM lacks them */
	o.without_host = (k.no_switch ? 1ull << G_SWITCH : 0) |
			 (k.no_windows ? 1ull << G_KVM_ENTRY | 1ull << G_KVM_EXIT : 0);
	sim_init(&s, &o);
	if (file_mkdirs(argv[1], &e))
		goto fail;
	file_path(path, sizeof(path), "%s/truth", argv[1]);
	s.arg = fopen(path, "we");
	s.on_spike = truth_line;
	if (!s.arg) {
		err_sys(&e, "writing %s failed", path);
		goto fail;
	}
	for (; gen_events(&s.host) + gen_events(&s.guest) < want; turn++)
		sim_cycle(&s, turn % k.vcpus, kind_of(&k, turn / k.vcpus));
	sim_end(&s);
	fclose(s.arg);
	if (save(&s, argv[1], k.raw, &e))
		goto fail;
	printf("%" PRIu64 " events, %" PRIu64 " wake-ups\n",
	       gen_events(&s.host) + gen_events(&s.guest), turn);
	sim_free(&s);
	return 0;
fail:
	fprintf(stderr, "tracegen: %s\n", e.text);
	sim_free(&s);
	return 2;
}

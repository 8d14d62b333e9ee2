// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/guestjob.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cyclic/breakoff.h"
#include "lib/cleanup.h"

static const struct guest_tool tools[] = {
	[GUEST_CYCLICTEST] = { .name = "cyclictest",
			       .program = "cyclictest",
			       .running = "while cyclictest ran",
			       .over = "after cyclictest had ended",
			       .json = "cyclictest.json",
			       .text = "cyclictest.txt" },
	[GUEST_SAMPLE] = { .name = "sample",
			   .program = "rtkvm-sample",
			   .running = "while the sampler ran",
			   .over = "after the sampler had ended" },
	[GUEST_OSLAT] = { .name = "oslat",
			  .program = "oslat",
			  .running = "while oslat ran",
			  .over = "after oslat had ended",
			  .json = "oslat.json",
			  .text = "oslat.txt" },
	[GUEST_HWLAT] = { .name = "hwlat",
			  .program = "rtkvm-hwlat",
			  .running = "while hwlat watched",
			  .over = "after hwlat had ended",
			  .json = "hwlat.json",
			  .text = "hwlat.txt" },
};

const struct guest_tool *guest_tool(enum guest_instrument i)
{
	return &tools[i];
}

/* No quotes in them: they travel on the kernel's command line. */
static const struct guest_load guest_loads[] = {
	{ "fork", "/bin/true" }, /* busybox: a fork and an exec a round */
	{ "signal", "signaltest -q -l 500 -t 2" }, /* each thread wakes the next by one */
	{ "hackbench", "hackbench -g 1 -l 100" },
	{ "memory", "dd if=/dev/zero of=/dev/null bs=16M count=8" },
};

const struct guest_load *guest_load_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(guest_loads); i++)
		if (!strcmp(guest_loads[i].name, name))
			return &guest_loads[i];
	return NULL;
}

/* What was in force is read in the guest, so that run.json tells it (cyclic/guest/facts.h). */
static const char facts_job[] = "rtkvm-sample facts; ";

static const char cyclictest_job[] =
	"%scyclictest -m -q -p%ju --policy=fifo -a 1-%d -t %d -i %ju -h %ju -D %ju%s "
	"--json=/out/cyclictest.json";

/*
 * The acceptance test of RHEL for Real Time's KVM guide: oslat -w memmove -m 4K. It never sleeps,
 * so the guest's own limit on real-time tasks would take its CPUs away.
 */
static const char oslat_job[] =
	"echo -1 >/proc/sys/kernel/sched_rt_runtime_us; "
	"%soslat -q -z -c %s -C 0 -f %ju -D %ju -w memmove -m 4K -b 1024 --json=/out/oslat.json";

/* cyclic/guest/attend.h: what a tool of rt-tests does not leave by itself. */
static const char attend[] = "rtkvm-sample attend %ju %d ";

/*
 * The limit on real-time tasks is lifted as for oslat. Whether the time-stamp counter is steady is the
 * host's to know (its doctor asks); a VMM may not pass the flag on. Limits are judged on the host:
 * with --smoke only a run that is not whole is worse than one with gaps.
 */
static const char hwlat_job[] =
	"rtkvm-hwlat --guest --cpus %s --duration %jus --threshold %juns%s --rt-limit lift "
	"--priority %ju --allow-unstable-tsc --smoke --quiet --out /tmp/hwlat; r=$?; trap '' INT; cd /tmp/hwlat && "
	"cp run.json /out/hwlat.json && cp hwlat.txt latency.log spikes.jsonl /out; "
	"[ $r = 2 ] || r=0; exit $r";

/*
 * cyclic/guest/beat.h: the sampler's slices are signs of life, of the others nothing comes until they
 * end. It runs on vCPU 0, where the port's exits disturb nothing that is measured.
 */
static const char beat_start[] = "rtkvm-sample beat %ju & b=$!; ";
static const char beat_end[] = "kill $b; wait $b; ";

/* cyclic/guest/load.h; its children's output goes nowhere. */
static const char load_start[] = "rtkvm-sample load %ju %s >/dev/null 2>&1 & l=$!; ";
static const char load_end[] = "kill $l; wait $l; ";

static int hwlat_command(const struct ctopts *o, const char *list, char *buf, size_t size)
{
	char width[48] = "";

	if (o->width_ns)
		snprintf(width, sizeof(width), " --width %juns", (uintmax_t)o->width_ns);
	return snprintf(buf, size, hwlat_job, list, (uintmax_t)o->duration_s,
			(uintmax_t)o->threshold_ns, width, (uintmax_t)o->priority);
}

static int rttests_command(const struct ctopts *o, int vcpus, const char *list, char *buf,
			   size_t size)
{
	char breaks[32] = "", attended[64];

	snprintf(attended, sizeof(attended), attend, (uintmax_t)o->priority, vcpus - 1);
	if (o->on_spike != SPIKE_RECORD)
		snprintf(breaks, sizeof(breaks), " -b %ju",
			 (uintmax_t)breakoff_option(o->spike_ns));
	if (o->instrument == GUEST_OSLAT)
		return snprintf(buf, size, oslat_job, attended, list, (uintmax_t)o->priority,
				(uintmax_t)o->duration_s);
	return snprintf(buf, size, cyclictest_job, attended, (uintmax_t)o->priority, vcpus - 1,
			vcpus - 1, (uintmax_t)o->interval_us, (uintmax_t)o->histogram_us,
			(uintmax_t)o->duration_s, breaks);
}

static int command(const struct ctopts *o, int vcpus, const char *list, char *buf, size_t size)
{
	switch (o->instrument) {
	case GUEST_SAMPLE:
		return snprintf(buf, size, "rtkvm-sample %s %ju %ju %ju %ju %ju %s", list,
				(uintmax_t)o->interval_us * 1000, (uintmax_t)o->duration_ns,
				(uintmax_t)o->slice_ns, (uintmax_t)o->priority,
				(uintmax_t)o->spike_ns, spike_action_name(o->on_spike));
	case GUEST_HWLAT:
		return hwlat_command(o, list, buf, size);
	default:
		return rttests_command(o, vcpus, list, buf, size);
	}
}

static void cpu_list(int vcpus, char list[static 16])
{
	snprintf(list, 16, vcpus > 2 ? "1-%d" : "%d", vcpus - 1);
}

int guestjob_command(const struct ctopts *o, int vcpus, char *buf, size_t size, struct err *e)
{
	char list[16];
	int n;

	cpu_list(vcpus, list);
	n = command(o, vcpus, list, buf, size);
	return n < 0 || (size_t)n >= size ? err_set(e, -E2BIG, "the guest's command is too long")
					  : 0;
}

int guestjob_append(const struct ctopts *o, int vcpus, const char *run, char *buf, size_t size,
		    struct err *e)
{
	char list[16], beat[64] = "", load[256] = "";
	bool beats = o->instrument != GUEST_SAMPLE;
	int n;

	cpu_list(vcpus, list);
	if (beats)
		snprintf(beat, sizeof(beat), beat_start, (uintmax_t)o->slice_ns);
	if (o->load)
		snprintf(load, sizeof(load), load_start, (uintmax_t)o->slice_ns, o->load->command);
	/*
	 * A subshell: what is recorded ends with an exit. Who has to be asked to stop is asked again; what
	 * comes when it has ended, and has yet to tell of itself, is not to be cut short by that.
	 */
	n = snprintf(
		buf, size,
		"console=ttyS0 quiet isolcpus=managed_irq,domain,%s nohz_full=%s "
		"rcu_nocbs=%s rcu_nocb_poll irqaffinity=0 skew_tick=1 tsc=reliable "
		"nosoftlockup nmi_watchdog=0 mce=ignore_ce panic=-1 "
		"rtkvm.exec=\"trap : INT; %s%s%s(trap : INT; %s); r=$?; trap '' INT; %s%sexit $r\"",
		list, list, list, beat, facts_job, load, run, o->load ? load_end : "",
		beats ? beat_end : "");
	if (n < 0 || (size_t)n >= size)
		return err_set(e, -E2BIG, "the guest's command line is too long");
	return 0;
}

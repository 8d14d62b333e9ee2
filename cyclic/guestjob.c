// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/guestjob.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"

static const struct guest_tool tools[] = {
	[GUEST_CYCLICTEST] = { .name = "cyclictest",
			       .program = "cyclictest",
			       .running = "while cyclictest ran",
			       .over = "after cyclictest had ended",
			       .json = "cyclictest.json",
			       .text = "cyclictest.txt",
			       .threads = true },
	[GUEST_SAMPLE] = { .name = "sample",
			   .program = "rtkvm-sample",
			   .running = "while the sampler ran",
			   .over = "after the sampler had ended" },
	[GUEST_OSLAT] = { .name = "oslat",
			  .program = "oslat",
			  .running = "while oslat ran",
			  .over = "after oslat had ended",
			  .json = "oslat.json",
			  .text = "oslat.txt",
			  .threads = true },
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

/*
 * Facts and threads are read in the guest, so that run.json tells what was in force. Of the text
 * output the comments come back: they hold what the JSON omits (overflows, their cycles, breaks),
 * while its histogram has a row for every empty bin and each byte costs a VM exit.
 */
static const char facts[] =
	"grep -H '' /proc/version /proc/cmdline /sys/devices/system/cpu/isolated "
	"/sys/devices/system/cpu/nohz_full /sys/kernel/realtime "
	"/sys/devices/system/clocksource/clocksource0/current_clocksource "
	">/out/guest-facts 2>/dev/null; ";

static const char cyclictest_job[] =
	"cyclictest -m -q -p%ju --policy=fifo -a 1-%d -t %d -i %ju -h %ju -D %ju "
	"--json=/out/cyclictest.json";

/*
 * The acceptance test of RHEL for Real Time's KVM guide: oslat -w memmove -m 4K. It never sleeps,
 * so the guest's own limit on real-time tasks would take its CPUs away.
 */
static const char oslat_job[] =
	"echo -1 >/proc/sys/kernel/sched_rt_runtime_us; "
	"oslat -q -z -c %s -C 0 -f %ju -D %ju -w memmove -m 4K -b 1024 --json=/out/oslat.json";

/*
 * The limit on real-time tasks is lifted as for oslat. Whether the time-stamp counter is steady is the
 * host's to know (its doctor asks); a VMM may not pass the flag on. Limits are judged on the host:
 * with --smoke only a run that is not whole is worse than one with gaps.
 */
static const char hwlat_job[] =
	"rtkvm-hwlat --guest --cpus %s --duration %jus --threshold %juns%s --rt-limit lift "
	"--priority %ju --allow-unstable-tsc --smoke --quiet --out /tmp/hwlat; r=$?; cd /tmp/hwlat && "
	"cp run.json /out/hwlat.json && cp hwlat.txt latency.log spikes.jsonl /out; "
	"[ $r = 2 ] || r=0; exit $r";

/*
 * Each thread gives itself its policy after it was made: only a picture with all of them at the
 * priority asked for (fields 40 and 41 of proc_pid_stat(5)) shows what was in force. Ctrl-C is for
 * the program, which ends with what it has; a wait that it cuts short is begun again.
 */
static const char threads[] =
	" >/tmp/text & p=$!; "
	"until sleep 1; cat /proc/$p/task/*/stat >/out/guest-threads 2>/dev/null; "
	"[ $(grep -cE '( [^ ]+){36} %ju 1 ' /out/guest-threads) -ge %d -o ! -e /proc/$p ]; do :; done; "
	"while wait $p; r=$?; [ -e /proc/$p ]; do :; done; grep %s /tmp/text >/out/%s; ";

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
	case GUEST_OSLAT:
		return snprintf(buf, size, oslat_job, list, (uintmax_t)o->priority,
				(uintmax_t)o->duration_s);
	default:
		return snprintf(buf, size, cyclictest_job, (uintmax_t)o->priority, vcpus - 1,
				vcpus - 1, (uintmax_t)o->interval_us, (uintmax_t)o->histogram_us,
				(uintmax_t)o->duration_s);
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

/* The instrument from its start to r, its exit code. Those of rt-tests leave their threads' facts. */
static int instrument_job(const struct ctopts *o, int vcpus, const char *run, char *buf,
			  size_t size)
{
	const struct guest_tool *tool = guest_tool(o->instrument);
	int n;

	if (!tool->threads) /* a subshell: what is recorded ends with an exit */
		return snprintf(buf, size, "(trap : INT; %s); r=$?; ", run);
	n = snprintf(buf, size, "%s", run);
	if (n < 0 || (size_t)n >= size)
		return n;
	return n + snprintf(buf + n, size - n, threads, (uintmax_t)o->priority, vcpus - 1,
			    o->instrument == GUEST_CYCLICTEST ? "^#" : ":", tool->text);
}

int guestjob_append(const struct ctopts *o, int vcpus, const char *run, char *buf, size_t size,
		    struct err *e)
{
	char list[16], job[CTOPTS_APPEND_BYTES], beat[64] = "", load[256] = "";
	bool beats = o->instrument != GUEST_SAMPLE;
	int n;

	cpu_list(vcpus, list);
	if (beats)
		snprintf(beat, sizeof(beat), beat_start, (uintmax_t)o->slice_ns);
	if (o->load)
		snprintf(load, sizeof(load), load_start, (uintmax_t)o->slice_ns, o->load->command);
	n = instrument_job(o, vcpus, run, job, sizeof(job));
	if (n > 0 && (size_t)n < sizeof(job))
		n = snprintf(buf, size,
			     "console=ttyS0 quiet isolcpus=managed_irq,domain,%s nohz_full=%s "
			     "rcu_nocbs=%s rcu_nocb_poll irqaffinity=0 skew_tick=1 tsc=reliable "
			     "nosoftlockup nmi_watchdog=0 mce=ignore_ce panic=-1 "
			     "rtkvm.exec=\"trap : INT; %s%s%s%s%s%sexit $r\"",
			     list, list, list, beat, facts, load, job, o->load ? load_end : "",
			     beats ? beat_end : "");
	if (n < 0 || (size_t)n >= size)
		return err_set(e, -E2BIG, "the guest's command line is too long");
	return 0;
}

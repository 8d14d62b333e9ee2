// SPDX-License-Identifier: GPL-2.0-only
/* Checks of what happened during doctor --measure. */
#include <stdio.h>

#include "lib/cleanup.h"
#include "profiles/check.h"
#include "profiles/measure.h"

static void judge_ticks(const struct measurement *d, const struct check *c, struct finding *f)
{
	double worst = 0;

	for (size_t i = 0; i < d->n; i++) {
		double rate = d->cpus[i].ticks / d->half_seconds;

		if (rate > 1.5) { /* the kernel keeps one a second */
			found_bad(c, f, "%.1f/s on CPU %d with one busy task", rate,
				  d->cpus[i].cpu);
			return;
		}
		worst = rate > worst ? rate : worst;
	}
	found_pass(f, "at most %.1f/s with one busy task", worst);
}

static void judge_interrupts(const struct measurement *d, const struct check *c, struct finding *f)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->cpus[i].device_irqs > 0) {
			found_bad(c, f, "%lld on CPU %d, first %s",
				  (long long)d->cpus[i].device_irqs, d->cpus[i].cpu,
				  d->cpus[i].first_irq);
			return;
		}
	found_pass(f, "none");
}

static void judge_ipis(const struct measurement *d, const struct check *c, struct finding *f)
{
	double worst = 0;

	for (size_t i = 0; i < d->n; i++) {
		double rate = d->cpus[i].ipis / (2 * d->half_seconds);

		if (rate > 10) {
			found_bad(c, f, "%.1f/s on CPU %d", rate, d->cpus[i].cpu);
			return;
		}
		worst = rate > worst ? rate : worst;
	}
	found_pass(f, "at most %.1f/s", worst);
}

static void judge_tasks(const struct measurement *d, const struct check *c, struct finding *f)
{
	double worst = 0;

	for (size_t i = 0; i < d->n; i++) {
		double rate = d->cpus[i].other_tasks / d->half_seconds;

		if (d->cpus[i].other_tasks == MEASURE_UNKNOWN) {
			found_na(f, "the kernel has no /proc/schedstat");
			return;
		}
		if (rate > 1) {
			found_bad(c, f, "%.1f/s on CPU %d", rate, d->cpus[i].cpu);
			return;
		}
		worst = rate > worst ? rate : worst;
	}
	found_pass(f, "at most %.1f/s", worst);
}

static void judge_idle(const struct measurement *d, const struct check *c, struct finding *f)
{
	for (size_t i = 0; i < d->n; i++) {
		if (d->cpus[i].deep_idles == MEASURE_UNKNOWN) {
			found_na(f, "CPU %d has no idle states", d->cpus[i].cpu);
			return;
		}
		if (d->cpus[i].deep_idles > 0) {
			found_bad(c, f, "%lld on CPU %d", (long long)d->cpus[i].deep_idles,
				  d->cpus[i].cpu);
			return;
		}
	}
	found_pass(f, "none");
}

static void judge_frequency(const struct measurement *d, const struct check *c, struct finding *f)
{
	double worst = 0;

	for (size_t i = 0; i < d->n; i++) {
		const struct cpu_measure *p = &d->cpus[i];
		double spread;

		if (p->khz_min <= 0 || p->khz_max <= 0) {
			found_na(f, "CPU %d does not tell its frequency", p->cpu);
			return;
		}
		spread = 100.0 * (p->khz_max - p->khz_min) / p->khz_max;
		if (spread >= 2) {
			found_bad(c, f, "%lld to %lld kHz on CPU %d", (long long)p->khz_min,
				  (long long)p->khz_max, p->cpu);
			return;
		}
		worst = spread > worst ? spread : worst;
	}
	found_pass(f, "within %.1f %%", worst);
}

static void judge_pause(const struct measurement *d, const struct check *c, struct finding *f)
{
	const struct cpu_measure *worst = NULL;

	for (size_t i = 0; i < d->n; i++)
		if (d->cpus[i].pause_ns != MEASURE_UNKNOWN &&
		    (!worst || d->cpus[i].pause_ns > worst->pause_ns))
			worst = &d->cpus[i];
	if (!worst)
		found_na(f, "every isolated CPU serves a guest");
	else if (worst->pause_ns > 10000)
		found_bad(c, f, "%.1f us on CPU %d", worst->pause_ns / 1e3, worst->cpu);
	else
		found_pass(f, "at most %.1f us", worst->pause_ns / 1e3);
}

static void judge_smis(const struct measurement *d, const struct check *c, struct finding *f)
{
	if (d->smis == MEASURE_UNKNOWN)
		found_na(f, "the counter cannot be read (modprobe msr, as root, no lockdown)");
	else if (d->smis)
		found_bad(c, f, "%lld", (long long)d->smis);
	else
		found_pass(f, "none");
}

static void judge_throttled(const struct measurement *d, const struct check *c, struct finding *f)
{
	if (d->throttles == MEASURE_UNKNOWN)
		found_na(f, "the kernel does not count it");
	else if (d->throttles)
		found_bad(c, f, "%lld times", (long long)d->throttles);
	else
		found_pass(f, "never");
}

static void judge_steal(const struct measurement *d, const struct check *c, struct finding *f)
{
	if (d->steal_ticks == MEASURE_UNKNOWN)
		found_na(f, "the kernel does not count it");
	else if (d->steal_ticks)
		found_bad(c, f, "%lld ticks", (long long)d->steal_ticks);
	else
		found_pass(f, "none");
}

static const struct check rows[] = {
	{
		.id = "measured.tick",
		.scope = BOTH,
		.severity = SEV_HIGH,
		.flags = NEEDS_CPUS | MEASURED,
		.what = "the tick is off while one task runs",
		.path = "/proc/interrupts, LOC",
		.expected = "at most one a second",
		.why = "A second task, a POSIX timer or a performance counter keeps the tick on "
		       "whatever nohz_full says.",
		.remedy = "look for what else runs there: tasks.user, tasks.kthreads; rtkvm trace",
		.judge_measured = judge_ticks,
	},
	{
		.id = "measured.interrupts",
		.scope = BOTH,
		.severity = SEV_HIGH,
		.flags = NEEDS_CPUS | MEASURED,
		.what = "no device interrupts the isolated CPUs",
		.path = "/proc/interrupts",
		.expected = "none",
		.why = "What is configured is one thing, what arrives another.",
		.remedy = "see irq.affinity; NMI and PMI rows: watchdog.hard, perf",
		.judge_measured = judge_interrupts,
	},
	{
		.id = "measured.ipis",
		.scope = BOTH,
		.severity = SEV_MEDIUM,
		.flags = NEEDS_CPUS | MEASURED,
		.what = "other CPUs seldom interrupt the isolated ones",
		.path = "/proc/interrupts, RES CAL TLB IWI",
		.expected = "at most 10 a second",
		.why = "Wake-ups, remote calls and TLB flushes come from work on other CPUs.",
		.remedy = "rtkvm trace shows who sends them (csd, ipi events)",
		.judge_measured = judge_ipis,
	},
	{
		.id = "measured.tasks",
		.scope = BOTH,
		.severity = SEV_HIGH,
		.flags = NEEDS_CPUS | MEASURED,
		.what = "no other task runs on the isolated CPUs",
		.path = "/proc/schedstat",
		.expected = "at most one a second",
		.why = "Each is a context switch in the guest's time.",
		.remedy = "see tasks.kthreads and tasks.workqueues; rtkvm trace names them",
		.judge_measured = judge_tasks,
	},
	{
		.id = "measured.idle-states",
		.scope = HOST,
		.severity = SEV_HIGH,
		.flags = NEEDS_CPUS | MEASURED,
		.what = "no deep idle state was entered",
		.path = "/sys/devices/system/cpu/cpuN/cpuidle/stateM/usage",
		.expected = "none that takes over 2 us to leave",
		.why = "A limit that is set is not yet a limit that is kept.",
		.remedy = "see power.idle-states",
		.judge_measured = judge_idle,
	},
	{
		.id = "measured.frequency",
		.scope = HOST,
		.severity = SEV_MEDIUM,
		.flags = NEEDS_CPUS | MEASURED,
		.what = "the frequency is steady under load",
		.path = "/sys/devices/system/cpu/cpuN/cpufreq/scaling_cur_freq",
		.expected = "within 2 %",
		.why = "A core that changes its speed measures something else each time.",
		.remedy = "see power.governor and power.frequency-range; turbo and AVX limits also "
			  "move it",
		.judge_measured = judge_frequency,
	},
	{
		.id = "measured.pause",
		.scope = BOTH,
		.severity = SEV_HIGH,
		.flags = NEEDS_CPUS | MEASURED,
		.what = "nothing stops a busy task for long",
		.path = "CLOCK_MONOTONIC, read without a break",
		.expected = "at most 10 us",
		.why = "Interrupts, other tasks, firmware, a hypervisor below: whatever it is, a "
		       "guest waits as long.",
		.remedy = "rtkvm hwlat tells what the hardware takes; the other measured checks "
			  "and rtkvm trace what the kernel does",
		.judge_measured = judge_pause,
	},
	{
		.id = "measured.smi",
		.scope = HOST,
		.severity = SEV_HIGH,
		.flags = NEEDS_CPUS | MEASURED,
		.vendor = VENDOR_INTEL,
		.what = "the firmware did not take the CPUs away",
		.path = "/dev/cpu/0/msr, 0x34",
		.expected = "no system-management interrupt",
		.why = "Every CPU stops, for 10 us to milliseconds, and no kernel can help.",
		.remedy = "switch off in the firmware what raises them (USB legacy, power "
			  "capping, ECC scrubbing); rtkvm hwlat tells how long they take",
		.judge_measured = judge_smis,
	},
	{
		.id = "measured.throttled",
		.scope = HOST,
		.severity = SEV_HIGH,
		.flags = NEEDS_CPUS | MEASURED,
		.what = "no isolated CPU was throttled by heat",
		.path = "/sys/devices/system/cpu/cpuN/thermal_throttle/core_throttle_count",
		.expected = "never",
		.why = "A throttled core stops for part of the time.",
		.remedy = "look at cooling and power limits",
		.judge_measured = judge_throttled,
	},
	{
		.id = "measured.steal",
		.scope = GUEST,
		.severity = SEV_HIGH,
		.flags = NEEDS_CPUS | MEASURED,
		.what = "the host took no time from the isolated vCPUs",
		.path = "/proc/stat",
		.expected = "no steal time",
		.why = "The vCPU wanted to run and its CPU did something else.",
		.remedy = "rtkvm doctor on the host; give each vCPU a CPU of its own",
		.judge_measured = judge_steal,
	},
};

const struct check_table measure_checks = { rows, ARRAY_SIZE(rows) };

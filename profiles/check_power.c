// SPDX-License-Identifier: GPL-2.0-only
/* Checks of frequency, idle states, and of what the firmware and devices do by themselves. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/knob.h"
#include "profiles/judge.h"

/* A state with an exit latency up to this is as good as awake. */
enum { HARMLESS_LATENCY_US = 2 };

/* The file of policy or directory of an isolated CPU, e.g. cpufreq/scaling_min_freq. */
static bool cpu_file(const struct machine *m, int cpu, const char *name, char *buf, size_t size,
		     struct err *e)
{
	char path[160];

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/%s", cpu, name);
	err_clear(e);
	return knob_read(m->root, path, buf, size, e) >= 0;
}

static void judge_frequency_range(const struct machine *m, const struct check *c, struct finding *f)
{
	char low[64], high[64];
	struct err e = { 0 };

	cpulist_for_each(cpu, &m->isolated) {
		if (!cpu_file(m, cpu, "cpufreq/scaling_min_freq", low, sizeof(low), &e) ||
		    !cpu_file(m, cpu, "cpufreq/scaling_max_freq", high, sizeof(high), &e)) {
			settle_read_error(c, c->path, e.code, e.text, f);
			return;
		}
		if (strcmp(low, high)) {
			found_bad(c, f, "%.16s to %.16s kHz on CPU %d", low, high, cpu);
			return;
		}
	}
	found_pass(f, "%.16s kHz", low);
}

/* The system-wide limit is a binary integer in a device, which only root may read. */
static bool dma_latency(const struct machine *m, long *us)
{
	struct err ignored = { 0 };
	char text[32], *end;
	int32_t value;

	if (m->live) {
		_cleanup_close_ int fd = open("/dev/cpu_dma_latency", O_RDONLY | O_CLOEXEC);

		if (fd < 0 || read(fd, &value, sizeof(value)) != sizeof(value))
			return false;
		*us = value;
		return true;
	}
	if (knob_read(m->root, "/dev/cpu_dma_latency", text, sizeof(text), &ignored) < 0)
		return false;
	*us = strtol(text, &end, 10);
	return end != text && !*end;
}

/* Is every state of this CPU that takes long to leave disabled? */
static bool deep_states_off(const struct machine *m, int cpu)
{
	for (int state = 0; state < 16; state++) {
		struct err ignored = { 0 };
		char path[64], latency[32], off[32];

		snprintf(path, sizeof(path), "cpuidle/state%d/latency", state);
		if (!cpu_file(m, cpu, path, latency, sizeof(latency), &ignored))
			return state > 0;
		if (atoi(latency) <= HARMLESS_LATENCY_US)
			continue;
		snprintf(path, sizeof(path), "cpuidle/state%d/disable", state);
		if (!cpu_file(m, cpu, path, off, sizeof(off), &ignored) || !wanted(off, "1"))
			return false;
	}
	return true;
}

static void judge_idle_states(const struct machine *m, const struct check *c, struct finding *f)
{
	char text[64], idle[32], path[96];
	struct err e = { 0 };
	long us;

	if (machine_param(m, "idle", idle, sizeof(idle)) && !strcmp(idle, "poll")) {
		found_pass(f, "idle=poll");
		return;
	}
	if (dma_latency(m, &us) && us <= HARMLESS_LATENCY_US) {
		found_pass(f, "/dev/cpu_dma_latency is %ld us", us);
		return;
	}
	cpulist_for_each(cpu, &m->isolated) {
		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/cpuidle/state0/name",
			 cpu);
		err_clear(&e);
		if (knob_read(m->root, path, text, sizeof(text), &e) == -ENOENT) {
			found_na(f, "CPU %d has no idle states", cpu);
			return;
		}
		if (cpu_file(m, cpu, "power/pm_qos_resume_latency_us", text, sizeof(text), &e) &&
		    !strcmp(text, "n/a"))
			continue;
		if (deep_states_off(m, cpu))
			continue;
		found_bad(c, f, "CPU %d may enter deep states (limit %.16s)", cpu, text);
		return;
	}
	found_pass(f, "none but the shallowest");
}

static void judge_uncore(const struct machine *m, const struct check *c, struct finding *f)
{
	struct paths paths;
	size_t i = 0;

	if (!look_all(m, c, &paths, f))
		return;
	for (; i < paths.n; i++) {
		char low[64], high[64], path[256];

		if (!look(m, c, paths.v[i], low, sizeof(low), f))
			break;
		snprintf(path, sizeof(path), "%.*s/max_freq_khz",
			 (int)(strrchr(paths.v[i], '/') - paths.v[i]), paths.v[i]);
		if (!look(m, c, path, high, sizeof(high), f))
			break;
		if (strcmp(low, high)) {
			found_bad(c, f, "%.16s to %.16s kHz", low, high);
			break;
		}
	}
	if (i == paths.n)
		found_pass(f, "steady");
	paths_free(&paths);
}

static void judge_mce(const struct machine *m, const struct check *c, struct finding *f)
{
	char ignore[32], interval[32];

	if (!look(m, c, c->path, ignore, sizeof(ignore), f))
		return;
	if (wanted(ignore, "1"))
		found_pass(f, "corrected errors are ignored");
	else if (!look(m, c, "/sys/devices/system/machinecheck/machinecheck0/check_interval",
		       interval, sizeof(interval), f))
		return;
	else if (wanted(interval, "0"))
		found_pass(f, "not polled");
	else
		found_bad(c, f, "polled, check_interval is %.16s", interval);
}

static const struct check rows[] = {
	{
		.id = "power.governor",
		.scope = HOST,
		.severity = SEV_HIGH,
		.flags = NEEDS_CPUS,
		.what = "the isolated CPUs run at full speed always",
		.path = "/sys/devices/system/cpu/cpu%d/cpufreq/scaling_governor",
		.want = "performance",
		.why = "Other governors follow the load, and a real-time guest looks idle.",
		.remedy = "activate the profile (governor=performance)",
		.judge = judge_per_cpu,
	},
	{
		.id = "power.frequency-range",
		.scope = HOST,
		.severity = SEV_MEDIUM,
		.flags = NEEDS_CPUS,
		.what = "the lowest frequency is the highest",
		.path = "/sys/devices/system/cpu/cpuN/cpufreq/scaling_{min,max}_freq",
		.expected = "the same",
		.why = "A change of frequency halts the core for up to tens of microseconds.",
		.remedy = "set scaling_min_freq to scaling_max_freq (the profile does)",
		.judge = judge_frequency_range,
	},
	{
		.id = "power.epp",
		.scope = HOST,
		.severity = SEV_MEDIUM,
		.flags = NEEDS_CPUS,
		.what = "the hardware's own governor prefers speed",
		.path = "/sys/devices/system/cpu/cpu%d/cpufreq/energy_performance_preference",
		.want = "performance|0",
		.why = "With HWP or CPPC the processor chooses its frequency after this hint.",
		.remedy = "echo performance to these files (the profile does)",
		.judge = judge_per_cpu,
	},
	{
		.id = "power.epb",
		.scope = HOST,
		.severity = SEV_MEDIUM,
		.flags = NEEDS_CPUS,
		.vendor = VENDOR_INTEL,
		.what = "the energy bias prefers speed",
		.path = "/sys/devices/system/cpu/cpu%d/power/energy_perf_bias",
		.want = "0|performance",
		.why = "It also steers turbo and the uncore on processors without HWP.",
		.remedy = "echo 0 to these files (the profile does)",
		.judge = judge_per_cpu,
	},
	{
		.id = "power.idle-states",
		.scope = HOST,
		.severity = SEV_HIGH,
		.flags = NEEDS_CPUS,
		.what = "the isolated CPUs enter no deep idle state",
		.path = "/sys/devices/system/cpu/cpuN/power/pm_qos_resume_latency_us",
		.expected = "n/a, or /dev/cpu_dma_latency held at 2 or less, or deep states "
			    "disabled",
		.why = "Waking from C6 takes 100 us and more, with cold caches.",
		.remedy = "echo n/a to these files (the profile does)",
		.judge = judge_idle_states,
	},
	{
		.id = "power.uncore",
		.scope = HOST,
		.severity = SEV_MEDIUM,
		.vendor = VENDOR_INTEL,
		.what = "the uncore frequency is steady",
		.path = "/sys/devices/system/cpu/intel_uncore_frequency/*/min_freq_khz",
		.expected = "min_freq_khz equals max_freq_khz",
		.why = "L3 and memory slow down with it, whatever the cores do.",
		.remedy = "write the maximum to min_freq_khz (the profile does)",
		.judge = judge_uncore,
	},
	{
		.id = "power.throttled",
		.scope = HOST,
		.severity = SEV_MEDIUM,
		.what = "no CPU has been throttled by heat since boot",
		.path = "/sys/devices/system/cpu/cpu[0-9]*/thermal_throttle/core_throttle_count",
		.want = "0",
		.why = "Throttling stops the clock in short steps; a hot machine cannot keep a "
		       "limit.",
		.remedy = "look at cooling and power limits",
		.judge = judge_each,
	},
	{
		.id = "power.gpu",
		.scope = HOST,
		.severity = SEV_MEDIUM,
		.what = "the GPU does not switch itself off and on",
		.path = "/sys/bus/pci/drivers/i915/0000:*/power/control",
		.want = "on",
		.why = "Its runtime power management adds pauses of about a millisecond.",
		.remedy = "echo on to that file (the profile does)",
		.judge = judge_each,
	},
	{
		.id = "power.aspm",
		.scope = HOST,
		.severity = SEV_INFO,
		.what = "PCIe links do not sleep",
		.path = "/sys/module/pcie_aspm/parameters/policy",
		.want = "performance",
		.why = "Waking a link delays each access to the device behind it.",
		.remedy = "boot with pcie_aspm.policy=performance",
		.judge = judge_word,
	},
	{
		.id = "firmware.mce-poll",
		.scope = HOST,
		.severity = SEV_MEDIUM,
		.what = "corrected machine checks are not polled",
		.path = "/sys/devices/system/machinecheck/machinecheck0/ignore_ce",
		.expected = "1, or check_interval 0",
		.why = "A timer on every CPU reads all banks every five minutes.",
		.remedy = "boot with mce=ignore_ce (the profile does; fatal errors are still "
			  "reported)",
		.judge = judge_mce,
	},
	{
		.id = "firmware.pollers",
		.scope = HOST,
		.severity = SEV_MEDIUM,
		.what = "no daemon polls the firmware",
		.path = "/proc/*/stat",
		.want = "kipmi0|smartd|fwupd|rasdaemon|thermald|sensord",
		.expected = "no kipmi0, smartd, fwupd, rasdaemon, thermald, sensord",
		.why = "Their requests are answered in system-management mode: every CPU stops.",
		.remedy = "stop them while it counts, or pin them and measure with rtkvm hwlat",
		.judge = judge_not_running,
	},
	{
		.id = "firmware.fwupd-timer",
		.scope = HOST,
		.severity = SEV_MEDIUM,
		.what = "the firmware updater does not wake up by itself",
		.path = "/etc/systemd/system/timers.target.wants/fwupd-refresh.timer",
		.expected = "not enabled",
		.why = "Reading firmware versions raises system-management interrupts.",
		.remedy = "systemctl disable --now fwupd-refresh.timer (the profile does)",
		.judge = judge_nothing_there,
	},
	{
		.id = "firmware.power-meter",
		.scope = HOST,
		.severity = SEV_MEDIUM,
		.what = "no driver asks the firmware for the power drawn",
		.path = "/sys/bus/acpi/drivers/power_meter/ACPI000D:*",
		.expected = "no device of the driver acpi_power_meter",
		.why = "Each reading is a call into the firmware, on servers answered in "
		       "system-management mode.",
		.remedy = "modprobe -r acpi_power_meter, and blacklist it in /etc/modprobe.d",
		.judge = judge_nothing_there,
	},
	{
		.id = "firmware.edac-poll",
		.scope = HOST,
		.severity = SEV_MEDIUM,
		.what = "memory controllers are asked for errors rarely",
		.path = "/sys/module/edac_core/parameters/edac_mc_poll_msec",
		.want = "60000",
		.expected = "at least 60000 (ms)",
		.why = "A worker reads every controller's registers at this interval, a second by "
		       "default.",
		.remedy = "echo 60000 to that file, or edac_core.edac_mc_poll_msec=60000 at boot",
		.judge = judge_least,
	},
};

const struct check_table power_checks = { rows, ARRAY_SIZE(rows) };

// SPDX-License-Identifier: GPL-2.0-only
/* Checks of processor, firmware and kernel: what no setting at run time can mend. */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/knob.h"
#include "profiles/judge.h"
#include "profiles/kconfig.h"

/* The device itself on a live machine; in a saved tree the kernel's record that it is there. */
static void judge_kvm_device(const struct machine *m, const struct check *c, struct finding *f)
{
	_cleanup_close_ int fd = -1;
	char text[64];
	int version;

	if (!m->live) {
		if (look(m, c, "/sys/class/misc/kvm/dev", text, sizeof(text), f))
			found_pass(f, "the device exists");
		return;
	}
	fd = open(c->path, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		found_bad(c, f, "opening it failed: %s", strerror(errno));
		return;
	}
	version = ioctl(fd, KVM_GET_API_VERSION, 0);
	if (version == KVM_API_VERSION)
		found_pass(f, "API version %d", version);
	else
		found_bad(c, f, "API version %d", version);
}

static void judge_virtualization(const struct machine *m, const struct check *c, struct finding *f)
{
	const char *path = m->vendor == VENDOR_AMD ? "/sys/module/kvm_amd/parameters/npt"
						   : "/sys/module/kvm_intel/parameters/ept";
	const char *flag = m->vendor == VENDOR_AMD ? "svm" : "vmx";
	char text[64];

	if (!machine_flag(m, flag)) {
		found_bad(c, f, "the CPU has no %s", flag);
		return;
	}
	if (!look(m, c, path, text, sizeof(text), f))
		return;
	if (wanted(text, "Y"))
		found_pass(f, "%s, nested paging on", flag);
	else
		found_bad(c, f, "%s in %s", text, path);
}

static void judge_bare_metal(const struct machine *m, const struct check *c, struct finding *f)
{
	if (machine_flag(m, "hypervisor"))
		found_bad(c, f, "a hypervisor runs below");
	else
		found_pass(f, "no hypervisor below");
}

static void judge_is_guest(const struct machine *m, const struct check *c, struct finding *f)
{
	if (machine_flag(m, "hypervisor"))
		found_pass(f, "a hypervisor runs below");
	else
		found_bad(c, f, "no hypervisor below");
}

static void judge_preempt_rt(const struct machine *m, const struct check *c, struct finding *f)
{
	if (m->rt)
		found_pass(f, "%s", m->release);
	else
		found_bad(c, f, "%s is not PREEMPT_RT", m->release);
}

static bool load_config(const struct machine *m, const struct check *c, char **text,
			struct finding *f)
{
	if (kconfig_load(m, text) >= 0)
		return true;
	found_unread(c, f, "neither /boot/config-RELEASE nor /proc/config.gz can be read");
	return false;
}

static bool configured(const char *config, const char *option)
{
	char name[80];
	size_t len = snprintf(name, sizeof(name), "CONFIG_%s=", option);

	for (const char *p = strstr(config, name); p; p = strstr(p + 1, name))
		if ((p == config || p[-1] == '\n') && (p[len] == 'y' || p[len] == 'm') &&
		    (!p[len + 1] || p[len + 1] == '\n'))
			return true;
	return false;
}

/* Appends the options of want ("A|B") that are (or are not) configured to list. */
static void options(const char *config, const char *want, bool on, char *list, size_t size)
{
	list[0] = '\0';
	for (const char *p = want; *p; p += *p == '|') {
		size_t len = strcspn(p, "|"), used = strlen(list);
		char option[64];

		snprintf(option, sizeof(option), "%.*s", (int)len, p);
		if (configured(config, option) == on)
			snprintf(list + used, size - used, "%s%s", used ? " " : "", option);
		p += len;
	}
}

static void judge_config_has(const struct machine *m, const struct check *c, struct finding *f)
{
	_cleanup_free_ char *config = NULL;
	char list[200];

	if (!load_config(m, c, &config, f))
		return;
	options(config, c->want, false, list, sizeof(list));
	if (*list)
		found_bad(c, f, "without %s", list);
	else
		found_pass(f, "all set");
}

static void judge_config_lacks(const struct machine *m, const struct check *c, struct finding *f)
{
	_cleanup_free_ char *config = NULL;
	char list[200];

	if (!load_config(m, c, &config, f))
		return;
	options(config, c->want, true, list, sizeof(list));
	if (*list)
		found_bad(c, f, "with %s", list);
	else
		found_pass(f, "none set");
}

static void judge_tsc_flags(const struct machine *m, const struct check *c, struct finding *f)
{
	/* AMD has no TSC-deadline mode of its own; KVM gives guests one all the same */
	if (!machine_flag(m, "constant_tsc") || !machine_flag(m, "nonstop_tsc"))
		found_bad(c, f, "without%s%s",
			  machine_flag(m, "constant_tsc") ? "" : " constant_tsc",
			  machine_flag(m, "nonstop_tsc") ? "" : " nonstop_tsc");
	else if (m->vendor == VENDOR_INTEL && !machine_flag(m, "tsc_deadline_timer"))
		found_bad(c, f, "without tsc_deadline_timer");
	else
		found_pass(f, "all there");
}

/* The microcode line of every CPU must be the same. The firmware's date tells how old it is. */
static void judge_microcode(const struct machine *m, const struct check *c, struct finding *f)
{
	_cleanup_free_ char *text = NULL;
	char first[32] = "", now[32], date[32];
	struct err e = { 0 }, ignored = { 0 };
	ssize_t n = machine_load(m, c->path, &text, &e);

	if (n < 0) {
		settle_read_error(c, c->path, n, e.text, f);
		return;
	}
	for (char *p = strstr(text, "\nmicrocode"); p; p = strstr(p + 1, "\nmicrocode")) {
		if (sscanf(p, "\nmicrocode : %31s", now) != 1)
			continue;
		if (*first && strcmp(first, now)) {
			found_bad(c, f, "%s and %s", first, now);
			return;
		}
		memcpy(first, now, sizeof(first));
	}
	if (!*first)
		found_na(f, "the kernel does not show it");
	else if (knob_read(m->root, "/sys/devices/virtual/dmi/id/bios_date", date, sizeof(date),
			   &ignored) > 0)
		found_pass(f, "%s on every CPU, firmware of %s", first, date);
	else
		found_pass(f, "%s on every CPU", first);
}

/* Mitigations that do work at each entry into a guest, by the kernel's own words for them. */
static void judge_entry_cost(const struct machine *m, const struct check *c, struct finding *f)
{
	static const struct {
		const char *file, *words;
	} t[] = {
		{ "l1tf", "cache flushes" },
		{ "mds", "Clear CPU buffers" },
		{ "mmio_stale_data", "Clear CPU buffers" },
		{ "retbleed", "IBPB" },
		{ "spec_rstack_overflow", "IBPB" },
		{ "vmscape", "IBPB" },
	};
	char list[128] = "", path[96], text[512];

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct err ignored = { 0 };
		size_t used = strlen(list);

		snprintf(path, sizeof(path), "%s/%s", c->path, t[i].file);
		if (knob_read(m->root, path, text, sizeof(text), &ignored) >= 0 &&
		    strstr(text, t[i].words))
			snprintf(list + used, sizeof(list) - used, "%s%s", used ? " " : "",
				 t[i].file);
	}
	snprintf(path, sizeof(path), "%s/%s", c->path, "l1tf");
	if (*list)
		found_bad(c, f, "at guest entry or exit: %s", list);
	else if (look(m, c, path, text, sizeof(text), f))
		found_pass(f, "none at guest entry");
}

/* PREEMPT_RT switches them off unless efi=runtime asks for them (drivers/firmware/efi/efi.c). */
static void judge_efi_runtime(const struct machine *m, const struct check *c, struct finding *f)
{
	char value[64];
	bool asked = machine_param(m, "efi", value, sizeof(value));

	if (asked && strstr(value, "noruntime"))
		found_pass(f, "efi=%s", value);
	else if (asked && strstr(value, "runtime"))
		found_bad(c, f, "efi=%s", value);
	else if (m->rt)
		found_pass(f, "off by PREEMPT_RT's default");
	else
		found_bad(c, f, "on by this kernel's default");
}

static const struct check rows[] = {
	{
		.id = "kvm.device",
		.scope = HOST,
		.severity = SEV_FATAL,
		.flags = ABSENT_FAILS,
		.what = "KVM can be used",
		.path = "/dev/kvm",
		.expected = "KVM API version 12, readable and writable",
		.why = "Without it there is no guest.",
		.remedy = "switch on VT-x or SVM in the firmware, load kvm_intel or kvm_amd, and "
			  "join the group kvm",
		.judge = judge_kvm_device,
	},
	{
		.id = "kvm.nested-paging",
		.scope = HOST,
		.severity = SEV_FATAL,
		.flags = ABSENT_FAILS,
		.what = "the CPU has virtualization with nested paging, and KVM uses it",
		.path = "/sys/module/kvm_intel/parameters/ept, kvm_amd/parameters/npt",
		.expected = "vmx or svm, and Y",
		.why = "With shadow page tables each change of a guest's page tables is an exit.",
		.remedy = "switch on VT-x or SVM in the firmware (in a virtual machine: nested "
			  "virtualization in its host); remove ept=0 or npt=0 from "
			  "/etc/modprobe.d and the command line",
		.judge = judge_virtualization,
	},
	{
		.id = "machine.bare-metal",
		.scope = HOST,
		.severity = SEV_HIGH,
		.what = "the host is no virtual machine itself",
		.path = "/proc/cpuinfo",
		.expected = "no flag hypervisor",
		.why = "Below another hypervisor each exit costs several, and its scheduler can "
		       "stop every CPU; figures from there prove nothing.",
		.remedy = "run the host on bare metal",
		.judge = judge_bare_metal,
	},
	{
		.id = "machine.guest",
		.scope = GUEST,
		.severity = SEV_MEDIUM,
		.what = "this is a virtual machine",
		.path = "/proc/cpuinfo",
		.expected = "flag hypervisor",
		.why = "The guest profile leaves the power and firmware settings of a host alone.",
		.remedy = "on a host use the profile realtime-virtual-host and doctor without "
			  "--guest",
		.judge = judge_is_guest,
	},
	{
		.id = "kernel.preempt-rt",
		.scope = BOTH,
		.severity = SEV_FATAL,
		.what = "the kernel is PREEMPT_RT",
		.path = "/proc/sys/kernel/version",
		.expected = "PREEMPT_RT",
		.why = "Other kernels run interrupt handlers and spin locks with preemption off "
		       "for as long as they take.",
		.remedy = "apt install linux-image-rt-amd64 and boot it",
		.judge = judge_preempt_rt,
	},
	{
		.id = "kernel.config",
		.scope = BOTH,
		.severity = SEV_HIGH,
		.what = "the kernel can isolate CPUs",
		.path = "/boot/config-RELEASE",
		.want = "NO_HZ_FULL|RCU_NOCB_CPU|CPU_ISOLATION|CPUSETS|HIGH_RES_TIMERS",
		.expected = "NO_HZ_FULL, RCU_NOCB_CPU, CPU_ISOLATION, CPUSETS, HIGH_RES_TIMERS",
		.why = "What is not built in cannot be switched on by any parameter.",
		.remedy = "boot Debian's linux-image-rt-amd64, or set these options in your own",
		.judge = judge_config_has,
	},
	{
		.id = "kernel.tracers",
		.scope = BOTH,
		.severity = SEV_MEDIUM,
		.what = "the kernel has the latency tracers",
		.path = "/boot/config-RELEASE",
		.want = "HWLAT_TRACER|OSNOISE_TRACER|TIMERLAT_TRACER",
		.expected = "HWLAT_TRACER, OSNOISE_TRACER, TIMERLAT_TRACER",
		.why = "Without them a spike can be seen but not explained.",
		.remedy = "boot a kernel with these options",
		.judge = judge_config_has,
	},
	{
		.id = "kernel.debug",
		.scope = BOTH,
		.severity = SEV_HIGH,
		.what = "the kernel carries no heavy debugging",
		.path = "/boot/config-RELEASE",
		.want = "PROVE_LOCKING|LOCKDEP|IRQSOFF_TRACER|PREEMPT_TRACER|KASAN|KCSAN|"
			"DEBUG_PREEMPT|DEBUG_LOCK_ALLOC|DEBUG_MUTEXES|DEBUG_SPINLOCK|"
			"DEBUG_ATOMIC_SLEEP|DEBUG_PAGEALLOC|DEBUG_OBJECTS|SLUB_DEBUG_ON",
		.expected = "none of lockdep, KASAN, KCSAN, irqsoff and preemptoff tracers, "
			    "DEBUG_PREEMPT and their like",
		.why = "They lengthen every lock and every interrupt-off section.",
		.remedy = "boot a kernel without these options",
		.judge = judge_config_lacks,
	},
	{
		.id = "kernel.rt-group-sched",
		.scope = BOTH,
		.severity = SEV_HIGH,
		.what = "real-time priority works inside control groups",
		.path = "/boot/config-RELEASE",
		.want = "RT_GROUP_SCHED",
		.expected = "RT_GROUP_SCHED not set",
		.why = "With it SCHED_FIFO is refused (EPERM) in every group without a real-time "
		       "budget, and cgroup v2 has none to give.",
		.remedy = "boot with rt_group_sched=0 (kernels from 6.15), or a kernel without it",
		.judge = judge_config_lacks,
	},
	{
		.id = "clock.source",
		.scope = HOST,
		.severity = SEV_FATAL,
		.flags = ABSENT_FAILS,
		.what = "the clock is the TSC",
		.path = "/sys/devices/system/clocksource/clocksource0/current_clocksource",
		.want = "tsc",
		.why = "Reading an HPET or ACPI timer takes a microsecond and takes turns.",
		.remedy = "boot with tsc=reliable; look for \"Marking TSC unstable\" in dmesg",
		.judge = judge_word,
	},
	{
		.id = "clock.tsc-flags",
		.scope = HOST,
		.severity = SEV_HIGH,
		.what = "the TSC runs at one rate in every state, with a deadline timer",
		.path = "/proc/cpuinfo",
		.expected = "constant_tsc nonstop_tsc, on Intel tsc_deadline_timer",
		.why = "KVM's timers and every time stamp in a report rest on it.",
		.remedy = "none in software; take another machine",
		.judge = judge_tsc_flags,
	},
	{
		.id = "platform.microcode",
		.scope = HOST,
		.severity = SEV_MEDIUM,
		.what = "every CPU runs the same microcode",
		.path = "/proc/cpuinfo",
		.expected = "one revision",
		.why = "A mix is undefined territory, and a measurement of it describes no CPU.",
		.remedy = "install intel-microcode or amd64-microcode, and boot again",
		.judge = judge_microcode,
	},
	{
		.id = "platform.entry-mitigations",
		.scope = HOST,
		.severity = SEV_INFO,
		.what = "no mitigation does work at each guest entry",
		.path = "/sys/devices/system/cpu/vulnerabilities",
		.expected = "no cache flush, buffer clearing or IBPB at guest entry or exit",
		.why = "It adds a fixed cost, from hundreds of nanoseconds up, to each exit.",
		.remedy = "nothing, unless the machine runs only what you trust: then see "
			  "mitigations= in the kernel's documentation",
		.judge = judge_entry_cost,
	},
	{
		.id = "platform.lockdown",
		.scope = HOST,
		.severity = SEV_INFO,
		.what = "the kernel is not locked down",
		.path = "/sys/kernel/security/lockdown",
		.want = "none",
		.why = "Under lockdown the fair server and the SMI counter can be neither seen nor "
		       "set.",
		.remedy = "switch Secure Boot off, or do without these two",
		.judge = judge_word,
	},
	{
		.id = "platform.efi-runtime",
		.scope = HOST,
		.severity = SEV_INFO,
		.what = "EFI runtime services are off",
		.path = "/proc/cmdline",
		.expected = "efi=noruntime, or no efi= on PREEMPT_RT",
		.why = "A call into the firmware runs for milliseconds with interrupts off.",
		.remedy = "remove efi=runtime from the command line",
		.judge = judge_efi_runtime,
	},
};

const struct check_table platform_checks = { rows, ARRAY_SIZE(rows) };

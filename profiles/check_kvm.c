// SPDX-License-Identifier: GPL-2.0-only
/* Checks of KVM's parameters (Documentation/virt/kvm, arch/x86/kvm in the kernel). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/knob.h"
#include "profiles/judge.h"
#include "profiles/kconfig.h"

/* Up to 6.9 nanoseconds (-1: adaptive), since then a switch. */
static void judge_timer_advance(const struct machine *m, const struct check *c, struct finding *f)
{
	static const char old[] = "/sys/module/kvm/parameters/lapic_timer_advance_ns";
	struct err e = { 0 };
	char text[64], *end;
	long ns;

	if (knob_read(m->root, old, text, sizeof(text), &e) == -ENOENT) {
		judge_word(m, c, f);
		return;
	}
	ns = strtol(text, &end, 10);
	if (e.code || end == text || *end)
		found_unread(c, f, e.code ? e.text : "lapic_timer_advance_ns holds no number");
	else if (!ns)
		found_bad(c, f, "off");
	else if (ns < 0)
		found_pass(f, "adaptive");
	else
		found_pass(f, "fixed, %ld ns", ns);
}

/*
 * A group whose share of the caches is nobody else's (mode "exclusive": the kernel has seen to it) and
 * that has no other CPU in it: its CPUs are added to own. e says why a file could not be read.
 */
static void add_own_group(const struct machine *m, const char *cpus_list, struct cpulist *own,
			  struct err *e)
{
	char path[512], mode[64];
	struct cpulist have, others;

	snprintf(path, sizeof(path), "%.*s/mode", (int)(strrchr(cpus_list, '/') - cpus_list),
		 cpus_list);
	if (machine_cpus(m, cpus_list, &have, e) < 0 ||
	    knob_read(m->root, path, mode, sizeof(mode), e) < 0)
		return;
	others = cpulist_minus(&have, &m->isolated);
	if (!strcmp(mode, "exclusive") && cpulist_empty(&others))
		cpulist_for_each(cpu, &have)
			cpulist_add(own, cpu);
}

/* Without a configuration (a container) nothing says whether the kernel could. */
static void judge_no_resctrl(const struct machine *m, const struct check *c, struct finding *f)
{
	_cleanup_free_ char *config = NULL;

	if (kconfig_load(m, &config) < 0)
		found_na(f, "there is no /sys/fs/resctrl/cpus_list");
	else if (strstr(config, "CONFIG_X86_CPU_RESCTRL=y"))
		found_bad(c, f, "nothing is divided: resctrl is not mounted");
	else
		found_na(f, "the kernel is without X86_CPU_RESCTRL");
}

/* Exclusive groups, one or more, that hold all isolated CPUs between them and no other. */
static void judge_resctrl(const struct machine *m, const struct check *c, struct finding *f)
{
	struct err e = { 0 }, unread = { 0 };
	struct cpulist own = { 0 }, missing;
	struct paths groups;
	char text[64];

	if (!machine_flag(m, "cat_l3")) {
		found_na(f, "the CPU cannot divide its L3 cache");
		return;
	}
	if (!machine_has(m, "/sys/fs/resctrl/cpus_list")) {
		judge_no_resctrl(m, c, f);
		return;
	}
	if (machine_glob(m, c->path, &groups, &e) < 0) {
		found_unread(c, f, e.text);
		return;
	}
	for (size_t i = 0; i < groups.n; i++)
		add_own_group(m, groups.v[i], &own, &unread);
	paths_free(&groups);
	missing = cpulist_minus(&m->isolated, &own);
	if (cpulist_empty(&missing))
		found_pass(f, "exclusive groups hold them");
	else if (unread.code)
		found_unread(c, f, unread.text);
	else
		found_bad(c, f, "CPU %s share%s the cache with others",
			  cpulist_format(&missing, text, sizeof(text)),
			  cpulist_count(&missing) == 1 ? "s" : "");
}

static const struct check rows[] = {
	{
		.id = "kvm.nx-huge-pages",
		.scope = HOST,
		.severity = SEV_MEDIUM,
		.what = "KVM does not split huge pages",
		.path = "/sys/module/kvm/parameters/nx_huge_pages",
		.want = "N|never",
		.why = "The workaround for iTLB multihit maps executable memory in 4 KiB pages "
		       "and a thread takes them back again and again.",
		.remedy = "echo N to that file (the profile does), if guests are trusted",
		.judge = judge_word,
	},
	{
		.id = "kvm.kvmclock-sync",
		.scope = HOST,
		.severity = SEV_MEDIUM,
		.until = KVER(6, 19),
		.what = "KVM does not resynchronize the guests' clocks",
		.path = "/sys/module/kvm/parameters/kvmclock_periodic_sync",
		.want = "N",
		.why = "Every five minutes it kicks all vCPUs out of their guests.",
		.remedy = "options kvm kvmclock_periodic_sync=0 in /etc/modprobe.d (the profile "
			  "writes it), then reload kvm or boot",
		.judge = judge_word,
	},
	{
		.id = "kvm.ple-gap",
		.scope = HOST,
		.severity = SEV_MEDIUM,
		.vendor = VENDOR_INTEL,
		.what = "spinning guests are not interrupted (Intel)",
		.path = "/sys/module/kvm_intel/parameters/ple_gap",
		.want = "0",
		.why = "A vCPU with a CPU of its own has nobody to yield to: the exit is lost time.",
		.remedy = "options kvm_intel ple_gap=0 in /etc/modprobe.d (the profile writes it)",
		.judge = judge_word,
	},
	{
		.id = "kvm.pause-filter",
		.scope = HOST,
		.severity = SEV_MEDIUM,
		.vendor = VENDOR_AMD,
		.what = "spinning guests are not interrupted (AMD)",
		.path = "/sys/module/kvm_amd/parameters/pause_filter_count",
		.want = "0",
		.why = "A vCPU with a CPU of its own has nobody to yield to: the exit is lost time.",
		.remedy = "options kvm_amd pause_filter_count=0 in /etc/modprobe.d (the profile "
			  "writes it)",
		.judge = judge_word,
	},
	{
		.id = "kvm.preemption-timer",
		.scope = HOST,
		.severity = SEV_HIGH,
		.vendor = VENDOR_INTEL,
		.what = "guest timers use the VMX preemption timer",
		.path = "/sys/module/kvm_intel/parameters/preemption_timer",
		.want = "Y",
		.why = "It fires on the vCPU's own CPU without any host timer or interrupt.",
		.remedy = "remove preemption_timer=0 from /etc/modprobe.d",
		.judge = judge_word,
	},
	{
		.id = "kvm.apicv",
		.scope = HOST,
		.severity = SEV_HIGH,
		.vendor = VENDOR_INTEL,
		.what = "interrupts reach guests without an exit (Intel)",
		.path = "/sys/module/kvm_intel/parameters/enable_apicv",
		.want = "Y",
		.why = "Without APICv each interrupt and each end-of-interrupt is an exit.",
		.remedy = "remove enable_apicv=0 from /etc/modprobe.d; old CPUs have none",
		.judge = judge_word,
	},
	{
		.id = "kvm.avic",
		.scope = HOST,
		.severity = SEV_MEDIUM,
		.vendor = VENDOR_AMD,
		.what = "interrupts reach guests without an exit (AMD)",
		.path = "/sys/module/kvm_amd/parameters/avic",
		.want = "Y",
		.why = "Without AVIC each interrupt and each end-of-interrupt is an exit.",
		.remedy =
			"options kvm_amd avic=1 in /etc/modprobe.d, and measure: it excludes some "
			"other features",
		.judge = judge_word,
	},
	{
		.id = "kvm.timer-advance",
		.scope = HOST,
		.severity = SEV_MEDIUM,
		.what = "KVM fires guest timers early by what the way takes",
		.path = "/sys/module/kvm/parameters/lapic_timer_advance",
		.want = "Y",
		.expected = "Y; before 6.10 lapic_timer_advance_ns -1 or a fixed value",
		.why = "It hides the microseconds between the host's timer and the guest's "
		       "interrupt.",
		.remedy = "remove lapic_timer_advance=0 or lapic_timer_advance_ns=0 from "
			  "/etc/modprobe.d",
		.judge = judge_timer_advance,
	},
	{
		.id = "kvm.halt-poll",
		.scope = HOST,
		.severity = SEV_INFO,
		.what = "KVM polls for a bounded time when a vCPU halts",
		.path = "/sys/module/kvm/parameters/halt_poll_ns",
		.want = "200000",
		.expected = "at most 200000 (ns)",
		.why = "It is the limit of every VM of the host: longer polling burns power on shared "
		       "CPUs, too. rtkvm run sets a longer one for its real-time vCPUs.",
		.remedy = "echo 200000 to that file; a guest that does not exit on HLT never polls",
		.judge = judge_most,
	},
	{
		.id = "kvm.min-timer-period",
		.scope = HOST,
		.severity = SEV_INFO,
		.what = "periodic guest timers may be as fast as the default allows",
		.path = "/sys/module/kvm/parameters/min_timer_period_us",
		.want = "200",
		.expected = "at most 200 (us)",
		.why = "Guests without a TSC-deadline timer cannot go below it.",
		.remedy = "give the guest the TSC-deadline timer, or lower the value",
		.judge = judge_most,
	},
	{
		.id = "kvm.pi-inject-timer",
		.scope = HOST,
		.severity = SEV_INFO,
		.what = "guest timers fire on the vCPU's own CPU",
		.path = "/sys/module/kvm/parameters/pi_inject_timer",
		.want = "N",
		.why = "Where it is on (the default with nohz_full), the timers of guests that do "
		       "not exit on HLT fire on a housekeeping CPU and are posted from there.",
		.remedy = "options kvm pi_inject_timer=0 in /etc/modprobe.d, and measure both",
		.judge = judge_word,
	},
	{
		.id = "kvm.l1d-flush",
		.scope = HOST,
		.severity = SEV_MEDIUM,
		.vendor = VENDOR_INTEL,
		.what = "the L1 data cache is not flushed at every guest entry",
		.path = "/sys/module/kvm_intel/parameters/vmentry_l1d_flush",
		.want = "never|cond|not required",
		.why = "A flush costs microseconds at each entry and leaves the cache cold.",
		.remedy = "remove vmentry_l1d_flush=always or l1tf=full from the command line",
		.judge = judge_word,
	},
	{
		.id = "cache.resctrl",
		.scope = HOST,
		.severity = SEV_INFO,
		.flags = NEEDS_CPUS,
		.what = "the isolated CPUs have a part of the L3 cache for themselves",
		.path = "/sys/fs/resctrl/*/cpus_list",
		.expected = "resctrl groups of mode \"exclusive\" with the isolated CPUs only",
		.why = "Isolated CPUs still share L3 and memory with everybody.",
		.remedy =
			"set resctrl_l3_ways (and resctrl_mb_others) in the host profile's variables "
			"and activate it again",
		.judge = judge_resctrl,
	},
};

const struct check_table kvm_checks = { rows, ARRAY_SIZE(rows) };

// SPDX-License-Identifier: GPL-2.0-only
/* Checks of a real-time guest that a host does not have. */
#include <string.h>

#include "lib/cleanup.h"
#include "lib/knob.h"
#include "profiles/judge.h"

static void judge_deadline_timer(const struct machine *m, const struct check *c, struct finding *f)
{
	if (machine_flag(m, "tsc_deadline_timer"))
		found_pass(f, "there");
	else
		found_bad(c, f, "not there");
}

static void judge_tsc_steady(const struct machine *m, const struct check *c, struct finding *f)
{
	if (machine_flag(m, "constant_tsc"))
		found_pass(f, "there");
	else
		found_bad(c, f, "not there");
}

static const struct check rows[] = {
	{
		.id = "guest.clocksource",
		.scope = GUEST,
		.severity = SEV_FATAL,
		.flags = ABSENT_FAILS,
		.what = "the clock is read without an exit",
		.path = "/sys/devices/system/clocksource/clocksource0/current_clocksource",
		.want = "tsc|kvm-clock",
		.why = "Any other clock source of a guest is an exit at each reading.",
		.remedy = "give the guest an invariant TSC (-cpu host,migratable=no)",
		.judge = judge_word,
	},
	{
		.id = "guest.deadline-timer",
		.scope = GUEST,
		.severity = SEV_HIGH,
		.what = "the APIC timer has TSC-deadline mode",
		.path = "/proc/cpuinfo",
		.expected = "flag tsc_deadline_timer",
		.why = "Without it a guest timer takes several exits, and may not be shorter than "
		       "200 us.",
		.remedy = "give the guest the flag (-cpu host,tsc-deadline=on)",
		.judge = judge_deadline_timer,
	},
	{
		.id = "guest.constant-tsc",
		.scope = GUEST,
		.severity = SEV_MEDIUM,
		.what = "the guest knows that its TSC is steady",
		.path = "/proc/cpuinfo",
		.expected = "flag constant_tsc",
		.why = "Otherwise the kernel watches the TSC with a slower clock, and may drop it.",
		.remedy = "give the guest the flag invtsc",
		.judge = judge_tsc_steady,
	},
	{
		.id = "guest.idle-driver",
		.scope = GUEST,
		.severity = SEV_MEDIUM,
		.what = "the idle driver is one for guests",
		.path = "/sys/devices/system/cpu/cpuidle/current_driver",
		.want = "haltpoll|none",
		.why = "Idle states of hardware mean an exit each in a guest.",
		.remedy = "boot the guest with cpuidle_haltpoll.force=1, or without a driver",
		.judge = judge_word,
	},
	{
		.id = "guest.idle-poll",
		.scope = GUEST,
		.severity = SEV_MEDIUM,
		.what = "idle=poll is not used",
		.path = "/proc/cmdline",
		.want = "idle",
		.expected = "no idle=",
		.why = "A vCPU that never halts starves what the host must run on its CPU, and "
		       "the guest's own housekeeping CPU starves the others.",
		.remedy = "remove it; let the host not exit on HLT instead",
		.judge = judge_not_on_cmdline,
	},
	{
		.id = "guest.balloon",
		.scope = GUEST,
		.severity = SEV_HIGH,
		.what = "there is no memory balloon",
		.path = "/sys/bus/virtio/drivers/virtio_balloon/virtio*",
		.expected = "no device",
		.why = "The host takes pages back, and each one faults when it is used again.",
		.remedy = "remove the balloon from the guest's definition",
		.judge = judge_nothing_there,
	},
	{
		.id = "guest.rng",
		.scope = GUEST,
		.severity = SEV_MEDIUM,
		.what = "there is no virtio random-number device",
		.path = "/sys/bus/virtio/drivers/virtio_rng/virtio*",
		.expected = "no device",
		.why = "Its thread waits for the host and exits for each request.",
		.remedy = "remove it; rdrand does its work",
		.judge = judge_nothing_there,
	},
	{
		.id = "guest.async-page-faults",
		.scope = GUEST,
		.severity = SEV_INFO,
		.what = "page faults of the host are not told to the guest",
		.path = "/proc/cmdline",
		.want = "no-kvmapf",
		.why = "Locked memory has none; the mechanism only adds interrupts.",
		.remedy = "boot the guest with no-kvmapf (the guest profile does)",
		.judge = judge_on_cmdline,
	},
	{
		.id = "guest.pmu",
		.scope = GUEST,
		.severity = SEV_INFO,
		.what = "the guest has no performance counters",
		.path = "/sys/bus/event_source/devices/cpu",
		.expected = "not there",
		.why = "The host switches them at each entry and exit.",
		.remedy = "switch the vPMU off (-cpu host,pmu=off), unless you profile the guest",
		.judge = judge_nothing_there,
	},
};

const struct check_table guest_checks = { rows, ARRAY_SIZE(rows) };

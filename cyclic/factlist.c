// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/factlist.h"

#include "lib/cleanup.h"

const struct fact facts[] = {
	{ "/proc/version", "version" },
	{ "/proc/cmdline", "cmdline" },
	{ "/sys/devices/system/cpu/isolated", "isolated" },
	{ "/sys/devices/system/cpu/nohz_full", "nohz_full" },
	{ "/sys/kernel/realtime", "realtime" },
	{ "/sys/devices/system/clocksource/clocksource0/current_clocksource", "clocksource" },
};
const size_t n_facts = ARRAY_SIZE(facts);

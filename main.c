// SPDX-License-Identifier: GPL-2.0-only
/* rtkvm - the table of verbs */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cyclic/cyclic.h"
#include "guests/guests.h"
#include "hwlat/hwlat.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/verb.h"
#include "profiles/profiles.h"
#include "results/results.h"
#include "tracing/tracing.h"
#include "vmm/vmm.h"

struct verb {
	const char *name;
	verb_fn *run;
	const char *help;
};

static const struct verb verbs[] = {
	{ "run", vmm_run, "boot a guest on isolated CPUs" },
	{ "ctl", vmm_ctl, "ask a running VM, or tell it what to do" },
	{ "bench", vmm_bench, "measure timer lateness and gaps with a guest without a kernel" },
	{ "guest", guests_guest, "build and list guest images" },
	{ "lab", guests_lab, "build and run the lab: an emulated real-time KVM host" },
	{ "hwlat", hwlat_detect, "find what takes the CPUs away: firmware, interrupts, threads" },
	{ "trace", tracing_trace, "record host and guest, explain late wake-ups" },
	{ "cyclictest", cyclic_cyclictest, "boot a real-time guest and run cyclictest in it" },
	{ "oslat", cyclic_oslat, "boot a real-time guest and run oslat in it" },
	{ "hwlat-guest", cyclic_hwlat_guest, "boot a real-time guest and run rtkvm hwlat in it" },
	{ "sample", cyclic_sample, "measure timer latency of this machine's CPUs" },
	{ "campaign", cyclic_campaign,
	  "many measurements in one: phases, loads, limits; resumable" },
	{ "noise", cyclic_noise, "load CPUs beside a measurement, with proof" },
	{ "doctor", profiles_doctor, "check a real-time host or guest: what is wrong and why" },
	{ "report", results_report, "statistics, plots and reports of one run" },
	{ "compare", results_compare, "is one run better or worse than another?" },
	{ "history", results_history, "the trend of many runs, and where it changed" },
	{ "import", results_import, "make runs of other tools' results" },
	{ "tune", profiles_tune, "what the tuned profiles call; tune install installs them" },
};

static int usage(FILE *out)
{
	fprintf(out, "Usage: rtkvm VERB [OPTION...]\n"
		     "Make a Linux machine a real-time KVM host, and prove it.\n\n");
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		fprintf(out, "  %-11s %s\n", verbs[i].name, verbs[i].help);
	fprintf(out,
		"\nrtkvm VERB --help tells each one's options; man rtkvm the rest.\n"
		"Exit codes: 0 pass, 1 limit exceeded or check failed, 2 usage or environment,\n"
		"3 interrupted, 4 inconclusive.\n");
	return out == stdout ? VERDICT_PASS : VERDICT_ERROR;
}

static const struct verb *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	return NULL;
}

int main(int argc, char **argv)
{
	const struct verb *verb;
	struct err e = { 0 };
	char name[64];

	if (argc < 2)
		return usage(stderr);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		return usage(stdout);
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		printf("rtkvm %s\n", RTKVM_VERSION);
		return VERDICT_PASS;
	}
	verb = find(argv[1]);
	if (!verb) {
		err_set(&e, -EINVAL, "\"%s\" is not a verb; rtkvm --help lists them", argv[1]);
		err_print(&e, "rtkvm", stderr);
		return VERDICT_ERROR;
	}
	snprintf(name, sizeof(name), "rtkvm %s", verb->name);
	return verb_main(name, verb->run, argc - 1, argv + 1);
}

// SPDX-License-Identifier: GPL-2.0-only
/* trace - the table of sub-verbs */
#include "tracing/tracing.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"

struct subverb {
	const char *name;
	int (*run)(int argc, char **argv, struct err *e); /* a verdict, or -errno with e set */
	const char *help;
};

static const struct subverb subverbs[] = {
	{ "record", tracing_record, "record the host while a command runs" },
	{ "job", tracing_job, "print the shell line that records a guest while it runs a command" },
	{ "explain", tracing_explain, "tell where the time of late wake-ups went" },
	{ "report", tracing_report, "print the events of host and guest in one order" },
	{ "convert", tracing_convert, "write any trace as a trace.dat that everybody reads" },
	{ "count", tracing_count, "count VM exits by reason for each vCPU of a process" },
};

static int usage(void)
{
	printf("Usage: rtkvm trace SUBVERB [OPTION...]\n"
	       "Record host and guest kernels on one clock, and explain late wake-ups.\n\n");
	for (size_t i = 0; i < ARRAY_SIZE(subverbs); i++)
		if (subverbs[i].name)
			printf("  %-9s %s\n", subverbs[i].name, subverbs[i].help);
	printf("\nrtkvm trace SUBVERB --help tells each one's options.\n");
	return VERDICT_PASS;
}

int tracing_trace(int argc, char **argv, struct err *e)
{
	char name[64];

	if (argc < 2)
		return err_set(e, -EINVAL, "a sub-verb is missing; rtkvm trace --help lists them");
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "-?"))
		return usage();
	for (size_t i = 0; i < ARRAY_SIZE(subverbs); i++) {
		if (!subverbs[i].name || strcmp(argv[1], subverbs[i].name) != 0)
			continue;
		/* argp shows argv[0] in --help and in what to try after a usage error */
		snprintf(name, sizeof(name), "%s %s", argv[0], subverbs[i].name);
		argv[1] = name;
		return subverbs[i].run(argc - 1, argv + 1, e);
	}
	return err_set(e, -EINVAL, "\"%s\" is not a sub-verb; rtkvm trace --help lists them",
		       argv[1]);
}

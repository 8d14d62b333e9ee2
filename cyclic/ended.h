/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ended - what the end of a VMM means for a run, in one sentence
 */
#ifndef RTKVM_CYCLIC_ENDED_H
#define RTKVM_CYCLIC_ENDED_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"

struct ended {
	const char *program; /* the job: "cyclictest", "rtkvm-sample" */
	bool attended; /* it was started by the image's rtkvm-sample */
	const char *outcome; /* of the VMM's event "ended"; "killed" and "failed": it sent none */
	int64_t status; /* the job's exit code when the outcome is "exit" */
	int signal; /* that killed the VMM */
	const char *stage; /* how far the guest had come: "while cyclictest ran" */
	const char *dir; /* the run directory, which holds the guest's console */
	const char *complaint; /* the VMM's last words on stderr, "" for none */
	uint64_t timeout_s; /* that the VMM was given */
};

/* ended_check - 0 when the guest's job has succeeded, else -errno with the sentence */
int ended_check(const struct ended *d, struct err *e);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * interrupts - the host's interrupts on a few CPUs, by name (/proc/interrupts)
 *
 * Names: the kernel's label (LOC, RES, NMI), for numbered lines the number and the device that is
 * named last ("24 nvme0q1"). Format: fs/proc/interrupts.c and arch/x86/kernel/irq.c.
 */
#ifndef RTKVM_VMM_INTERRUPTS_H
#define RTKVM_VMM_INTERRUPTS_H

#include <json-c/json.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

enum { INTERRUPTS_NAME_BYTES = 40 };

struct interrupts {
	int n_cpus;
	size_t n, room; /* rows there are, and there is memory for */
	char (*names)[INTERRUPTS_NAME_BYTES];
	uint64_t *counts; /* [row * n_cpus + position in the list of CPUs] */
};

/* What /proc/interrupts is read into. */
struct interrupts_text {
	char *at;
	size_t size;
};

/* interrupts_parse - the columns of cpus[0, n); -EINVAL when one of them is not in the text */
int interrupts_parse(struct interrupts *t, const char *text, const int *cpus, int n, struct err *e);

/*
 * interrupts_read - parse /proc/interrupts; into a table that has been read into before, or was
 * zeroed. Memory of the text and the table is kept and only grows. interrupts_free accepts a zeroed
 * table; text->at is the caller's to free
 */
int interrupts_read(struct interrupts *t, struct interrupts_text *text, const int *cpus, int n,
		    struct err *e);

/* interrupts_reserve - memory for as many rows as that table has, and some that may come */
int interrupts_reserve(struct interrupts *t, const struct interrupts *as, struct err *e);
void interrupts_free(struct interrupts *t);

/* interrupts_json - {"LOC": count} of what came between two readings on CPU number i of the list */
json_object *interrupts_json(const struct interrupts *from, const struct interrupts *to, int i);

#endif

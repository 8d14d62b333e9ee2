/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * count - VM exits of a process's threads, counted by the kernel
 *
 * Where the kernel has hist triggers it keeps the counters itself: nothing is recorded, nobody is
 * woken, a reading is one file. Elsewhere the events go through the ring buffer and the caller
 * must counter_read() a few times a second; what the buffer dropped meanwhile is in lost.
 */
#ifndef RTKVM_TRACING_COUNT_H
#define RTKVM_TRACING_COUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/err.h"
#include "lib/json.h"
#include "lib/tracefs.h"
#include "tracing/reasons.h"

struct count_row {
	pid_t tid;
	enum reason_set set;
	uint32_t reason;
	uint64_t hits;
};

struct counts {
	struct count_row *rows;
	size_t n, room;
	uint64_t lost; /* events that happened and were not counted */
};

/* counts_add - add hits to one thread's reason; -ENOMEM */
int counts_add(struct counts *c, pid_t tid, enum reason_set set, uint32_t reason, uint64_t hits);

/*
 * counts_parse - add a hist file's text (Documentation/trace/histogram.rst); set is used where
 * the histogram has no key isa. -EINVAL names the line that is not understood.
 */
int counts_parse(struct counts *c, const char *text, enum reason_set set, struct err *e);

/* counts_subtract - end becomes what it counted beyond begin, a reading taken earlier */
void counts_subtract(struct counts *end, const struct counts *begin);

void counts_free(struct counts *c);

/* A thread of the process watched, with its name when counting started. */
struct count_thread {
	pid_t tid;
	char name[16];
};

struct counter {
	struct tfs tfs;
	bool by_trigger; /* hist triggers; false: ring buffer */
	struct counts seen; /* ring buffer: what was read so far */
	struct count_thread *threads; /* by tid, ascending */
	size_t n_threads;
};

/* counter_open - watch every thread that process pid has now; counter_close ends it */
int counter_open(struct counter *c, pid_t pid, struct err *e);

/* counter_read - the counts since counter_open into now, which the caller frees */
int counter_read(struct counter *c, struct counts *now, struct err *e);

void counter_close(struct counter *c);

/*
 * counter_json - [{"tid","name","exits":{reason:count},"userspace":{reason:count}}] of a window,
 * threads without any event left out; the caller puts it
 */
json_object *counter_json(const struct counter *c, const struct counts *window);

#endif

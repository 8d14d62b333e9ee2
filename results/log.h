/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * log - latency.log: append-only slices of per-CPU histograms and counters
 *
 * The format is docs/latency-log.md. A slice is one instrument on one CPU over some seconds; it
 * stands alone (its own sequence number, identity and CRC), so a torn or corrupt one costs itself
 * only. A log may be read while it is written, copied, cut and concatenated.
 *
 * Writing costs one write(2) a slice: call it from a housekeeping thread, never from a sampler.
 */
#ifndef RTKVM_RESULTS_LOG_H
#define RTKVM_RESULTS_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "results/hist.h"

/* Counters of a slice. Numbers are part of the format: append only. */
enum log_counter {
	LOG_EXPECTED, /* periods that fell into the slice */
	LOG_MISSED, /* periods without a sample: skipped by an overrun, never waited for */
	LOG_SMI, /* system-management interrupts (MSR 0x34 delta) */
	LOG_IRQ, /* interrupts on this CPU */
	LOG_EXITS, /* VM exits of the vCPU on this CPU */
	LOG_STEAL_NS, /* time the host took from this CPU */
	LOG_FREQ_KHZ, /* CPU frequency at the end of the slice */
	LOG_TEMP_MC, /* temperature at the end of the slice, in 1/1000 degree Celsius */
	LOG_COUNTERS
};

/* log_counter_name - "expected", "missed", ...; NULL past the last */
const char *log_counter_name(enum log_counter c);

/* log_is_level - is it a level (frequency, temperature), which does not add up? */
static inline bool log_is_level(enum log_counter c)
{
	return c == LOG_FREQ_KHZ || c == LOG_TEMP_MC;
}

enum { LOG_INSTRUMENT_BYTES = 24, LOG_MARK_BYTES = 256 };

struct log_slice {
	char instrument[LOG_INSTRUMENT_BYTES]; /* "cyclictest", "hwlat", ...; plain ASCII */
	int32_t cpu; /* as the instrument numbers it: the vCPU in a guest; -1 all */
	int32_t host_cpu; /* the physical CPU, where it differs or is known; else -1 */
	uint64_t start_wall_ns; /* CLOCK_REALTIME; 0 unknown (imported) */
	uint64_t start_mono_ns; /* CLOCK_MONOTONIC of the machine the instrument ran on */
	uint64_t duration_ns; /* 0 unknown */
	uint64_t period_ns; /* nominal interval between samples; 0 none or unknown */
	uint64_t max_wall_ns; /* when the largest sample came; 0 unknown */
	uint32_t known; /* bit c: counters[c] was measured; the others are unknown, not 0 */
	int64_t counters[LOG_COUNTERS];
};

/* log_time - when a slice began: wall clock, or the source's own clock where that is all it tells */
static inline uint64_t log_time(const struct log_slice *s)
{
	return s->start_wall_ns ? s->start_wall_ns : s->start_mono_ns;
}

/* log_count - set a counter of a slice */
static inline void log_count(struct log_slice *s, enum log_counter c, int64_t value)
{
	s->counters[c] = value;
	s->known |= 1u << c;
}

static inline bool log_known(const struct log_slice *s, enum log_counter c)
{
	return s->known >> c & 1;
}

/* --- writing --- */

struct log_writer {
	int fd;
	uint64_t campaign; /* random; one for all logs of a campaign */
	uint64_t sequence; /* of the next record */
	unsigned char *buf; /* one record being built */
};

/*
 * log_create - a new log; campaign 0 draws a fresh identity; -EEXIST when there is a file.
 * log_append - go on with an existing log after its last whole record; a torn tail stays and is
 *	skipped by readers.
 * log_close - fsync and close; accepts a writer that failed to open. The log then ends with an
 *	end record: one without it was cut off.
 */
int log_create(struct log_writer *w, const char *path, uint64_t campaign, struct err *e);
int log_append(struct log_writer *w, const char *path, struct err *e);
int log_close(struct log_writer *w, struct err *e);

/* log_write - append one slice with its histogram (one write(2)) */
int log_write(struct log_writer *w, const struct log_slice *s, const struct hist *h, struct err *e);

/* log_mark - append a remark at a time ("load hackbench start"); cpu -1: all */
int log_mark(struct log_writer *w, uint64_t wall_ns, int cpu, const char *text, struct err *e);

/* log_sync - fsync; call it once a slice period, after the slices of all CPUs */
int log_sync(struct log_writer *w, struct err *e);

/* --- reading --- */

enum log_event {
	LOG_END_OF_FILE,
	LOG_SLICE, /* slice and hist are set */
	LOG_MARK, /* mark_* are set */
	LOG_CLOSED, /* the writer ended in order here */
	LOG_DAMAGE, /* damage_* are set: bytes that are no whole record */
};

struct log_reader {
	int fd;
	uint64_t campaign; /* of the record last returned */
	uint64_t sequence;
	struct log_slice slice;
	struct hist hist;
	uint64_t mark_wall_ns;
	int mark_cpu;
	char mark[LOG_MARK_BYTES];
	uint64_t damage_offset, damage_bytes; /* place in the file */
	bool damage_tail; /* reaches to the end of the file: a slice still being written? */
	/* private */
	const char *path; /* the caller's */
	unsigned int dirty_from, dirty_to; /* bins of hist that are not 0 */
	unsigned char *buf;
	size_t have, pos;
	uint64_t offset;
	bool eof;
};

/* log_open - start reading a regular file; path must live as long as the reader */
int log_open(struct log_reader *r, const char *path, struct err *e);

/*
 * log_next - the next thing in the log (enum log_event); -EPROTONOSUPPORT at a record of a newer
 * format version, -errno when reading fails
 */
int log_next(struct log_reader *r, struct err *e);

/* log_reader_close - release; accepts a reader that failed to open */
void log_reader_close(struct log_reader *r);

/* log_is - does this look like the first bytes of a latency.log? */
bool log_is(const void *data, size_t len);

#endif

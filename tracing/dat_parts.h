/* SPDX-License-Identifier: GPL-2.0-only */
/* dat_parts - what dat.c, dat_v6.c and dat_v7.c share; nobody else includes this */
#ifndef RTKVM_TRACING_DAT_PARTS_H
#define RTKVM_TRACING_DAT_PARTS_H

#include "tracing/dat.h"
#include "tracing/src.h"

enum {
	DAT_FORMATS_MAX = 16 << 20, /* the whole set of a distribution kernel takes 2 MiB */
	DAT_EVENTS_MAX = 65536, /* their numbers have 16 bits */
	DAT_TEXT_MAX = 64 << 20,
	DAT_CPUS_MAX = 8192,
	DAT_OPTION_MAX = 4 << 20,
};

/* Option numbers, trace-cmd.dat.v7(5); 15 and up are sections of version 7. */
enum dat_option {
	OPT_DONE = 0,
	OPT_CPUSTAT = 2,
	OPT_BUFFER = 3,
	OPT_TRACECLOCK = 4,
	OPT_UNAME = 5,
	OPT_CPUCOUNT = 8,
	OPT_VERSION = 9,
	OPT_TRACEID = 11,
	OPT_TIME_SHIFT = 12,
	OPT_GUEST = 13,
	OPT_TSC2NSEC = 14,
	OPT_HEADER_INFO = 16,
	OPT_FTRACE_EVENTS = 17,
	OPT_EVENT_FORMATS = 18,
	OPT_KALLSYMS = 19,
	OPT_PRINTK = 20,
	OPT_CMDLINES = 21,
};

void dat_read_v6(struct src *s, struct dat *d);
void dat_read_v7(struct src *s, struct dat *d);

/* dat_read_frames - raw pages within a guest's data stream; dat_open_dir - in a directory */
void dat_read_frames(struct src *s, struct dat *d);
int dat_open_dir(struct dat *d, const char *dir, struct err *e);

/* dat_finish - the last checks of every kind; e->code when something was wrong */
int dat_finish(struct src *s, struct dat *d);

/* dat_read_option - take in an option that both versions share; others are passed over */
void dat_read_option(struct src *s, struct dat *d, uint16_t id);

/* The parts of the head, in the layout that both versions share. */
void dat_read_headers(struct src *s, struct dat *d);
void dat_read_ftrace_formats(struct src *s, struct dat *d);
void dat_read_event_formats(struct src *s, struct dat *d);

/* dat_keep - d takes a block of memory over; false (and freed) when there is none for the list */
bool dat_keep(struct dat *d, char *blob, size_t bytes);
void dat_add_format(struct src *s, struct dat *d, const char *system, const char *text, size_t len);
void dat_set_header_page(struct src *s, struct dat *d, const char *text, size_t len);
void dat_set_clock(struct dat *d, const char *text);

/* dat_add_stats - take in per_cpu/cpuN/stats of one CPU or of several */
void dat_add_stats(struct dat *d, const char *stats);

/* dat_add_cpu - true: d has it (its descriptor too) */
bool dat_add_cpu(struct src *s, struct dat *d, struct dat_cpu cpu);

/*
 * dat_unpack_section - the content of a compressed section of bytes bytes; the caller frees.
 * *out_bytes is written last, so that it may be part of *s.
 */
char *dat_unpack_section(struct src *s, const struct dat *d, uint64_t bytes, uint64_t max,
			 uint64_t *out_bytes);

#endif

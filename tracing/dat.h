/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dat - what a trace file says about its events: trace.dat version 6 and 7, or raw per-CPU pages
 *
 * trace.dat(5): trace-cmd.dat.v6(5) and trace-cmd.dat.v7(5). Only little-endian files of 64-bit
 * systems are read; others are refused by name. The events stay in the file (feed.h reads them);
 * the formats are held in memory, symbols and command names are fetched when asked for.
 * Raw pages: a directory, or a guest's data stream (lib/abi.h), with the files header_page, formats
 * (the format files one after another, each behind a line "# SYSTEM/EVENT"), clock (a name),
 * cpuN (what trace_pipe_raw gave) and, if it was kept, stats (of all CPUs). Other files beside them are passed over.
 */
#ifndef RTKVM_TRACING_DAT_H
#define RTKVM_TRACING_DAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "tracing/format.h"

enum dat_codec { DAT_PLAIN, DAT_ZLIB, DAT_ZSTD };

/* The pages of one CPU. */
struct dat_cpu {
	int fd; /* borrowed from the file, or this CPU's own in a raw directory */
	unsigned int cpu;
	uint64_t offset, bytes; /* in the file; compressed when the file's data is */
};

struct dat_format {
	char system[FORMAT_NAME_BYTES];
	char name[FORMAT_NAME_BYTES];
	uint16_t id;
	const char *text; /* in the file's own memory, not NUL-terminated */
	size_t len;
};

/* A text that is read on demand: kallsyms, printk formats, command names. */
struct dat_text {
	uint64_t offset, bytes; /* of the text in the file, or of the section's content */
	uint64_t packed_at, packed_bytes; /* compressed section that holds it; 0: plain */
};

/* One vCPU of a guest, as the host's recorder knew it. */
struct dat_vcpu {
	unsigned int cpu;
	int tid;
};

struct dat_guest {
	char name[64];
	uint64_t trace_id;
	struct dat_vcpu *vcpus;
	size_t n_vcpus;
};

/* TIME_SHIFT: host = ((guest - offset) << frac) / ratio; one for each CPU */
struct dat_shift {
	int64_t offset;
	uint64_t ratio;
	unsigned int frac;
};

struct dat {
	char *name; /* as given by the user, for messages */
	int fd;
	uint64_t file_bytes;
	int version; /* 6 or 7; 0: raw pages */
	enum dat_codec codec;
	bool packed_data; /* the CPUs' pages are compressed in chunks */
	uint32_t page_bytes;
	struct page_head head;
	char clock[32]; /* "x86-tsc"; "" when the file does not say */
	struct dat_cpu *cpus; /* only those with data, by number */
	size_t n_cpus;
	unsigned int cpu_count; /* of the traced machine */
	struct dat_format *formats;
	size_t n_formats;
	uint64_t trace_id, peer_id;
	uint32_t tsc_mult, tsc_shift; /* TSC2NSEC: ns = tsc * mult >> shift; mult 0: not told */
	struct dat_shift *shifts;
	size_t n_shifts;
	bool shift_moved; /* the offset changed while the trace ran */
	struct dat_guest *guests;
	size_t n_guests;
	uint64_t overwritten; /* events, by newer ones, as the kernel counted at the end */
	uint64_t dropped; /* events that never got into the rings; no page tells where */
	char header_page[1024];
	struct dat_text kallsyms, printk, cmdlines;
	char **blobs; /* memory behind the formats */
	size_t n_blobs, blob_bytes;
};

/* dat_open - read what PATH says about its events; dat_close frees it, also after a failure */
int dat_open(struct dat *d, const char *path, struct err *e);

/* dat_open_fd - the same for a descriptor that d takes over; name is for messages */
int dat_open_fd(struct dat *d, int fd, const char *name, struct err *e);

void dat_close(struct dat *d);

/* dat_format - the format of an event, NULL when the file has none */
const struct dat_format *dat_format(const struct dat *d, const char *system, const char *name);

/* dat_text - fetch kallsyms and the like; NUL-terminated, the caller frees; "" when absent */
int dat_text(const struct dat *d, const struct dat_text *t, char **text, struct err *e);

/* dat_unpack - decompress exactly out_bytes into out; what names the place in errors */
int dat_unpack(enum dat_codec codec, const void *in, size_t in_bytes, void *out, size_t out_bytes,
	       const char *what, struct err *e);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * memory - guest RAM: where it lies, how it is backed, and the one door to it
 *
 * Two slots: [0, low) below the 3 GiB hole, [4 GiB, 4 GiB + high) above it. One anonymous mapping
 * backs both (the kernel frees it with the process, however that ends), aligned so that
 * guest-physical and host-virtual addresses agree modulo 1 GiB: large pages stay large in the
 * second-level page tables.
 */
#ifndef RTKVM_VMM_MEMORY_H
#define RTKVM_VMM_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/cpulist.h"
#include "lib/err.h"

/* A guest-physical address: cannot be dereferenced or mixed up with a host address. */
typedef struct {
	uint64_t v;
} gpa_t;

#define GPA(x)	       ((gpa_t){ (x) })

#define MEM_HOLE_START (3ull << 30)
#define MEM_HIGH_START (4ull << 30)
#define MEM_MIN_BYTES  (2ull << 20)

enum mem_pages { MEM_PAGES_AUTO, MEM_PAGES_4K, MEM_PAGES_2M, MEM_PAGES_1G };

struct memory {
	uint8_t *host; /* start of RAM in this process; NULL when not mapped */
	uint64_t bytes; /* RAM in all */
	uint64_t low_bytes; /* RAM below MEM_HOLE_START */
	uint64_t page_bytes; /* size of the pages behind it */
	uint64_t locked_bytes; /* read back from the kernel */
	uint64_t resident_bytes; /* read back from the kernel */
	uint64_t prefaulted_bytes; /* in the second-level tables before the first instruction */
	struct cpulist nodes; /* where the pages are, read back; empty without NUMA */
};

struct mem_opts {
	uint64_t bytes;
	enum mem_pages pages; /* MEM_PAGES_AUTO: the largest that are free in number */
	bool populate; /* fault everything in and lock it; else locked as it is touched */
	struct cpulist nodes; /* NUMA nodes to take it from; empty: any */
};

/* mem_check - is the size one that this machine can give? sentences for 0, odd and too much */
int mem_check(const struct mem_opts *o, struct err *e);

/* mem_page_bytes - the size of the pages that mem_map would take now */
uint64_t mem_page_bytes(const struct mem_opts *o);

/* mem_map - map, populate, lock, and read back; mem_unmap accepts a zeroed struct */
int mem_map(struct memory *m, const struct mem_opts *o, struct err *e);
void mem_unmap(struct memory *m);

/* mem_read_back - fill locked_bytes and resident_bytes from the kernel */
int mem_read_back(struct memory *m, struct err *e);

/* mem_ptr - host address of guest range [at, at + len); NULL unless all of it is one piece of RAM */
void *mem_ptr(const struct memory *m, gpa_t at, uint64_t len);

/* mem_lock_self - lock the program itself: text, data, heap, stacks, rings */
int mem_lock_self(const struct memory *m, struct err *e);

/* mem_overhead - resident bytes of this process beyond guest RAM, from /proc/self/smaps_rollup */
int mem_overhead(const struct memory *m, uint64_t *bytes, struct err *e);

#endif

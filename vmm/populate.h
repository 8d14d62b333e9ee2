/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * populate - fault memory in by several threads at once
 *
 * The kernel clears each page: of a large guest that is most of its start, and memory is faster than
 * one CPU's stores.
 */
#ifndef RTKVM_VMM_POPULATE_H
#define RTKVM_VMM_POPULATE_H

#include <stdint.h>

#include "lib/err.h"

/*
 * populate_range - every page of it present and writable, as madvise(2) MADV_POPULATE_WRITE has it;
 * by as many threads as this one may use CPUs, their number bounded. The mapping's NUMA policy holds.
 * page_bytes: of the pages behind it
 */
int populate_range(uint8_t *start, uint64_t bytes, uint64_t page_bytes, struct err *e);

#endif

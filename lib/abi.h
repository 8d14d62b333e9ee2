/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * abi - what a guest and the host agree on: ports, one frame, the results of a benchmark
 *
 * Used by the VMM, the guest's init, flat payloads and the harness; includes only <stdint.h>.
 * The ports work under QEMU too: isa-debug-exit at ABI_EXIT_PORT, isa-debugcon at the data and
 * the mark port.
 */
#ifndef RTKVM_LIB_ABI_H
#define RTKVM_LIB_ABI_H

#include <stdint.h>

/* One byte ends the run; it is the guest job's exit code. (QEMU's exit code is value * 2 + 1.) */
#define ABI_EXIT_PORT 0xf4

/*
 * A byte stream of frames. KVM leaves the guest for each byte, so send little, from vCPU 0, and
 * files after the job.
 */
#define ABI_DATA_PORT 0x5e0

/*
 * The same stream, a page at a time: a 32-bit write names a page frame of the guest whose 4096
 * bytes come next. A 32-bit read tells ABI_PAGE_MAGIC where there is such a port (not in QEMU).
 */
#define ABI_PAGE_PORT  0x5f0
#define ABI_PAGE_MAGIC 0x50454741u /* "AGEP" */
#define ABI_PAGE_BYTES 4096

/* One byte from enum abi_mark: the host stamps it with its clock. */
#define ABI_MARK_PORT 0x5e4

/* Any byte: the host stops its trace at once. */
#define ABI_FREEZE_PORT 0x5e8

/* Any byte: a VMM told to (rtkvm run --slow-exit) takes its time over it. For tests of tracing. */
#define ABI_SLOW_PORT 0x5ec

enum abi_mark {
	ABI_MARK_INIT = 1, /* the guest's init runs its first instruction */
	ABI_MARK_JOB_START = 2, /* the job starts */
	ABI_MARK_JOB_END = 3, /* the job has ended */
	ABI_MARK_BOOTED = 4, /* init has done its set-up: RT scheduling may begin */
	ABI_MARK_CLOCK = 5, /* a program reads its clock now: the host's stamp belongs to it */
};

#define ABI_FRAME_MAGIC 0x464b5452u /* "RTKF", little-endian */

/*
 * A file on the data port: this header, then length bytes. crc is CRC-32 (zlib's) over the
 * header with crc = 0, then the bytes. The last frame has the name "" and as length the number of
 * files before it: a stream without it is incomplete.
 */
struct abi_frame {
	uint32_t magic;
	uint32_t crc;
	uint64_t length;
	char name[48]; /* NUL-padded; a plain file name, never a path */
};

/*
 * A name that begins so is a piece of a stream, sent while the job runs: it is not counted as a
 * file, may come again and again, and comes before all files.
 */
#define ABI_FRAME_STREAM '+'

/* The piece "load" of a stream: what the load in the guest has done since the last one. */
struct abi_load {
	uint64_t rounds;
	uint64_t elapsed_ns;
};

#define ABI_FRAME_MAX_BYTES (64u << 20) /* a longer file is an error on both sides */

/*
 * What a measuring payload (guests/flat) sends as the file "rows": struct abi_bench, then its rows,
 * each a struct abi_bench_row and its bins (ABI_BENCH_BIN), indices ascending. Times are cycles of
 * the TSC. The payload "gap" sends a second file "gaps": an array of struct abi_bench_gap.
 */
#define ABI_BENCH_MAGIC 0x424b5452u /* "RTKB", little-endian */

struct abi_bench {
	uint32_t magic;
	uint32_t rows;
	uint64_t start, end; /* TSC at both ends of the measurement */
};

enum abi_bench_kind {
	ABI_BENCH_LOOP, /* gap: every turn of the loop shorter than the threshold */
	ABI_BENCH_GAP, /* gap: the others */
	ABI_BENCH_HLT, /* timer: lateness of an interrupt that wakes HLT */
	ABI_BENCH_SPIN, /* timer: of one that interrupts a loop */
	ABI_BENCH_NOTHING, /* exits: two readings of the TSC; in the others something between them */
	ABI_BENCH_CPUID,
	ABI_BENCH_PORT, /* a read that user space answers */
	ABI_BENCH_MMIO, /* another one, of an address without a device */
	ABI_BENCH_HYPERCALL,
	ABI_BENCH_RDMSR, /* IA32_APIC_BASE, which the kernel answers */
	ABI_BENCH_SELF_IPI, /* from its request to its handler */
	ABI_BENCH_EOI,
	ABI_BENCH_DEADLINE, /* a write of the TSC-deadline register */
	ABI_BENCH_KINDS
};

struct abi_bench_row {
	uint32_t kind;
	uint32_t bins;
	uint64_t period; /* timer: cycles between deadlines; else 0 */
	uint64_t n, min, max; /* min and max are exact; 0 when n is */
	uint64_t missed; /* timer: deadlines that had passed before they could be set */
};

struct abi_bench_gap {
	uint64_t tsc; /* at its start */
	uint64_t length;
};

/* A bin as sent: its index above, its count below. */
#define ABI_BENCH_COUNT_BITS	    48
#define ABI_BENCH_BIN(index, count) ((uint64_t)(index) << ABI_BENCH_COUNT_BITS | (count))

/*
 * Bins are log-linear: values below 256 have their own, each power of two above has 256. The host
 * does its arithmetic with these two, the payload with abi_bench_index.
 */
#define ABI_BENCH_SUB_BITS 8
#define ABI_BENCH_BINS	   ((64 - ABI_BENCH_SUB_BITS + 1) << ABI_BENCH_SUB_BITS)

static inline uint32_t abi_bench_index(uint64_t value)
{
	uint32_t shift;

	if (value >> ABI_BENCH_SUB_BITS == 0)
		return value;
	shift = 63 - ABI_BENCH_SUB_BITS - __builtin_clzll(value);
	return (shift << ABI_BENCH_SUB_BITS) + (value >> shift);
}

static inline uint64_t abi_bench_high(uint32_t index)
{
	uint32_t shift = index >> ABI_BENCH_SUB_BITS;

	if (!shift--)
		return index;
	return (((uint64_t)index - (shift << ABI_BENCH_SUB_BITS) + 1) << shift) - 1;
}

/* Exit codes of a measuring payload beside 0. */
enum abi_bench_exit {
	ABI_BENCH_BAD_ARGS = 64,
	ABI_BENCH_NO_DEADLINE, /* CPUID shows no TSC-deadline timer */
	ABI_BENCH_NO_X2APIC,
};

_Static_assert(sizeof(struct abi_bench_row) == 48, "a row is 48 bytes on every compiler");
_Static_assert(sizeof(struct abi_frame) == 64, "frame header is 64 bytes on every compiler");

#endif

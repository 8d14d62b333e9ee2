/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * abi - what a guest and the host agree on: four ports and one frame
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

/* A byte stream of frames. KVM leaves the guest for each byte, so send little, and after the job. */
#define ABI_DATA_PORT 0x5e0

/* One byte from enum abi_mark: the host stamps it with its clock. */
#define ABI_MARK_PORT 0x5e4

/* Any byte: the host stops its trace at once. */
#define ABI_FREEZE_PORT 0x5e8

enum abi_mark {
	ABI_MARK_INIT = 1, /* the guest's init runs its first instruction */
	ABI_MARK_JOB_START = 2, /* the job starts */
	ABI_MARK_JOB_END = 3, /* the job has ended */
	ABI_MARK_BOOTED = 4, /* init has done its set-up: RT scheduling may begin */
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

#define ABI_FRAME_MAX_BYTES (64u << 20) /* a longer file is an error on both sides */

_Static_assert(sizeof(struct abi_frame) == 64, "frame header is 64 bytes on every compiler");

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * proto - what `rtkvm lab` and its agent in the emulated machine agree on
 *
 * The order: a file in the initramfs of NUL-terminated records, "KEY VALUE":
 *	flavour fast|full	where the programs come from
 *	module PATH		load this one; in this order
 *	share TAG ro|rw PATH	mount the 9p share TAG at PATH
 *	env NAME=VALUE		for the command
 *	cwd PATH		where it starts
 *	tty yes			on a terminal, with input; else without
 *	arg TEXT		the command's argv, one each; none: a login shell
 *	keep yes		a login shell on a terminal after the command
 *	off yes			shut the system down in order afterwards (its disk is kept)
 * The channel: a virtio-serial port that carries frames both ways.
 */
#ifndef RTKVM_GUESTS_LAB_PROTO_H
#define RTKVM_GUESTS_LAB_PROTO_H

#include <stdint.h>

#define LAB_PORT    "rtkvm.lab"
#define LAB_ORDER   "/rtkvm/order" /* in the initramfs, and later below LAB_RUN */
#define LAB_RUN	    "/run/rtkvm"
#define LAB_RESULTS LAB_RUN "/results"
#define LAB_SUPPORT LAB_RUN "/lib/rtkvm"
#define LAB_BIN	    LAB_RUN "/bin"

enum lab_type {
	LAB_READY = 1, /* agent: the command starts now; text: the kernel's release */
	LAB_OUT = 2, /* agent: its standard output */
	LAB_ERR = 3, /* agent: its standard error */
	LAB_EXIT = 4, /* agent: it ended; 4 bytes: exit code. All results are written. */
	LAB_FAIL = 5, /* agent: text: why it could not be run */
	LAB_INPUT = 6, /* host: terminal input */
	LAB_SIZE = 7, /* host: struct lab_size */
	LAB_ALIVE = 8, /* agent: nothing to tell; once every LAB_ALIVE_SECONDS without output */
};

struct lab_frame {
	uint32_t type; /* enum lab_type */
	uint32_t len; /* bytes that follow, at most LAB_FRAME_MAX */
};

struct lab_size {
	uint16_t rows, columns;
};

enum { LAB_FRAME_MAX = 32768, LAB_ALIVE_SECONDS = 5 };

#endif

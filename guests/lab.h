/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lab - what the parts of the verb lab share: its options and its images
 */
#ifndef RTKVM_GUESTS_LAB_H
#define RTKVM_GUESTS_LAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guests/kernel.h"
#include "lib/err.h"

enum lab_action { LAB_BUILD, LAB_RUN_COMMAND, LAB_SHELL, LAB_LIST };
enum lab_flavour { LAB_FULL, LAB_FAST };
enum { LAB_SHARES = 8 };

struct lab_options {
	enum lab_action action;
	enum lab_flavour flavour;
	const char *kernel; /* "rt" or "generic" */
	const char *cmdline; /* NULL: isolate all CPUs but the first two */
	bool cmdline_from_image; /* take the command line from the disk's own boot loader set-up */
	unsigned int cpus;
	uint64_t mem_bytes;
	const char *shares[LAB_SHARES]; /* read-only, at the same path in the machine */
	size_t n_shares;
	const char *results; /* directory that takes what the command leaves; NULL: dropped */
	const char *disk; /* a disk kept between runs, made when it is not there; NULL: none */
	const char *console, *monitor, *pid_file; /* NULL: none */
	uint64_t timeout_ns, boot_timeout_ns; /* 0 in timeout_ns: none */
	uint64_t silence_ns; /* without a sign of life for so long it hangs; 0: never */
	unsigned int tries; /* machines, should the first ones hang */
	bool retry_panic; /* or panic */
	bool keep; /* open a shell after the command */
	char **argv; /* the command, NULL-terminated */
};

/* lab_parse - the command line of the verb; pure (opt.h) */
int lab_parse(struct lab_options *o, int argc, char **argv, struct err *e);

/* lab_build - fetch and make what the flavour needs; quick when nothing is to be done */
int lab_build(const struct lab_options *o, struct err *e);

/* lab_kernel - the kernel lab_build fetched; -ENOENT says to build first */
int lab_kernel(struct kernel *k, const char *kind, struct err *e);

/* lab_list - print what is built */
int lab_list(struct err *e);

/* lab_run - run a command (or a shell) in the machine; its exit code, 2, or -errno */
int lab_run(const struct lab_options *o, struct err *e);

/* lab_default_cmdline - the isolation for this many CPUs: all but 0 and 1 ("" below 3 CPUs) */
char *lab_default_cmdline(unsigned int cpus, char *buf, size_t size);

#endif

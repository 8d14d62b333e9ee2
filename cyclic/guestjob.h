/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * guestjob - what a guest is told to do: its kernel's command line, with the instrument and the load
 *
 * Shell, because the guest's init runs it with the guest's /bin/sh; without double quotes, because
 * it travels in them.
 */
#ifndef RTKVM_CYCLIC_GUESTJOB_H
#define RTKVM_CYCLIC_GUESTJOB_H

#include "cyclic/ctopts.h"

/* An instrument in a guest. */
struct guest_tool {
	const char *name; /* the verb's, and the log's */
	const char *program; /* in the guest */
	const char *running, *over; /* how far it has come, as parts of a sentence */
	const char *json, *text; /* files that it leaves; NULL: its figures come while it runs */
};

/* guest_tool - what there is to know of an instrument */
const struct guest_tool *guest_tool(enum guest_instrument i);

/* A load inside the guest, on vCPU 0: a shell command run again and again, its rounds counted. */
struct guest_load {
	const char *name, *command;
};

/* guest_load_find - by name; NULL: there is none */
const struct guest_load *guest_load_find(const char *name);

/* The kernel takes 2048 bytes (COMMAND_LINE_SIZE, arch/x86/include/asm/setup.h). */
enum { CTOPTS_APPEND_BYTES = 2048 };

/* guestjob_command - what measures, for that many vCPUs: one command of the guest's shell */
int guestjob_command(const struct ctopts *o, int vcpus, char *buf, size_t size, struct err *e);

/*
 * guestjob_append - the guest's kernel command line, with the job in it: facts, load, run (the
 * command, or the line of shell that records the guest meanwhile)
 */
int guestjob_append(const struct ctopts *o, int vcpus, const char *run, char *buf, size_t size,
		    struct err *e);

#endif

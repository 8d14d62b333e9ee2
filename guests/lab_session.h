/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lab_session - one machine of the lab, from its start to its end; lab_run.c serves it, lab_end.c
 * tells whether it still goes on, and why not
 */
#ifndef RTKVM_GUESTS_LAB_SESSION_H
#define RTKVM_GUESTS_LAB_SESSION_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <termios.h>

#include "guests/home.h"
#include "guests/lab_setup.h"

struct session {
	const struct lab_options *o;
	struct rundir dir;
	struct lab_setup setup;
	struct machine m;
	char console[PATH_MAX], log[PATH_MAX], disk[PATH_MAX];
	struct termios terminal; /* as it was */
	bool raw; /* it is not, now */
	struct lab_size size; /* as the machine knows it */
};

struct progress {
	bool ready, interactive;
	int input; /* terminal input is read from here; -1 none */
	uint64_t deadline_ns; /* of the command, before that of the boot */
	uint64_t heard_ns; /* when the last frame had been dealt with */
	uint64_t console_ns; /* when the console was looked at */
	unsigned int renewals; /* of the emulator's code, since then */
	off_t console_seen; /* bytes of the console that were looked at */
	int code; /* the command's, once it has ended; -1 */
};

/* lab_next_look - when lab_look is due, should the machine say nothing until then */
uint64_t lab_next_look(const struct session *s, const struct progress *p);

/*
 * lab_look - after some silence: free a machine that hangs (renew.h), which is told on stderr;
 * -EAGAIN, or -ETIMEDOUT when its time is over
 */
int lab_look(struct session *s, struct progress *p);

/*
 * lab_heard - a frame came, and was dealt with; now and then see whether the kernel says on the
 * console that one of its CPUs is stuck, and free it
 */
void lab_heard(struct session *s, struct progress *p);

/*
 * lab_console_end - the last 3000 bytes of a console's text (NUL behind it), or up to 16 KiB, to begin
 * with the first fault before a panic or else with the panic; of a panic still before that, the line
 * that has its reason
 */
void lab_console_end(const char *text, size_t len, FILE *out);

/* lab_show_console - the end of the console to stderr */
void lab_show_console(const struct session *s);

/* lab_ended - why the machine is gone before its command ended; -errno */
int lab_ended(struct session *s, struct err *e);

/* lab_timed_out - of whose time is over: the boot's, the command's or a silent machine's; -errno */
int lab_timed_out(const struct session *s, const struct progress *p, struct err *e);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * term - the user's terminal as the guest's console
 *
 * Raw while the guest runs, so that Ctrl-C reaches the guest's shell; Ctrl-A x ends the run.
 */
#ifndef RTKVM_VMM_TERM_H
#define RTKVM_VMM_TERM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <termios.h>

struct term {
	int fd; /* -1: no terminal */
	bool escape; /* Ctrl-A came last */
	struct termios saved;
};

/* term_open - take over stdin when it is a terminal; term_close gives it back as it was */
void term_open(struct term *t);
void term_close(struct term *t);

/* term_filter - handle escapes in place; returns what is left for the guest; *quit on Ctrl-A x */
size_t term_filter(struct term *t, uint8_t *data, size_t len, bool *quit);

#endif

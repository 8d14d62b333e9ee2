/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * stop - the one flag that SIGINT, SIGTERM and SIGHUP set; every long loop asks it
 */
#ifndef RTKVM_LIB_STOP_H
#define RTKVM_LIB_STOP_H

#include <stdbool.h>

/*
 * stop_install - catch SIGINT, SIGTERM and SIGHUP (no SA_RESTART: blocking calls return EINTR), and
 * survive SIGPIPE: writing to a reader that went away is EPIPE
 */
void stop_install(void);

/* stop_requested - has one of them come? */
bool stop_requested(void);

/* stop_signal - which one came first, 0 for none */
int stop_signal(void);

/*
 * stop_set - as if a signal had come, for handlers elsewhere: the first code stays, but one above
 * all signal numbers replaces a signal
 */
void stop_set(int code);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ctlserver - clients of the control socket: lines in, lines out, nobody waits for anybody
 *
 * Lives in the I/O thread's loop. Nothing here blocks: a client that does not read its answer is
 * not asked for its next request, and the others do not notice.
 */
#ifndef RTKVM_VMM_CTLSERVER_H
#define RTKVM_VMM_CTLSERVER_H

#include <poll.h>

#include "lib/ctl.h"
#include "vmm/ctlplace.h"

enum { CTLSERVER_CLIENTS = 16, CTLSERVER_FDS = CTLSERVER_CLIENTS + 1 };

enum { CTL_LATER = 1 }; /* no answer yet: the request is repeated on the next turn */

/* Answers one request: 0 with *reply (taken over), CTL_LATER, or -errno with a sentence. */
typedef int (*ctl_answer_fn)(void *ctx, const struct ctl_request *r, json_object **reply,
			     struct err *e);

struct ctl_client {
	int fd; /* -1: free */
	bool skipping; /* the rest of a line that was too long */
	bool pending; /* request waits for its answer */
	struct ctl_request request;
	size_t used;
	char in[CTL_REQUEST_MAX];
	char *out; /* answer being sent */
	size_t out_len, out_done;
};

struct ctlserver {
	int listener; /* -1: none */
	char path[CTLPLACE_PATH_MAX]; /* "": no file of ours */
	ctl_answer_fn answer;
	void *ctx;
	struct ctl_client clients[CTLSERVER_CLIENTS];
};

/* ctlserver_init - no listener, no clients; ctlserver_close undoes whatever there is */
void ctlserver_init(struct ctlserver *s, ctl_answer_fn answer, void *ctx);
void ctlserver_close(struct ctlserver *s);

/* ctlserver_listen - take clients at path (ctlplace_listen) */
int ctlserver_listen(struct ctlserver *s, const char *path, struct err *e);

/* ctlserver_adopt - fd is a connected UNIX stream socket: a client from the start; takes fd over */
int ctlserver_adopt(struct ctlserver *s, int fd, struct err *e);

/* ctlserver_poll - what to wait for: fills p[0, CTLSERVER_FDS), returns how many */
int ctlserver_poll(const struct ctlserver *s, struct pollfd *p);

/* ctlserver_serve - after poll(2): take clients, read, answer, send; never blocks */
void ctlserver_serve(struct ctlserver *s, const struct pollfd *p, int n);

#endif

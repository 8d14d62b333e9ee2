/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ctlplace - where control sockets lie, and which of them belong to a VMM that lives
 *
 * CTLPLACE_DIR holds NAME.sock or PID.sock of each VM. Whoever makes or removes one holds a lock on
 * the directory, so a socket that refuses connections has a dead owner and nothing else.
 */
#ifndef RTKVM_VMM_CTLPLACE_H
#define RTKVM_VMM_CTLPLACE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/err.h"

#define CTLPLACE_DIR "/run/rtkvm/vm"

enum { CTLPLACE_NAME_MAX = 64, CTLPLACE_PATH_MAX = 108 }; /* the latter: unix(7), sun_path */

/* ctlplace_check_name - letters, digits, "._-", one letter at least, no dot in front; -EINVAL */
int ctlplace_check_name(const char *name, struct err *e);

/*
 * ctlplace_listen - a listening socket under path, mode 0600; one that a dead VMM left there is
 * replaced, a live one is -EADDRINUSE. Returns the descriptor.
 */
int ctlplace_listen(const char *path, struct err *e);

/* ctlplace_sweep - remove the sockets of dead VMMs from dir; a directory that is not there is none */
void ctlplace_sweep(const char *dir);

/*
 * ctlplace_connect - a connection to the VM that vm names: a path (with a slash), a name or a
 * process id in dir; NULL: the only one that runs. Returns the descriptor.
 */
int ctlplace_connect(const char *dir, const char *vm, struct err *e);

/* ctlplace_is_others - does the socket of that path ("": none) lie in another user's directory? */
bool ctlplace_is_others(const char *path);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * complaint - what a child said last on stderr, for our own one sentence
 */
#ifndef RTKVM_CYCLIC_COMPLAINT_H
#define RTKVM_CYCLIC_COMPLAINT_H

#include <stddef.h>

/* complaint - the last line in a memory file, without prefix; buf is "" when there is none */
char *complaint(int fd, const char *prefix, char *buf, size_t size);

#endif

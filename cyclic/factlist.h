/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * factlist - what a guest's kernel is asked: the guest reads it (guest/facts.h), the host keeps it in
 * run.json's guest{} (guestfacts.h)
 */
#ifndef RTKVM_CYCLIC_FACTLIST_H
#define RTKVM_CYCLIC_FACTLIST_H

#include <stddef.h>

struct fact {
	const char *path, *key;
};

extern const struct fact facts[];
extern const size_t n_facts;

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cpus - a CPU list of a test's table
 */
#ifndef RTKVM_TESTS_UNIT_CPUS_H
#define RTKVM_TESTS_UNIT_CPUS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/cpulist.h"

/* cpus_of - the list of a text; NULL and "", which cpulist_parse() refuses, are the empty one */
static inline struct cpulist cpus_of(const char *text)
{
	struct cpulist l = { 0 };
	struct err e = { 0 };

	if (text && *text)
		assert_int_equal(cpulist_parse(&l, text, &e), 0);
	return l;
}

#endif

// SPDX-License-Identifier: GPL-2.0-only
#include "hwlat/kevent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HZ 1000000000ull /* a cycle is a nanosecond */

static void noise(struct kevent_noises *n, enum culprit_kind kind, const char *name,
		  uint64_t end_tsc, uint64_t ns)
{
	unsigned int at = n->n++ % KEVENT_NOISES;

	n->ring[at].end_tsc = end_tsc;
	n->ring[at].part = (struct culprit_part){ .kind = kind, .ns = ns };
	snprintf(n->ring[at].part.name, sizeof(n->ring[at].part.name), "%s", name);
}

static void longest_first_and_only_since(void **state)
{
	struct kevent_noises n = { 0 };
	struct culprit_facts f = { 0 };

	(void)state;
	noise(&n, CULPRIT_IRQ, "before", 1000, 900);
	noise(&n, CULPRIT_IRQ, "236 local_timer", 2500, 400);
	noise(&n, CULPRIT_THREAD, "hog:7", 9000, 6000);
	kevent_explain(&n, 2000, HZ, &f);
	assert_int_equal(f.n_parts, 2);
	assert_string_equal(f.parts[0].name, "hog:7");
	assert_int_equal(f.parts[0].ns, 6000);
	assert_string_equal(f.parts[1].name, "236 local_timer");
	assert_int_equal(f.parts[1].ns, 400);
}

static void what_began_before_counts_from_the_start(void **state)
{
	struct kevent_noises n = { 0 };
	struct culprit_facts f = { 0 };

	(void)state;
	noise(&n, CULPRIT_THREAD, "hog:7", 3000, 50000);
	kevent_explain(&n, 2000, HZ, &f);
	assert_int_equal(f.n_parts, 1);
	assert_int_equal(f.parts[0].ns, 1000);
}

static void many_are_cut_to_the_longest(void **state)
{
	struct kevent_noises n = { 0 };
	struct culprit_facts f = { 0 };

	(void)state;
	for (unsigned int i = 0; i < 3 * KEVENT_NOISES; i++)
		noise(&n, CULPRIT_IRQ, "some", 5000 + i, i);
	kevent_explain(&n, 2000, HZ, &f);
	assert_int_equal(f.n_parts, CULPRIT_PARTS);
	assert_int_equal(f.parts[0].ns, 3 * KEVENT_NOISES - 1);
	assert_int_equal(f.parts[CULPRIT_PARTS - 1].ns, 3 * KEVENT_NOISES - CULPRIT_PARTS);
}

static void none_is_none(void **state)
{
	struct kevent_noises n = { 0 };
	struct culprit_facts f = { 0 };

	(void)state;
	kevent_explain(&n, 2000, HZ, &f);
	assert_int_equal(f.n_parts, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(longest_first_and_only_since),
		cmocka_unit_test(what_began_before_counts_from_the_start),
		cmocka_unit_test(many_are_cut_to_the_longest),
		cmocka_unit_test(none_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cyclic/hostclaim.h"
#include "lib/cleanup.h"
#include "tests/unit/guestclaim.h"

static void no_guest_on_what_a_phase_measures(void **state)
{
	static const struct guest_entry on_4 = { .cpus = { .n = 1, .host = { 4 } } };
	static const struct {
		bool simulate, guest;
		const char *vcpus, *others;
		const char *why; /* NULL: may run */
	} rows[] = {
		{ false, false, "2", "0", "--cpus: CPU 2 wanted alone" }, /* measured */
		{ false, false, "3", "0", "--cpus: CPU 3 wanted alone" }, /* a load's */
		{ false, false, "5", "2", "--housekeeping: CPU 2 wanted" },
		{ false, false, "5", "3", NULL },
		{ false, false, "1", "0", NULL }, /* not isolated */
		{ true, false, "2", "0", NULL },
		{ false, true, "4", "0", NULL }, /* its own rtkvm run claims it */
	};
	struct load_entry load = { .cpus = cpus_of("3") };
	struct err e = { 0 };

	(void)state;
	guestclaim_tree();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct phase_entry p = { .entry.name = "p", .simulate = rows[i].simulate };
		struct claim phase = { 0 }, c = { 0 };
		int ret;

		p.loads[p.n_loads++] = &load;
		if (rows[i].guest)
			p.guests[p.n_guests++] = &on_4;
		else
			p.cpus = cpus_of("1-2");
		err_clear(&e);
		if (hostclaim_take(&phase, root, &p, &e) < 0)
			fail_msg("row %zu: %s", i, e.text);
		ret = guestclaim(&c, rows[i].vcpus, rows[i].others, false, &e);
		if (rows[i].why ? ret != -EBUSY || !strstr(e.text, rows[i].why) : ret)
			fail_msg("row %zu: %d %s", i, ret, e.text);
		claim_drop(&c);
		claim_drop(&phase);
		assert_int_equal(guestclaim(&c, rows[i].vcpus, rows[i].others, false, &e), 0);
		claim_drop(&c);
	}
}

static void no_phase_on_what_a_guest_has(void **state)
{
	static const struct {
		const char *cpus, *load;
		const char *why;
	} rows[] = {
		{ "2", "0", "phase p: CPU 2 wanted alone, but " },
		{ "4", "0", "phase p: CPU 4 wanted alone, but " },
		{ "5", "2", "phase p, for its loads: CPU 2 wanted, but " },
		{ "5", "4", NULL },
		{ "0-1", "0", NULL },
	};
	struct claim c = { 0 };
	struct err e = { 0 };

	(void)state;
	guestclaim_tree();
	assert_int_equal(guestclaim(&c, "2", "4", false, &e), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct load_entry load = { .cpus = cpus_of(rows[i].load) };
		struct phase_entry p = { .entry.name = "p", .cpus = cpus_of(rows[i].cpus) };
		struct claim phase = { 0 };
		int ret;

		p.loads[p.n_loads++] = &load;
		err_clear(&e);
		ret = hostclaim_take(&phase, root, &p, &e);
		if (rows[i].why ? ret != -EBUSY || !strstr(e.text, rows[i].why) : ret)
			fail_msg("row %zu: %d %s", i, ret, e.text);
		claim_drop(&phase);
	}
	claim_drop(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		tree_test(no_guest_on_what_a_phase_measures),
		tree_test(no_phase_on_what_a_guest_has),
	};

	return cmocka_run_group_tests_name("hostclaim", tests, NULL, NULL);
}

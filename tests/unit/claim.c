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

#include "lib/cleanup.h"
#include "tests/unit/cpus.h"
#include "tests/unit/tree.h"
#include "vmm/claim.h"

static int claim(struct claim *c, const char *vcpus, const char *others, bool shared, struct err *e)
{
	struct cpulist isolated = cpus_of("2-5"), v = cpus_of(vcpus), t = cpus_of(others);
	struct claim_opts o = {
		.isolated = &isolated, .vcpus = &v, .others = &t, .allow_shared = shared
	};

	err_clear(e);
	return claim_cpus(c, root, &o, e);
}

/* Beside a guest with vCPUs on CPU 2 and 3 and the rest on 0, 1 and 4. */
static void one_guest_a_cpu(void **state)
{
	static const struct {
		const char *vcpus, *others;
		bool shared;
		const char *why; /* NULL: may run */
		int busy; /* the last one that the other guest has */
	} rows[] = {
		{ "5", "0-1", false, NULL, -1 },
		{ "5", "0,4", false, NULL, -1 }, /* their other threads may meet */
		{ "0,5", "1", false, NULL,
		  -1 }, /* not isolated: --allow-shared decides elsewhere */
		{ "2-3", "0-1", false, "--cpus: CPU 2 wanted", 2 },
		{ "3,5", "0-1", false, "--cpus: CPU 3 wanted", 3 },
		{ "4", "0-1", false, "--cpus: CPU 4 wanted", 4 }, /* its other threads are there */
		{ "5", "0,3", false, "CPU 3 wanted, it carries a vCPU of another guest", 3 },
		{ "2-3", "0-1", true, NULL, 3 },
		{ "5", "3", true, NULL, 3 },
		{ "3-4", "3-5", true, NULL, 4 },
	};
	struct claim first = { 0 }, c = { 0 };
	struct err e = { 0 };

	(void)state;
	for (int cpu = 0; cpu < 6; cpu++)
		tree_put("", "devices/system/cpu/cpu%d/uevent", cpu);
	assert_int_equal(claim(&first, "2-3", "0-1,4", false, &e), 0);
	assert_int_equal(first.n, 3);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int ret = claim(&c, rows[i].vcpus, rows[i].others, rows[i].shared, &e);

		if (rows[i].why ? ret != -EBUSY || !strstr(e.text, rows[i].why) : ret)
			fail_msg("row %zu: %d %s", i, ret, e.text);
		assert_int_equal(c.busy_cpu, rows[i].busy);
		claim_drop(&c);
	}
	claim_drop(&first);
	assert_int_equal(claim(&c, "2-3", "0-1", false, &e), 0); /* it has ended */
	claim_drop(&c);
	claim_drop(&c);
	assert_int_equal(file_remove_tree(root, &e), 0);
	assert_true(claim(&c, "2", "0", true, &e) < 0); /* cannot be claimed at all */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		tree_test(one_guest_a_cpu),
	};

	return cmocka_run_group_tests_name("claim", tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <unistd.h>

#include "lib/clock.h"
#include "vmm/counters.h"

static void start_of_this_process(void **state)
{
	struct err e = { 0 };
	uint64_t start;

	(void)state;
	assert_int_equal(counters_process_start_ns(&start, &e), 0);
	assert_true(start < clock_now_ns());
	assert_true(clock_now_ns() - start < 3600 * NSEC_PER_SEC);
}

/* A mark that comes before the one of its kind was taken is lost, not mixed up with it. */
static void a_mark_keeps_its_own_counts(void **state)
{
	static struct vcpu vcpu;
	static struct vcpu_stats kept[WINDOW_EDGES];
	static const uint8_t ids[] = { ABI_MARK_JOB_START, ABI_MARK_JOB_END, ABI_MARK_JOB_START };
	static struct vm vm = { .vcpus = &vcpu, .n_vcpus = 1, .io_wake = -1 };
	struct err e = { 0 };

	(void)state;
	for (int i = 0; i < WINDOW_EDGES; i++)
		vm.window[i] = &kept[i];
	assert_int_equal(ring_init(&vm.marks, 4096, &e), 0);
	for (size_t i = 0; i < sizeof(ids); i++) {
		vcpu.stats.user_ns = 10 * (i + 1);
		assert_int_equal(vm_mark(&vm, ids[i]), i < 2);
	}
	assert_int_equal(vm.marks_lost, 1);
	assert_int_equal(kept[WINDOW_START].user_ns, 10);
	assert_int_equal(kept[WINDOW_END].user_ns, 20);
	atomic_store(&vm.window_full[WINDOW_START], false); /* as counters_mark does */
	assert_true(vm_mark(&vm, ABI_MARK_JOB_START));
	assert_int_equal(kept[WINDOW_START].user_ns, 30);
	ring_free(&vm.marks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(start_of_this_process),
		cmocka_unit_test(a_mark_keeps_its_own_counts),
	};

	return cmocka_run_group_tests_name("counters", tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <linux/kvm.h>

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

/* KVM's counter, not the option, says what became of --no-exit hlt. */
static void hlt_that_was_to_stay(void **state)
{
	static const struct {
		const char *counter;
		uint32_t no_exit;
		uint64_t count;
		int ret;
	} t[] = {
		{ "halt_exits", KVM_X86_DISABLE_EXITS_HLT, 0, 0 },
		{ "halt_exits", KVM_X86_DISABLE_EXITS_HLT, 20, -ENOTSUP },
		{ "halt_exits", KVM_X86_DISABLE_EXITS_PAUSE, 20, 0 },
		{ "halt_exits", 0, 20, 0 },
		{ "exits", KVM_X86_DISABLE_EXITS_HLT, 20, 0 }, /* nobody counts */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct vcpu vcpus[2] = { 0 };
		struct reading_vcpu end[2] = { 0 };
		struct vm vm = { .vcpus = vcpus, .n_vcpus = 2, .opts.no_exit = t[i].no_exit };
		struct window w = { .end.vcpus = end };
		struct err e = { 0 };

		vcpus[1].kvm.n = 1;
		strcpy(vcpus[1].kvm.counters[0].name, t[i].counter);
		end[1].kvm[0] = t[i].count;
		assert_int_equal(counters_check_hlt(&w, &vm, &e), t[i].ret);
		if (t[i].ret)
			assert_non_null(strstr(e.text, "vCPU 1 left it for 20 of them"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(start_of_this_process),
		cmocka_unit_test(a_mark_keeps_its_own_counts),
		cmocka_unit_test(hlt_that_was_to_stay),
	};

	return cmocka_run_group_tests_name("counters", tests, NULL, NULL);
}

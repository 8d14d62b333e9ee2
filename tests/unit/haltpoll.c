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
#include <sys/ioctl.h>

#include "lib/cleanup.h"
#include "tests/unit/tree.h"
#include "vmm/haltpoll.h"

/* The kernel that is asked; enable: its answer to KVM_ENABLE_CAP, as errno. */
static struct {
	int enable, asked;
	uint64_t got;
} fake;

int ioctl(int fd, unsigned long request, ...)
{
	va_list args;

	va_start(args, request);
	assert_int_equal(fd, 7);
	assert_int_equal(request, KVM_ENABLE_CAP);
	fake.got = va_arg(args, struct kvm_enable_cap *)->args[0];
	va_end(args);
	fake.asked++;
	errno = fake.enable;
	return fake.enable ? -1 : 0;
}

static void longer_only_where_nobody_pays_for_it(void **state)
{
	static const struct {
		struct haltpoll_facts f;
		int64_t want;
	} t[] = {
		{ { false, 0, true, false, -1, 200000 }, HALTPOLL_REALTIME_NS },
		{ { false, 0, false, false, -1, 200000 }, -1 }, /* SCHED_OTHER */
		{ { false, 0, true, true, -1, 200000 }, -1 }, /* no HLT ever comes */
		{ { false, 0, true, false, 950000, 200000 }, -1 }, /* it would be stopped */
		{ { false, 0, true, false, INT64_MIN, 200000 }, -1 }, /* nobody knows */
		{ { false, 0, true, false, -1, 0 }, -1 }, /* turned off */
		{ { false, 0, true, false, -1, -1 }, -1 },
		{ { false, 0, true, false, -1, HALTPOLL_REALTIME_NS }, -1 },
		{ { false, 0, true, false, -1, 5000000 }, -1 },
		{ { true, 0, true, false, -1, 200000 }, 0 }, /* what was asked for counts */
		{ { true, 30000, false, false, 950000, 0 }, 30000 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		if (haltpoll_choose(&t[i].f) != t[i].want)
			fail_msg("row %zu: %lld", i, (long long)haltpoll_choose(&t[i].f));
}

static void the_modules_own_is_read(void **state)
{
	static const struct {
		const char *text;
		int64_t want;
	} t[] = { { "200000\n", 200000 },
		  { "0\n", 0 },
		  { "4294967295\n", UINT32_MAX },
		  { "", -1 },
		  { "4294967296\n", -1 },
		  { "many\n", -1 },
		  { "1 2\n", -1 },
		  { "-5\n", -1 } };

	(void)state;
	assert_int_equal(haltpoll_module_ns(root), -1);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		tree_put(t[i].text, "module/kvm/parameters/halt_poll_ns");
		assert_int_equal(haltpoll_module_ns(root), t[i].want);
	}
}

static void what_is_in_force_is_told(void **state)
{
	static const struct {
		struct haltpoll_facts f;
		int enable, asked, ret;
		int64_t ns;
	} t[] = {
		{ { false, 0, true, false, -1, 200000 }, 0, 1, 0, HALTPOLL_REALTIME_NS },
		{ { false, 0, true, false, -1, 200000 }, EINVAL, 1, 0, 200000 }, /* before 5.10 */
		{ { false, 0, false, false, -1, 200000 }, 0, 0, 0, 200000 },
		{ { true, 50000, false, false, -1, 200000 }, 0, 1, 0, 50000 },
		{ { true, 50000, false, false, -1, 200000 }, EINVAL, 1, -EINVAL, 200000 },
		{ { false, 0, false, false, -1, -1 }, 0, 0, 0, -1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct err e = { 0 };
		int64_t ns = 12345;

		memset(&fake, 0, sizeof(fake));
		fake.enable = t[i].enable;
		assert_int_equal(haltpoll_set(7, &t[i].f, &ns, &e), t[i].ret);
		assert_int_equal(fake.asked, t[i].asked);
		assert_int_equal(ns, t[i].ns);
		assert_int_equal(!t[i].ret, !e.text[0]);
		if (t[i].asked && !t[i].enable)
			assert_int_equal(fake.got, ns);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(longer_only_where_nobody_pays_for_it),
		tree_test(the_modules_own_is_read),
		cmocka_unit_test(what_is_in_force_is_told),
	};

	return cmocka_run_group_tests_name("haltpoll", tests, NULL, NULL);
}

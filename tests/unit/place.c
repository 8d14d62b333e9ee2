// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <sched.h>
#include <time.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/syscall.h>

#include "lib/cleanup.h"
#include "tests/unit/cpus.h"
#include "tests/unit/tree.h"
#include "vmm/place.h"

/* A kernel with utilization clamps and core scheduling, which few have: what is asked of it. */
static struct {
	int clamp_errno, core_errno; /* 0: it does what is asked */
	unsigned long cookie; /* what a thread is said to have */
	int untold; /* so often 0 is told for it */
	int waits, sleeps; /* for random numbers, for time to pass */
	uint32_t attributes[14]; /* struct sched_attr as given */
	int cookies_made;
} fake;

long syscall(long number, ...)
{
	va_list args;
	const void *a;

	va_start(args, number);
	va_arg(args, int);
	a = va_arg(args, const void *);
	va_end(args);
	errno = number == SYS_sched_setattr ? fake.clamp_errno : ENOSYS;
	if (errno)
		return -1;
	memcpy(fake.attributes, a, sizeof(fake.attributes));
	return 0;
}

int prctl(int option, ...)
{
	va_list args;
	unsigned long v[4];

	va_start(args, option);
	for (size_t i = 0; i < ARRAY_SIZE(v); i++)
		v[i] = va_arg(args, unsigned long);
	va_end(args);
	errno = option == PR_SCHED_CORE ? fake.core_errno : EINVAL;
	if (errno)
		return -1;
	if (v[0] == PR_SCHED_CORE_CREATE) {
		assert_int_equal(v[1], 0);
		assert_int_equal(v[2], PR_SCHED_CORE_SCOPE_THREAD_GROUP);
		fake.cookies_made++;
	} else {
		assert_int_equal(v[0], PR_SCHED_CORE_GET);
		assert_int_equal(v[2], PR_SCHED_CORE_SCOPE_THREAD);
		*(unsigned long *)v[3] = fake.untold-- > 0 ? 0 : fake.cookie;
	}
	return 0;
}

ssize_t getrandom(void *buf, size_t n, unsigned int flags)
{
	assert_int_equal(flags, 0); /* it may wait */
	memset(buf, 0, n);
	fake.waits++;
	return n;
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *at, struct timespec *left)
{
	(void)clock;
	(void)flags;
	(void)at;
	(void)left;
	fake.sleeps++;
	return 0;
}

struct row {
	const char *cpus, *online, *isolated;
	const char *nohz; /* NULL: a kernel without it */
	const char *housekeeping;
	int allow; /* 1: --allow-shared, 2: --allow-tick */
	const char *want; /* housekeeping CPUs, or the reason of the refusal */
	int ret;
	const char *devices; /* CPUs of devices' threads */
};

static void judges(void **state)
{
	static const struct row rows[] = {
		{ "2-3", "0-3", "2-3", "2-3", NULL, 0, "0-1", 0 },
		{ "2", "0-3", "2-3", "2-3", NULL, 0, "0-1", 0 },
		{ "2-3", "0-3", "", "", NULL, 1, "0-1", 0 },
		{ "0-3", "0-3", "", "", NULL, 1, "0-3", 0 },
		{ "2-3", "0-3", "2-3", "2-3", "1", 0, "1", 0 },
		{ "2-4", "0-3", "2-3", "2-3", NULL, 0, "CPU 4 does not exist", -EINVAL },
		{ "3", "0-2", "3", "3", NULL, 0, "CPU 3 is not online", -EINVAL },
		{ "2-3", "0-3", "3", "2-3", NULL, 0, "CPU 2 is not isolated", -EINVAL },
		{ "2-3", "0-3", "2-3", "2", NULL, 0, "CPU 3 is isolated, but not in nohz_full",
		  -EINVAL },
		{ "2-3", "0-3", "2-3", NULL, NULL, 0, "this kernel has no nohz_full", -EINVAL },
		{ "2-3", "0-3", "2-3", NULL, NULL, 2, "0-1", 0 },
		{ "2-3", "0-3", "2-3", "2", NULL, 2, "0-1", 0 },
		{ "2-3", "0-3", "3", NULL, NULL, 2, "CPU 2 is not isolated", -EINVAL },
		{ "2-3", "0-3", "", NULL, NULL, 1, "0-1", 0 },
		{ "0-3", "0-3", "0-3", "0-3", NULL, 0, "no CPU is left", -EINVAL },
		{ "2", "0-3", "2-3", "2-3", "2", 0, "carries a vCPU", -EINVAL },
		{ "2", "0-3", "2-3", "2-3", "7", 0, "--housekeeping is not online", -EINVAL },
		{ "2", "0-3", "", "", "2", 1, "2", 0 },
		{ "2-3", "0-3", "2-3", "2-3", NULL, 0,
		  "CPU 3 carries a vCPU and by cpu= the thread of a device", -EINVAL, "1,3" },
		{ "2", "0-3", "2-3", "2-3", NULL, 0, "0-1", 0, "1,3" },
		{ "2-3", "0-3", "", "", NULL, 1, "0-1", 0, "3" },
		{ "2", "0-2", "2-3", "2-3", NULL, 0, "CPU 3 given by a device's cpu= is not online",
		  -EINVAL, "1,3" },
		{ "2", "0-2", "", "", NULL, 1, "is not online (those are 0-2); choose from those",
		  -EINVAL, "77" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];
		struct hostcpus h = { .present = cpus_of("0-3"),
				      .online = cpus_of(r->online),
				      .isolated = cpus_of(r->isolated),
				      .nohz_full = cpus_of(r->nohz),
				      .has_nohz_full = r->nohz };
		struct cpulist allowed = cpus_of("0-3");
		struct cpulist devices = cpus_of(r->devices);
		struct cpulist given = cpus_of(r->housekeeping), got;
		struct err e = { 0 };
		struct cpumap map;
		char text[64];

		assert_int_equal(cpumap_parse(&map, r->cpus, &e), 0);
		assert_int_equal(
			place_check(&h,
				    &(struct place_opts){ .map = &map,
							  .housekeeping = r->housekeeping ? &given
											  : NULL,
							  .devices = &devices,
							  .allowed = &allowed,
							  .allow_shared = r->allow == 1,
							  .allow_tick = r->allow == 2 },
				    &got, &e),
			r->ret);
		if (r->ret && !strstr(e.text, r->want))
			fail_msg("row %zu: %s", i, e.text);
		if (!r->ret)
			assert_string_equal(cpulist_format(&got, text, sizeof(text)), r->want);
	}
}

static void leaves_an_inherited_realtime_policy(void **state)
{
	static const int flags[] = { 0, SCHED_RESET_ON_FORK };
	struct sched_param p = { .sched_priority = 1 };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(place_ordinary(0, &e), 0);
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if (sched_setscheduler(0, SCHED_FIFO | flags[i], &p)) {
			assert_int_equal(errno, EPERM);
			skip();
		}
		assert_int_equal(place_ordinary(0, &e), 0);
		assert_int_equal(sched_getscheduler(0) & ~SCHED_RESET_ON_FORK, SCHED_OTHER);
	}
}

/* --fifo 0 asks for it, whatever started us */
static void an_ordinary_vcpu_is_that_under_any_policy(void **state)
{
	static const int policies[] = { SCHED_OTHER, SCHED_BATCH, SCHED_IDLE };
	const struct sched_param p = { 0 };
	struct vcpu_placed placed = { 0 };
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
		assert_int_equal(sched_setscheduler(0, policies[i], &p), 0);
		assert_int_equal(place_ordinary(0, &e), 0);
		assert_int_equal(sched_getscheduler(0), policies[i]);
		if (place_policy(0, 0, &placed, &e)) { /* RLIMIT_NICE lets only root leave it */
			assert_int_equal(policies[i], SCHED_IDLE);
			assert_int_equal(e.code, -EPERM);
			assert_non_null(strstr(e.text, "without chrt -i"));
			skip();
		}
		assert_int_equal(placed.policy, SCHED_OTHER);
		assert_int_equal(placed.priority, 0);
		assert_int_equal(sched_getscheduler(0), SCHED_OTHER);
	}
}

static void reads_the_clamp_in_force(void **state)
{
	(void)state;
	assert_int_equal(place_uclamp_effective(root, "1"), 1024); /* no cap that is told */
	tree_put("512\n", "sys/kernel/sched_util_clamp_min");
	assert_int_equal(place_uclamp_effective(root, "1"), 512);
	tree_put("vcpu0 (1, #threads: 3)\nuclamp.min     :    1024\n"
		 "effective uclamp.min                         :                  300\n"
		 "effective uclamp.max                         :                 1024\n",
		 "1/sched");
	assert_int_equal(place_uclamp_effective(root, "1"), 300);
}

/* The calling thread as a vCPU's on CPU first; where it may run is given back. */
static int as_vcpu(const struct vm_opts *o, struct vcpu_placed *placed, struct err *e)
{
	struct cpulist was;
	int ret, first;

	assert_int_equal(cpulist_affinity(&was, 0, e), 0);
	first = cpulist_next(&was, 0);
	ret = place_vcpu(o, 0, first, placed, e);
	if (!ret)
		assert_int_equal(placed->cpu, first);
	assert_int_equal(cpulist_pin(&was, 0, &(struct err){ 0 }), 0);
	return ret;
}

static void asks_for_full_utilization(void **state)
{
	static const struct {
		int code;
		int want; /* the clamp that is told, or -errno */
	} rows[] = {
		{ EOPNOTSUPP, -1 }, { EINVAL, -1 }, { E2BIG, -1 }, { EPERM, -EPERM }, { 0, 1024 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vm_opts o = { .fifo = 0 };
		struct vcpu_placed placed;
		struct err e = { 0 };
		int ret;

		memset(&fake, 0, sizeof(fake));
		fake.clamp_errno = rows[i].code;
		ret = as_vcpu(&o, &placed, &e);
		if (!rows[i].code && place_uclamp_effective("/proc", "thread-self") != 1024) {
			assert_non_null(strstr(e.text, "wanted a utilization clamp of 1024, 0 is"));
			continue; /* a kernel that has clamps, and has not been asked in truth */
		}
		assert_int_equal(ret < 0 ? ret : placed.uclamp_min, rows[i].want);
	}
	/* include/uapi/linux/sched/types.h: the size of version 1; keep all but the least clamp */
	assert_int_equal(fake.attributes[0], 56);
	assert_int_equal(fake.attributes[2], 0x08 | 0x10 | 0x20);
	assert_int_equal(fake.attributes[12], 1024);
}

/* Soon after boot the kernel has no random key yet, without which it tells 0. */
static void waits_until_a_cookie_is_told(void **state)
{
	static const struct {
		unsigned long cookie;
		int untold, want, sleeps;
	} rows[] = {
		{ 7, 1, 0, 0 }, /* ready when its random numbers were */
		{ 7, 41, 0, 40 }, { 7, 100, 0, 99 }, { 7, 101, -EIO, 100 }, { 0, 0, -EIO, 100 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = { 0 };

		memset(&fake, 0, sizeof(fake));
		fake.cookie = rows[i].cookie;
		fake.untold = rows[i].untold;
		assert_int_equal(place_core_sched(&e), rows[i].want);
		assert_int_equal(fake.cookies_made, 1);
		assert_int_equal(fake.waits, 1);
		assert_int_equal(fake.sleeps, rows[i].sleeps);
		assert_int_equal(!rows[i].want, !strstr(e.text, "tells none within 5 s"));
	}
}

static void makes_a_cookie_and_reads_it_back(void **state)
{
	static const struct {
		int code, want;
		const char *why;
	} rows[] = {
		{ 0, 0, "" },
		{ ENODEV, -ENODEV, "no core of this machine has two threads" },
		{ EINVAL, -ENOTSUP, "this kernel has no core scheduling" },
		{ ENOMEM, -ENOMEM, "making a core scheduling cookie failed" },
	};
	struct vm_opts o = { .core_sched = true };
	struct vcpu_placed placed;
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err why = { 0 };

		memset(&fake, 0, sizeof(fake));
		fake.core_errno = rows[i].code;
		fake.cookie = 7;
		assert_int_equal(place_core_sched(&why), rows[i].want);
		assert_non_null(strstr(why.text, rows[i].why));
		assert_int_equal(fake.cookies_made, !rows[i].code);
		assert_int_equal(fake.waits + fake.sleeps, 0);
	}
	memset(&fake, 0, sizeof(fake));
	fake.clamp_errno = EOPNOTSUPP;
	fake.cookie = 0xffff8881;
	assert_int_equal(as_vcpu(&o, &placed, &e), 0);
	assert_int_equal(placed.core_cookie, 0xffff8881);
	fake.cookie = 0;
	assert_int_equal(as_vcpu(&o, &placed, &e), -EIO);
	assert_non_null(strstr(e.text, "a vCPU thread has no cookie"));
}

static void priority_of_each(void **state)
{
	static const struct vm_opts o = { .map.n = 5, .fifo = 1, .fifo_of = { [1] = 5, [3] = 2 } };
	static const int want[] = { 1, 5, 1, 2, 1 };
	struct vm_opts but = o;

	(void)state;
	cpulist_add(&but.ordinary, 1);
	for (int i = 0; i < (int)ARRAY_SIZE(want); i++) {
		assert_int_equal(place_priority(&o, i), want[i]);
		assert_int_equal(place_priority(&but, i), i == 1 ? 0 : want[i]);
	}
	assert_int_equal(place_highest(&o), 5);
	assert_int_equal(place_highest(&but), 2);
	but.map.n = 3; /* what no vCPU has does not count */
	assert_int_equal(place_highest(&but), 1);
	but.map.n = 2;
	cpulist_add(&but.ordinary, 0);
	assert_int_equal(place_highest(&but), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(priority_of_each),
		cmocka_unit_test(judges),
		tree_test(reads_the_clamp_in_force),
		cmocka_unit_test(leaves_an_inherited_realtime_policy),
		cmocka_unit_test(an_ordinary_vcpu_is_that_under_any_policy),
		cmocka_unit_test(asks_for_full_utilization),
		cmocka_unit_test(makes_a_cookie_and_reads_it_back),
		cmocka_unit_test(waits_until_a_cookie_is_told),
	};

	return cmocka_run_group_tests_name("place", tests, NULL, NULL);
}

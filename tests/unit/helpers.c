// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "vmm/helpers.h"

static void knows_names(void **state)
{
	static const struct {
		const char *name;
		bool ours;
	} rows[] = {
		{ "kvm-nx-lpage-recovery-1234", true },
		{ "kvm-pit/1234", true },
		{ "kvm-nx-lpage-re", true }, /* an older kernel's */
		{ "kvm-nx-lpage-recovery-123", false },
		{ "kvm-nx-lpage-recovery-12345", false },
		{ "kvm-nx-lpage-recovery-", false },
		{ "kvm-pit/", false },
		{ "kvm-pit/1234x", false },
		{ "kvm-pit/ 1234", false },
		{ "kvm", false },
		{ "", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(helper_is_ours(rows[i].name, 1234), rows[i].ours);
}

static void *sleeper(void *end)
{
	pthread_setname_np(pthread_self(), "kvm-nx-lpage-re");
	sem_post((sem_t *)end);
	sem_wait((sem_t *)end + 1);
	return NULL;
}

/* A thread that appears in our process, as KVM's does since Linux 6.13. */
static void settles_a_thread_of_our_own(void **state)
{
	struct cpulist all, now, one = { 0 }, none = { 0 };
	const pid_t ordinary[] = { getpid() };
	struct helpers h;
	struct err e = { 0 };
	pthread_t thread;
	sem_t end[2];

	(void)state;
	sem_init(&end[0], 0, 0);
	sem_init(&end[1], 0, 0);
	assert_int_equal(cpulist_affinity(&all, 0, &e), 0);
	cpulist_add(&one, cpulist_next(&all, 0));
	assert_int_equal(pthread_create(&thread, NULL, sleeper, end), 0);
	sem_wait(&end[0]);
	assert_int_equal(helpers_find(&h, ordinary, 1, &e), 0);
	assert_int_equal(h.n, 1);
	assert_string_equal(h.at[0].name, "kvm-nx-lpage-re");
	assert_int_equal(helpers_settle(&h, &one, &none, &e), 0);
	assert_int_equal(cpulist_affinity(&now, h.at[0].tid, &e), 0);
	assert_true(cpulist_equal(&now, &one));
	/* nowhere to go, and on a CPU that it must leave */
	assert_true(helpers_settle(&h, &none, &one, &e) < 0);
	assert_non_null(strstr(e.text, "kvm-nx-lpage-re may run on CPU"));
	err_clear(&e);
	assert_int_equal(helpers_settle(&h, &none, &none, &e), 0); /* harmless where it is */
	sem_post(&end[1]);
	pthread_join(thread, NULL);
	assert_int_equal(helpers_settle(&h, &one, &one, &e), 0); /* gone */
	assert_int_equal(h.at[0].tid, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_names),
		cmocka_unit_test(settles_a_thread_of_our_own),
	};

	return cmocka_run_group_tests_name("helpers", tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/threads.h"

static void stat_lines(void **state)
{
	/* proc_pid_stat(5); a name may hold blanks and parentheses */
	static const char line[] =
		"103 (a ) (b) S 1 103 103 0 -1 4194304 17 0 3 0 5 6 0 0 -96 0 4 0 1000 2 3 4 5 6 7 8 9 "
		"0 0 0 0 0 0 0 -1 2 95 1 0 0 0\n";
	static const char *const bad[] = {
		"",
		"103",
		"103 (a",
		"103 (a)",
		"103 a) b (c S 1",
		"103 (a) S 1 2 3",
		"x (a) S 1 1 1 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 9 10 11 12 1 1 0 0 0 0 0 0 0 0 0 0 17 3 1 1"
	};
	struct thread_stat s;

	(void)state;
	assert_int_equal(thread_stat_parse(line, &s), 0);
	assert_int_equal(s.tid, 103);
	assert_int_equal(s.parent, 1);
	assert_string_equal(s.name, "a ) (b");
	assert_int_equal(s.minor_faults, 17);
	assert_int_equal(s.major_faults, 3);
	assert_int_equal(s.cpu, 2);
	assert_int_equal(s.priority, 95);
	assert_int_equal(s.policy, SCHED_FIFO);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(thread_stat_parse(bad[i], &s), -EINVAL);
}

static void switches(void **state)
{
	uint64_t n;

	(void)state;
	assert_int_equal(thread_switches_parse("voluntary_ctxt_switches:\t5\n"
					       "nonvoluntary_ctxt_switches:\t7\n",
					       &n),
			 0);
	assert_int_equal(n, 7);
	assert_int_equal(thread_switches_parse("Name: x\n", &n), -EINVAL);
}

static void counts_of_a_thread(void **state)
{
	struct thread_counts c;

	(void)state;
	assert_int_equal(thread_counts(getpid(), gettid(), &c), 0);
	assert_true(c.page_faults > 0);
	assert_int_equal(thread_counts(getpid(), 1 << 30, &c), -ESRCH);
}

/* The grandchild tells by its exit code what it is to us. */
static void descent(void **state)
{
	pid_t self = getpid(), child;
	int status;

	(void)state;
	assert_true(process_descends(self, self));
	assert_true(process_descends(self, getppid()));
	assert_false(process_descends(getppid(), self));
	assert_false(process_descends(1 << 30, self));
	child = fork();
	if (!child) {
		pid_t grandchild = fork();

		if (!grandchild)
			_exit(process_descends(getpid(), self) ? 7 : 8);
		waitpid(grandchild, &status, 0);
		_exit(WEXITSTATUS(status));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(WEXITSTATUS(status), 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stat_lines),
		cmocka_unit_test(switches),
		cmocka_unit_test(counts_of_a_thread),
		cmocka_unit_test(descent),
	};

	return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}

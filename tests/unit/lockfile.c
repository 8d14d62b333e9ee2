// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "cyclic/lockfile.h"
#include "lib/cleanup.h"
#include "tests/unit/cpus.h"
#include "tests/unit/tree.h"

static int claim(const char *measured, const char *used, struct err *e)
{
	struct cpulist m = cpus_of(measured), u = cpus_of(used);

	return lockfile_cpus(root, &m, &u, e);
}

/* What each of two campaigns measures, and what CPUs it uses otherwise. */
static const struct {
	const char *a[2], *b[2];
	const char *told; /* NULL: both may run */
} rows[] = {
	{ { "2", "0" }, { "3", "0" }, NULL }, /* both keep house on CPU 0 */
	{ { "2", "" }, { "2", "" }, "CPU 2 is being measured by another campaign, process " },
	{ { "2-3", "0" }, { "4", "3" }, "CPU 3 is being measured by another campaign, process " },
	{ { "4", "1-2" },
	  { "2", "0" },
	  "CPU 2 is used by a load or a guest's vCPU 0 of another campaign, process " },
	/* one phase loads what another one measures: that is measured */
	{ { "2", "0,2" }, { "3", "2" }, "CPU 2 is being measured by another campaign, process " },
};

/* The other campaign: a process that holds its locks as long as the pipe is open. */
static pid_t other(const char *const *cpus, int hold[2])
{
	struct err e = { 0 };
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(hold) | pipe(ready), 0);
	pid = fork();
	if (!pid) {
		close(hold[1]);
		if (claim(cpus[0], cpus[1], &e) < 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		_exit(read(hold[0], &byte, 1) != 0);
	}
	close(hold[0]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static void two_campaigns(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = { 0 };
		int hold[2], status, ret;
		pid_t pid = other(rows[i].a, hold), mine = fork();

		/* in a child, too: what is taken is held until the process ends */
		if (!mine) {
			ret = claim(rows[i].b[0], rows[i].b[1], &e);
			if (ret != (rows[i].told ? -EBUSY : 0) ||
			    (rows[i].told && strncmp(e.text, rows[i].told, strlen(rows[i].told))))
				print_error("row %zu: %d, %s\n", i, ret, e.text);
			else
				_exit(0);
			_exit(1);
		}
		assert_int_equal(waitpid(mine, &status, 0), mine);
		close(hold[1]);
		assert_int_equal(status, 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}

/* Of root and of every user: whoever came first made the file. */
static void for_everybody(void **state)
{
	char path[128];
	struct stat st;
	mode_t was = umask(077);
	struct err e = { 0 };

	(void)state;
	assert_int_equal(claim("77", "", &e), 0);
	umask(was);
	snprintf(path, sizeof(path), "%s/rtkvm-campaign-cpu77.lock", root);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0666);
	assert_true(!strcmp(lockfile_dir(), "/run/lock") || !strcmp(lockfile_dir(), "/tmp"));
}

/* Nobody leads us elsewhere, or lets us wait for a reader. */
static void no_file(void **state)
{
	char path[128];
	struct err e = { 0 };

	(void)state;
	snprintf(path, sizeof(path), "%s/rtkvm-campaign-cpu78.lock", root);
	assert_int_equal(symlink("/tmp/elsewhere", path), 0);
	assert_int_equal(claim("78", "", &e), -ELOOP);
	err_clear(&e);
	snprintf(path, sizeof(path), "%s/rtkvm-campaign-cpu79.lock", root);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(claim("", "79", &e), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		tree_test(two_campaigns),
		tree_test(for_everybody),
		tree_test(no_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

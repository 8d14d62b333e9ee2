// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "tracing/vmclock.h"

#define NONE 0xffff

static const struct {
	const char *what, *text;
	size_t n; /* vCPUs; NONE: an error */
	bool exact, bracketed;
	int tid; /* of vCPU 0 */
	struct clock_range range;
} rows[] = {
	{ "nothing", "", 0, false, false, 0, { 0 } },
	{ "no JSON", "started\n{\n[1]\n\"started\"\n{\"event\":7}\n", 0, false, false, 0, { 0 } },
	{ "another VMM's",
	  "{\"event\":\"started\",\"pid\":1,\"vcpus\":[{\"index\":0,\"tid\":9}]}\n",
	  1,
	  false,
	  false,
	  9,
	  { 0 } },
	{ "behind another line, both told",
	  "{\"event\":\"mark\"}\n"
	  "{\"event\":\"started\",\"vcpus\":[{\"index\":0,\"tid\":9,\"tsc_offset\":0,\"tsc\":[10,15,30]}]}\n",
	  1,
	  true,
	  true,
	  9,
	  { -15, 5 } },
	{ "one of two",
	  "{\"event\":\"started\",\"vcpus\":[{\"index\":1,\"tsc_offset\":0,\"tsc\":[1,2,3]}]}\n",
	  2,
	  false,
	  false,
	  0,
	  { 0 } },
	{ "time runs back",
	  "{\"event\":\"started\",\"vcpus\":[{\"index\":0,\"tsc\":[30,15,10]}]}",
	  1,
	  false,
	  false,
	  0,
	  { 0 } },
	{ "readings days apart",
	  "{\"event\":\"started\",\"vcpus\":[{\"index\":0,\"tsc\":[0,15,9000000000000000000]}]}",
	  1,
	  false,
	  false,
	  0,
	  { 0 } },
	{ "too few readings",
	  "{\"event\":\"started\",\"vcpus\":[{\"index\":0,\"tsc\":[1,2]}]}",
	  1,
	  false,
	  false,
	  0,
	  { 0 } },
	{ "more vCPUs than are followed",
	  "{\"event\":\"started\",\"vcpus\":[{\"index\":256,\"tid\":9}]}",
	  0,
	  false,
	  false,
	  0,
	  { 0 } },
	{ "a vCPU of no number",
	  "{\"event\":\"started\",\"vcpus\":[{\"tid\":9}]}",
	  NONE,
	  false,
	  false,
	  0,
	  { 0 } },
	{ "no thread",
	  "{\"event\":\"started\",\"vcpus\":[{\"index\":0,\"tid\":-9}]}",
	  NONE,
	  false,
	  false,
	  0,
	  { 0 } },
	{ "no list", "{\"event\":\"started\",\"vcpus\":{\"index\":0}}", 0, false, false, 0, { 0 } },
};

static void what_events_tell(void **state)
{
	char path[] = "/tmp/rtkvm-unit-vmclock.XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = { 0 };
		struct vmclocks c;
		int ret;

		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
		assert_int_equal(file_write_all(fd, rows[i].text, strlen(rows[i].text)), 0);
		ret = vmclock_load(&c, path, &e);
		if (ret < 0 || rows[i].n == NONE) {
			print_message("%s: %s\n", rows[i].what, e.text);
			assert_true(ret < 0 && rows[i].n == NONE && strstr(e.text, path));
			continue;
		}
		print_message("%s\n", rows[i].what);
		assert_int_equal(c.n, rows[i].n);
		assert_int_equal(vmclock_exact(&c), rows[i].exact);
		assert_int_equal(vmclock_bracketed(&c), rows[i].bracketed);
		assert_int_equal(c.vcpus[0].tid, rows[i].tid);
		assert_int_equal(c.vcpus[0].range.low, rows[i].range.low);
		assert_int_equal(c.vcpus[0].range.high, rows[i].range.high);
	}
	close(fd);
	unlink(path);
}

static void no_file(void **state)
{
	struct err e = { 0 };
	struct vmclocks c;

	(void)state;
	assert_true(vmclock_load(&c, "/nonexistent/events", &e) < 0);
	assert_non_null(strstr(e.text, "No such file"));
	e = (struct err){ 0 };
	assert_true(vmclock_load(&c, "/proc", &e) < 0);
	assert_non_null(strstr(e.text, "directory"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_events_tell),
		cmocka_unit_test(no_file),
	};

	return cmocka_run_group_tests_name("vmclock", tests, NULL, NULL);
}

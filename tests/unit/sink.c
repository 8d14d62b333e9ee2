// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "vmm/sink.h"

enum { CHUNK = 4096, CHUNKS = 16 };

static const char chunk[CHUNK];

/* How many chunks go in before it refuses, at most 10 times its limit; taken: from the file's start */
static int fill(struct sink *s, bool taken)
{
	struct err e = { 0 };
	int n = 0, ret = 0;

	for (; n < 10 * CHUNKS; n++) {
		ret = sink_write(s, chunk, sizeof(chunk), &e);
		if (ret < 0)
			break;
		if (taken)
			assert_int_equal(fallocate(s->fd,
						   FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
						   (n + 1) * CHUNK),
					 0);
	}
	if (ret < 0) {
		assert_int_equal(ret, -EFBIG);
		assert_string_equal(e.text, "--data: the guest sent more than 65536 bytes");
	}
	return n;
}

static struct sink sink(int fd)
{
	assert_true(fd >= 0);
	return (struct sink){ .fd = fd, .what = "--data", .max = CHUNKS * CHUNK };
}

static void what_is_kept_counts(void **state)
{
	struct sink s = sink(memfd_create("test", 0));

	(void)state;
	assert_int_equal(fill(&s, false), CHUNKS);
	assert_int_equal(lseek(s.fd, 0, SEEK_END), CHUNKS * CHUNK);
	/* half of it is taken: as much may come again, and no more */
	assert_int_equal(
		fallocate(s.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, CHUNKS / 2 * CHUNK),
		0);
	assert_int_equal(fill(&s, false), CHUNKS / 2);
	close(s.fd);
}

static void what_is_taken_does_not(void **state)
{
	struct sink s = sink(memfd_create("test", 0));

	(void)state;
	assert_int_equal(fill(&s, true), 10 * CHUNKS);
	assert_int_equal(lseek(s.fd, 0, SEEK_END), 10 * CHUNKS * CHUNK);
	close(s.fd);
}

static void all_of_a_pipe_counts(void **state)
{
	int fds[2];
	struct sink s;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	s = sink(fds[1]);
	assert_int_equal(fill(&s, false), CHUNKS); /* a pipe holds as much */
	close(fds[0]);
	close(fds[1]);
}

static void no_file_and_no_limit(void **state)
{
	struct sink s = { .fd = -1, .max = CHUNKS * CHUNK, .what = "--data" };

	(void)state;
	assert_int_equal(fill(&s, false), CHUNKS);
	s = (struct sink){ .fd = -1 };
	assert_int_equal(fill(&s, false), 10 * CHUNKS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_kept_counts),
		cmocka_unit_test(what_is_taken_does_not),
		cmocka_unit_test(all_of_a_pipe_counts),
		cmocka_unit_test(no_file_and_no_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

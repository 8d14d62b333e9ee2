// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "results/log.h"

static char dir[] = "/tmp/rtkvm-log-XXXXXX";
static char path[64];

static int make_dir(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/latency.log", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	return rmdir(dir);
}

static int remove_log(void **state)
{
	(void)state;
	unlink(path);
	return 0;
}

static void fill_slice(struct log_slice *s, struct hist *h, int i)
{
	*s = (struct log_slice){
		.instrument = "cyclictest",
		.cpu = i % 3,
		.host_cpu = -1,
		.start_wall_ns = 1790000000000000000ull + i,
		.duration_ns = 10000000000ull,
		.period_ns = 200000,
	};
	log_count(s, LOG_EXPECTED, 50000);
	log_count(s, LOG_STEAL_NS, -5 - i);
	hist_init(h);
	for (int k = 0; k < 100; k++)
		hist_add(h, 1000 + 37 * k * (i + 1));
}

static void write_slices(struct log_writer *w, int from, int to)
{
	struct err e = { 0 };
	struct log_slice s;
	struct hist h;

	for (int i = from; i < to; i++) {
		fill_slice(&s, &h, i);
		assert_int_equal(log_write(w, &s, &h, &e), 0);
	}
}

static void make_log(int slices)
{
	struct err e = { 0 };
	struct log_writer w;

	assert_int_equal(log_create(&w, path, 42, &e), 0);
	write_slices(&w, 0, slices);
	assert_int_equal(log_close(&w, &e), 0);
}

struct tally {
	int slices, marks, closed, damages, tails;
	uint64_t damaged_bytes;
};

/* Every slice that is read must be one that was written. */
static struct tally read_log(void)
{
	struct tally t = { 0 };
	struct log_reader r;
	struct err e = { 0 };
	struct log_slice s;
	struct hist h;
	int ret;

	assert_int_equal(log_open(&r, path, &e), 0);
	while ((ret = log_next(&r, &e)) > 0) {
		if (ret == LOG_SLICE) {
			fill_slice(&s, &h, r.slice.start_wall_ns - 1790000000000000000ull);
			assert_memory_equal(&r.slice, &s, sizeof(s));
			assert_memory_equal(&r.hist, &h, sizeof(h));
			t.slices++;
		}
		t.marks += ret == LOG_MARK;
		t.closed += ret == LOG_CLOSED;
		t.damages += ret == LOG_DAMAGE;
		t.tails += ret == LOG_DAMAGE && r.damage_tail;
		t.damaged_bytes += ret == LOG_DAMAGE ? r.damage_bytes : 0;
	}
	assert_int_equal(ret, 0);
	log_reader_close(&r);
	return t;
}

static off_t log_bytes(void)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

static void round_trip(void **state)
{
	struct tally t;

	(void)state;
	make_log(6000); /* past the reader's buffer */
	assert_true(log_bytes() > 1 << 20);
	t = read_log();
	assert_int_equal(t.slices, 6000);
	assert_int_equal(t.closed, 1);
	assert_int_equal(t.damages, 0);
}

static void extreme_histogram_round_trip(void **state)
{
	static struct hist h;
	struct log_slice s = { .instrument = "x", .cpu = -1, .host_cpu = -1, .known = 0 };
	struct log_writer w;
	struct log_reader r;
	struct err e = { 0 };

	(void)state;
	hist_init(&h);
	for (unsigned int i = 0; i < HIST_BINS; i++) /* the largest record there can be */
		hist_add_n(&h, hist_low(i), (UINT64_MAX >> 13) + i);
	hist_add_over(&h, 5, 9);
	h.resolution_ns = 1000;
	assert_int_equal(log_create(&w, path, 0, &e), 0);
	assert_int_equal(log_write(&w, &s, &h, &e), 0);
	assert_int_equal(log_mark(&w, 17, 2, "load start", &e), 0);
	assert_int_equal(log_close(&w, &e), 0);
	assert_int_equal(log_open(&r, path, &e), 0);
	assert_int_equal(log_next(&r, &e), LOG_SLICE);
	assert_memory_equal(&r.hist, &h, sizeof(h));
	assert_int_equal(log_next(&r, &e), LOG_MARK);
	assert_string_equal(r.mark, "load start");
	assert_int_equal(r.mark_cpu, 2);
	assert_int_equal(log_next(&r, &e), LOG_CLOSED);
	assert_int_equal(log_next(&r, &e), LOG_END_OF_FILE);
	log_reader_close(&r);
}

/* A log cut anywhere keeps every slice before the cut, and the rest is reported. */
static void cut_at_every_byte(void **state)
{
	off_t whole;
	int last = 5;

	(void)state;
	make_log(5);
	whole = log_bytes();
	for (off_t size = whole - 1; size >= 0; size -= 3) {
		struct tally t;

		assert_int_equal(truncate(path, size), 0);
		t = read_log();
		assert_true(t.slices == last || t.slices == last - 1);
		last = t.slices;
		assert_true(t.damages <= 1 && t.tails == t.damages);
	}
	assert_int_equal(last, 0);
}

static void flip(off_t at)
{
	_cleanup_close_ int fd = open(path, O_RDWR);
	unsigned char b;

	assert_int_equal(pread(fd, &b, 1, at), 1);
	b ^= 0x41;
	assert_int_equal(pwrite(fd, &b, 1, at), 1);
}

/* A flipped byte costs the record it is in and no other. */
static void flip_every_byte(void **state)
{
	off_t whole;

	(void)state;
	make_log(6);
	whole = log_bytes();
	for (off_t at = 0; at < whole; at++) {
		struct tally t;

		flip(at);
		t = read_log();
		assert_int_equal(t.damages, 1);
		assert_int_equal(t.slices + t.closed, 6);
		flip(at);
	}
}

static void appending_after_a_torn_tail(void **state)
{
	struct log_writer w;
	struct err e = { 0 };
	struct tally t;

	(void)state;
	make_log(10);
	assert_int_equal(truncate(path, log_bytes() - 60),
			 0); /* the end record and some of the last */
	assert_int_equal(log_append(&w, path, &e), 0);
	assert_int_equal(w.campaign, 42);
	assert_int_equal(w.sequence, 9);
	write_slices(&w, 9, 12);
	assert_int_equal(log_close(&w, &e), 0);
	t = read_log();
	assert_int_equal(t.slices, 12);
	assert_int_equal(t.damages, 1);
	assert_int_equal(t.tails, 0);
}

static void newer_version_is_refused_by_name(void **state)
{
	/* A whole record of version 3 with an empty payload; CRC made by crc32() of Python's zlib. */
	static const unsigned char v3[] = {
		'R', 'T', 'K',	'V',  'M',  'L',  'O', 'G', 3, 0, 1, 0, 0, 0,
		0,   0,	  0x41, 0xc6, 0x0b, 0xf1, 0,   0,   0, 0, 1, 0, 0, 0,
		0,   0,	  0,	0,    0,    0,	  0,   0,   0, 0, 0, 0,
	};
	struct log_reader r;
	struct err e = { 0 };
	FILE *f = fopen(path, "w");

	(void)state;
	assert_int_equal(fwrite(v3, 1, sizeof(v3), f), sizeof(v3));
	fclose(f);
	assert_int_equal(log_open(&r, path, &e), 0);
	assert_int_equal(log_next(&r, &e), -EPROTONOSUPPORT);
	assert_non_null(strstr(e.text, path));
	assert_non_null(strstr(e.text, "byte 0 is of version 3"));
	log_reader_close(&r);
}

/* tests/fixtures/latencylog/version-1.log was written by the last rtkvm that wrote that version. */
static void version_1_is_read(void **state)
{
	char bytes[4096];
	FILE *in = fopen("tests/fixtures/latencylog/version-1.log", "r"), *out = fopen(path, "w");
	size_t n;
	struct tally t;

	(void)state;
	assert_non_null(in);
	n = fread(bytes, 1, sizeof(bytes), in);
	assert_int_equal(fwrite(bytes, 1, n, out), n);
	fclose(in);
	fclose(out);
	t = read_log();
	assert_int_equal(t.slices, 3);
	assert_int_equal(t.closed, 1);
	assert_int_equal(t.damages, 0);
}

/* Whatever fits the fields comes back, at both ends of each. */
static void extremes_survive_packing(void **state)
{
	static const uint64_t ends[] = { 0, 1, INT64_MAX, UINT64_MAX };
	struct log_writer w;
	struct log_reader r;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(log_create(&w, path, 42, &e), 0);
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		uint64_t v = ends[i];
		struct log_slice s = { .instrument = "sample",
				       .cpu = v & INT32_MAX,
				       .host_cpu = -1,
				       .start_wall_ns = v,
				       .start_mono_ns = v,
				       .duration_ns = v,
				       .period_ns = v,
				       .max_wall_ns = ~v };
		struct hist h;

		for (int c = 0; c < LOG_COUNTERS; c++)
			log_count(&s, c, c % 2 ? (int64_t)v : -(int64_t)v);
		hist_init(&h);
		hist_add_n(&h, v, 3);
		assert_int_equal(log_write(&w, &s, &h, &e), 0);
	}
	assert_int_equal(log_close(&w, &e), 0);
	assert_int_equal(log_open(&r, path, &e), 0);
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		uint64_t v = ends[i];

		assert_int_equal(log_next(&r, &e), LOG_SLICE);
		assert_int_equal(r.slice.cpu, v & INT32_MAX);
		assert_int_equal(r.slice.host_cpu, -1);
		assert_true(r.slice.start_wall_ns == v && r.slice.start_mono_ns == v);
		assert_true(r.slice.duration_ns == v && r.slice.period_ns == v);
		assert_true(r.slice.max_wall_ns == ~v);
		for (int c = 0; c < LOG_COUNTERS; c++)
			assert_true(log_known(&r.slice, c) &&
				    r.slice.counters[c] == (c % 2 ? (int64_t)v : -(int64_t)v));
		assert_true(r.hist.count == 3 && r.hist.max_ns == v && r.hist.min_ns == v);
		assert_true(r.hist.sum_ns == (unsigned __int128)v * 3);
	}
	log_reader_close(&r);
}

static void an_existing_log_is_not_overwritten(void **state)
{
	struct log_writer w;
	struct err e = { 0 };

	(void)state;
	make_log(1);
	assert_int_equal(log_create(&w, path, 0, &e), -EEXIST);
	assert_int_equal(log_close(&w, &e), 0); /* accepted */
	assert_int_equal(read_log().slices, 1);
}

/* A writer that counts in shared memory what it has finished, until it is killed. */
static void endless_writer(volatile int *done)
{
	struct log_writer w;
	struct err e = { 0 };
	struct log_slice s;
	struct hist h;

	if (log_create(&w, path, 0, &e))
		_exit(1);
	for (int i = 0;; i++) {
		fill_slice(&s, &h, i);
		if (log_write(&w, &s, &h, &e))
			_exit(1);
		*done = i + 1;
	}
}

static void killed_at_200_random_moments(void **state)
{
	volatile int *done = mmap(NULL, sizeof(*done), PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned int seed = 1;

	(void)state;
	assert_ptr_not_equal(done, MAP_FAILED);
	for (int round = 0; round < 200; round++) {
		struct tally t;
		pid_t pid;

		*done = 0;
		pid = fork();
		if (!pid)
			endless_writer(done);
		while (!*done)
			usleep(50);
		usleep(rand_r(&seed) % 3000);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		t = read_log();
		assert_true(t.slices >= *done); /* what was finished is there */
		assert_true(t.damages <= 1 && t.tails == t.damages);
		unlink(path);
	}
	munmap((void *)done, sizeof(*done));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(round_trip, remove_log),
		cmocka_unit_test_teardown(extreme_histogram_round_trip, remove_log),
		cmocka_unit_test_teardown(cut_at_every_byte, remove_log),
		cmocka_unit_test_teardown(flip_every_byte, remove_log),
		cmocka_unit_test_teardown(appending_after_a_torn_tail, remove_log),
		cmocka_unit_test_teardown(newer_version_is_refused_by_name, remove_log),
		cmocka_unit_test_teardown(version_1_is_read, remove_log),
		cmocka_unit_test_teardown(extremes_survive_packing, remove_log),
		cmocka_unit_test_teardown(an_existing_log_is_not_overwritten, remove_log),
		cmocka_unit_test_teardown(killed_at_200_random_moments, remove_log),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}

// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include <zlib.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "tests/gen/ring.h"
#include "tracing/datwrite.h"
#include "tracing/feed.h"

static const char format[] = "name: ping\nID: 7\nformat:\n"
			     "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
			     "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n"
			     "\nprint fmt: \"ping\"\n";

/* per_cpu/cpuN/stats of two CPUs, one behind the other */
#define STATS                                                                                       \
	"entries: 9\noverrun: 10\ncommit overrun: 1\nbytes: 8\ndropped events: 2\nread events: 0\n" \
	"entries: 9\noverrun: 20\ncommit overrun: 0\nbytes: 8\ndropped events: 4\nread events: 0\n"

/* A page with one event of type 7 at a time. */
static void make_page(uint8_t page[static 4096], uint64_t ts)
{
	uint64_t commit = 12;
	uint32_t head = 2;
	uint16_t type = 7;

	memset(page, 0, 4096);
	memcpy(page, &ts, 8);
	memcpy(page + 8, &commit, 8);
	memcpy(page + 16, &head, 4);
	memcpy(page + 20, &type, 2);
}

static int walk(const struct dat *d, uint64_t want_ts[], size_t n, struct err *e)
{
	const struct event *ev;
	struct feed_file file;
	struct merge m;
	size_t i = 0;
	int ret = feed_file_init(&file, d, e);

	if (!ret) {
		file.want[7] = 1;
		ret = merge_open(&m, &file, 1, 1 << 16, e);
	}
	while (!ret && (ret = merge_next(&m, &ev, e)) > 0) {
		assert_true(i < n);
		assert_true(ev->ts == want_ts[i]);
		i++;
		ret = 0;
	}
	if (!e->code) {
		assert_int_equal(i, n);
		merge_close(&m);
	}
	feed_file_free(&file);
	return ret;
}

static void what_is_written_is_read(void **state)
{
	static const struct datw_vcpu vcpus[] = { { 0, 1234 }, { 1, 1235 } };
	static const char *const stats[] = {
		"CPU: 0\noverrun: 12\ncommit overrun: 5\ndropped events: 3\n",
		"CPU: 1\noverrun: 4\n"
	};
	const struct datw_format f = { "test", { format, sizeof(format) - 1 } };
	char path[] = "/tmp/rtkvm-unit-dat.XXXXXX", page_text[1024];
	struct datw_head h = { .page_bytes = 4096,
			       .header_page = { page_text, gen_header_page(page_text, 1024) },
			       .formats = &f,
			       .n_formats = 1,
			       .cmdlines = { "1 init\n", 7 },
			       .n_cpus = 2,
			       .clock = "x86-tsc",
			       .trace_id = 99,
			       .tsc_mult = 77,
			       .tsc_shift = 31,
			       .shifted = true,
			       .peer_id = 98,
			       .offset = -5,
			       .ratio = 3,
			       .frac = 1,
			       .guest = "g",
			       .guest_id = 97,
			       .vcpus = vcpus,
			       .n_vcpus = 2,
			       .stats = stats };
	uint64_t ts[] = { 100, 200, 300 };
	struct err e = { 0 };
	uint8_t page[4096];
	struct datw w;
	struct dat d;
	char *text;

	(void)state;
	close(mkstemp(path));
	assert_int_equal(datw_open(&w, path, &h, &e), 0);
	assert_int_equal(datw_cpu(&w, 1, &e), 0);
	make_page(page, 200);
	assert_int_equal(datw_pages(&w, page, 4096, &e), 0);
	assert_int_equal(datw_cpu(&w, 0, &e), 0);
	make_page(page, 100);
	assert_int_equal(datw_pages(&w, page, 4096, &e), 0);
	make_page(page, 300);
	assert_int_equal(datw_pages(&w, page, 4096, &e), 0);
	assert_int_equal(datw_cpu(&w, 1, &(struct err){ 0 }), -EINVAL);
	assert_int_equal(datw_close(&w, true, &e), 0);

	assert_int_equal(dat_open(&d, path, &e), 0);
	assert_int_equal(d.version, 6);
	assert_string_equal(d.clock, "x86-tsc");
	assert_int_equal(d.trace_id, 99);
	assert_int_equal(d.peer_id, 98);
	assert_int_equal(d.tsc_mult, 77);
	assert_int_equal(d.overwritten, 16);
	assert_int_equal(d.dropped, 8);
	assert_int_equal(d.n_shifts, 2);
	assert_int_equal(d.shifts[1].offset, -5);
	assert_int_equal(d.shifts[1].ratio, 3);
	assert_int_equal(d.shifts[1].frac, 1);
	assert_int_equal(d.n_guests, 1);
	assert_int_equal(d.guests[0].vcpus[1].tid, 1235);
	assert_non_null(dat_format(&d, "test", "ping"));
	assert_null(dat_format(&d, "other", "ping"));
	assert_int_equal(dat_text(&d, &d.cmdlines, &text, &e), 0);
	assert_string_equal(text, "1 init\n");
	free(text);
	assert_int_equal(walk(&d, ts, 3, &e), 0);
	dat_close(&d);
	unlink(path);
}

/* Two CPUs of two pages, before each of which events are missing; dir: a template of mkdtemp. */
static void make_raw_dir(char *dir)
{
	char path[96], text[1024];
	uint8_t page[4096];
	struct err e = { 0 };

	assert_non_null(mkdtemp(dir));
	gen_header_page(text, sizeof(text));
	snprintf(path, sizeof(path), "%s/header_page", dir);
	assert_int_equal(file_replace(path, text, strlen(text), &e), 0);
	snprintf(path, sizeof(path), "%s/clock", dir);
	assert_int_equal(file_replace(path, "x86-tsc\n", 8, &e), 0);
	snprintf(path, sizeof(path), "%s/stats", dir);
	assert_int_equal(file_replace(path, STATS, strlen(STATS), &e), 0);
	snprintf(text, sizeof(text), "# test/ping\n%s", format);
	snprintf(path, sizeof(path), "%s/formats", dir);
	assert_int_equal(file_replace(path, text, strlen(text), &e), 0);
	for (unsigned int cpu = 0; cpu < 2; cpu++) {
		snprintf(path, sizeof(path), "%s/cpu%u", dir, cpu);
		FILE *f = fopen(path, "w");

		for (uint64_t i = 0, lost = 1000000; i < 2; i++, lost = 42) {
			make_page(page, 100 + 100 * i + cpu);
			page[11] |=
				0xc0; /* bits 31 and 30 of commit: events are missing, so many */
			memcpy(page + 16 + 12, &lost, 8);
			fwrite(page, 1, sizeof(page), f);
		}
		fclose(f);
	}
}

/* A ring overwrites its oldest: what is missing before its first page is before the trace begins. */
static void first_pages_loss(void **state)
{
	char dir[] = "/tmp/rtkvm-unit-dat.XXXXXX";
	const struct event *ev;
	struct feed_file file;
	struct merge m;
	struct err e = { 0 };
	struct dat d;

	(void)state;
	make_raw_dir(dir);
	assert_int_equal(dat_open(&d, dir, &e), 0);
	assert_int_equal(d.overwritten, 30);
	assert_int_equal(d.dropped, 7);
	assert_int_equal(feed_file_init(&file, &d, &e), 0);
	file.want[7] = 1;
	assert_int_equal(merge_open(&m, &file, 1, 1 << 16, &e), 0);
	while (merge_next(&m, &ev, &e) > 0)
		;
	assert_int_equal(e.code, 0);
	assert_int_equal(m.lost, 2 * 42);
	assert_int_equal(m.begun_late, 2);
	merge_close(&m);
	feed_file_free(&file);
	dat_close(&d);
	assert_int_equal(file_remove_tree(dir, &e), 0);
}

/* Who made the directory may have put there what would be waited for. */
static void a_fifo_is_refused(void **state)
{
	static const char *const names[] = { "header_page", "clock", "formats", "stats", "cpu1" };
	char path[96];

	(void)state;
	alarm(20);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char dir[] = "/tmp/rtkvm-unit-dat.XXXXXX";
		struct err e = { 0 };
		struct dat d;

		make_raw_dir(dir);
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		assert_int_equal(unlink(path), 0);
		assert_int_equal(mkfifo(path, 0600), 0);
		assert_true(dat_open(&d, dir, &e) < 0);
		if (!strstr(e.text, path) || !strstr(e.text, "not a regular file"))
			fail_msg("%s: %s", names[i], e.text);
		dat_close(&d);
		err_clear(&e);
		assert_true(dat_open(&d, path, &e) < 0); /* named itself */
		assert_int_equal(file_remove_tree(dir, &e), 0);
	}
	alarm(0);
}

/* --- a version 7 file, compressed by zlib, by hand: trace-cmd of Debian 12 cannot write one --- */

struct out {
	uint8_t b[65536];
	size_t n;
};

static void put(struct out *o, const void *p, size_t n)
{
	memcpy(o->b + o->n, p, n);
	o->n += n;
}

static void put_n(struct out *o, uint64_t v, size_t n)
{
	put(o, &v, n);
}

static void put_packed(struct out *o, const struct out *content)
{
	uint8_t buf[70000];
	uLongf len = sizeof(buf);

	assert_int_equal(compress(buf, &len, content->b, content->n), Z_OK);
	put_n(o, len, 4);
	put_n(o, content->n, 4);
	put(o, buf, len);
}

static uint64_t put_section(struct out *o, uint16_t id, const struct out *content)
{
	uint64_t at = o->n;
	size_t size;

	put_n(o, id, 2);
	put_n(o, 1, 2);
	put_n(o, 0, 4);
	put_n(o, 0, 8);
	size = o->n;
	put_packed(o, content);
	size = o->n - size;
	memcpy(o->b + at + 8, &size, 8);
	return at;
}

static void put_option(struct out *o, uint16_t id, uint64_t v)
{
	put_n(o, id, 2);
	put_n(o, 8, 4);
	put_n(o, v, 8);
}

static void make_v7(struct out *o)
{
	static struct out head, formats, options, pages;
	char text[1024];
	size_t n = gen_header_page(text, sizeof(text));
	uint64_t head_at, formats_at, buffer_at, data_at, data_bytes, options_at;
	uint8_t page[4096];

	head.n = formats.n = options.n = pages.n = o->n = 0;
	put(o, "\x17\x08\x44tracing7\0\0\x08", 14);
	put_n(o, 4096, 4);
	put(o, "zlib\0001.2\0", 9);
	options_at = o->n;
	put_n(o, 0, 8);
	put(&head, "header_page", 12);
	put_n(&head, n, 8);
	put(&head, text, n);
	put(&head, "header_event", 13);
	put_n(&head, 0, 8);
	head_at = put_section(o, 16, &head);
	put_n(&formats, 1, 4);
	put(&formats, "test", 5);
	put_n(&formats, 1, 4);
	put_n(&formats, sizeof(format) - 1, 8);
	put(&formats, format, sizeof(format) - 1);
	formats_at = put_section(o, 18, &formats);
	buffer_at = o->n;
	put_n(o, 3, 2);
	put_n(o, 1, 2);
	put_n(o, 0, 4);
	put_n(o, 0, 8);
	data_at = o->n;
	put_n(o, 2, 4); /* chunks */
	for (int i = 0; i < 2; i++) {
		pages.n = 0;
		make_page(page, 100 + i);
		put(&pages, page, 4096);
		put_packed(o, &pages);
	}
	data_bytes = o->n - data_at;
	put_option(&options, 16, head_at);
	put_option(&options, 18, formats_at);
	put_n(&options, 3, 2);
	put_n(&options, 8 + 1 + 5 + 4 + 4 + 20, 4);
	put_n(&options, buffer_at, 8);
	put(&options, "", 1);
	put(&options, "mono", 5);
	put_n(&options, 4096, 4);
	put_n(&options, 1, 4);
	put_n(&options, 5, 4); /* CPU */
	put_n(&options, data_at, 8);
	put_n(&options, data_bytes, 8);
	put_option(&options, 999, 1); /* a later version's */
	put_option(&options, 0, 0);
	head_at = put_section(o, 0, &options);
	memcpy(o->b + options_at, &head_at, 8);
}

static int memory_file(const struct out *o, size_t n)
{
	int fd = memfd_create("dat", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(file_write_all(fd, o->b, n), 0);
	return fd;
}

static void version_7_by_zlib(void **state)
{
	uint64_t ts[] = { 100, 101 };
	static struct out o;
	struct err e = { 0 };
	struct dat d;

	(void)state;
	make_v7(&o);
	assert_int_equal(dat_open_fd(&d, memory_file(&o, o.n), "v7", &e), 0);
	assert_int_equal(d.version, 7);
	assert_int_equal(d.codec, DAT_ZLIB);
	assert_string_equal(d.clock, "mono");
	assert_int_equal(d.n_cpus, 1);
	assert_int_equal(d.cpus[0].cpu, 5);
	assert_int_equal(walk(&d, ts, 2, &e), 0);
	dat_close(&d);
	/* cut anywhere: an error that names the file, or (behind the data) nothing missing */
	for (size_t n = 0; n < o.n; n += 7) {
		err_clear(&e);
		assert_true(dat_open_fd(&d, memory_file(&o, n), "cut.dat", &e) < 0);
		assert_non_null(strstr(e.text, "cut.dat"));
		dat_close(&d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(first_pages_loss),
		cmocka_unit_test(a_fifo_is_refused),
		cmocka_unit_test(version_7_by_zlib),
	};

	return cmocka_run_group_tests_name("dat", tests, NULL, NULL);
}

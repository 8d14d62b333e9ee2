// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <zlib.h>

#include "lib/frames.h"
#include "lib/cleanup.h"

struct stream {
	uint8_t bytes[65536];
	size_t len;
};

/* One frame as the guest's init builds it; bad flips a bit of the checksum. */
static void put(struct stream *s, const char *name, const void *data, uint64_t length, int bad)
{
	struct abi_frame head = { .magic = ABI_FRAME_MAGIC, .length = length };
	size_t n = name[0] ? length : 0;
	uLong crc;

	memcpy(head.name, name, strnlen(name, sizeof(head.name)));
	crc = crc32(crc32(0, NULL, 0), (const Bytef *)&head, sizeof(head));
	if (n)
		crc = crc32(crc, data, n);
	head.crc = crc ^ bad;
	assert_true(s->len + sizeof(head) + n <= sizeof(s->bytes));
	memcpy(s->bytes + s->len, &head, sizeof(head));
	s->len += sizeof(head);
	if (n)
		memcpy(s->bytes + s->len, data, n);
	s->len += n;
}

static void whole(void **state)
{
	static struct stream s;
	struct err e = { 0 };
	struct frames f;

	(void)state;
	put(&s, "cyclictest.json", "{}", 2, 0);
	put(&s, "empty", "", 0, 0);
	put(&s, "", NULL, 2, 0);
	assert_int_equal(frames_parse(&f, s.bytes, s.len, &e), 0);
	assert_int_equal(f.n, 2);
	assert_int_equal(frames_find(&f, "cyclictest.json")->len, 2);
	assert_memory_equal(frames_find(&f, "cyclictest.json")->data, "{}", 2);
	assert_int_equal(frames_find(&f, "empty")->len, 0);
	assert_null(frames_find(&f, "other"));
	frames_free(&f);
}

/* Cut anywhere, a stream is incomplete: there is no prefix that passes. */
static void cut(void **state)
{
	static struct stream s;

	(void)state;
	put(&s, "a", "12345", 5, 0);
	put(&s, "b", "67", 2, 0);
	put(&s, "", NULL, 2, 0);
	for (size_t len = 0; len < s.len; len++) {
		struct err e = { 0 };
		struct frames f;

		assert_int_equal(frames_parse(&f, s.bytes, len, &e), -EPROTO);
		if (!strstr(e.text, "incomplete") && !strstr(e.text, "sent no data"))
			fail_msg("cut at %zu: %s", len, e.text);
	}
}

/* Any one bit flipped is noticed. */
static void flipped(void **state)
{
	static struct stream s;

	(void)state;
	put(&s, "a", "12345", 5, 0);
	put(&s, "", NULL, 1, 0);
	for (size_t bit = 0; bit < s.len * 8; bit++) {
		struct err e = { 0 };
		struct frames f;

		s.bytes[bit / 8] ^= 1u << bit % 8;
		assert_int_equal(frames_parse(&f, s.bytes, s.len, &e), -EPROTO);
		s.bytes[bit / 8] ^= 1u << bit % 8;
	}
}

static void hostile(void **state)
{
	static const struct {
		const char *name;
		uint64_t length;
		int bad;
		const char *why;
	} rows[] = {
		{ "../etc/passwd", 2, 0, "no frame header" },
		{ "a/b", 2, 0, "no frame header" },
		{ "..", 2, 0, "no frame header" },
		{ ".hidden", 2, 0, "no frame header" },
		{ "-rf", 2, 0, "no frame header" },
		{ "a b", 2, 0, "no frame header" },
		{ "new\nline", 2, 0, "no frame header" },
		{ "012345678901234567890123456789012345678901234567", 2, 0, "no frame header" },
		{ "x", 2, 1, "checksum of x" },
		{ "", 0, 1, "checksum of the end frame" },
		{ "", 7, 0, "7 files were sent, 1 came" },
		{ "", UINT64_MAX, 0, "files were sent" },
		{ "first", 2, 0, "two files named first" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		static struct stream s;
		struct err e = { 0 };
		struct frames f;

		s.len = 0;
		put(&s, "first", "ab", 2, 0);
		put(&s, rows[i].name, "ab", rows[i].length, rows[i].bad);
		put(&s, "", NULL, 2, 0);
		assert_int_equal(frames_parse(&f, s.bytes, s.len, &e), -EPROTO);
		if (!strstr(e.text, rows[i].why))
			fail_msg("row %zu: %s", i, e.text);
	}
}

/* Lengths that are not there, with a checksum nobody can have computed over them. */
static void lengths(void **state)
{
	static const struct {
		uint64_t length;
		const char *why;
	} rows[] = {
		{ 3, "ends after 2 of 3 bytes of x" },
		{ ABI_FRAME_MAX_BYTES, "ends after 2 of" },
		{ ABI_FRAME_MAX_BYTES + 1ull, "too long" },
		{ UINT64_MAX, "too long" },
		{ UINT64_MAX - 63, "too long" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct abi_frame head = { .magic = ABI_FRAME_MAGIC,
					  .length = rows[i].length,
					  .name = "x" };
		uint8_t bytes[sizeof(head) + 2] = { 0 };
		struct err e = { 0 };
		struct frames f;

		memcpy(bytes, &head, sizeof(head));
		assert_int_equal(frames_parse(&f, bytes, sizeof(bytes), &e), -EPROTO);
		if (!strstr(e.text, rows[i].why))
			fail_msg("row %zu: %s", i, e.text);
	}
}

static void many(void **state)
{
	static struct stream s;
	struct err e = { 0 };
	struct frames f;

	(void)state;
	for (int i = 0; i <= FRAMES_FILES; i++) {
		char name[16];

		snprintf(name, sizeof(name), "f%d", i);
		put(&s, name, "", 0, 0);
	}
	assert_int_equal(frames_parse(&f, s.bytes, s.len, &e), -EPROTO);
	assert_non_null(strstr(e.text, "more than"));
}

/* Pieces come before all files, any number of one name, and are not counted. */
static void pieces(void **state)
{
	static struct stream s;
	struct frame_file piece;
	struct err e = { 0 };
	struct frames f;
	size_t first, all;
	ssize_t n;

	(void)state;
	put(&s, "+log", "abc", 3, 0);
	first = s.len;
	put(&s, "+log", "de", 2, 0);
	all = s.len;
	put(&s, "x", "file", 4, 0);
	put(&s, "", "", 1, 0);
	for (size_t len = 0; len < first; len++)
		assert_int_equal(frames_piece(&piece, s.bytes, len, &e), 0);
	n = frames_piece(&piece, s.bytes, first, &e);
	assert_int_equal(n, first);
	assert_string_equal(piece.name, "log");
	assert_int_equal(piece.len, 3);
	assert_memory_equal(piece.data, "abc", 3);
	assert_int_equal(frames_piece(&piece, s.bytes + n, s.len - n, &e), all - first);
	assert_int_equal(frames_piece(&piece, s.bytes + all, s.len - all, &e), 0);
	assert_int_equal(frames_parse(&f, s.bytes + all, s.len - all, &e), 0);
	assert_int_equal(f.n, 1);
	frames_free(&f);
	assert_int_equal(frames_parse(&f, s.bytes, s.len, &e), -EPROTO); /* a piece is no file */
	err_clear(&e);
	s.bytes[sizeof(struct abi_frame)] ^= 1;
	assert_int_equal(frames_piece(&piece, s.bytes, first, &e), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole),   cmocka_unit_test(cut),     cmocka_unit_test(flipped),
		cmocka_unit_test(hostile), cmocka_unit_test(lengths), cmocka_unit_test(many),
		cmocka_unit_test(pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

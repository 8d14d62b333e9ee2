// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "tracing/format.h"

static const char sched_switch[] =
	"name: sched_switch\nID: 316\nformat:\n"
	"\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
	"\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n"
	"\tfield:unsigned char common_preempt_lazy_count;\toffset:8;\tsize:1;\tsigned:0;\n\n"
	"\tfield:char prev_comm[16];\toffset:12;\tsize:16;\tsigned:0;\n"
	"\tfield:pid_t prev_pid;\toffset:28;\tsize:4;\tsigned:1;\n"
	"\tfield:void * hrtimer;\toffset:32;\tsize:8;\tsigned:0;\n"
	"\tfield:__data_loc char[] name;\toffset:40;\tsize:4;\tsigned:0;\n"
	"\nprint fmt: \"field:int bogus;\"\n";

static void fields_by_name(void **state)
{
	static const struct {
		const char *name;
		struct field want;
	} rows[] = {
		{ "common_type", { 0, 2, false } },
		{ "common_pid", { 4, 4, true } },
		{ "prev_comm", { 12, 16, false } },
		{ "prev_pid", { 28, 4, true } },
		{ "hrtimer", { 32, 8, false } },
		{ "name", { 40, 4, false } },
		{ "pid", { 0 } },
		{ "comm", { 0 } },
		{ "", { 0 } },
		{ "bogus", { 0 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct field f;
		bool found = format_field(sched_switch, strlen(sched_switch), rows[i].name, &f);

		assert_int_equal(found, rows[i].want.bytes != 0);
		assert_int_equal(f.offset, rows[i].want.offset);
		assert_int_equal(f.bytes, rows[i].want.bytes);
		assert_int_equal(f.is_signed, rows[i].want.is_signed);
	}
}

static void name_and_number(void **state)
{
	static const struct {
		const char *text, *name;
		int id; /* -1: no format */
	} rows[] = {
		{ sched_switch, "sched_switch", 316 },
		{ "name: x\nID: 65535\n", "x", 65535 },
		{ "name: x\nID: 65536\n", NULL, -1 },
		{ "name: x\nID: \n", NULL, -1 },
		{ "ID: 3\nname: x\n", NULL, -1 },
		{ "name: \nID: 3\n", NULL, -1 },
		{ "", NULL, -1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char name[FORMAT_NAME_BYTES];
		uint16_t id;
		bool ok = format_id(rows[i].text, strlen(rows[i].text), name, &id);

		assert_int_equal(ok, rows[i].id >= 0);
		if (!ok)
			continue;
		assert_string_equal(name, rows[i].name);
		assert_int_equal(id, rows[i].id);
	}
}

static void values(void **state)
{
	static const uint8_t rec[] = { 0xff, 0xfe, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0, 0, 0, 0x80 };

	(void)state;
	assert_int_equal(field_get(rec, (struct field){ 0, 1, false }), 0xff);
	assert_int_equal((int64_t)field_get(rec, (struct field){ 0, 1, true }), -1);
	assert_int_equal((int64_t)field_get(rec, (struct field){ 1, 2, true }), -2);
	assert_int_equal(field_get(rec, (struct field){ 1, 4, false }), 0xfffffffe);
	assert_int_equal((int64_t)field_get(rec, (struct field){ 1, 4, true }), -2);
	assert_true(field_get(rec, (struct field){ 5, 8, false }) == 0x8000000000000001);
	assert_int_equal(field_get(rec, (struct field){ 0 }), 0);
}

static void page_heads(void **state)
{
	static const struct {
		const char *text;
		uint32_t data; /* 0: refused */
	} rows[] = {
		{ "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n"
		  "\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n"
		  "\tfield: char data;\toffset:16;\tsize:4080;\tsigned:0;\n",
		  16 },
		{ "\tfield: local_t commit;\toffset:8;\tsize:4;\n"
		  "\tfield: char data;\toffset:12;\tsize:65524;\n",
		  12 },
		{ "\tfield: local_t commit;\toffset:8;\tsize:8;\n", 0 },
		{ "\tfield: local_t commit;\toffset:9;\tsize:8;\n"
		  "\tfield: char data;\toffset:17;\tsize:4080;\n",
		  0 },
		{ "\tfield: local_t commit;\toffset:8;\tsize:8;\n"
		  "\tfield: char data;\toffset:16;\tsize:8;\n",
		  0 },
		{ "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct page_head h;
		struct err e = { 0 };
		int ret = format_page_head(rows[i].text, strlen(rows[i].text), &h, &e);

		assert_int_equal(ret == 0, rows[i].data != 0);
		if (!ret)
			assert_int_equal(h.data, rows[i].data);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_by_name),
		cmocka_unit_test(name_and_number),
		cmocka_unit_test(values),
		cmocka_unit_test(page_heads),
	};

	return cmocka_run_group_tests_name("format", tests, NULL, NULL);
}

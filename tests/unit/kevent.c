// SPDX-License-Identifier: GPL-2.0-only
#include "hwlat/kevent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"

#define HZ 1000000000ull /* a cycle is a nanosecond */

static void noise(struct kevent_noises *n, enum culprit_kind kind, const char *name,
		  uint64_t end_tsc, uint64_t ns)
{
	unsigned int at = n->n++ % KEVENT_NOISES;

	n->ring[at].end_tsc = end_tsc;
	n->ring[at].part = (struct culprit_part){ .kind = kind, .ns = ns };
	snprintf(n->ring[at].part.name, sizeof(n->ring[at].part.name), "%s", name);
}

static void longest_first_and_only_since(void **state)
{
	struct kevent_noises n = { 0 };
	struct culprit_facts f = { 0 };

	(void)state;
	noise(&n, CULPRIT_IRQ, "before", 1000, 900);
	noise(&n, CULPRIT_IRQ, "236 local_timer", 2500, 400);
	noise(&n, CULPRIT_THREAD, "hog:7", 9000, 6000);
	kevent_explain(&n, 2000, HZ, &f);
	assert_int_equal(f.n_parts, 2);
	assert_string_equal(f.parts[0].name, "hog:7");
	assert_int_equal(f.parts[0].ns, 6000);
	assert_string_equal(f.parts[1].name, "236 local_timer");
	assert_int_equal(f.parts[1].ns, 400);
}

static void what_began_before_counts_from_the_start(void **state)
{
	struct kevent_noises n = { 0 };
	struct culprit_facts f = { 0 };

	(void)state;
	noise(&n, CULPRIT_THREAD, "hog:7", 3000, 50000);
	kevent_explain(&n, 2000, HZ, &f);
	assert_int_equal(f.n_parts, 1);
	assert_int_equal(f.parts[0].ns, 1000);
}

static void many_are_cut_to_the_longest(void **state)
{
	struct kevent_noises n = { 0 };
	struct culprit_facts f = { 0 };

	(void)state;
	for (unsigned int i = 0; i < 3 * KEVENT_NOISES; i++)
		noise(&n, CULPRIT_IRQ, "some", 5000 + i, i);
	kevent_explain(&n, 2000, HZ, &f);
	assert_int_equal(f.n_parts, CULPRIT_PARTS);
	assert_int_equal(f.parts[0].ns, 3 * KEVENT_NOISES - 1);
	assert_int_equal(f.parts[CULPRIT_PARTS - 1].ns, 3 * KEVENT_NOISES - CULPRIT_PARTS);
}

static void none_is_none(void **state)
{
	struct kevent_noises n = { 0 };
	struct culprit_facts f = { 0 };

	(void)state;
	kevent_explain(&n, 2000, HZ, &f);
	assert_int_equal(f.n_parts, 0);
}

/* The record of the kernel's hwlat tracer: ftrace:hwlat, as a kernel 6.1 describes it. */
static const char format[] =
	"name: hwlat\nID: 13\nformat:\n"
	"\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
	"\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"
	"\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n"
	"\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"
	"\tfield:u64 duration;\toffset:8;\tsize:8;\tsigned:0;\n"
	"\tfield:u64 outer_duration;\toffset:16;\tsize:8;\tsigned:0;\n"
	"\tfield:u64 nmi_total_ts;\toffset:24;\tsize:8;\tsigned:0;\n"
	"\tfield:s64 tv_sec;\toffset:32;\tsize:8;\tsigned:1;\n"
	"\tfield:long tv_nsec;\toffset:40;\tsize:8;\tsigned:1;\n"
	"\tfield:unsigned int nmi_count;\toffset:48;\tsize:4;\tsigned:0;\n"
	"\tfield:unsigned int seqnum;\toffset:52;\tsize:4;\tsigned:0;\n"
	"\tfield:unsigned int count;\toffset:56;\tsize:4;\tsigned:0;\n\nprint fmt: \"\"\n";

struct hwlat_record {
	uint16_t type;
	uint8_t flags, preempt_count;
	int32_t pid;
	uint64_t duration, outer_duration, nmi_total_ts;
	int64_t tv_sec, tv_nsec;
	uint32_t nmi_count, seqnum, count;
};

/* NMIs of the whole width are told; a gap is theirs if they took as long as it. */
static void nmis_of_the_width(void **state)
{
	static const struct {
		uint64_t outer_us, nmi_ns;
		uint32_t nmis;
		enum culprit_kind kind;
	} rows[] = {
		{ 100, 0, 0, CULPRIT_HARDWARE }, { 100, 3000, 1, CULPRIT_HARDWARE },
		{ 100, 80000, 1, CULPRIT_NMI },	 { 100, 900000, 9, CULPRIT_NMI },
		{ 100, 0, 1, CULPRIT_HARDWARE }, /* a kernel that counts them only */
	};
	const struct hwlat_opts o = { .detector = HWLAT_TRACER, .threshold_ns = 10000 };
	const struct tsc tsc = { .hz = HZ, .base = { .tsc = 5000000, .wall_ns = 7000000 } };
	struct tep_handle *tep = tep_alloc();
	struct kevent_noises none = { 0 };

	(void)state;
	assert_int_equal(tep_parse_event(tep, format, strlen(format), "ftrace"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct hwlat_record r = { .type = 13,
					  .duration = 7,
					  .outer_duration = rows[i].outer_us,
					  .nmi_total_ts = rows[i].nmi_ns,
					  .tv_nsec = 6000000,
					  .nmi_count = rows[i].nmis };
		struct tep_record rec = { .size = sizeof(r), .data = &r };
		struct gap g = { 0 };
		struct culprit c;

		assert_true(kevent_gap(tep_find_event(tep, 13), &rec, &o, &tsc, &none, &g));
		assert_int_equal(g.ns, 100000);
		assert_int_equal(g.start_tsc, 4000000);
		g.facts.gap_ns = g.ns;
		g.facts.threshold_ns = o.threshold_ns;
		g.facts.trace = true;
		culprit_find(&c, &g.facts);
		assert_int_equal(c.kind, rows[i].kind);
	}
	tep_free(tep);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(longest_first_and_only_since),
		cmocka_unit_test(what_began_before_counts_from_the_start),
		cmocka_unit_test(many_are_cut_to_the_longest),
		cmocka_unit_test(none_is_none),
		cmocka_unit_test(nmis_of_the_width),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

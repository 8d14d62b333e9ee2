// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "vmm/preempted.h"

#define HEAD                                                                     \
	"# event histogram\n#\n"                                                 \
	"# trigger info: hist:keys=common_pid,next_pid,next_comm:vals=hitcount:" \
	"sort=hitcount.descending:size=512 if (prev_state == 0 || prev_state == 256) && (common_pid == 710) [active]\n#\n\n"

/* As Linux 6.1 writes it. */
static const char before[] = HEAD
	"{ common_pid:        710, next_pid:         33, next_comm: rcuc/3           } "
	"hitcount:          2\n";
static const char after[] = HEAD
	"{ common_pid:        710, next_pid:          0, next_comm: swapper/3        } "
	"hitcount:          1\n"
	"{ common_pid:        711, next_pid:         40, next_comm: ktimers/2        } "
	"hitcount:          7\n"
	"{ common_pid:        710, next_pid:        900, next_comm: a } hitcount: 9  } "
	"hitcount:          4\n"
	"{ common_pid:        710, next_pid:         33, next_comm: rcuc/3           } "
	"hitcount:          5\n"
	"\nTotals:\n    Hits: 17\n    Entries: 4\n    Dropped: 0\n";

/* What is told of a vCPU's thread that was switched out so many times between two readings. */
static void check(const char *from, const char *to, int vcpu, uint64_t switches, const char *want)
{
	_cleanup_json_ json_object *o = json_object_new_object();
	_cleanup_free_ struct preempted *a = calloc(1, sizeof(*a)), *b = calloc(1, sizeof(*b));

	assert_true(a && b);
	preempted_parse(a, from);
	preempted_parse(b, to);
	preempted_json(o, a, b, vcpu, switches);
	assert_string_equal(json_object_to_json_string_ext(
				    o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE),
			    want);
}

#define TOLD(list, others) "{\"preempted_by\":[" list "],\"preempted_by_others\":" others "}"

static void names_whom_a_switch_was_for(void **state)
{
	static const struct {
		const char *from, *to;
		int vcpu;
		uint64_t switches;
		const char *want;
	} rows[] = {
		{ before, after, 710, 8,
		  TOLD("{\"tid\":0,\"name\":\"swapper/3\",\"times\":1},"
		       "{\"tid\":900,\"name\":\"a } hitcount: 9\",\"times\":4},"
		       "{\"tid\":33,\"name\":\"rcuc/3\",\"times\":3}",
		       "0") },
		{ before, after, 711, 7,
		  TOLD("{\"tid\":40,\"name\":\"ktimers/2\",\"times\":7}", "0") },
		{ before, after, 711, 6, /* who it was is asked last */
		  TOLD("{\"tid\":40,\"name\":\"ktimers/2\",\"times\":7}", "0") },
		{ before, after, 711, 9,
		  TOLD("{\"tid\":40,\"name\":\"ktimers/2\",\"times\":7}", "2") },
		{ before, before, 710, 0, TOLD("", "0") },
		{ before, before, 710, 3, TOLD("", "3") },
		{ "", before, 71, 0, TOLD("", "0") },
		{ "", "{ common_pid: 71, next_pid: 5, next_comm: cut", 71, 2, TOLD("", "2") },
		{ "", "{ common_pid: 71, next_pid: 5, next_comm: cut } hitcount:", 71, 0,
		  TOLD("", "0") },
		{ "", "{ common_pid: 71, next_pid: 5\n, next_comm: x } hitcount: 3\n", 71, 0,
		  TOLD("", "0") },
		{ "", "{ common_pid: 71, next_pid: 5, next_comm:  } hitcount: 3", 71, 3,
		  TOLD("{\"tid\":5,\"name\":\"\",\"times\":3}", "0") },
		{ "",
		  "{ common_pid: 71, next_pid: 5, next_comm: longer than any name } hitcount: 3",
		  71, 3, TOLD("{\"tid\":5,\"name\":\"longer than any\",\"times\":3}", "0") },
		/* names with line ends, and as much of a row as there is room for */
		{ "",
		  "{ common_pid: 71, next_pid: 5, next_comm: a\nb              } hitcount: 3\n"
		  "{ common_pid: 71, next_pid: 6, next_comm: \n{ common_pid:  } hitcount: 2\n"
		  "{ common_pid: 71, next_pid: 7, next_comm: \n               } hitcount: 1\n",
		  71, 6,
		  TOLD("{\"tid\":5,\"name\":\"a\\nb\",\"times\":3},"
		       "{\"tid\":6,\"name\":\"\\n{ common_pid:\",\"times\":2},"
		       "{\"tid\":7,\"name\":\"\\n\",\"times\":1}",
		       "0") },
		/* a row cut off is not the one behind it */
		{ "",
		  "{ common_pid: 71, next_pid: 5, next_comm: cut\n"
		  "{ common_pid: 71, next_pid: 6, next_comm: x } hitcount: 2\n",
		  71, 3, TOLD("{\"tid\":6,\"name\":\"x\",\"times\":2}", "1") },
		/* two names that look alike, sorted another way the second time */
		{ "{ common_pid: 71, next_pid: 5, next_comm: x } hitcount: 9\n"
		  "{ common_pid: 71, next_pid: 5, next_comm: x  } hitcount: 1\n",
		  "{ common_pid: 71, next_pid: 5, next_comm: x  } hitcount: 12\n"
		  "{ common_pid: 71, next_pid: 5, next_comm: x } hitcount: 9\n",
		  71, 11, TOLD("{\"tid\":5,\"name\":\"x\",\"times\":11}", "0") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		check(rows[i].from, rows[i].to, rows[i].vcpu, rows[i].switches, rows[i].want);
}

/* A hist file of n rows: thread 1's vCPU lost its CPU to as many threads, 5 times to each but the first. */
static char *hist_of(int n, int first_times)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	for (int i = 1; i <= n; i++)
		fprintf(f, "{ common_pid: 1, next_pid: %d, next_comm: t%d } hitcount: %d\n", i, i,
			i == 1 ? first_times : 5);
	assert_int_equal(fclose(f), 0);
	return text;
}

/* Room for all the kernel tells, and the rest is told of as a number. */
static void loses_nobody_silently(void **state)
{
	_cleanup_free_ char *from = hist_of(PREEMPTED_ROWS, 5), *to = hist_of(PREEMPTED_ROWS, 9),
			    *more = hist_of(PREEMPTED_ROWS + 10, 9);

	(void)state;
	assert_int_equal(PREEMPTED_ROWS, 512); /* rtkvm-run(1) says so */
	check(from, to, 1, 4, TOLD("{\"tid\":1,\"name\":\"t1\",\"times\":4}", "0"));
	check(from, more, 1, 4 + 10 * 5, TOLD("{\"tid\":1,\"name\":\"t1\",\"times\":4}", "50"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_whom_a_switch_was_for),
		cmocka_unit_test(loses_nobody_silently),
	};

	return cmocka_run_group_tests_name("preempted", tests, NULL, NULL);
}

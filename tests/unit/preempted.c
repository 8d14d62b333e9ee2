// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "vmm/preempted.h"

#define HEAD                                                                                   \
	"# event histogram\n#\n"                                                               \
	"# trigger info: hist:keys=common_pid,next_pid,next_comm:vals=hitcount:sort=hitcount:" \
	"size=512 if (prev_state == 0 || prev_state == 256) && (common_pid == 710) [active]\n#\n\n"

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

static void names_whom_a_switch_was_for(void **state)
{
	static const struct {
		const char *from, *to;
		int vcpu;
		const char *want;
	} rows[] = {
		{ before, after, 710,
		  "[{\"tid\":0,\"name\":\"swapper/3\",\"times\":1},"
		  "{\"tid\":900,\"name\":\"a } hitcount: 9\",\"times\":4},"
		  "{\"tid\":33,\"name\":\"rcuc/3\",\"times\":3}]" },
		{ before, after, 711, "[{\"tid\":40,\"name\":\"ktimers/2\",\"times\":7}]" },
		{ before, before, 710, "[]" },
		{ "", before, 71, "[]" },
		{ "", "{ common_pid: 71, next_pid: 5, next_comm: cut", 71, "[]" },
		{ "", "{ common_pid: 71, next_pid: 5, next_comm: cut } hitcount:", 71, "[]" },
		{ "", "{ common_pid: 71, next_pid: 5\n, next_comm: x } hitcount: 3\n", 71, "[]" },
		{ "", "{ common_pid: 71, next_pid: 5, next_comm:  } hitcount: 3", 71,
		  "[{\"tid\":5,\"name\":\"\",\"times\":3}]" },
		{ "",
		  "{ common_pid: 71, next_pid: 5, next_comm: longer than any name } hitcount: 3",
		  71, "[{\"tid\":5,\"name\":\"longer than any\",\"times\":3}]" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_json_ json_object *o = NULL;
		struct preempted from, to;

		preempted_parse(&from, rows[i].from);
		preempted_parse(&to, rows[i].to);
		o = preempted_json(&from, &to, rows[i].vcpu);
		assert_string_equal(
			json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
								  JSON_C_TO_STRING_NOSLASHESCAPE),
			rows[i].want);
	}
}

static void keeps_to_its_table(void **state)
{
	enum { LINES = PREEMPTED_ROWS + 10 };
	static const char line[] = "{ common_pid: 1, next_pid: 2, next_comm: x } hitcount: 3\n";
	char text[LINES * (sizeof(line) - 1) + 1] = "";
	struct preempted p;

	(void)state;
	for (int i = 0; i < LINES; i++)
		memcpy(text + i * (sizeof(line) - 1), line, sizeof(line));
	preempted_parse(&p, text);
	assert_int_equal(p.n, PREEMPTED_ROWS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_whom_a_switch_was_for),
		cmocka_unit_test(keeps_to_its_table),
	};

	return cmocka_run_group_tests_name("preempted", tests, NULL, NULL);
}

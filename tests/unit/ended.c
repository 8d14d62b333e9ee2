// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "cyclic/ended.h"
#include "lib/cleanup.h"

static void sentences(void **state)
{
	static const struct {
		const char *outcome;
		int64_t status;
		int signal;
		const char *complaint, *text; /* NULL: success */
	} rows[] = {
		{ "exit", 0, 0, "", NULL },
		{ "exit", 127, 0, "", "no cyclictest" },
		{ "exit", 125, 0, "", "init failed; /r/console.log" },
		{ "exit", 3, 0, "", "cyclictest ended with code 3" },
		{ "exit", -1, 0, "", "cyclictest ended with code -1" }, /* no status in the event */
		{ "poweroff", 0, 0, "", "powered off STAGE" },
		{ "reset", 0, 0, "", "reset itself STAGE" },
		{ "panic", 0, 0, "", "panicked STAGE" },
		{ "triple-fault", 0, 0, "", "triple fault) STAGE" },
		{ "timeout", 0, 0, "", "within 90 s: stopped STAGE" },
		{ "killed", 137, 9, "", "killed by signal 9 STAGE" },
		{ "failed", 2, 0, "KVM_RUN failed", "failed STAGE: KVM_RUN failed" },
		{ "failed", 2, 0, "", "did not say why" },
		{ "error", 0, 0, "why", "failed STAGE: why" },
		{ "never heard of", 0, 0, "", "failed STAGE" },
		{ "", 0, 0, "", "failed STAGE" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct ended d = { .program = "cyclictest",
					 .outcome = rows[i].outcome,
					 .status = rows[i].status,
					 .signal = rows[i].signal,
					 .stage = "STAGE",
					 .dir = "/r",
					 .complaint = rows[i].complaint,
					 .timeout_s = 90 };
		struct err e = { 0 };
		int ret = ended_check(&d, &e);

		if (!rows[i].text) {
			assert_int_equal(ret, 0);
			continue;
		}
		assert_true(ret < 0);
		if (!strstr(e.text, rows[i].text))
			fail_msg("row %zu: %s", i, e.text);
	}
}

/* Of an older image's rtkvm-sample, which is asked for what it does not know, the code is 2. */
static void older_image(void **state)
{
	static const struct {
		bool attended;
		int64_t status;
		bool hint;
	} rows[] = {
		{ true, 2, true },
		{ true, 1, false },
		{ false, 2, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct ended d = { .program = "cyclictest",
					 .attended = rows[i].attended,
					 .outcome = "exit",
					 .status = rows[i].status,
					 .dir = "/r" };
		struct err e = { 0 };

		assert_int_equal(ended_check(&d, &e), -EIO);
		if (!strstr(e.text, "an image of an older rtkvm?") == rows[i].hint)
			fail_msg("row %zu: %s", i, e.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sentences),
		cmocka_unit_test(older_image),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

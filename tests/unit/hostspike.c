// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "cyclic/hostspike.h"
#include "lib/json.h"

static void renamed(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "{\"cpu\":3,\"cause\":\"guest-thread\",\"detail\":\"hog/5\",\"parts\":["
		  "{\"cause\":\"guest-thread\",\"detail\":\"hog/5\",\"ns\":9},"
		  "{\"cause\":\"below-guest\",\"ns\":1},{\"cause\":\"wakeup\",\"ns\":2}]}",
		  "{\"cpu\":3,\"cause\":\"host-thread\",\"detail\":\"hog/5\",\"parts\":["
		  "{\"cause\":\"host-thread\",\"detail\":\"hog/5\",\"ns\":9},"
		  "{\"cause\":\"unexplained\",\"ns\":1,"
		  "\"detail\":\"interrupts off, an idle state, or hardware\"},"
		  "{\"cause\":\"wakeup\",\"ns\":2}],\"host_cpu\":3}" },
		{ "{\"cpu\":0,\"cause\":\"guest-irq\",\"detail\":\"LOC\"}",
		  "{\"cpu\":0,\"cause\":\"host-irq\",\"detail\":\"LOC\",\"host_cpu\":0}" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_object *late = json_tokener_parse(rows[i].in);
		json_object *want = json_tokener_parse(rows[i].out);

		hostspike_rename(late);
		if (!json_object_equal(late, want))
			fail_msg("%s", json_object_to_json_string(late));
		json_object_put(late);
		json_object_put(want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(renamed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "cyclic/hostrun.h"

static const char *line(enum guest_instrument instrument, enum spike_action on_spike)
{
	static char text[512];
	const struct ctopts o = { .instrument = instrument,
				  .interval_us = 200,
				  .duration_s = 45,
				  .histogram_us = 1000,
				  .on_spike = on_spike,
				  .spike_ns = 40001,
				  .priority = instrument == GUEST_OSLAT ? 1 : 95 };
	struct vmproc_argv a;
	struct cpulist cpus;
	struct err e = { 0 };
	size_t used = 0;

	assert_int_equal(cpulist_parse(&cpus, "2-3,7", &e), 0);
	assert_int_equal(hostrun_argv(&a, &o, &cpus, 1, "/r/x.json", &e), 0);
	assert_null(a.argv[a.n]);
	for (int i = 0; i < a.n; i++)
		used += snprintf(text + used, sizeof(text) - used, "%s%s", i ? " " : "", a.argv[i]);
	return text;
}

static void command_lines(void **state)
{
	(void)state;
	assert_string_equal(line(GUEST_CYCLICTEST, SPIKE_RECORD),
			    "cyclictest -q -m -p95 --policy=fifo -a 2-3,7 --mainaffinity=1 -t 3 "
			    "-i 200 -h 1000 -D 45 --json=/r/x.json");
	assert_string_equal(line(GUEST_CYCLICTEST, SPIKE_TRACE),
			    "cyclictest -q -m -p95 --policy=fifo -a 2-3,7 --mainaffinity=1 -t 3 "
			    "-i 200 -h 1000 -b 40 -D 45 --json=/r/x.json");
	assert_string_equal(line(GUEST_OSLAT, SPIKE_RECORD),
			    "oslat -q -z -c 2-3,7 -C 1 -f 1 -w memmove -m 4K -b 1024 -D 45 "
			    "--json=/r/x.json");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(command_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

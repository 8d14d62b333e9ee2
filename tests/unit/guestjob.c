// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "cyclic/guestjob.h"

static const struct ctopts options = {
	.interval_us = 200,
	.duration_s = 45,
	.slice_ns = 10000000000,
	.histogram_us = 1000,
	.priority = 95,
};

static const char *line(const struct ctopts *o, int vcpus, char text[static CTOPTS_APPEND_BYTES])
{
	char command[512];
	struct err e = { 0 };
	const char *exec;

	assert_int_equal(guestjob_command(o, vcpus, command, sizeof(command), &e), 0);
	assert_int_equal(guestjob_append(o, vcpus, command, text, CTOPTS_APPEND_BYTES, &e), 0);
	/* the job is the last parameter, in one pair of quotes: nothing can escape one there */
	exec = strstr(text, "rtkvm.exec=\"");
	assert_non_null(exec);
	exec += strlen("rtkvm.exec=\"");
	assert_ptr_equal(strchr(exec, '"'), text + strlen(text) - 1);
	return exec;
}

static void instruments(void **state)
{
	char text[CTOPTS_APPEND_BYTES];
	struct ctopts o = options;
	const char *exec = line(&o, 3, text);

	(void)state;
	assert_non_null(
		strstr(text, "isolcpus=managed_irq,domain,1-2 nohz_full=1-2 rcu_nocbs=1-2"));
	assert_non_null(strstr(exec,
			       "cyclictest -m -q -p95 --policy=fifo -a 1-2 -t 2 -i 200 "
			       "-h 1000 -D 45 --json=/out/cyclictest.json >/tmp/text & p=$!; "));
	assert_non_null(strstr(
		exec, "grep ^# /tmp/text >/out/cyclictest.txt; kill $b; wait $b; exit $r\""));
	/* read back once both have what was asked; Ctrl-C ends cyclictest, not the shell */
	assert_non_null(
		strstr(exec, "grep -cE '( [^ ]+){36} 95 1 ' /out/guest-threads) -ge 2 -o "));
	assert_memory_equal(exec, "trap : INT; ", 12);
	assert_null(strstr(exec, "rtkvm-sample load"));
	/* signs of life, as long as the job runs */
	assert_memory_equal(exec + 12, "rtkvm-sample beat 10000000000 & b=$!; ", 38);
	line(&o, 2, text);
	assert_non_null(strstr(text, "isolcpus=managed_irq,domain,1 nohz_full=1 "));
	o.instrument = GUEST_OSLAT;
	o.priority = 1;
	assert_non_null(strstr(line(&o, 3, text),
			       "oslat -q -z -c 1-2 -C 0 -f 1 -D 45 -w memmove -m 4K -b 1024 "
			       "--json=/out/oslat.json >/tmp/text & p=$!; "));
	o.instrument = GUEST_HWLAT;
	o.threshold_ns = 10000;
	o.width_ns = 500000000;
	exec = line(&o, 3, text);
	assert_non_null(strstr(exec, "(trap : INT; rtkvm-hwlat --guest --cpus 1-2 --duration 45s "
				     "--threshold 10000ns --width 500000000ns --rt-limit lift "));
	/* a run with gaps is one that worked */
	assert_non_null(
		strstr(exec, "[ $r = 2 ] || r=0; exit $r); r=$?; kill $b; wait $b; exit $r\""));
	o.instrument = GUEST_SAMPLE;
	o.on_spike = SPIKE_STOP;
	assert_null(strstr(line(&o, 3, text), "beat")); /* its slices are that */
	assert_non_null(
		strstr(line(&o, 3, text),
		       "(trap : INT; rtkvm-sample 1-2 200000 0 10000000000 1 0 stop); r=$?; "));
}

static void loads(void **state)
{
	char text[CTOPTS_APPEND_BYTES];
	struct ctopts o = options;
	const char *exec;

	(void)state;
	o.load = guest_load_find("hackbench");
	exec = line(&o, 3, text);
	assert_non_null(strstr(exec, "rtkvm-sample load 10000000000 hackbench -g 1 -l 100 >"));
	assert_non_null(strstr(exec, "kill $l; wait $l; kill $b; wait $b; exit $r\""));
	assert_null(guest_load_find("music"));
}

static void too_long(void **state)
{
	struct err e = { 0 };
	char tiny[64];

	(void)state;
	assert_int_equal(guestjob_command(&options, 3, tiny, sizeof(tiny), &e), -E2BIG);
	assert_int_equal(guestjob_append(&options, 3, "true", tiny, sizeof(tiny), &e), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(instruments),
		cmocka_unit_test(loads),
		cmocka_unit_test(too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

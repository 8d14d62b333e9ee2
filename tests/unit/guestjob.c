// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "cyclic/guestjob.h"

static void append(void **state)
{
	struct ctopts o = {
		.interval_us = 200, .duration_s = 45, .histogram_us = 1000, .priority = 95
	};
	char text[CTOPTS_APPEND_BYTES], tiny[64];
	struct err e = { 0 };
	const char *exec;

	(void)state;
	assert_int_equal(guestjob_append(&o, 3, text, sizeof(text), &e), 0);
	assert_non_null(
		strstr(text, "isolcpus=managed_irq,domain,1-2 nohz_full=1-2 rcu_nocbs=1-2"));
	assert_non_null(strstr(text, "cyclictest -m -q -p95 --policy=fifo -a 1-2 -t 2 -i 200 "
				     "-h 1000 -D 45 --json=/out/cyclictest.json"));
	/* the job is the last parameter, in one pair of quotes: nothing can escape one there */
	exec = strstr(text, "rtkvm.exec=\"");
	assert_non_null(exec);
	exec += strlen("rtkvm.exec=\"");
	assert_ptr_equal(strchr(exec, '"'), text + strlen(text) - 1);
	assert_non_null(strstr(text, "grep ^# /tmp/text >/out/cyclictest.txt; exit $r\""));
	assert_null(strstr(text, "/tmp/load"));
	o.load = guest_load_find("hackbench");
	assert_int_equal(guestjob_append(&o, 3, text, sizeof(text), &e), 0);
	assert_non_null(strstr(text, "(n=0; while hackbench -g 1 -l 100; do n=$((n+1)); "));
	assert_non_null(strstr(text, "kill $l; cat /tmp/load >/out/guest-load"));
	assert_ptr_equal(strchr(strstr(text, "rtkvm.exec=\"") + strlen("rtkvm.exec=\""), '"'),
			 text + strlen(text) - 1);
	assert_null(guest_load_find("music"));
	o.load = NULL;
	assert_int_equal(guestjob_append(&o, 2, text, sizeof(text), &e), 0);
	assert_non_null(strstr(text, "isolcpus=managed_irq,domain,1 nohz_full=1 "));
	o.instrument = GUEST_OSLAT;
	o.priority = 1;
	assert_int_equal(guestjob_append(&o, 3, text, sizeof(text), &e), 0);
	assert_non_null(strstr(text, "oslat -q -z -c 1-2 -C 0 -f 1 -D 45 -w memmove -m 4K -b 1024 "
				     "--json=/out/oslat.json >/tmp/text & p=$!; "));
	assert_int_equal(guestjob_append(&o, 3, tiny, sizeof(tiny), &e), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(append),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

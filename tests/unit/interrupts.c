// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "vmm/interrupts.h"

static const char before_text[] =
	"           CPU0       CPU2       CPU3       \n"
	"   4:          0          7          0   IO-APIC   4-edge      ttyS0\n"
	"  24:          1          2          3   PCI-MSI 524288-edge      nvme0q0, other\n"
	" NMI:          0          0          0   Non-maskable interrupts\n"
	" LOC:        100        200        300   Local timer interrupts\n"
	" ERR:          5\n"
	" MIS:          0\n";

static const char after_text[] =
	"           CPU0       CPU2       CPU3       \n"
	"   4:          0          7          0   IO-APIC   4-edge      ttyS0\n"
	"  25:          0          9          0   PCI-MSI 524289-edge      eth0\n"
	" NMI:          0          0          1   Non-maskable interrupts\n"
	" LOC:        101        202        300   Local timer interrupts\n"
	" ERR:          5\n";

static void tells_what_came(void **state)
{
	static const int cpus[] = { 3, 2 };
	struct interrupts a = { 0 }, b = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(interrupts_parse(&a, before_text, cpus, 2, &e), 0);
	assert_int_equal(interrupts_parse(&b, after_text, cpus, 2, &e), 0);
	assert_int_equal(a.n, 4); /* ERR and MIS are not of a CPU */
	assert_string_equal(a.names[0], "4 ttyS0");
	assert_string_equal(a.names[3], "LOC");
	assert_int_equal(a.counts[3 * 2], 300);
	assert_int_equal(a.counts[3 * 2 + 1], 200);
	for (int i = 0; i < 2; i++) {
		_cleanup_json_ json_object *o = interrupts_json(&a, &b, i);

		assert_string_equal(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN),
				    i ? "{\"25 eth0\":9,\"LOC\":2}" : "{\"NMI\":1}");
	}
	interrupts_free(&a);
	interrupts_free(&b);
}

/* Once reserved, a reading takes no new memory: that could disturb the CPUs it is about. */
static void a_reading_reuses_memory(void **state)
{
	static const int cpus[] = { 3, 2 };
	struct interrupts a = { 0 }, b = { 0 };
	struct err e = { 0 };
	void *names, *counts;

	(void)state;
	assert_int_equal(interrupts_parse(&a, before_text, cpus, 2, &e), 0);
	assert_int_equal(interrupts_reserve(&b, &a, &e), 0);
	names = b.names;
	counts = b.counts;
	assert_true(b.room > a.n);
	assert_int_equal(interrupts_parse(&b, after_text, cpus, 2, &e), 0);
	assert_int_equal(interrupts_parse(&b, before_text, cpus, 2, &e), 0);
	assert_ptr_equal(b.names, names);
	assert_ptr_equal(b.counts, counts);
	assert_int_equal(b.n, a.n);
	interrupts_free(&a);
	interrupts_free(&b);
}

static void what_is_not_known(void **state)
{
	static const int there[] = { 0 }, offline[] = { 1 };
	struct interrupts none = { 0 }, some = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(interrupts_parse(&some, before_text, offline, 1, &e), -EINVAL);
	assert_non_null(strstr(e.text, "CPU 1"));
	assert_int_equal(interrupts_parse(&some, "", there, 1, &(struct err){ 0 }), -EINVAL);
	assert_int_equal(interrupts_parse(&some, before_text, there, 1, &e), 0);
	assert_null(interrupts_json(&none, &some, 0));
	interrupts_free(&some);
	interrupts_free(&none);
}

static void odd_lines(void **state)
{
	static const char *const texts[] = {
		"CPU0 CPU1\n\n::\n",	  "CPU0 CPU1\nLOC:",	 "CPU0 CPU1\nLOC: 1\n",
		"CPU0 CPU1\nLOC: 1x 2\n", "CPU0 CPU1\n : 1 2\n", "CPU0 CPU1\nno colon 1 2",
		"CPU0 CPU1\n7: 1 2",
	};
	static const int cpus[] = { 1 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct interrupts t;
		struct err e = { 0 };

		assert_int_equal(interrupts_parse(&t, texts[i], cpus, 1, &e), 0);
		assert_true(t.n <= 1);
		interrupts_free(&t);
	}
}

static void this_machine(void **state)
{
	static const int cpus[] = { 0 };
	struct interrupts t = { 0 };
	struct interrupts_text text = { 0 };
	struct err e = { 0 };

	(void)state;
	if (access("/proc/interrupts", R_OK))
		skip();
	assert_int_equal(interrupts_read(&t, &text, cpus, 1, &e), 0);
	free(text.at);
	assert_true(t.n > 0);
	interrupts_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_what_came),   cmocka_unit_test(a_reading_reuses_memory),
		cmocka_unit_test(what_is_not_known), cmocka_unit_test(odd_lines),
		cmocka_unit_test(this_machine),
	};

	return cmocka_run_group_tests_name("interrupts", tests, NULL, NULL);
}

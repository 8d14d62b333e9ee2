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

#include "lib/file.h"
#include "lib/json.h"

static void save_load_and_paths(void **state)
{
	char path[] = "/tmp/rtkvm-unit-json.XXXXXX";
	_cleanup_json_ json_object *o = json_object_new_object();
	_cleanup_json_ json_object *back = NULL;
	json_object *host = json_object_new_object();
	struct err e = { 0 };

	(void)state;
	close(mkstemp(path));
	json_set_str(host, "kernel", "6.1/rt");
	json_set_str(host, "microcode", NULL);
	json_set_int(host, "cpus", 1ll << 40);
	json_object_object_add(o, "host", host);
	json_set_bool(o, "ok", true);
	json_set_double(o, "mean", 1.5);
	assert_int_equal(json_save(path, o, &e), 0);
	assert_int_equal(json_load(path, 4096, &back, &e), 0);
	assert_true(json_object_equal(o, back));
	assert_string_equal(json_str(back, "host.kernel", "?"), "6.1/rt");
	assert_string_equal(json_str(back, "host.microcode", "?"), "?");
	assert_string_equal(json_str(back, "host.kernel.x", "?"), "?");
	assert_int_equal(json_int(back, "host.cpus", 0), 1ll << 40);
	assert_true(json_double(back, "mean", 0) == 1.5);
	assert_null(json_at(back, "nothing.here"));
	unlink(path);
}

static void broken_files_name_the_place(void **state)
{
	static const char *const rows[] = { "", "{", "{\"a\":}", "nul", "[1,2", "\xff\xfe" };
	char path[] = "/tmp/rtkvm-unit-json.XXXXXX";

	(void)state;
	close(mkstemp(path));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_object *o;
		struct err e = { 0 };

		assert_int_equal(file_replace(path, rows[i], strlen(rows[i]), &e), 0);
		assert_int_equal(json_load(path, 4096, &o, &e), -EINVAL);
		assert_null(o);
		assert_non_null(strstr(e.text, path));
		assert_non_null(strstr(e.text, "byte"));
	}
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(save_load_and_paths),
		cmocka_unit_test(broken_files_name_the_place),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}

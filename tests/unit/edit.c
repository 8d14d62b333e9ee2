// SPDX-License-Identifier: GPL-2.0-only
#include "profiles/edit.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/file.h"

struct fixture {
	char dir[64];
	struct edits d;
};

static char *real(struct fixture *f, const char *path)
{
	static char buf[128];

	snprintf(buf, sizeof(buf), "%s%s", f->dir, path);
	return buf;
}

static void put(struct fixture *f, const char *path, const char *text)
{
	struct err e = { 0 };

	assert_int_equal(file_replace(real(f, path), text, strlen(text), &e), 0);
}

static void expect(struct fixture *f, const char *path, const char *text)
{
	_cleanup_free_ char *is = NULL;
	struct err e = { 0 };

	assert_int_equal(edit_load(&f->d, path, &is, &e), 0);
	if (text)
		assert_string_equal(is, text);
	else
		assert_null(is);
}

static void reopen(struct fixture *f)
{
	struct err e = { 0 };

	edits_close(&f->d);
	assert_int_equal(edits_open(&f->d, f->dir, "t", &e), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/rtkvm-edit.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	reopen(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	struct err e = { 0 };

	edits_close(&f->d);
	file_remove_tree(f->dir, &e);
	free(f);
	return 0;
}

static void there_and_back(void **state)
{
	struct fixture *f = *state;
	struct err e = { 0 };
	struct stat st;

	put(f, "/a", "one\nno newline at the end");
	assert_int_equal(chmod(real(f, "/a"), 0440), 0);
	assert_int_equal(edit_write(&f->d, "/a", "two\n", &e), 1);
	assert_int_equal(edit_write(&f->d, "/a", "two\n", &e), 0);
	assert_int_equal(edit_write(&f->d, "/a", "three\n", &e), 1);
	assert_int_equal(edit_write(&f->d, "/new/dir/b", "b\n", &e), 1);
	reopen(f);
	assert_true(edit_has(&f->d, "/a"));
	expect(f, "/a", "three\n");
	assert_int_equal(edit_undo(&f->d, "/a", &e), 1);
	assert_int_equal(edit_undo(&f->d, "/new/dir/b", &e), 1);
	expect(f, "/a", "one\nno newline at the end");
	expect(f, "/new/dir/b", NULL);
	assert_false(file_exists(real(f, "/new/dir")));
	assert_int_equal(stat(real(f, "/a"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0440);
	assert_false(file_exists(f->d.journal));
	assert_int_equal(edit_undo(&f->d, "/a", &e), 0);
}

static void what_others_wrote_stays(void **state)
{
	struct fixture *f = *state;
	struct err e = { 0 };

	put(f, "/a", "one\n");
	assert_int_equal(edit_write(&f->d, "/a", "two\n", &e), 1);
	put(f, "/a", "mine\n");
	assert_int_equal(edit_undo(&f->d, "/a", &e), -ESTALE);
	assert_int_equal(e.code, 0);
	expect(f, "/a", "mine\n");
	assert_false(file_exists(f->d.journal));
}

/* A program of the system writes the file, asked by us. */
static void program_writes(struct fixture *f, const char *path, const char *text)
{
	struct err e = { 0 };

	assert_int_equal(edit_note_before(&f->d, path, &e), 0);
	put(f, path, text);
	assert_int_equal(edit_note_after(&f->d, path, &e), 0);
}

static void a_programs_output(void **state)
{
	struct fixture *f = *state;
	struct err e = { 0 };

	put(f, "/grub.cfg", "old\n");
	program_writes(f, "/grub.cfg", "generated\n");
	put(f, "/grub.cfg", "again\n");
	assert_int_equal(edit_note_after(&f->d, "/grub.cfg", &e), 0);
	reopen(f);
	assert_int_equal(edit_undo(&f->d, "/grub.cfg", &e), 1);
	expect(f, "/grub.cfg", "old\n");
}

/* A kernel comes, an old one goes, somebody runs the program: what it was at first is history. */
static void a_programs_output_changed_by_another(void **state)
{
	struct fixture *f = *state;
	struct err e = { 0 };

	put(f, "/grub.cfg", "old kernel\n");
	program_writes(f, "/grub.cfg", "old kernel ours\n");
	put(f, "/grub.cfg", "new kernel ours\n");
	program_writes(f, "/grub.cfg", "new kernel other words\n");
	reopen(f);
	assert_int_equal(edit_undo(&f->d, "/grub.cfg", &e), -ESTALE);
	expect(f, "/grub.cfg", "new kernel other words\n");
	assert_false(file_exists(f->d.journal));
}

static void lines_of_others_stay(void **state)
{
	static const char *const keys[] = { "A", "B", NULL };
	static const struct {
		const char *was, *edited, *undone;
	} t[] = {
		{ "x\nA=1", "x\nA=1", "x\nA=1" }, /* nobody: byte for byte */
		{ "x\nA=1\n", "x\nA=ours\nB=ours\nmine\n", "x\nA=1\nmine\n" },
		{ "", "mine\nA=ours\nB=ours\n", "mine\n" },
		{ "x\nA=1", "x\nA=ours\n", "x\nA=1" }, /* killed: half of it is there */
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct fixture *f = *state;
		_cleanup_free_ char *half = NULL, *first = NULL;
		struct err e = { 0 };

		put(f, "/a", t[i].was);
		half = set_line(t[i].was, "A", "ours");
		first = set_line(half, "B", "ours");
		assert_int_equal(edit_write_lines(&f->d, "/a", first, keys, &e), 1);
		if (strcmp(t[i].was, t[i].edited) != 0)
			put(f, "/a", t[i].edited);
		reopen(f);
		_cleanup_free_ char *is = NULL, *more = NULL, *last = NULL;

		assert_int_equal(edit_load(&f->d, "/a", &is, &e), 0);
		more = set_line(is, "A", "other");
		last = set_line(more, "B", "other");
		assert_int_equal(edit_write_lines(&f->d, "/a", last, keys, &e), 1);
		assert_int_equal(edit_undo(&f->d, "/a", &e), 1);
		expect(f, "/a", t[i].undone);
	}
}

static void bad_input(void **state)
{
	struct fixture *f = *state;
	struct err e = { 0 };

	put(f, "/x", "x");
	assert_int_equal(file_replace(real(f, "/bin"), "a\0b", 3, &e), 0);
	assert_int_equal(edit_write(&f->d, "/bin", "text", &e), -EINVAL);
	assert_int_equal(file_mkdirs(real(f, "/var/lib/rtkvm"), &(struct err){ 0 }), 0);
	put(f, "/var/lib/rtkvm/t.files", "[]");
	assert_int_equal(edits_open(&f->d, f->dir, "t", &(struct err){ 0 }), -EINVAL);
	put(f, "/var/lib/rtkvm/t.files", "{");
	assert_true(edits_open(&f->d, f->dir, "t", &(struct err){ 0 }) < 0);
}

static void lines(void **state)
{
	static const struct {
		const char *text, *result;
	} t[] = {
		{ "", "K=v\n" },	   { "a=1\n", "a=1\nK=v\n" },
		{ "a=1", "a=1\nK=v\n" },   { "K=old\nb\n", "K=v\nb\n" },
		{ "K=1\nK=2\n", "K=v\n" }, { "#K=1\nKK=2\n", "#K=1\nKK=2\nK=v\n" },
		{ "\n\nK=", "\n\nK=v\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		char *got = set_line(t[i].text, "K", "v");

		assert_string_equal(got, t[i].result);
		free(got);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(there_and_back, setup, teardown),
		cmocka_unit_test_setup_teardown(what_others_wrote_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(a_programs_output, setup, teardown),
		cmocka_unit_test_setup_teardown(a_programs_output_changed_by_another, setup,
						teardown),
		cmocka_unit_test_setup_teardown(lines_of_others_stay, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_input, setup, teardown),
		cmocka_unit_test(lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-only
/* A gdb stub of two CPUs in a process of its own; what is written to it comes back through a pipe. */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "guests/renew.h"

enum { LEFT_OF_STACK = 0x90 }; /* between the first CPU's rsp and the end of its stack */
static const uint64_t rip = 0xffffffff81000100, trapped = 0xffffffff81a50ee3,
		      stack = 0xffffc900000d3e58, other_stack = 0xffffc90000100000;

struct script {
	const char *threads, *registers; /* NULL: right ones */
	bool ends; /* goes away instead of answering */
};

static void put(int fd, const char *text)
{
	unsigned char sum = 0;
	char end[4];

	for (const char *c = text; *c; c++)
		sum += *c;
	snprintf(end, sizeof(end), "#%02x", sum);
	if (write(fd, "$", 1) != 1 || write(fd, text, strlen(text)) < 0 || write(fd, end, 3) != 3)
		_exit(1);
}

/* The next packet's text; 0 at the end */
static size_t get(int fd, char *buf, size_t size)
{
	size_t n = 0;
	char c = 0;

	while (c != '$')
		if (read(fd, &c, 1) != 1)
			return 0;
	while (n < size - 1 && read(fd, &c, 1) == 1 && c != '#')
		buf[n++] = c;
	buf[n] = '\0';
	return read(fd, &c, 1) == 1 && read(fd, &c, 1) == 1 ? n : 0;
}

/* Sixteen digits, lowest byte first, and no end of a string */
static void hex(char *out, uint64_t value)
{
	char digits[17];

	snprintf(digits, sizeof(digits), "%016" PRIx64, __builtin_bswap64(value));
	memcpy(out, digits, 16);
}

static void registers(int fd, int thread)
{
	char text[17 * 16 + 1] = "";

	for (uint64_t i = 0; i < 17; i++)
		hex(text + 16 * i, i);
	hex(text + 16 * 7, thread == 1 ? stack : other_stack);
	hex(text + 16 * 16, rip);
	put(fd, text);
}

/* The trap's frame begins at rsp; text is its own address, over and over. */
static void memory(int fd, uint64_t at, size_t n)
{
	char text[8192] = "";
	bool is_stack = at >= stack && at + n <= stack + LEFT_OF_STACK;

	if (!is_stack && at < other_stack) {
		put(fd, "E14");
		return;
	}
	for (size_t i = 0; i < n / 8; i++)
		hex(text + 16 * i, is_stack && at + 8 * i == stack ? trapped : at + 8 * i);
	put(fd, text);
}

static void stub(int fd, int out, const struct script *script)
{
	char text[8192];
	uint64_t at;
	size_t n;
	int thread = 1;

	put(fd, "T02thread:01;"); /* nobody asked */
	while (get(fd, text, sizeof(text))) {
		if (script->ends)
			_exit(0);
		if (!strcmp(text, "qfThreadInfo"))
			put(fd, script->threads ? script->threads : "m01");
		else if (!strcmp(text, "qsThreadInfo"))
			put(fd, thread++ == 1 ? "m02" : "l");
		else if (sscanf(text, "Hg%d", &thread) == 1)
			put(fd, "OK");
		else if (!strcmp(text, "g") && script->registers)
			put(fd, script->registers);
		else if (!strcmp(text, "g"))
			registers(fd, thread);
		else if (sscanf(text, "m%" SCNx64 ",%zx", &at, &n) == 2)
			memory(fd, at, n);
		else if (text[0] == 'M')
			put(fd, "OK");
		if (text[0] == 'M' || text[0] == 'D')
			dprintf(out, "%s\n", text);
	}
	_exit(0);
}

static int renew(const struct script *script, char *told, size_t size, struct err *e)
{
	int ends[2], out[2], ret;
	size_t n = 0;
	ssize_t got;
	pid_t pid;

	assert_false(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) || pipe(out));
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		close(ends[0]);
		stub(ends[1], out[1], script);
	}
	close(ends[1]);
	close(out[1]);
	ret = renew_code(ends[0], e);
	close(ends[0]);
	while ((got = read(out[0], told + n, size - 1 - n)) > 0)
		n += got;
	told[n] = '\0';
	close(out[0]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	return ret;
}

/* Each place once, what was read there, and the machine goes on at last. */
static void what_is_there_is_written_again(void **state)
{
	char told[4096], want[256], digits[17];
	struct err e = { 0 };
	int n;

	(void)state;
	assert_int_equal(renew(&(struct script){ 0 }, told, sizeof(told), &e), 2);
	n = snprintf(want, sizeof(want), "M%" PRIx64 ",20:", rip - 16);
	for (int i = 0; i < 4; i++) {
		hex(digits, rip - 16 + 8 * i);
		digits[16] = '\0';
		n += snprintf(want + n, sizeof(want) - n, "%s", digits);
	}
	assert_memory_equal(told, want, n);
	snprintf(want, sizeof(want), "\nM%" PRIx64 ",20:", trapped - 16);
	assert_non_null(strstr(told, want));
	assert_string_equal(told + strlen(told) - 3, "\nD\n");
}

static void wrong_answers(void **state)
{
	char many[5000];
	const struct {
		struct script script;
		const char *error;
	} table[] = {
		{ { .ends = true }, "went away" },
		{ { .registers = "0011" }, "registers of 4 digits" },
		{ { .registers = "E01" }, "registers of 3 digits" },
		{ { .threads = many }, "too many CPUs" },
	};

	(void)state;
	many[0] = 'm';
	for (size_t i = 1; i < sizeof(many) - 1; i++)
		many[i] = i % 2 ? '1' : ',';
	many[sizeof(many) - 1] = '\0';
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		char told[256];
		struct err e = { 0 };

		assert_int_equal(renew(&table[i].script, told, sizeof(told), &e), -EPROTO);
		assert_non_null(strstr(e.text, table[i].error));
		assert_string_equal(told, i ? "D\n" : "");
	}
}

/* No CPU is known: nothing is written. */
static void no_cpu(void **state)
{
	char told[256];
	struct err e = { 0 };

	(void)state;
	assert_int_equal(renew(&(struct script){ .threads = "l" }, told, sizeof(told), &e), 0);
	assert_string_equal(told, "D\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_there_is_written_again),
		cmocka_unit_test(wrong_answers),
		cmocka_unit_test(no_cpu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

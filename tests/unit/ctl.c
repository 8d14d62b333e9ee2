// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/ctl.h"

static void understands(void **state)
{
	static const struct {
		const char *line;
		struct ctl_request want;
	} cases[] = {
		{ "{\"command\":\"status\"}", { .command = CTL_STATUS } },
		{ " { \"command\" : \"quit\" } ", { .command = CTL_QUIT } },
		{ "{\"command\":\"interrupt\"}", { .command = CTL_INTERRUPT } },
		{ "{\"command\":\"mark\",\"id\":255}", { .command = CTL_MARK, .id = 255 } },
		{ "{\"on\":true,\"command\":\"rt\"}", { .command = CTL_RT, .on = true } },
		{ "{\"command\":\"rt\",\"on\":false}", { .command = CTL_RT } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct ctl_request r;
		struct err e = { 0 };

		assert_int_equal(ctl_parse(&r, cases[i].line, strlen(cases[i].line), &e), 0);
		assert_int_equal(r.command, cases[i].want.command);
		assert_int_equal(r.id, cases[i].want.id);
		assert_int_equal(r.on, cases[i].want.on);
	}
}

static void refuses(void **state)
{
	static const struct {
		const char *line, *says;
	} cases[] = {
		{ "", "one JSON object" },
		{ "status", "one JSON object" },
		{ "[]", "one JSON object" },
		{ "\"status\"", "one JSON object" },
		{ "{\"command\":\"status\"", "one JSON object" },
		{ "{\"command\":\"status\"} x", "one JSON object" },
		{ "{\"command\":\"status\"}{}", "one JSON object" },
		{ "{\"command\":\"stat\xff\"}", "one JSON object" },
		{ "{\"a\":[[[[[]]]]]}", "one JSON object" },
		{ "{}", "names its" },
		{ "{\"command\":1}", "names its" },
		{ "{\"command\":null}", "names its" },
		{ "{\"command\":\"reboot\"}", "no such command" },
		{ "{\"command\":\"status\",\"x\":1}", "takes nothing" },
		{ "{\"command\":\"mark\"}", "1 to 255" },
		{ "{\"command\":\"mark\",\"id\":0}", "1 to 255" },
		{ "{\"command\":\"mark\",\"id\":256}", "1 to 255" },
		{ "{\"command\":\"mark\",\"id\":\"2\"}", "1 to 255" },
		{ "{\"command\":\"mark\",\"id\":2,\"on\":true}", "only id" },
		{ "{\"command\":\"rt\"}", "true or false" },
		{ "{\"command\":\"rt\",\"on\":1}", "true or false" },
		{ "{\"command\":\"tids\",\"command\":\"quit\"}", "each key once" },
		{ "{\"command\":\"mark\",\"id\":2,\"id\":3}", "each key once" },
		{ "{\"command\":\"tids\",\"comm\\u0061nd\":\"quit\"}", "each key once" },
		{ "{\"command\":\"a:\\\":b\"}", "no such command" },
		{ "{\"command\":\"rt\",\"on\":{\"x\":1}}", "plain values" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct ctl_request r;
		struct err e = { 0 };

		assert_int_equal(ctl_parse(&r, cases[i].line, strlen(cases[i].line), &e), -EINVAL);
		assert_non_null(strstr(e.text, cases[i].says));
	}
}

static void refuses_a_nul(void **state)
{
	static const char line[] = "{\"command\":\"status\"}\0\0";
	struct ctl_request r;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(ctl_parse(&r, line, sizeof(line), &e), -EINVAL);
}

struct fake {
	int fd;
	const char *answer; /* NULL: close instead */
	char asked[CTL_REQUEST_MAX];
};

static void *fake_vm(void *arg)
{
	struct fake *f = arg;
	ssize_t n = read(f->fd, f->asked, sizeof(f->asked) - 1);

	if (n > 0 && f->answer)
		n = write(f->fd, f->answer, strlen(f->answer));
	close(f->fd);
	return NULL;
}

/* Returns what ctl_ask gave; a fake VM gives that answer. */
static int ask(const struct ctl_request *r, struct fake *f, json_object **reply, struct err *e)
{
	pthread_t t;
	int fd[2], ret;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	f->fd = fd[1];
	assert_int_equal(pthread_create(&t, NULL, fake_vm, f), 0);
	ret = ctl_ask(fd[0], r, 10000, reply, e);
	pthread_join(t, NULL);
	close(fd[0]);
	return ret;
}

static void asks(void **state)
{
	static const struct {
		const char *answer;
		int ret;
		const char *says;
	} cases[] = {
		{ "{\"state\":\"paused\"}\n", 0, "" },
		{ "{\"error\":\"the machine runs\"}\n", -EIO, "the machine runs" },
		{ "nonsense\n", -EPROTO, "not understood" },
		{ "{\"state\":", -EPIPE, "without an answer" },
		{ NULL, -EPIPE, "without an answer" },
	};
	const struct ctl_request r = { .command = CTL_MARK, .id = 2 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fake f = { .answer = cases[i].answer };
		_cleanup_json_ json_object *reply = NULL;
		struct err e = { 0 };

		assert_int_equal(ask(&r, &f, &reply, &e), cases[i].ret);
		assert_non_null(strstr(e.text, cases[i].says));
		assert_string_equal(f.asked, "{\"command\":\"mark\",\"id\":2}\n");
		if (!cases[i].ret)
			assert_string_equal(json_str(reply, "state", ""), "paused");
	}
}

static void does_not_wait_for_ever(void **state)
{
	const struct ctl_request r = { .command = CTL_STATUS };
	json_object *reply;
	struct err e = { 0 };
	int fd[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	assert_int_equal(ctl_ask(fd[0], &r, 20, &reply, &e), -ETIMEDOUT);
	close(fd[0]);
	close(fd[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(understands),
		cmocka_unit_test(refuses),
		cmocka_unit_test(refuses_a_nul),
		cmocka_unit_test(asks),
		cmocka_unit_test(does_not_wait_for_ever),
	};

	return cmocka_run_group_tests_name("ctl", tests, NULL, NULL);
}

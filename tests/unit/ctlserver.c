// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "vmm/ctlserver.h"

/* Answers status at once, stats with a long text, pause when it is ready; refuses the rest. */
struct machine {
	bool ready;
	int asked;
};

static int answer(void *ctx, const struct ctl_request *r, json_object **reply, struct err *e)
{
	struct machine *m = ctx;
	static char big[300000];

	m->asked++;
	if (r->command == CTL_PAUSE && !m->ready)
		return CTL_LATER;
	if (r->command == CTL_NMI)
		return err_set(e, -EIO, "a \"reason\"");
	*reply = json_object_new_object();
	memset(big, 'x', sizeof(big) - 1);
	json_set_str(*reply, "text", r->command == CTL_STATS ? big : ctl_name(r->command));
	return 0;
}

static void turn(struct ctlserver *s)
{
	struct pollfd p[CTLSERVER_FDS];
	int n = ctlserver_poll(s, p);

	assert_true(poll(p, n, 0) >= 0);
	ctlserver_serve(s, p, n);
}

static void say(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

/* What has come by now, NUL-terminated; "" when nothing has. */
static const char *heard(int fd, char *buf, size_t size)
{
	ssize_t n = recv(fd, buf, size - 1, MSG_DONTWAIT);

	buf[n > 0 ? n : 0] = '\0';
	return buf;
}

static int adopt(struct ctlserver *s)
{
	struct err e = { 0 };
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	assert_int_equal(ctlserver_adopt(s, fd[1], &e), 0);
	return fd[0];
}

static void answers_lines(void **state)
{
	struct machine m = { 0 };
	struct ctlserver s;
	char buf[4096];
	int fd;

	(void)state;
	ctlserver_init(&s, answer, &m);
	fd = adopt(&s);
	say(fd, "{\"command\":\"sta");
	turn(&s);
	assert_string_equal(heard(fd, buf, sizeof(buf)), "");
	say(fd, "tus\"}\n{\"command\":\"tids\"}\nrubbish\n{\"command\":\"nmi\"}\n");
	turn(&s);
	assert_string_equal(heard(fd, buf, sizeof(buf)),
			    "{\"text\":\"status\"}\n{\"text\":\"tids\"}\n"
			    "{\"error\":\"a request is one JSON object on one line\"}\n"
			    "{\"error\":\"a \\\"reason\\\"\"}\n");
	close(fd);
	turn(&s);
	assert_int_equal(s.clients[0].fd, -1);
	ctlserver_close(&s);
}

static void survives_a_long_line(void **state)
{
	struct machine m = { 0 };
	struct ctlserver s;
	char line[3 * CTL_REQUEST_MAX], buf[4096];
	int fd;

	(void)state;
	ctlserver_init(&s, answer, &m);
	fd = adopt(&s);
	memset(line, '{', sizeof(line));
	line[sizeof(line) - 1] = '\0';
	say(fd, line);
	for (int i = 0; i < 4; i++)
		turn(&s);
	assert_string_equal(heard(fd, buf, sizeof(buf)),
			    "{\"error\":\"a request has at most 1024 bytes\"}\n");
	say(fd, "}}}\n{\"command\":\"quit\"}\n");
	turn(&s); /* takes what fits behind the long line's rest */
	turn(&s);
	assert_string_equal(heard(fd, buf, sizeof(buf)), "{\"text\":\"quit\"}\n");
	ctlserver_close(&s);
	close(fd);
}

/* One that never reads its answers does not keep the others from theirs. */
static void a_slow_client_waits_alone(void **state)
{
	struct machine m = { 0 };
	struct ctlserver s;
	char buf[4096];
	int slow, quick;

	(void)state;
	ctlserver_init(&s, answer, &m);
	slow = adopt(&s);
	quick = adopt(&s);
	for (int i = 0; i < 20; i++) {
		say(slow, "{\"command\":\"stats\"}\n");
		turn(&s);
	}
	assert_true(m.asked < 5); /* it is not asked again before it has read */
	say(quick, "{\"command\":\"status\"}\n");
	turn(&s);
	assert_string_equal(heard(quick, buf, sizeof(buf)), "{\"text\":\"status\"}\n");
	close(slow);
	turn(&s);
	assert_int_equal(s.clients[0].fd, -1);
	ctlserver_close(&s);
	close(quick);
}

static void an_answer_may_come_later(void **state)
{
	struct machine m = { 0 };
	struct ctlserver s;
	char buf[4096];
	int fd;

	(void)state;
	ctlserver_init(&s, answer, &m);
	fd = adopt(&s);
	say(fd, "{\"command\":\"pause\"}\n{\"command\":\"status\"}\n");
	turn(&s);
	turn(&s);
	assert_string_equal(heard(fd, buf, sizeof(buf)), "");
	m.ready = true;
	turn(&s);
	assert_string_equal(heard(fd, buf, sizeof(buf)),
			    "{\"text\":\"pause\"}\n{\"text\":\"status\"}\n");
	ctlserver_close(&s);
	close(fd);
}

static void refuses_what_is_no_socket(void **state)
{
	_cleanup_close_ int fd = open("/dev/null", O_RDONLY);
	struct machine m = { 0 };
	struct ctlserver s;
	struct err e = { 0 };

	(void)state;
	ctlserver_init(&s, answer, &m);
	assert_int_equal(ctlserver_adopt(&s, fd, &e), -ENOTSOCK);
	ctlserver_close(&s);
}

static void listens(void **state)
{
	char dir[] = "/tmp/rtkvm-ctl.XXXXXX", path[64], buf[4096];
	int fds[CTLSERVER_CLIENTS + 1];
	struct machine m = { 0 };
	struct ctlserver s;
	struct err e = { 0 };
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/x.sock", dir);
	ctlserver_init(&s, answer, &m);
	assert_int_equal(ctlserver_listen(&s, path, &e), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = ctlplace_connect(dir, path, &e);
		assert_true(fds[i] >= 0);
		turn(&s);
	}
	assert_string_equal(heard(fds[CTLSERVER_CLIENTS], buf, sizeof(buf)),
			    "{\"error\":\"too many clients\"}\n");
	say(fds[3], "{\"command\":\"status\"}\n");
	turn(&s);
	assert_string_equal(heard(fds[3], buf, sizeof(buf)), "{\"text\":\"status\"}\n");
	ctlserver_close(&s);
	assert_false(file_exists(path));
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_lines),
		cmocka_unit_test(survives_a_long_line),
		cmocka_unit_test(a_slow_client_waits_alone),
		cmocka_unit_test(an_answer_may_come_later),
		cmocka_unit_test(refuses_what_is_no_socket),
		cmocka_unit_test(listens),
	};

	return cmocka_run_group_tests_name("ctlserver", tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <dirent.h>
#include <linux/virtio_console.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "tests/unit/virtdriver.h"

enum {
	IN = 0,
	OUT = 1,
	CONTROL_OUT = 3,
	NULL_OUT = 5, /* of the port to /dev/null */
	FILE_OUT = 7, /* and of that to a file */
	TURN_REQUESTS = 64,
	TURN_BYTES = 256 << 10,
	SIZE = 128,
	PIECE = 8192, /* of a request that no socket takes at once */
	PIECES = 64,
	MESSAGE = DATA + PIECE, /* where control messages lie */
};

/* A console whose port 0 is a socket of ours. */
struct console {
	struct driver *t;
	char dir[32];
	int listener, peer;
};

static void begin(struct console *c)
{
	driver_begin(c->t, c->t->d->features, SIZE);
}

static int set_up(void **state)
{
	struct console *c = calloc(1, sizeof(*c));
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char option[256];

	signal(SIGPIPE, SIG_IGN); /* as rtkvm run does */
	strcpy(c->dir, "/tmp/rtkvm-unit.XXXXXX");
	assert_non_null(mkdtemp(c->dir));
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/sock", c->dir);
	c->listener = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(c->listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(c->listener, 2), 0);
	snprintf(option, sizeof(option), "%s,port=a:/dev/null,port=b:%s/file", a.sun_path, c->dir);
	c->t = driver_new(&vconsole_ops, DEV_CONSOLE, option);
	c->peer = accept(c->listener, NULL, NULL);
	assert_true(c->peer >= 0);
	begin(c);
	*state = c;
	return 0;
}

static int tear_down(void **state)
{
	struct console *c = *state;
	char path[64];

	driver_free(c->t);
	if (c->peer >= 0)
		close(c->peer);
	close(c->listener);
	snprintf(path, sizeof(path), "%s/sock", c->dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/file", c->dir);
	unlink(path);
	rmdir(c->dir);
	free(c);
	return 0;
}

static void offer(struct console *c, int q, uint64_t at, uint32_t len, uint16_t flags)
{
	driver_describe(c->t, q, 0, (struct vring_desc){ at, len, flags, 0 });
	driver_offer(c->t, q, 0);
	driver_kick(c->t, q);
	driver_turns(c->t);
}

static void send_control(struct console *c, uint32_t port, uint16_t event, uint16_t value)
{
	struct virtio_console_control m = { port, event, value };

	memcpy(c->t->vm.mem.host + MESSAGE, &m, sizeof(m));
	offer(c, CONTROL_OUT, MESSAGE, sizeof(m), 0);
}

static void say(struct console *c, const char *text)
{
	assert_int_equal(write(c->peer, text, strlen(text)), strlen(text));
	driver_turns(c->t);
}

/* What the socket has now. */
static size_t heard(struct console *c, uint8_t *to, size_t max)
{
	size_t n = 0;
	ssize_t some;

	while (n < max && (some = recv(c->peer, to + n, max - n, MSG_DONTWAIT)) > 0)
		n += some;
	return n;
}

/* A request of PIECES times the same bytes. */
static void offer_pieces(struct console *c, int q)
{
	uint8_t *data = c->t->vm.mem.host + DATA;

	for (int i = 0; i < PIECE; i++)
		data[i] = i * 7 + i / 256;
	for (int i = 0; i < PIECES; i++)
		driver_describe(c->t, q, i,
				(struct vring_desc){ DATA, PIECE,
						     i < PIECES - 1 ? VRING_DESC_F_NEXT : 0,
						     i + 1 });
	driver_offer(c->t, q, 0);
	driver_kick(c->t, q);
}

static void offer_large(struct console *c)
{
	offer_pieces(c, OUT);
	driver_turns(c->t);
}

static void nothing_is_lost_when_the_reader_is_slow(void **state)
{
	static uint8_t got[PIECE * PIECES + 16];
	struct console *c = *state;
	const uint8_t *data = c->t->vm.mem.host + DATA;
	size_t n = 0;

	offer_large(c);
	assert_int_equal(driver_used(c->t, OUT)->idx, 0); /* the guest waits */
	for (int i = 0; i < PIECES && n < PIECE * PIECES; i++) {
		n += heard(c, got + n, sizeof(got) - n);
		driver_turns(c->t);
	}
	assert_int_equal(n, PIECE * PIECES);
	for (size_t i = 0; i < PIECES; i++)
		assert_memory_equal(got + i * PIECE, data, PIECE);
	assert_int_equal(driver_used(c->t, OUT)->idx, 1);
}

static void a_reset_forgets_what_waits(void **state)
{
	static uint8_t got[PIECE * PIECES];
	struct console *c = *state;

	offer_large(c);
	driver_reset(c->t);
	assert_int_equal(driver_memory(c->t, 0x14, 1, false, 0), 0);
	heard(c, got, sizeof(got));
	begin(c);
	driver_turns(c->t);
	assert_int_equal(heard(c, got, sizeof(got)), 0);
	offer(c, OUT, DATA, 3, 0);
	assert_int_equal(heard(c, got, sizeof(got)), 3);
	assert_int_equal(driver_used(c->t, OUT)->idx, 1);
}

/* The thread's sandbox knows no close(2): a port that hangs up keeps its descriptor. */
static int descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void hung_up_output_is_dropped(void **state)
{
	struct console *c = *state;
	int before;

	close(c->peer);
	c->peer = -1;
	before = descriptors();
	for (int i = 1; i < 4; i++) {
		offer(c, OUT, DATA, 5, 0);
		assert_int_equal(driver_used(c->t, OUT)->idx, i);
	}
	assert_int_equal(descriptors(), before);
}

static void hung_up_input_frees_what_waits(void **state)
{
	struct console *c = *state;
	int before;

	offer_large(c);
	send_control(c, 0, VIRTIO_CONSOLE_PORT_OPEN, 1);
	close(c->peer);
	c->peer = -1;
	before = descriptors();
	offer(c, IN, DATA, 64, VRING_DESC_F_WRITE);
	assert_int_equal(driver_used(c->t, OUT)->idx, 1);
	assert_int_equal(driver_used(c->t, IN)->idx, 0);
	assert_int_equal(descriptors(), before);
	assert_false(atomic_load(&c->t->d->stats.broken));
}

static void input_waits_until_the_port_is_open(void **state)
{
	struct console *c = *state;
	const struct vring_used *used = driver_used(c->t, IN);

	offer(c, IN, DATA, 64, VRING_DESC_F_WRITE);
	say(c, "early");
	assert_int_equal(used->idx, 0);
	send_control(c, 1, VIRTIO_CONSOLE_PORT_OPEN, 1); /* another one */
	send_control(c, 77, VIRTIO_CONSOLE_PORT_OPEN, 1); /* none */
	assert_int_equal(used->idx, 0);
	send_control(c, 0, VIRTIO_CONSOLE_PORT_OPEN, 1);
	assert_int_equal(used->idx, 1);
	assert_int_equal(used->ring[0].len, 5);
	assert_memory_equal(c->t->vm.mem.host + DATA, "early", 5);

	send_control(c, 0, VIRTIO_CONSOLE_PORT_OPEN, 0);
	offer(c, IN, DATA, 64, VRING_DESC_F_WRITE);
	say(c, "late");
	assert_int_equal(used->idx, 1);
	send_control(c, 0, VIRTIO_CONSOLE_PORT_OPEN, 1);
	assert_int_equal(used->idx, 2);
}

static void a_reset_closes_the_ports(void **state)
{
	struct console *c = *state;

	send_control(c, 0, VIRTIO_CONSOLE_PORT_OPEN, 1);
	driver_reset(c->t);
	begin(c);
	offer(c, IN, DATA, 64, VRING_DESC_F_WRITE);
	say(c, "early");
	assert_int_equal(driver_used(c->t, IN)->idx, 0);
}

static void without_multiport_it_is_open(void **state)
{
	struct console *c = *state;

	driver_reset(c->t);
	driver_begin(c->t, 1ull << VIRTIO_F_VERSION_1, SIZE);
	offer(c, IN, DATA, 64, VRING_DESC_F_WRITE);
	say(c, "at once");
	assert_int_equal(driver_used(c->t, IN)->idx, 1);
}

static void input_needs_room(void **state)
{
	struct console *c = *state;

	send_control(c, 0, VIRTIO_CONSOLE_PORT_OPEN, 1);
	offer(c, IN, DATA, 64, 0); /* nothing to write to */
	say(c, "x");
	assert_true(atomic_load(&c->t->d->stats.broken));
	driver_reset(c->t);
	begin(c); /* and the port is as it was */
	send_control(c, 0, VIRTIO_CONSOLE_PORT_OPEN, 1);
	offer(c, IN, DATA, 64, VRING_DESC_F_WRITE);
	assert_int_equal(driver_used(c->t, IN)->idx, 1);
}

static off_t file_bytes(const struct console *c)
{
	struct stat st;
	char path[64];

	snprintf(path, sizeof(path), "%s/file", c->dir);
	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

/* Other ports, a reset and the end come between. */
static void a_turn_moves_so_much(void **state)
{
	struct console *c = *state;

	offer_pieces(c, FILE_OUT);
	driver_describe(c->t, NULL_OUT, 0, (struct vring_desc){ DATA, 1, 0, 0 });
	for (int i = 0; i < SIZE; i++)
		driver_offer(c->t, NULL_OUT, 0);
	driver_kick(c->t, NULL_OUT);
	virtio_turn(c->t->d, 0);
	assert_int_equal(file_bytes(c), TURN_BYTES);
	assert_int_equal(driver_used(c->t, FILE_OUT)->idx, 0);
	assert_int_equal(driver_used(c->t, NULL_OUT)->idx, TURN_REQUESTS);
	driver_turns(c->t); /* no kick, and yet the rest goes */
	assert_int_equal(file_bytes(c), PIECE * PIECES);
	assert_int_equal(driver_used(c->t, FILE_OUT)->idx, 1);
	assert_int_equal(driver_used(c->t, NULL_OUT)->idx, SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_is_lost_when_the_reader_is_slow, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_reset_forgets_what_waits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(hung_up_output_is_dropped, set_up, tear_down),
		cmocka_unit_test_setup_teardown(hung_up_input_frees_what_waits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(input_waits_until_the_port_is_open, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_reset_closes_the_ports, set_up, tear_down),
		cmocka_unit_test_setup_teardown(without_multiport_it_is_open, set_up, tear_down),
		cmocka_unit_test_setup_teardown(input_needs_room, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_turn_moves_so_much, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("vconsole", tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-only
/* On a tap interface in a network namespace of this test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "tests/unit/virtdriver.h"

enum {
	RX,
	TX,
	SIZE = 128,
	BURST = 64,
	TYPE = 0x88b5, /* for experiments */
	HEADER = sizeof(struct virtio_net_hdr_mrg_rxbuf),
	FRAME = 60,
	BUFFER = 2048,
};

static const char tap[] = "tap0";

struct card {
	struct driver *t;
	int wire; /* a packet socket: the interface's other end */
};

/* Persistent: the device attaches to it as to one that "ip tuntap add" made. */
static bool make_tap(void)
{
	struct ifreq r = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	_cleanup_close_ int fd = open("/dev/net/tun", O_RDWR);
	_cleanup_close_ int quiet = open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY);

	if (quiet >= 0 && write(quiet, "1", 1) != 1)
		return false;
	strcpy(r.ifr_name, tap);
	return fd >= 0 && !ioctl(fd, TUNSETIFF, &r) && !ioctl(fd, TUNSETPERSIST, 1);
}

static void open_wire(struct card *c)
{
	struct sockaddr_ll a = { .sll_family = AF_PACKET, .sll_protocol = htons(TYPE) };
	struct ifreq r = { .ifr_flags = IFF_UP };

	c->wire = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(TYPE));
	assert_true(c->wire >= 0);
	strcpy(r.ifr_name, tap);
	assert_int_equal(ioctl(c->wire, SIOCSIFFLAGS, &r), 0);
	a.sll_ifindex = if_nametoindex(tap);
	assert_int_equal(bind(c->wire, (struct sockaddr *)&a, sizeof(a)), 0);
}

static int set_up(void **state)
{
	struct card *c = calloc(1, sizeof(*c));

	*state = c;
	if (unshare(CLONE_NEWNET) || !make_tap())
		return 0; /* tests skip */
	c->t = driver_new(&net_ops, DEV_NET, "tap=tap0,cpu=0");
	open_wire(c);
	driver_begin(c->t, c->t->d->features, SIZE);
	return 0;
}

static int tear_down(void **state)
{
	struct card *c = *state;

	if (c->t) {
		close(c->wire);
		driver_free(c->t);
	}
	free(c);
	return 0;
}

static void arrives(struct card *c)
{
	uint8_t frame[FRAME] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,	  2,
				 0,    0,    0,	   0,	 1,    TYPE >> 8, TYPE & 0xff };

	assert_int_equal(send(c->wire, frame, sizeof(frame), 0), sizeof(frame));
}

/* Frames that reached the other end. */
static int sent(struct card *c)
{
	uint8_t frame[BUFFER];
	int n = 0;

	while (recv(c->wire, frame, sizeof(frame), 0) > 0)
		n++;
	return n;
}

static void give_buffer(struct card *c, uint32_t bytes)
{
	driver_describe(c->t, RX, 0, (struct vring_desc){ DATA, bytes, VRING_DESC_F_WRITE, 0 });
	driver_offer(c->t, RX, 0);
	driver_kick(c->t, RX);
	driver_turns(c->t);
}

static void a_buffer_holds_a_header(void **state)
{
	struct card *c = *state;

	if (!c->t)
		skip();
	give_buffer(c, HEADER - 1);
	arrives(c);
	driver_turns(c->t);
	assert_true(atomic_load(&c->t->d->stats.broken));
	assert_int_equal(driver_used(c->t, RX)->idx, 0);

	/* the next driver is not made to pay for it */
	driver_reset(c->t);
	driver_begin(c->t, c->t->d->features, SIZE);
	give_buffer(c, BUFFER);
	arrives(c);
	driver_turns(c->t);
	assert_false(atomic_load(&c->t->d->stats.broken));
	assert_true(driver_used(c->t, RX)->idx > 0);
	assert_int_equal(driver_used(c->t, RX)->ring[0].len, HEADER + FRAME);
}

/* An interface that is deleted is always readable: nobody looks any more. */
static void deleted_it_is_let_be(void **state)
{
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	struct {
		struct nlmsghdr head;
		struct ifinfomsg info;
	} m = { { sizeof(m), RTM_DELLINK, NLM_F_REQUEST | NLM_F_ACK }, { 0 } };
	struct card *c = *state;
	uint8_t answer[256];

	if (!c->t)
		skip();
	give_buffer(c, BUFFER);
	assert_true(c->t->d->fds[0].fd >= 0);
	m.info.ifi_index = if_nametoindex(tap);
	assert_int_equal(send(fd, &m, sizeof(m), 0), sizeof(m));
	assert_true(recv(fd, answer, sizeof(answer), 0) > 0);
	driver_turns(c->t);
	assert_int_equal(c->t->d->fds[0].fd, -1);
	assert_int_equal(driver_used(c->t, RX)->idx, 0);
	assert_false(atomic_load(&c->t->d->stats.broken));
}

static void sending_lets_receive(void **state)
{
	struct card *c = *state;

	if (!c->t)
		skip();
	give_buffer(c, BUFFER);
	arrives(c);
	memset(c->t->vm.mem.host + DATA + BUFFER, 0, HEADER);
	memset(c->t->vm.mem.host + DATA + BUFFER + HEADER, 0xff, 6);
	c->t->vm.mem.host[DATA + BUFFER + HEADER + 12] = TYPE >> 8;
	c->t->vm.mem.host[DATA + BUFFER + HEADER + 13] = TYPE & 0xff;
	driver_describe(c->t, TX, 0, (struct vring_desc){ DATA + BUFFER, HEADER + FRAME, 0, 0 });
	for (int i = 0; i < SIZE; i++)
		driver_offer(c->t, TX, 0);
	driver_kick(c->t, TX);
	virtio_turn(c->t->d, 0);
	assert_int_equal(driver_used(c->t, TX)->idx, BURST);
	assert_int_equal(driver_used(c->t, RX)->idx, 1);
	driver_turns(c->t); /* no kick, and yet the rest goes */
	assert_int_equal(driver_used(c->t, TX)->idx, SIZE);
	assert_int_equal(sent(c), SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_buffer_holds_a_header, set_up, tear_down),
		cmocka_unit_test_setup_teardown(deleted_it_is_let_be, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sending_lets_receive, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("net", tests, NULL, NULL);
}

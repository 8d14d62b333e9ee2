// SPDX-License-Identifier: GPL-2.0-only
/* With a kernel of this test's own: few hosts have loaded vhost_vsock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "tests/unit/virtdriver.h"

enum { SERVED = 2, EVENTS = 2, SIZE = 16 };

static struct {
	bool there, taken; /* the device, the address */
	uint64_t cid;
	int running, calls[SERVED];
} kernel;

int open(const char *path, int flags, ...)
{
	if (!strcmp(path, "/dev/vhost-vsock")) {
		errno = ENOENT;
		return kernel.there ? memfd_create("vsock", MFD_CLOEXEC) : -1;
	}
	return syscall(SYS_openat, AT_FDCWD, path, flags, 0600);
}

int ioctl(int fd, unsigned long request, ...)
{
	const struct vhost_vring_file *f;
	va_list arguments;
	void *argument;

	(void)fd;
	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	f = argument;
	if (request == VHOST_VSOCK_SET_GUEST_CID) {
		errno = EADDRINUSE;
		kernel.cid = *(uint64_t *)argument;
		return kernel.taken ? -1 : 0;
	}
	if (request == VHOST_VSOCK_SET_RUNNING)
		kernel.running = *(int *)argument;
	if (request == VHOST_SET_VRING_CALL)
		kernel.calls[f->index] = f->fd;
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	kernel.there = true;
	kernel.running = -1;
	return 0;
}

static bool kicked(const struct driver *t, int q)
{
	struct pollfd p = { t->d->queue[q].kick, POLLIN, 0 };

	return poll(&p, 1, 0) == 1;
}

static void runs_with_the_driver(void **state)
{
	struct driver *t = driver_new(&vsock_ops, DEV_VSOCK, "cid=77");

	(void)state;
	assert_int_equal(kernel.cid, 77);
	assert_int_equal(kernel.running, -1);
	driver_begin(t, t->d->features, SIZE);
	assert_int_equal(driver_memory(t, 0x2000, 4, false, 0), 77);
	assert_int_equal(kernel.running, 1);
	for (int i = 0; i < SERVED; i++) /* what came before it ran is not lost */
		assert_true(kicked(t, i));
	assert_false(kicked(t, EVENTS));
	driver_reset(t);
	assert_int_equal(kernel.running, 0);
	driver_begin(t, t->d->features, SIZE);
	assert_int_equal(kernel.running, 1);
	assert_false(atomic_load(&t->d->stats.broken));
	driver_free(t);
}

static void a_vector_may_come_late(void **state)
{
	struct driver *t = driver_new(&vsock_ops, DEV_VSOCK, "cid=3");

	(void)state;
	driver_begin(t, t->d->features, SIZE);
	assert_int_equal(kernel.calls[1], -1);
	driver_memory(t, 0x16, 2, true, 1);
	driver_memory(t, 0x1a, 2, true, 2);
	driver_turns(t);
	assert_int_equal(kernel.calls[1], t->d->msix.v[2].fd);
	driver_free(t);
}

static void a_broken_rule_breaks_it(void **state)
{
	struct driver *t = driver_new(&vsock_ops, DEV_VSOCK, "cid=3");
	uint64_t one = 1;

	(void)state;
	driver_begin(t, t->d->features, SIZE);
	assert_int_equal(write(t->d->fds[0].fd, &one, sizeof(one)), sizeof(one));
	driver_turns(t);
	assert_true(atomic_load(&t->d->stats.broken));
	assert_int_equal(kernel.running, 0);
	driver_reset(t);
	driver_begin(t, t->d->features, SIZE);
	driver_turns(t);
	assert_false(atomic_load(&t->d->stats.broken));
	driver_free(t);
}

static void says_what_is_wrong(void **state)
{
	static const struct {
		bool there, taken;
		const char *text;
	} rows[] = {
		{ false, false,
		  "this host has no /dev/vhost-vsock; load it: modprobe vhost_vsock" },
		{ true, true, "cid 3 is another VM's; choose another" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct dev_opt o = { .kind = DEV_VSOCK, .cid = 3 };
		struct virtio *v = calloc(1, vsock_ops.state_bytes);
		struct err e = { 0 };

		kernel.there = rows[i].there;
		kernel.taken = rows[i].taken;
		assert_true(vsock_ops.open(v, &o, &e) < 0);
		assert_non_null(strstr(e.text, rows[i].text));
		vsock_ops.close(v);
		free(v);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(runs_with_the_driver, set_up),
		cmocka_unit_test_setup(a_vector_may_come_late, set_up),
		cmocka_unit_test_setup(a_broken_rule_breaks_it, set_up),
		cmocka_unit_test_setup(says_what_is_wrong, set_up),
	};

	return cmocka_run_group_tests_name("vsock", tests, NULL, NULL);
}

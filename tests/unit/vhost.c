// SPDX-License-Identifier: GPL-2.0-only
/* A device that the kernel serves, with a kernel of this test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <fcntl.h>
#include <json-c/json.h>
#include <linux/vhost.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "tests/unit/virtdriver.h"
#include "vmm/events.h"
#include "vmm/vhost.h"

enum { QUEUES = 2, SIZE = 16 };

/* The descriptors that the kernel raises, a queue each. */
static int calls[QUEUES];
static bool refuses;

int ioctl(int fd, unsigned long request, ...)
{
	const struct vhost_vring_file *f;
	va_list arguments;

	(void)fd;
	va_start(arguments, request);
	f = va_arg(arguments, const void *);
	va_end(arguments);
	if (request != VHOST_SET_VRING_CALL)
		return 0;
	if (refuses)
		return -1;
	calls[f->index] = f->fd;
	return 0;
}

struct served {
	struct virtio v;
	struct vhost vhost;
};

static struct served *of(struct virtio *v)
{
	return container_of(v, struct served, v);
}

static int open_it(struct virtio *v, const struct dev_opt *o, struct err *e)
{
	(void)o;
	(void)e;
	of(v)->vhost.fd = open("/dev/null", O_RDWR);
	of(v)->vhost.broken = eventfd(0, EFD_NONBLOCK);
	v->n_queues = QUEUES;
	v->in_kernel = true;
	return 0;
}

static void close_it(struct virtio *v)
{
	vhost_close(&of(v)->vhost);
}

static int start(struct virtio *v)
{
	return vhost_start(&of(v)->vhost, v, QUEUES);
}

static int vectors(struct virtio *v)
{
	return vhost_calls(&of(v)->vhost, v, QUEUES);
}

static const struct virtio_ops ops = {
	.name = "served",
	.id = 1,
	.state_bytes = sizeof(struct served),
	.open = open_it,
	.close = close_it,
	.start = start,
	.vectors = vectors,
};

static int set_up(void **state)
{
	struct driver *t = driver_new(&ops, DEV_RNG, NULL);

	refuses = false;
	driver_begin(t, t->d->features, SIZE);
	*state = t;
	return 0;
}

static int tear_down(void **state)
{
	driver_free(*state);
	return 0;
}

static void set_vector(struct driver *t, int q, uint16_t vector)
{
	driver_memory(t, 0x16, 2, true, q);
	driver_memory(t, 0x1a, 2, true, vector);
	driver_turns(t);
}

static void a_vector_may_come_late(void **state)
{
	struct driver *t = *state;

	assert_int_equal(calls[0], -1);
	assert_int_equal(calls[1], -1);
	set_vector(t, 1, 2);
	assert_int_equal(calls[0], -1);
	assert_int_equal(calls[1], t->d->msix.v[2].fd);
	set_vector(t, 1, 0);
	assert_int_equal(calls[1], t->d->msix.v[0].fd);
	set_vector(t, 1, MSIX_NO_VECTOR);
	assert_int_equal(calls[1], -1);
	assert_false(atomic_load(&t->d->stats.broken));
}

static void a_kernel_that_refuses_breaks_it(void **state)
{
	struct driver *t = *state;

	refuses = true;
	set_vector(t, 0, 1);
	assert_true(atomic_load(&t->d->stats.broken));
}

/* What is not counted is not told as 0. */
static void what_the_kernel_does_is_unknown(void **state)
{
	static const char *const unknown[] = { "kicks", "requests", "interrupts" };
	struct driver *t = *state;
	json_object *o = json_object_new_object(), *list = NULL, *device, *value;
	struct sandbox sandbox = { 0 };

	t->vm.opts.sandbox = &sandbox;
	events_machine(o, &t->vm);
	assert_true(json_object_object_get_ex(o, "devices", &list));
	device = json_object_array_get_idx(list, 0);
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++) {
		assert_true(json_object_object_get_ex(device, unknown[i], &value));
		assert_null(value);
	}
	assert_true(json_object_object_get_ex(device, "vhost", &value));
	assert_true(json_object_get_boolean(value));
	json_object_put(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_vector_may_come_late, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_kernel_that_refuses_breaks_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_the_kernel_does_is_unknown, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("vhost", tests, NULL, NULL);
}

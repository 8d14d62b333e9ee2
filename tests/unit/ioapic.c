// SPDX-License-Identifier: GPL-2.0-only
/*
 * What one thread does between any two accesses of another to what they share: the file is compiled
 * in here with each such access as a point at which the test can step in.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "vmm/acpi.h"
#include "vmm/vm.h"

enum { PIN = 4, VECTOR = 0x55, SELECT = 0, WINDOW = 0x10, ENTRY = 0x10 + 2 * PIN, MASK = 1 << 16 };

struct machine {
	struct vm vm;
	struct vdev *dev;
	int delivered, other;
	uint32_t data;
	int points; /* passed by what runs */
	int step_in_at; /* point before which meanwhile happens; 0: never */
	void (*meanwhile)(struct machine *m);
};

static struct machine *the;

static void point(void)
{
	if (++the->points != the->step_in_at)
		return;
	the->step_in_at = 0;
	the->meanwhile(the);
}

static int sent(int fd, unsigned long request, const void *arg)
{
	const struct kvm_msi *msi = arg;

	assert_int_equal(fd, the->vm.fd);
	if (request != KVM_SIGNAL_MSI)
		return the->other++;
	the->data = msi->data;
	return ++the->delivered;
}

#undef atomic_load
#undef atomic_fetch_or
#undef atomic_fetch_and
#undef atomic_compare_exchange_weak
#define atomic_load(p)	       (point(), atomic_load_explicit(p, memory_order_seq_cst))
#define atomic_fetch_or(p, v)  (point(), atomic_fetch_or_explicit(p, v, memory_order_seq_cst))
#define atomic_fetch_and(p, v) (point(), atomic_fetch_and_explicit(p, v, memory_order_seq_cst))
#define atomic_compare_exchange_weak(p, old, v)                                          \
	(point(), atomic_compare_exchange_weak_explicit(p, old, v, memory_order_seq_cst, \
							memory_order_seq_cst))
#define ioctl sent
#include "vmm/ioapic.c"

static void set(struct machine *m, uint32_t offset, uint32_t value)
{
	uint8_t bytes[8];
	struct mmio io = { ACPI_IOAPIC_ADDR + offset, sizeof(value), true, bytes };

	memcpy(bytes, &value, sizeof(value));
	assert_int_equal(ioapic_ops.mmio(m->dev, NULL, &io), VCPU_RUN);
}

static void unmask(struct machine *m)
{
	set(m, WINDOW, VECTOR);
}

static void mask(struct machine *m)
{
	set(m, WINDOW, VECTOR | MASK);
}

static void edge(struct machine *m)
{
	vm_irq(&m->vm, PIN);
}

static struct machine *create(void)
{
	struct machine *m = aligned_alloc(64, (sizeof(*m) + 63) / 64 * 64);
	struct err e = { 0 };

	assert_non_null(m);
	memset(m, 0, sizeof(*m));
	the = m;
	m->dev = calloc(1, ioapic_ops.state_bytes);
	assert_non_null(m->dev);
	m->dev->ops = &ioapic_ops;
	m->dev->vm = &m->vm;
	assert_int_equal(ioapic_ops.init(m->dev, &e), 0);
	set(m, SELECT, ENTRY);
	mask(m);
	return m;
}

static void destroy(struct machine *m)
{
	free(m->dev);
	free(m);
}

typedef void (*act)(struct machine *m);

/* One act with another stepping in before its point-th access; false: it has not so many. */
static bool race(struct machine *m, act first, act meanwhile, int at)
{
	m->points = 0;
	m->step_in_at = at;
	m->meanwhile = meanwhile;
	first(m);
	if (!m->step_in_at)
		return true;
	m->step_in_at = 0;
	return false;
}

static void an_edge_at_a_masked_input_waits(void **state)
{
	struct machine *m = create();

	(void)state;
	edge(m);
	assert_int_equal(m->delivered, 0);
	unmask(m);
	assert_int_equal(m->delivered, 1);
	assert_int_equal(m->data, VECTOR);
	mask(m);
	unmask(m);
	assert_int_equal(m->delivered, 1);
	edge(m);
	assert_int_equal(m->delivered, 2);
	assert_int_equal(m->other, 0);
	destroy(m);
}

/* Whoever of the two comes between which two accesses of the other: it is delivered, and once. */
static void an_edge_and_an_unmasking_never_miss_each_other(void **state)
{
	static const struct {
		act first, meanwhile;
		int points; /* at least so many must have been tried */
	} t[] = { { edge, unmask, 3 }, { unmask, edge, 3 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		bool within = true;
		int at = 0;

		while (within) {
			struct machine *m = create();

			within = race(m, t[i].first, t[i].meanwhile, ++at);
			if (!within)
				t[i].meanwhile(m);
			if (m->delivered != 1)
				fail_msg("row %zu, before access %d: %d messages", i, at,
					 m->delivered);
			destroy(m);
		}
		assert_true(at > t[i].points);
	}
}

static void nor_an_edge_and_a_masking(void **state)
{
	static const struct {
		act first, meanwhile;
	} t[] = { { edge, mask }, { mask, edge } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		bool within = true;

		for (int at = 1; within; at++) {
			struct machine *m = create();

			unmask(m);
			within = race(m, t[i].first, t[i].meanwhile, at);
			if (!within)
				t[i].meanwhile(m);
			unmask(m);
			if (m->delivered != 1)
				fail_msg("row %zu, before access %d: %d messages", i, at,
					 m->delivered);
			destroy(m);
		}
	}
}

static void the_kernels_own_gets_both_levels(void **state)
{
	struct machine *m = create();

	(void)state;
	m->vm.opts.irqchip_full = true;
	edge(m);
	assert_int_equal(m->other, 2);
	assert_int_equal(m->delivered, 0);
	vm_irq(&m->vm, 24); /* no such input */
	assert_int_equal(m->other, 2);
	destroy(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_edge_at_a_masked_input_waits),
		cmocka_unit_test(an_edge_and_an_unmasking_never_miss_each_other),
		cmocka_unit_test(nor_an_edge_and_a_masking),
		cmocka_unit_test(the_kernels_own_gets_both_levels),
	};

	return cmocka_run_group_tests_name("ioapic", tests, NULL, NULL);
}

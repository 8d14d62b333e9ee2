// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "vmm/acpi.h"
#include "vmm/serial.h"
#include "vmm/vm.h"

/* A machine that consists of an IOAPIC and a serial port; interrupts go to a closed descriptor. */
struct machine {
	struct vm vm;
	struct vdev *dev[2];
	int raised; /* interrupts of the serial port */
	int points; /* passed by what runs: each look at the ring and each nudge, before and after */
	int drain_at; /* the one at which the I/O thread empties the ring; 0: never */
};

static struct machine *the;

static void drain(struct machine *m)
{
	char text[256];

	m->drain_at = 0;
	assert_true(ring_pop(&m->vm.console, text, sizeof(text)) > 0);
	serial_drained(m->vm.serial);
}

static void point(void)
{
	if (++the->points == the->drain_at)
		drain(the);
}

static uint32_t look(struct ring *r)
{
	uint32_t space;

	point();
	space = ring_space(r);
	point();
	return space;
}

static void nudge(struct vm *vm)
{
	point();
	vm_nudge_io(vm);
	point();
}

static void raise_irq(struct vm *vm, unsigned int gsi)
{
	the->raised++;
	vm_irq(vm, gsi);
}

/* compiled in here, so that the I/O thread can come between any two steps of a vCPU's */
#define ring_space  look
#define vm_nudge_io nudge
#define vm_irq	    raise_irq
#include "vmm/serial.c"
#undef ring_space
#undef vm_nudge_io
#undef vm_irq

static int setup(void **state)
{
	static const struct vdev_ops *const ops[] = { &ioapic_ops, &serial_ops };
	struct machine *m = aligned_alloc(64, sizeof(*m));
	struct err e = { 0 };

	assert_non_null(m);
	memset(m, 0, sizeof(*m));
	the = m;
	m->vm.fd = m->vm.io_wake = -1;
	assert_int_equal(ring_init(&m->vm.console, 256, &e), 0);
	for (int i = 0; i < 2; i++) {
		m->dev[i] = calloc(1, ops[i]->state_bytes);
		m->dev[i]->ops = ops[i];
		m->dev[i]->vm = &m->vm;
		assert_int_equal(ops[i]->init(m->dev[i], &e), 0);
	}
	*state = m;
	return 0;
}

static int teardown(void **state)
{
	struct machine *m = *state;

	ring_free(&m->vm.console);
	free(m->dev[0]);
	free(m->dev[1]);
	free(m);
	return 0;
}

static void out(struct machine *m, int reg, uint8_t value)
{
	struct pio io = { ACPI_COM1_PORT + reg, 1, true, 1, &value };

	assert_int_equal(serial_ops.pio(m->vm.serial, NULL, &io), VCPU_RUN);
}

static uint8_t in(struct machine *m, int reg)
{
	uint8_t value = 0;
	struct pio io = { ACPI_COM1_PORT + reg, 1, false, 1, &value };

	assert_int_equal(serial_ops.pio(m->vm.serial, NULL, &io), VCPU_RUN);
	return value;
}

/* What Linux's 8250 driver probes before it believes in a 16550A */
static void passes_a_drivers_probe(void **state)
{
	struct machine *m = *state;

	out(m, 1, 0x0f);
	assert_int_equal(in(m, 1), 0x0f);
	out(m, 1, 0);
	assert_int_equal(in(m, 1), 0);
	out(m, 7, 0xa5);
	assert_int_equal(in(m, 7), 0xa5);
	out(m, 4, 0x1a); /* loop-back, OUT2, RTS: carrier detect and clear to send come back */
	assert_int_equal(in(m, 6) & 0xf0, 0x90);
	out(m, 4, 0);
	out(m, 2, 1);
	assert_int_equal(in(m, 2), 0xc1);
	out(m, 3, 0x80);
	out(m, 0, 0x34);
	out(m, 1, 0x12);
	assert_int_equal(in(m, 0), 0x34);
	assert_int_equal(in(m, 1), 0x12);
	out(m, 3, 3);
	assert_int_equal(in(m, 1), 0);
}

static void transmits_until_the_ring_is_full(void **state)
{
	struct machine *m = *state;
	int sent = 0;
	char text[256];

	while (in(m, 5) & 0x20) {
		assert_true(sent < 256);
		out(m, 0, 'a' + sent++ % 26);
	}
	assert_true(sent > 100);
	assert_int_equal(ring_pop(&m->vm.console, text, sizeof(text)), sent);
	assert_int_equal(text[1], 'b');
	serial_drained(m->vm.serial);
	assert_true(in(m, 5) & 0x20);
	for (int i = 0; i < 10000; i++) /* a guest that does not look loses bytes, nothing else */
		out(m, 0, 'x');
	assert_int_equal(ring_pop(&m->vm.console, text, sizeof(text)), 256);
}

static void receives_in_order_and_is_bounded(void **state)
{
	struct machine *m = *state;
	int taken = 0;

	assert_int_equal(in(m, 5) & 1, 0);
	while (serial_input(m->vm.serial, taken))
		taken++;
	assert_int_equal(taken, 64);
	for (int i = 0; i < taken; i++) {
		assert_int_equal(in(m, 5) & 1, 1);
		assert_int_equal(in(m, 0), i);
	}
	assert_int_equal(in(m, 5) & 1, 0);
	assert_int_equal(in(m, 0), 0);
}

static void names_its_interrupts(void **state)
{
	struct machine *m = *state;

	out(m, 1, 2);
	assert_int_equal(in(m, 2) & 0x0f, 2); /* transmitter empty, told once */
	assert_int_equal(in(m, 2) & 0x0f, 1);
	out(m, 0, 'x');
	assert_int_equal(in(m, 2) & 0x0f, 2);
	out(m, 1, 3);
	serial_input(m->vm.serial, 'y');
	assert_int_equal(in(m, 2) & 0x0f, 4); /* received data comes first, until it is read */
	assert_int_equal(in(m, 2) & 0x0f, 4);
	in(m, 0);
	assert_int_equal(in(m, 2) & 0x0f, 1);
}

static void odd_accesses_do_no_harm(void **state)
{
	struct machine *m = *state;
	uint8_t data[64] = { 0 };

	for (int reg = 0; reg < 8; reg++)
		for (int write = 0; write < 2; write++)
			for (uint8_t len = 1; len <= 4; len *= 2) {
				struct pio io = { ACPI_COM1_PORT + reg, len, write, 16, data };

				assert_int_equal(serial_ops.pio(m->vm.serial, NULL, &io), VCPU_RUN);
			}
}

/* Up to where the next byte makes the ring too full for the guest to go on. */
static void fill(struct machine *m)
{
	while (ring_space(&m->vm.console) > TX_MARGIN)
		out(m, 0, 'a');
}

/* A driver that waits for "transmitter empty" is about to write the byte that fills the ring. */
static void before_the_last(struct machine *m)
{
	out(m, 1, IER_TX);
	fill(m);
}

/* It has filled the ring and is about to ask for that interrupt. */
static void before_asking(struct machine *m)
{
	fill(m);
	out(m, 0, 'z');
}

/* Nobody drains twice: whenever it happens, the guest must hear of the room by an interrupt. */
static void no_drain_goes_unheard(void **state)
{
	static const struct {
		void (*prepare)(struct machine *m);
		int reg;
		uint8_t value;
	} t[] = { { before_the_last, 0, 'z' }, { before_asking, 1, IER_TX } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		bool within = true;
		int at = 0;

		while (within) {
			struct machine *m;
			void *made;

			setup(&made);
			m = made;
			t[i].prepare(m);
			in(m, 2); /* all interrupts so far are seen */
			m->points = m->raised = 0;
			m->drain_at = ++at;
			out(m, t[i].reg, t[i].value);
			within = !m->drain_at;
			if (!within)
				drain(m);
			if (!m->raised || (in(m, 2) & 0x0f) != IIR_TX)
				fail_msg("row %zu, drained at point %d: %d interrupts", i, at,
					 m->raised);
			teardown(&made);
		}
		assert_true(at > 6); /* so many were tried */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(passes_a_drivers_probe, setup, teardown),
		cmocka_unit_test_setup_teardown(transmits_until_the_ring_is_full, setup, teardown),
		cmocka_unit_test_setup_teardown(receives_in_order_and_is_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(names_its_interrupts, setup, teardown),
		cmocka_unit_test_setup_teardown(odd_accesses_do_no_harm, setup, teardown),
		cmocka_unit_test(no_drain_goes_unheard),
	};

	return cmocka_run_group_tests_name("serial", tests, NULL, NULL);
}

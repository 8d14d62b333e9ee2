// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <sys/ioctl.h>

#include "lib/cleanup.h"
#include "vmm/pci.h"
#include "vmm/vm.h"

enum { BAR_BYTES = 0x8000, SLOT = 1 << 11, ENABLE = 1u << 31 };

struct bus_test {
	struct vm vm;
	struct pci pci;
	struct pci_fn fn;
	uint64_t mapped_at; /* 0: not */
	uint64_t offset; /* of the last access; -1: none */
};

static void mapped(struct pci_fn *f, int bar, bool on)
{
	container_of(f, struct bus_test, fn)->mapped_at = on ? f->bar[bar].at : 0;
}

static void access_bar(struct pci_fn *f, int bar, uint64_t offset, struct mmio *m)
{
	(void)bar;
	container_of(f, struct bus_test, fn)->offset = offset;
	memset(m->data, 0x5a, m->len);
}

static const struct pci_fn_ops ops = { .access = access_bar, .mapped = mapped };

static int set_up(void **state)
{
	struct bus_test *t = aligned_alloc(64, (sizeof(*t) + 63) / 64 * 64);
	struct err e = { 0 };

	memset(t, 0, sizeof(*t));
	t->pci.dev = (struct vdev){ &pci_ops, &t->vm };
	assert_int_equal(pci_ops.init(&t->pci.dev, &e), 0);
	t->fn.ops = &ops;
	pci_identify(&t->fn, 0x1af4, 0x1042, 0x018000);
	t->fn.bar[0].bytes = BAR_BYTES;
	assert_int_equal(pci_attach(&t->pci, &t->fn, &e), 0);
	*state = t;
	return 0;
}

static int tear_down(void **state)
{
	struct bus_test *t = *state;

	pci_ops.destroy(&t->pci.dev);
	free(t);
	return 0;
}

static uint32_t port(struct bus_test *t, uint16_t at, uint8_t len, bool write, uint32_t value)
{
	struct pio io = {
		.port = at, .len = len, .write = write, .count = 1, .data = (void *)&value
	};

	assert_int_equal(pci_ops.pio(&t->pci.dev, NULL, &io), VCPU_RUN);
	return value;
}

static uint32_t config(struct bus_test *t, uint32_t address, uint8_t len)
{
	port(t, 0xcf8, 4, true, ENABLE | (address & ~3u));
	return port(t, 0xcfc + (address & 3), len, false, 0);
}

static void set_config(struct bus_test *t, uint32_t address, uint8_t len, uint32_t value)
{
	port(t, 0xcf8, 4, true, ENABLE | (address & ~3u));
	port(t, 0xcfc + (address & 3), len, true, value);
}

static void answers_by_address(void **state)
{
	struct bus_test *t = *state;
	const struct {
		uint32_t address;
		uint8_t len;
		uint32_t want;
	} rows[] = {
		{ 0, 4, 0x0d578086 },
		{ 0x0b, 1, 0x06 }, /* the bridge */
		{ SLOT, 4, 0x10421af4 },
		{ SLOT + 2, 2, 0x1042 },
		{ SLOT + 1, 1, 0x1a },
		{ SLOT + 8, 4, 0x01800001 },
		{ SLOT + 0x10, 4, PCI_WINDOW_FIRST },
		{ SLOT + 0x14, 4, 0 },
		{ SLOT + 0x3d, 1, 0 }, /* no INTx */
		{ SLOT + 0xfc, 4, 0 },
		{ 2 * SLOT, 4, UINT32_MAX }, /* no such slot, function, bus */
		{ SLOT + 0x100, 4, UINT32_MAX },
		{ 0x10000 + SLOT, 4, UINT32_MAX },
		{ 0x1000000 + SLOT, 4, UINT32_MAX },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint32_t got = config(t, rows[i].address, rows[i].len);
		uint32_t mask = rows[i].len == 4 ? UINT32_MAX : (1u << 8 * rows[i].len) - 1;

		assert_int_equal(got & mask, rows[i].want);
	}
}

static void mechanism_1_is_recognized(void **state)
{
	struct bus_test *t = *state;

	/* Linux: a byte at 0xcfb does nothing, four at 0xcf8 read back */
	port(t, 0xcf8, 4, true, ENABLE);
	port(t, 0xcfb, 1, true, 1);
	assert_int_equal(port(t, 0xcf8, 4, false, 0), ENABLE);
	port(t, 0xcf8, 4, true, SLOT); /* not enabled */
	assert_int_equal(port(t, 0xcfc, 4, false, 0), UINT32_MAX);
	port(t, 0xcf8, 4, true, ENABLE | SLOT);
	assert_int_equal(port(t, 0xcfe, 4, false, 0), UINT32_MAX); /* past the register */
}

static void only_what_is_writable_changes(void **state)
{
	struct bus_test *t = *state;

	for (uint32_t at = 0; at < 0x100; at += 4)
		set_config(t, SLOT + at, 4, UINT32_MAX);
	assert_int_equal(config(t, SLOT, 4), 0x10421af4);
	assert_int_equal(config(t, SLOT + 4, 2) & 0xffff, 0x0546);
	assert_int_equal(config(t, SLOT + 8, 4), 0x01800001);
	assert_int_equal(config(t, SLOT + 0x10, 4), (uint32_t)-BAR_BYTES);
	assert_int_equal(config(t, SLOT + 0x14, 4), 0);
	assert_int_equal(config(t, SLOT + 0x30, 4), 0); /* no ROM */
}

static uint64_t read_at(struct bus_test *t, uint64_t at, uint8_t len)
{
	uint64_t value = 0;
	struct mmio m = { .at = at, .len = len, .data = (void *)&value };

	t->offset = UINT64_MAX;
	pci_ops.mmio(&t->pci.dev, NULL, &m);
	return value;
}

static void memory_is_where_the_guest_puts_it(void **state)
{
	struct bus_test *t = *state;

	assert_int_equal(read_at(t, PCI_WINDOW_FIRST, 4), UINT32_MAX); /* not enabled yet */
	set_config(t, SLOT + 4, 2, PCI_COMMAND_MEMORY);
	assert_int_equal(t->mapped_at, PCI_WINDOW_FIRST);
	assert_int_equal(read_at(t, PCI_WINDOW_FIRST + 0x7fff, 1), 0x5a);
	assert_int_equal(t->offset, 0x7fff);
	assert_int_equal(read_at(t, PCI_WINDOW_FIRST + 0x7fff, 2), 0xffff); /* half outside */
	assert_int_equal(read_at(t, PCI_WINDOW_FIRST + BAR_BYTES, 4), UINT32_MAX);
	set_config(t, SLOT + 0x10, 4, 0xd0000000);
	assert_int_equal(t->mapped_at, 0xd0000000);
	assert_int_equal(read_at(t, PCI_WINDOW_FIRST, 1), 0xff);
	assert_int_equal(read_at(t, 0xd0000004, 4), 0x5a5a5a5a);
	assert_int_equal(t->offset, 4);
	set_config(t, SLOT + 4, 2, 0);
	assert_int_equal(t->mapped_at, 0);
	assert_int_equal(read_at(t, 0xd0000004, 4), UINT32_MAX);
}

static void capabilities_chain(void **state)
{
	struct bus_test *t = *state;
	unsigned int a = pci_add_cap(&t->fn, 9, 18), b = pci_add_cap(&t->fn, 0x11, 12);

	assert_int_equal(a, 0x40);
	assert_int_equal(b, 0x54); /* a multiple of four */
	assert_int_equal(config(t, SLOT + 0x34, 1) & 0xff, b);
	assert_int_equal(config(t, SLOT + b, 2) & 0xffff, a << 8 | 0x11);
	assert_int_equal(config(t, SLOT + a, 2) & 0xffff, 9);
	assert_true(config(t, SLOT + 6, 2) & PCI_STATUS_CAP_LIST);
}

static void too_many_or_too_large_are_refused(void **state)
{
	struct bus_test *t = *state;
	struct pci_fn more[PCI_SLOTS] = { 0 }, large = { .bar[0].bytes = 1ull << 30 };
	struct err e = { 0 };

	assert_int_equal(pci_attach(&t->pci, &large, &e), -ENOSPC);
	e = (struct err){ 0 };
	for (int i = 2; i < PCI_SLOTS; i++)
		assert_int_equal(pci_attach(&t->pci, &more[i], &e), 0);
	assert_int_equal(pci_attach(&t->pci, &more[0], &e), -ENOSPC);
	e = (struct err){ 0 };
	assert_int_equal(pci_take_routes(&t->pci, PCI_ROUTES, &e), 24);
	assert_int_equal(pci_take_routes(&t->pci, 1, &e), -ENOSPC);
}

/* KVM, as far as the bus asks it for anything: what it was told last. */
static struct {
	const struct kvm_irq_routing *table;
	int calls, refuse; /* so many of the next ones */
} kvm;

int ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;

	(void)fd;
	if (request != KVM_SET_GSI_ROUTING)
		return 0;
	va_start(arguments, request);
	kvm.table = va_arg(arguments, const struct kvm_irq_routing *);
	va_end(arguments);
	kvm.calls++;
	return kvm.refuse-- > 0 ? -1 : 0;
}

static void routes_take_no_memory(void **state)
{
	const struct kvm_irq_routing_msi msi = { .address_lo = 0xfee00000, .data = 0x41 };
	struct bus_test *t = *state;
	const struct kvm_irq_routing *table;
	struct err e = { 0 };

	memset(&kvm, 0, sizeof(kvm));
	assert_int_equal(pci_take_routes(&t->pci, 2, &e), 24);
	table = t->pci.table;
	assert_true(pci_route(&t->pci, 25, &msi));
	assert_ptr_equal(kvm.table, table);
	assert_int_equal(table->nr, 1);
	assert_int_equal(table->entries[0].gsi, 25);
	assert_int_equal(table->entries[0].u.msi.data, 0x41);

	kvm.refuse = 1;
	assert_false(pci_route(&t->pci, 24, &msi));
	assert_int_equal(kvm.calls, 3); /* as it was before */
	assert_int_equal(table->nr, 1);
	assert_true(pci_route(&t->pci, 25, NULL));
	assert_int_equal(table->nr, 0);

	/* as many as there can be */
	t->vm.opts.irqchip_full = true;
	assert_int_equal(pci_take_routes(&t->pci, PCI_ROUTES - 2, &e), 26);
	table = t->pci.table;
	for (int i = 0; i < PCI_ROUTES; i++)
		assert_true(pci_route(&t->pci, 24 + i, &msi));
	assert_ptr_equal(kvm.table, table);
	assert_int_equal(table->nr, PCI_ROUTES + 24 + 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(answers_by_address, set_up, tear_down),
		cmocka_unit_test_setup_teardown(mechanism_1_is_recognized, set_up, tear_down),
		cmocka_unit_test_setup_teardown(only_what_is_writable_changes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(memory_is_where_the_guest_puts_it, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(capabilities_chain, set_up, tear_down),
		cmocka_unit_test_setup_teardown(routes_take_no_memory, set_up, tear_down),
		cmocka_unit_test_setup_teardown(too_many_or_too_large_are_refused, set_up,
						tear_down),
	};

	return cmocka_run_group_tests_name("pci", tests, NULL, NULL);
}

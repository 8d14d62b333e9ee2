// SPDX-License-Identifier: GPL-2.0-only
/* What goes on within vfio.c, with a kernel of this test's own: few hosts have an IOMMU. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "vmm/vfio.c"

enum { CAP = 0x60, BAR_PAGES = 16, CALLS = 16 };

/* What the host was asked for: numbers of vectors, 0 for none. */
static int asked[CALLS], n_asked, host_has;

int ioctl(int fd, unsigned long request, ...)
{
	const struct vfio_irq_set *s;
	va_list arguments;

	(void)fd;
	if (request != VFIO_DEVICE_SET_IRQS)
		return 0;
	va_start(arguments, request);
	s = va_arg(arguments, const struct vfio_irq_set *);
	va_end(arguments);
	asked[n_asked++ % CALLS] = s->count;
	return (int)s->count > host_has ? host_has : 0;
}

struct function {
	struct vm vm;
	struct pci pci;
	struct vfio v;
};

static int begin(void **state)
{
	struct function *t = aligned_alloc(64, (sizeof(*t) + 63) / 64 * 64);
	struct err e = { 0 };

	memset(t, 0, sizeof(*t));
	t->vm.io_wake = -1;
	t->pci.dev = (struct vdev){ &pci_ops, &t->vm };
	assert_int_equal(pci_ops.init(&t->pci.dev, &e), 0);
	t->v.vm = t->v.fn.vm = &t->vm;
	t->v.device = memfd_create("device", MFD_CLOEXEC);
	assert_int_equal(ftruncate(t->v.device, BAR_PAGES * PAGE), 0);
	n_asked = 0;
	host_has = MSIX_VECTORS_MAX;
	*state = t;
	return 0;
}

static int end_it(void **state)
{
	struct function *t = *state;

	for (int i = 0; i < t->v.bar[0].n_pieces; i++)
		munmap(t->v.bar[0].piece[i].host, t->v.bar[0].piece[i].bytes);
	msix_destroy(&t->v.msix);
	close(t->v.device);
	pci_ops.destroy(&t->pci.dev);
	free(t);
	return 0;
}

/* The guest enables 1 << log2 of the 8 vectors. */
static void enable(struct function *t, bool on, int log2)
{
	pci_put(&t->v.fn, CAP + PCI_MSI_FLAGS, 2, 3 << 1 | log2 << 4 | on);
	interrupts_written(&t->v);
}

static void set_up_8(struct function *t)
{
	struct err e = { 0 };

	pci_put(&t->v.fn, CAP + PCI_MSI_FLAGS, 2, 3 << 1);
	assert_int_equal(set_up_msi(&t->v, CAP, &e), 0);
}

static void msi_takes_what_the_guest_enables(void **state)
{
	static const int want[] = { 1, 0, 4, 0 };
	struct function *t = *state;

	set_up_8(t);
	host_has = 4;
	enable(t, true, 0);
	enable(t, true, 0);
	enable(t, true, 2);
	enable(t, false, 2);
	assert_int_equal(n_asked, ARRAY_SIZE(want));
	assert_memory_equal(asked, want, sizeof(want));
	assert_int_equal(t->vm.err.code, 0);
}

static void too_few_on_the_host_is_told(void **state)
{
	struct function *t = *state;

	set_up_8(t);
	host_has = 1;
	errno = 0;
	enable(t, true, 3);
	assert_int_equal(t->vm.err.code, -ENOSPC);
	assert_non_null(strstr(t->vm.err.text, "enables 8 interrupt vectors, the host has 1"));
}

/* Of a table of 1024 entries the guest is shown 64, and reaches none but through us. */
static void no_page_of_the_table_is_the_guests(void **state)
{
	static const struct {
		uint32_t table, pending;
		uint64_t first, end; /* what is ours, in pages */
	} rows[] = {
		{ 0x1000, 0xe000, 1, 15 },
		{ 0x0000, 0x4000, 0, 5 },
		{ 0x8000, 0xc000, 8, 13 },
		{ 0x8000, 0x1 /* another BAR */, 8, 12 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct function *t;
		struct region *r;
		uint64_t pages = 0;
		struct err e = { 0 };

		if (i) {
			end_it(state);
			begin(state);
		}
		t = *state;
		r = &t->v.bar[0];
		pci_put(&t->v.fn, CAP + PCI_MSIX_FLAGS, 2, 1024 - 1);
		pci_put(&t->v.fn, CAP + PCI_MSIX_TABLE, 4, rows[i].table);
		pci_put(&t->v.fn, CAP + PCI_MSIX_PBA, 4, rows[i].pending);
		assert_int_equal(set_up_msix(&t->v, CAP, &e), 0);
		r->bytes = BAR_PAGES * PAGE;
		assert_int_equal(map_region(&t->v, 0, &e), 0);
		for (int p = 0; p < r->n_pieces; p++) {
			uint64_t at = r->piece[p].offset / PAGE, n = r->piece[p].bytes / PAGE;

			assert_true(at + n <= rows[i].first || at >= rows[i].end);
			pages += n;
		}
		assert_int_equal(pages, BAR_PAGES - (rows[i].end - rows[i].first));
	}
}

/* An entry that the guest is not shown reads zeros, and the device's own is not asked. */
static void entries_that_are_not_shown_are_empty(void **state)
{
	struct function *t = *state;
	struct mmio m = { .len = 4 };
	uint32_t value = 0x5a5a5a5a;
	struct err e = { 0 };

	assert_int_equal(pwrite(t->v.device, &value, 4, 300 * PCI_MSIX_ENTRY_SIZE), 4);
	pci_put(&t->v.fn, CAP + PCI_MSIX_FLAGS, 2, 1024 - 1);
	pci_put(&t->v.fn, CAP + PCI_MSIX_PBA, 4, 0x8000);
	assert_int_equal(set_up_msix(&t->v, CAP, &e), 0);
	m.data = (void *)&value;
	access_bar(&t->v.fn, 0, 300 * PCI_MSIX_ENTRY_SIZE, &m);
	assert_int_equal(value, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(msi_takes_what_the_guest_enables, begin, end_it),
		cmocka_unit_test_setup_teardown(too_few_on_the_host_is_told, begin, end_it),
		cmocka_unit_test_setup_teardown(no_page_of_the_table_is_the_guests, begin, end_it),
		cmocka_unit_test_setup_teardown(entries_that_are_not_shown_are_empty, begin,
						end_it),
	};

	return cmocka_run_group_tests_name("vfio", tests, NULL, NULL);
}

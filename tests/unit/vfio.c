// SPDX-License-Identifier: GPL-2.0-only
/* What a guest sees of a function, with a kernel of this test's own: few hosts have an IOMMU. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "vmm/vfiofn.h"
#include "vmm/vm.h"

enum { CAP = 0x60, PAGE = 4096, BAR_PAGES = 16, CALLS = 16, ENTRIES = 1024, SHOWN = 64 };

/* What the host was asked for: numbers of vectors, 0 for none. */
static int asked[CALLS], n_asked, host_has;

static int set_irqs(const struct vfio_irq_set *s)
{
	asked[n_asked++ % CALLS] = s->count;
	return (int)s->count > host_has ? host_has : 0;
}

/* The function has one BAR, which may be mapped. */
static void region_info(struct vfio_region_info *r)
{
	r->offset = 0;
	r->size = r->index == VFIO_PCI_BAR0_REGION_INDEX ? BAR_PAGES * PAGE : 0;
	r->flags = VFIO_REGION_INFO_FLAG_MMAP;
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;
	void *argument;

	(void)fd;
	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	if (request == VFIO_DEVICE_SET_IRQS)
		return set_irqs(argument);
	if (request == VFIO_DEVICE_GET_REGION_INFO)
		region_info(argument);
	return 0;
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
	t->vm.pci = &t->pci.dev;
	t->v.container = t->v.group = -1;
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

	vfio_unmap(&t->v);
	vfio_close(&t->v);
	msix_destroy(&t->v.msix);
	pci_ops.destroy(&t->pci.dev);
	free(t);
	return 0;
}

/* Its one capability, at CAP. */
static void show(struct function *t, uint8_t cap)
{
	struct err e = { 0 };

	pci_put(&t->v.fn, PCI_CAPABILITY_LIST, 1, CAP);
	pci_put(&t->v.fn, CAP + PCI_CAP_LIST_ID, 1, cap);
	assert_int_equal(vfio_show(&t->v, &e), 0);
}

/* The guest enables 1 << log2 of the 8 vectors. */
static void enable(struct function *t, bool on, int log2)
{
	pci_put(&t->v.fn, CAP + PCI_MSI_FLAGS, 2, 3 << 1 | log2 << 4 | on);
	vfio_irq_written(&t->v);
}

static void set_up_8(struct function *t)
{
	pci_put(&t->v.fn, CAP + PCI_MSI_FLAGS, 2, 3 << 1);
	show(t, PCI_CAP_ID_MSI);
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
		{ 0x1000, 0xe000, 1, 15 }, { 0x0000, 0x4000, 0, 5 },
		{ 0x8000, 0xc000, 8, 13 }, { 0x8000, 0x1 /* another BAR */, 8, 12 },
		{ 0xe000, 0x1, 14, 16 }, /* of which half would lie behind the end */
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct function *t;
		struct vfio_bar *r;
		uint64_t pages = 0;

		if (i) {
			end_it(state);
			begin(state);
		}
		t = *state;
		r = &t->v.bar[0];
		pci_put(&t->v.fn, CAP + PCI_MSIX_FLAGS, 2, ENTRIES - 1);
		pci_put(&t->v.fn, CAP + PCI_MSIX_TABLE, 4, rows[i].table);
		pci_put(&t->v.fn, CAP + PCI_MSIX_PBA, 4, rows[i].pending);
		show(t, PCI_CAP_ID_MSIX);
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

	assert_int_equal(pwrite(t->v.device, &value, 4, 300 * PCI_MSIX_ENTRY_SIZE), 4);
	pci_put(&t->v.fn, CAP + PCI_MSIX_FLAGS, 2, ENTRIES - 1);
	pci_put(&t->v.fn, CAP + PCI_MSIX_PBA, 4, 0x8000);
	show(t, PCI_CAP_ID_MSIX);
	assert_int_equal(pci_get(&t->v.fn, CAP + PCI_MSIX_FLAGS, 2), SHOWN - 1);
	m.data = (void *)&value;
	t->v.fn.ops->access(&t->v.fn, 0, 300 * PCI_MSIX_ENTRY_SIZE, &m);
	assert_int_equal(value, 0);
}

/* One that would go on behind the end of configuration space is none. */
static void a_capability_cut_off_is_none(void **state)
{
	struct function *t = *state;
	struct err e = { 0 };

	pci_put(&t->v.fn, PCI_CAPABILITY_LIST, 1, PCI_CONFIG_BYTES - 4);
	pci_put(&t->v.fn, PCI_CONFIG_BYTES - 4, 1, PCI_CAP_ID_MSIX);
	assert_int_equal(vfio_show(&t->v, &e), 0);
	assert_int_equal(t->v.irq_index, VFIO_PCI_NUM_IRQS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(msi_takes_what_the_guest_enables, begin, end_it),
		cmocka_unit_test_setup_teardown(too_few_on_the_host_is_told, begin, end_it),
		cmocka_unit_test_setup_teardown(no_page_of_the_table_is_the_guests, begin, end_it),
		cmocka_unit_test_setup_teardown(entries_that_are_not_shown_are_empty, begin,
						end_it),
		cmocka_unit_test_setup_teardown(a_capability_cut_off_is_none, begin, end_it),
	};

	return cmocka_run_group_tests_name("vfio", tests, NULL, NULL);
}

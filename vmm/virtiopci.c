// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtiopci - registers of a virtio device as PCI shows them (VIRTIO 1.2, 4.1)
 *
 * One memory BAR, a page for each structure, so that the notify page alone is what ioeventfds
 * watch. Called by vCPU threads with the bus's lock held.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "vmm/virtio.h"
#include "vmm/vm.h"

enum {
	BAR = 0,
	PAGE = 0x1000,
	COMMON = 0 * PAGE,
	ISR = 1 * PAGE,
	DEVICE = 2 * PAGE,
	NOTIFY = 3 * PAGE,
	VECTORS = 4 * PAGE,
	PENDING = 5 * PAGE,
	BAR_BYTES = 8 * PAGE,
	NOTIFY_STEP = 4, /* bytes between two queues' notify addresses */
	VENDOR = 0x1af4,
	DEVICE_BASE = 0x1040, /* of modern devices: + VIRTIO_ID_* */
	STATUS_KNOWN = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
		       VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_FEATURES_OK |
		       VIRTIO_CONFIG_S_FAILED,
};

#define COMMON_AT(field) offsetof(struct virtio_pci_common_cfg, field)

static struct virtio *of(struct pci_fn *f)
{
	return container_of(f, struct virtio, fn);
}

static struct virtio_queue *selected(struct virtio *d)
{
	return d->queue_select < d->n_queues ? &d->queue[d->queue_select] : NULL;
}

/* --- the common structure --- */

static uint32_t half(uint64_t value, uint32_t select)
{
	return select == 0 ? value : select == 1 ? value >> 32 : 0;
}

static void read_queue(struct virtio *d, struct virtio_pci_common_cfg *c)
{
	const struct virtio_queue *q = selected(d);

	if (!q)
		return; /* a queue of size 0: there is none */
	c->queue_size = htole16(q->size);
	c->queue_msix_vector = htole16(atomic_load(&q->vector));
	c->queue_enable = htole16(q->enabled);
	c->queue_notify_off = htole16(d->queue_select);
	c->queue_desc_lo = htole32(q->desc);
	c->queue_desc_hi = htole32(q->desc >> 32);
	c->queue_avail_lo = htole32(q->avail);
	c->queue_avail_hi = htole32(q->avail >> 32);
	c->queue_used_lo = htole32(q->used);
	c->queue_used_hi = htole32(q->used >> 32);
}

static void read_common(struct virtio *d, uint64_t offset, void *to, unsigned int len)
{
	struct virtio_pci_common_cfg c = {
		.device_feature_select = htole32(d->feature_select),
		.device_feature = htole32(half(d->features, d->feature_select)),
		.guest_feature_select = htole32(d->driver_feature_select),
		.guest_feature = htole32(half(d->driver_features, d->driver_feature_select)),
		.msix_config = htole16(atomic_load(&d->config_vector)),
		.num_queues = htole16(d->n_queues),
		.device_status = atomic_load(&d->status),
		.queue_select = htole16(d->queue_select),
	};

	read_queue(d, &c);
	memset(to, 0, len);
	if (offset < sizeof(c) && len <= sizeof(c) - offset)
		memcpy(to, (uint8_t *)&c + offset, len);
}

/* A vector that there is not reads back as none: the driver then knows (4.1.5.1.2.1). */
static uint16_t a_vector(const struct virtio *d, uint32_t value)
{
	return value < (uint32_t)d->msix.n ? value : MSIX_NO_VECTOR;
}

/* Who raises it reads it each time, but for the kernel: the thread then has to tell it. */
static void set_vector(struct virtio *d, struct virtio_queue *q, uint32_t value)
{
	atomic_store(&q->vector, a_vector(d, value));
	if (d->in_kernel && atomic_load(&d->handed_over))
		eventfd_write(d->control, 1);
}

static void set_features(struct virtio *d, uint32_t value)
{
	unsigned int shift = 32 * d->driver_feature_select;

	if (d->driver_feature_select > 1 || atomic_load(&d->status) & VIRTIO_CONFIG_S_FEATURES_OK)
		return;
	d->driver_features &= ~(0xffffffffull << shift);
	d->driver_features |= (uint64_t)value << shift;
}

static void reset(struct virtio *d)
{
	if (!atomic_load(&d->handed_over)) {
		virtiopci_reset(d);
		return;
	}
	/* the queues are the thread's: the driver waits until it reads a status of 0 (4.1.4.3.2) */
	atomic_store(&d->reset_wanted, true);
	eventfd_write(d->control, 1);
}

static void set_status(struct virtio *d, uint8_t value)
{
	uint8_t now = atomic_load(&d->status);

	if (!value) {
		reset(d);
		return;
	}
	if (atomic_load(&d->reset_wanted))
		return;
	value = now | (value & STATUS_KNOWN); /* the driver must not clear a bit */
	if (d->driver_features & ~d->features || !(d->driver_features >> VIRTIO_F_VERSION_1 & 1))
		value &= ~VIRTIO_CONFIG_S_FEATURES_OK;
	if (!(value & VIRTIO_CONFIG_S_FEATURES_OK))
		value &= ~VIRTIO_CONFIG_S_DRIVER_OK;
	atomic_fetch_or(&d->status, value);
	if (value & ~now & VIRTIO_CONFIG_S_DRIVER_OK) {
		atomic_store(&d->handed_over, true);
		eventfd_write(d->control, 1);
	}
}

static void low(uint64_t *at, uint32_t value)
{
	*at = (*at & ~0xffffffffull) | value;
}

static void high(uint64_t *at, uint32_t value)
{
	*at = (*at & 0xffffffffull) | (uint64_t)value << 32;
}

/* The place of a queue: until it is enabled. */
static void write_queue(struct virtio_queue *q, uint64_t offset, uint32_t value)
{
	switch (offset) {
	case COMMON_AT(queue_size):
		if (value && value <= VIRTQ_SIZE_MAX && !(value & (value - 1)))
			q->size = value;
		break;
	case COMMON_AT(queue_enable):
		q->enabled = value == 1;
		break;
	case COMMON_AT(queue_desc_lo):
		low(&q->desc, value);
		break;
	case COMMON_AT(queue_desc_hi):
		high(&q->desc, value);
		break;
	case COMMON_AT(queue_avail_lo):
		low(&q->avail, value);
		break;
	case COMMON_AT(queue_avail_hi):
		high(&q->avail, value);
		break;
	case COMMON_AT(queue_used_lo):
		low(&q->used, value);
		break;
	case COMMON_AT(queue_used_hi):
		high(&q->used, value);
		break;
	}
}

static void write_common(struct virtio *d, uint64_t offset, uint32_t value)
{
	struct virtio_queue *q = selected(d);

	switch (offset) {
	case COMMON_AT(device_feature_select):
		d->feature_select = value;
		break;
	case COMMON_AT(guest_feature_select):
		d->driver_feature_select = value;
		break;
	case COMMON_AT(guest_feature):
		set_features(d, value);
		break;
	case COMMON_AT(msix_config):
		atomic_store(&d->config_vector, a_vector(d, value));
		break;
	case COMMON_AT(device_status):
		set_status(d, value);
		break;
	case COMMON_AT(queue_select):
		d->queue_select = value;
		break;
	case COMMON_AT(queue_msix_vector):
		if (q)
			set_vector(d, q, value);
		break;
	default:
		if (q && !q->enabled && !atomic_load(&d->handed_over))
			write_queue(q, offset, value);
	}
}

/* Registers are accessed as what they are (4.1.3.1); 64-bit ones also as a whole. */
static bool is_register(uint64_t offset, unsigned int len)
{
	static const struct {
		uint8_t first, end, len;
	} groups[] = {
		{ COMMON_AT(device_feature_select), COMMON_AT(msix_config), 4 },
		{ COMMON_AT(msix_config), COMMON_AT(device_status), 2 },
		{ COMMON_AT(device_status), COMMON_AT(queue_select), 1 },
		{ COMMON_AT(queue_select), COMMON_AT(queue_desc_lo), 2 },
		{ COMMON_AT(queue_desc_lo), sizeof(struct virtio_pci_common_cfg), 4 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		if (offset >= groups[i].first && offset < groups[i].end)
			return len == groups[i].len && !(offset % len);
	return false;
}

static void access_common(struct virtio *d, uint64_t offset, struct mmio *m)
{
	uint32_t value = 0;

	if (!m->write) {
		read_common(d, offset, m->data, m->len);
		return;
	}
	if (m->len == 8 && offset >= COMMON_AT(queue_desc_lo)) {
		memcpy(&value, m->data + 4, 4);
		if (is_register(offset + 4, 4))
			write_common(d, offset + 4, le32toh(value));
		m->len = 4;
	}
	if (!is_register(offset, m->len))
		return;
	memcpy(&value, m->data, m->len);
	write_common(d, offset, le32toh(value));
}

/* --- the others --- */

static void access_isr(struct virtio *d, uint64_t offset, struct mmio *m)
{
	if (m->write)
		return;
	memset(m->data, 0, m->len);
	if (!offset)
		m->data[0] = atomic_exchange(&d->isr, 0);
}

static void access_config(struct virtio *d, uint64_t offset, struct mmio *m)
{
	if (m->write)
		return; /* no device here has anything to be written */
	memset(m->data, 0, m->len);
	if (offset < d->config_bytes && m->len <= d->config_bytes - offset)
		memcpy(m->data, d->config + offset, m->len);
}

/* Only where KVM does not watch the address: while the BAR moves, through the window. */
static void access_notify(struct virtio *d, uint64_t offset, struct mmio *m)
{
	uint64_t q = offset / NOTIFY_STEP;

	if (m->write && q < (uint64_t)d->n_queues)
		eventfd_write(d->queue[q].kick, 1);
}

static void access_bar(struct pci_fn *f, int bar, uint64_t offset, struct mmio *m)
{
	struct virtio *d = of(f);
	uint64_t in_page = offset % PAGE;

	(void)bar;
	switch (offset - in_page) {
	case COMMON:
		access_common(d, in_page, m);
		break;
	case ISR:
		access_isr(d, in_page, m);
		break;
	case DEVICE:
		access_config(d, in_page, m);
		break;
	case NOTIFY:
		access_notify(d, in_page, m);
		break;
	case VECTORS:
		msix_table(&d->msix, in_page, m);
		break;
	case PENDING:
		msix_pending(&d->msix, in_page, m);
		break;
	}
}

/* --- the window in configuration space (4.1.4.9) --- */

static void through_window(struct virtio *d, bool write)
{
	unsigned int cap = d->cfg_cap, data = cap + sizeof(struct virtio_pci_cap);
	uint32_t offset = pci_get(&d->fn, cap + offsetof(struct virtio_pci_cap, offset), 4);
	uint32_t len = pci_get(&d->fn, cap + offsetof(struct virtio_pci_cap, length), 4);
	uint32_t bar = pci_get(&d->fn, cap + offsetof(struct virtio_pci_cap, bar), 1);
	struct mmio m = { .write = write, .data = d->fn.config + data };

	if (bar != BAR || (len != 1 && len != 2 && len != 4) || offset % len ||
	    offset > BAR_BYTES - len)
		return;
	m.len = len;
	access_bar(&d->fn, bar, offset, &m);
}

static bool in_window(const struct virtio *d, unsigned int at, unsigned int len)
{
	unsigned int data = d->cfg_cap + sizeof(struct virtio_pci_cap);

	return at < data + 4 && data < at + len;
}

static void config_read(struct pci_fn *f, unsigned int at, unsigned int len)
{
	if (in_window(of(f), at, len))
		through_window(of(f), false);
}

static void config_written(struct pci_fn *f, unsigned int at, unsigned int len)
{
	struct virtio *d = of(f);

	if (in_window(d, at, len))
		through_window(d, true);
	if (at < d->msix.cap + 4 && d->msix.cap < at + len)
		msix_config_written(&d->msix);
}

/*
 * Any write to a queue's notify address, of whatever length and value, kicks the queue without
 * leaving the kernel. Where KVM does not take it the write comes to access_notify.
 */
static void mapped(struct pci_fn *f, int bar, bool on)
{
	struct virtio *d = of(f);

	for (int i = 0; i < d->n_queues; i++) {
		struct kvm_ioeventfd k = {
			.addr = f->bar[bar].at + NOTIFY + i * NOTIFY_STEP,
			.fd = d->queue[i].kick,
			.flags = on ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN,
		};

		ioctl(d->vm->fd, KVM_IOEVENTFD, &k);
	}
}

static const struct pci_fn_ops fn_ops = {
	.access = access_bar,
	.config_read = config_read,
	.config_written = config_written,
	.mapped = mapped,
};

/* --- setting up --- */

static unsigned int add_cap(struct virtio *d, uint8_t type, uint32_t offset, uint32_t len,
			    unsigned int more)
{
	unsigned int at =
		pci_add_cap(&d->fn, PCI_CAP_ID_VNDR, sizeof(struct virtio_pci_cap) + more);

	pci_put(&d->fn, at + offsetof(struct virtio_pci_cap, cap_len), 1,
		sizeof(struct virtio_pci_cap) + more);
	pci_put(&d->fn, at + offsetof(struct virtio_pci_cap, cfg_type), 1, type);
	pci_put(&d->fn, at + offsetof(struct virtio_pci_cap, bar), 1, BAR);
	pci_put(&d->fn, at + offsetof(struct virtio_pci_cap, offset), 4, offset);
	pci_put(&d->fn, at + offsetof(struct virtio_pci_cap, length), 4, len);
	return at;
}

static void add_caps(struct virtio *d)
{
	unsigned int at;

	/* what the guest may write there: which BAR, offset, length, and the data */
	d->cfg_cap = add_cap(d, VIRTIO_PCI_CAP_PCI_CFG, 0, 0, 4);
	at = d->cfg_cap + offsetof(struct virtio_pci_cap, bar);
	d->fn.writable[at] = 0xff;
	at = d->cfg_cap + offsetof(struct virtio_pci_cap, offset);
	memset(d->fn.writable + at, 0xff, 4 + 4 + 4);
	add_cap(d, VIRTIO_PCI_CAP_DEVICE_CFG, DEVICE, d->config_bytes ? d->config_bytes : 4, 0);
	add_cap(d, VIRTIO_PCI_CAP_ISR_CFG, ISR, 1, 0);
	at = add_cap(d, VIRTIO_PCI_CAP_NOTIFY_CFG, NOTIFY, d->n_queues * NOTIFY_STEP, 4);
	pci_put(&d->fn, at + offsetof(struct virtio_pci_notify_cap, notify_off_multiplier), 4,
		NOTIFY_STEP);
	add_cap(d, VIRTIO_PCI_CAP_COMMON_CFG, COMMON, sizeof(struct virtio_pci_common_cfg), 0);
}

int virtiopci_init(struct virtio *d, struct err *e)
{
	struct pci_fn *f = &d->fn;
	int ret;

	f->ops = &fn_ops;
	f->vm = d->vm;
	pci_identify(f, VENDOR, DEVICE_BASE + d->ops->id, d->ops->class_code);
	pci_put(f, PCI_SUBSYSTEM_VENDOR_ID, 2, VENDOR);
	pci_put(f, PCI_SUBSYSTEM_ID, 2, DEVICE_BASE + d->ops->id);
	f->bar[BAR].bytes = BAR_BYTES;
	add_caps(d);
	ret = msix_init(&d->msix, f, d->n_queues + 1, BAR, VECTORS, PENDING, e);
	if (ret < 0)
		return ret;
	virtiopci_reset(d);
	return pci_attach(pci_of(d->vm), f, e);
}

void virtiopci_reset(struct virtio *d)
{
	d->feature_select = d->driver_feature_select = d->queue_select = 0;
	d->driver_features = 0;
	atomic_store(&d->config_vector, MSIX_NO_VECTOR);
	atomic_store(&d->isr, 0);
	for (int i = 0; i < d->n_queues; i++) {
		struct virtio_queue *q = &d->queue[i];

		q->desc = q->avail = q->used = 0;
		q->size = VIRTQ_SIZE_MAX;
		q->enabled = false;
		atomic_store(&q->vector, MSIX_NO_VECTOR);
	}
	atomic_store(&d->status, 0); /* last: this is what the driver waits for */
}

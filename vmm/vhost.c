// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/vhost.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vmm/vm.h"

int vhost_open(struct vhost *h, const char *path, struct err *e)
{
	h->broken = -1;
	h->fd = open(path, O_RDWR | O_CLOEXEC);
	if (h->fd < 0 && (errno == ENOENT || errno == ENODEV))
		return -ENOENT;
	if (h->fd < 0)
		return err_sys(e, "opening %s failed", path);
	if (ioctl(h->fd, VHOST_SET_OWNER, 0))
		return err_sys(e, "%s takes no owner", path);
	h->broken = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return h->broken < 0 ? err_sys(e, "creating an event descriptor failed") : 0;
}

void vhost_close(struct vhost *h)
{
	if (h->broken >= 0)
		close(h->broken);
	if (h->fd >= 0)
		close(h->fd);
	h->fd = h->broken = -1;
}

static int set_memory(const struct vhost *h, const struct memory *m)
{
	struct {
		struct vhost_memory head;
		struct vhost_memory_region at[2];
	} t = { .head.nregions = m->bytes > m->low_bytes ? 2 : 1 };

	t.at[0] = (struct vhost_memory_region){ .memory_size = m->low_bytes,
						.userspace_addr = (uintptr_t)m->host };
	t.at[1] = (struct vhost_memory_region){
		.guest_phys_addr = MEM_HIGH_START,
		.memory_size = m->bytes - m->low_bytes,
		.userspace_addr = (uintptr_t)m->host + m->low_bytes,
	};
	return ioctl(h->fd, VHOST_SET_MEM_TABLE, &t);
}

static int set_call(const struct vhost *h, const struct virtio *d, unsigned int i)
{
	uint16_t vector = atomic_load(&d->queue[i].vector);
	struct vhost_vring_file call = { i, vector < d->msix.n ? d->msix.v[vector].fd : -1 };

	return ioctl(h->fd, VHOST_SET_VRING_CALL, &call);
}

int vhost_calls(const struct vhost *h, const struct virtio *d, int n_queues)
{
	for (int i = 0; i < n_queues; i++)
		if (set_call(h, d, i))
			return -EIO;
	return 0;
}

static int set_queue(const struct vhost *h, struct virtio *d, unsigned int i)
{
	const struct virtio_queue *q = &d->queue[i];
	struct vhost_vring_state num = { i, q->q.size }, base = { i, 0 };
	struct vhost_vring_addr at = { .index = i,
				       .desc_user_addr = (uintptr_t)q->q.desc,
				       .used_user_addr = (uintptr_t)q->q.used,
				       .avail_user_addr = (uintptr_t)q->q.avail };
	struct vhost_vring_file kick = { i, q->kick }, error = { i, h->broken };

	return ioctl(h->fd, VHOST_SET_VRING_NUM, &num) ||
	       ioctl(h->fd, VHOST_SET_VRING_BASE, &base) ||
	       ioctl(h->fd, VHOST_SET_VRING_ADDR, &at) || set_call(h, d, i) ||
	       ioctl(h->fd, VHOST_SET_VRING_ERR, &error) ||
	       ioctl(h->fd, VHOST_SET_VRING_KICK, &kick);
}

int vhost_start(struct vhost *h, struct virtio *d, int n_queues)
{
	uint64_t features = d->driver_features & (1ull << VIRTIO_F_VERSION_1);
	eventfd_t old;

	eventfd_read(h->broken, &old); /* of the time before a reset */
	if (ioctl(h->fd, VHOST_SET_FEATURES, &features) || set_memory(h, &d->vm->mem))
		return -EIO;
	for (int i = 0; i < n_queues; i++)
		if (!d->queue[i].q.size || set_queue(h, d, i))
			return -EINVAL;
	return 0;
}

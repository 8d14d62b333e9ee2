// SPDX-License-Identifier: GPL-2.0-only
/*
 * vsock - sockets between host and guest without a network (VIRTIO 1.2, 5.10)
 *
 * The kernel serves it (vhost-vsock): there is no other way to the host's own AF_VSOCK. Its event
 * queue, which tells of migrations, stays empty.
 */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/vhost.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_vsock.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include "lib/cleanup.h"
#include "vmm/vhost.h"
#include "vmm/virtio.h"

enum { SERVED = 2, QUEUES = 3, BROKEN = 0, CLASS_OTHER = 0xff0000 };

struct vsock {
	struct virtio v;
	struct vhost vhost;
};

static struct vsock *of(struct virtio *v)
{
	return container_of(v, struct vsock, v);
}

static int run(const struct vsock *s, int on)
{
	return ioctl(s->vhost.fd, VHOST_VSOCK_SET_RUNNING, &on) ? -errno : 0;
}

/* A kick that comes before it runs is not looked at: the queues are kicked once more. */
static int start(struct virtio *v)
{
	int ret = vhost_start(&of(v)->vhost, v, SERVED);

	if (!ret)
		ret = run(of(v), 1);
	for (int i = 0; !ret && i < SERVED; i++)
		eventfd_write(v->queue[i].kick, 1);
	return ret;
}

static void stop(struct virtio *v)
{
	run(of(v), 0);
}

static int vectors(struct virtio *v)
{
	return vhost_calls(&of(v)->vhost, v, SERVED);
}

static int serve(struct virtio *v, int q)
{
	(void)v;
	(void)q;
	return 0; /* the kernel has been kicked */
}

static int ready(struct virtio *v, int i)
{
	(void)v;
	(void)i;
	return -EINVAL; /* the kernel found a rule broken */
}

static int open_vsock(struct virtio *v, const struct dev_opt *o, struct err *e)
{
	struct vsock *s = of(v);
	struct virtio_vsock_config config = { .guest_cid = htole64(o->cid) };
	uint64_t cid = o->cid;
	int ret = vhost_open(&s->vhost, "/dev/vhost-vsock", e);

	if (ret == -ENOENT)
		return err_set(e, ret,
			       "--vsock: this host has no /dev/vhost-vsock; load it: modprobe "
			       "vhost_vsock");
	if (ret < 0)
		return ret;
	if (ioctl(s->vhost.fd, VHOST_VSOCK_SET_GUEST_CID, &cid)) {
		if (errno == EADDRINUSE)
			return err_set(e, -EADDRINUSE,
				       "--vsock: cid %" PRIu64 " is another VM's; choose another",
				       cid);
		return err_sys(e, "--vsock: taking cid %" PRIu64 " failed", cid);
	}
	v->in_kernel = true;
	v->fds[BROKEN] = (struct pollfd){ s->vhost.broken, POLLIN, 0 };
	v->n_fds = 1;
	v->n_queues = QUEUES;
	v->config_bytes = sizeof(config);
	memcpy(v->config, &config, sizeof(config));
	return 0;
}

static void close_vsock(struct virtio *v)
{
	vhost_close(&of(v)->vhost);
}

const struct virtio_ops vsock_ops = {
	.name = "vsock",
	.id = VIRTIO_ID_VSOCK,
	.class_code = CLASS_OTHER,
	.state_bytes = sizeof(struct vsock),
	.open = open_vsock,
	.close = close_vsock,
	.start = start,
	.stop = stop,
	.vectors = vectors,
	.serve = serve,
	.ready = ready,
};

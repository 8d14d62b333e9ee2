// SPDX-License-Identifier: GPL-2.0-only
/*
 * net - a network card on a tap interface (VIRTIO 1.2, 5.1)
 *
 * Served by vhost-net where the host has it, else by the device's own thread; cpu=N asks for the
 * latter, as the kernel's thread cannot be given a CPU. One queue a direction, no offloads. A frame
 * that the host does not take is lost, as on a wire.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/if_tun.h>
#include <linux/vhost.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "vmm/vhost.h"
#include "vmm/virtio.h"

enum { RX, TX, QUEUES, TAP = 0, BROKEN = 1, CLASS_ETHERNET = 0x020000, BURST = 64 };

struct net {
	struct virtio v;
	int tap;
	bool gone; /* the interface has been deleted: nothing comes any more */
	struct vhost vhost;
};

static struct net *of(struct virtio *v)
{
	return container_of(v, struct net, v);
}

/* --- by our own thread --- */

static void watch(struct net *n)
{
	n->v.fds[TAP].fd = !n->gone && virtq_more(&n->v.queue[RX].q) ? n->tap : -1;
}

/* A burst at a time: what comes in does not wait for a guest that sends without end. */
static int transmit(struct net *n)
{
	struct virtq *q = &n->v.queue[TX].q;
	int ret = 0, left = BURST;
	struct chain c;

	do {
		virtq_quiet(q, true);
		while (left && (ret = virtq_pop(q, &c)) > 0) {
			ssize_t sent = writev(n->tap, c.out, c.n_out);

			(void)sent; /* lost, as on a wire: the interface is down, or has no room */
			virtio_done(&n->v, TX, &c, 0);
			virtio_interrupt(&n->v, TX);
			left--;
			if (atomic_load(&n->v.reset_wanted) || atomic_load(&n->v.quit))
				return 0;
		}
		if (!left) {
			eventfd_write(n->v.queue[TX].kick, 1); /* the driver need not kick */
			return 0;
		}
		virtq_quiet(q, false);
	} while (!ret && virtq_more(q));
	return ret;
}

/* A frame lies in one buffer: num_buffers, the last field of the header, is 1 (5.1.6.4.1). */
static void set_buffers(struct chain *c)
{
	static const uint8_t one[] = { 1, 0 };
	struct iovec *in = c->in;
	int n = c->n_in;

	iov_drop(&in, &n, offsetof(struct virtio_net_hdr_mrg_rxbuf, num_buffers));
	iov_put(&in, &n, one, sizeof(one));
}

static int receive(struct net *n)
{
	struct virtq *q = &n->v.queue[RX].q;
	struct chain c;
	int ret = 0, left = BURST;

	while (left-- && (ret = virtq_pop(q, &c)) > 0) {
		ssize_t got;

		if (c.in_bytes < sizeof(struct virtio_net_hdr_mrg_rxbuf))
			return -EINVAL;
		got = readv(n->tap, c.in, c.n_in);
		if (got < 0) {
			n->gone = errno == EBADFD;
			virtq_unpop(q);
			break;
		}
		set_buffers(&c);
		virtio_done(&n->v, RX, &c, got);
		virtio_interrupt(&n->v, RX);
	}
	watch(n);
	return ret < 0 ? ret : 0;
}

static int serve(struct virtio *v, int q)
{
	if (v->in_kernel)
		return 0;
	if (q == TX)
		return transmit(of(v));
	watch(of(v)); /* buffers for what comes */
	return 0;
}

static int ready(struct virtio *v, int i)
{
	return i == BROKEN ? -EINVAL : receive(of(v));
}

/* --- by the kernel --- */

static int set_backend(const struct net *n, int tap)
{
	for (unsigned int i = 0; i < QUEUES; i++) {
		struct vhost_vring_file f = { i, tap };

		if (ioctl(n->vhost.fd, VHOST_NET_SET_BACKEND, &f))
			return -errno;
	}
	return 0;
}

static int start(struct virtio *v)
{
	struct net *n = of(v);
	int ret = v->in_kernel ? vhost_start(&n->vhost, v, QUEUES) : 0;

	return !ret && v->in_kernel ? set_backend(n, n->tap) : ret;
}

static int vectors(struct virtio *v)
{
	return v->in_kernel ? vhost_calls(&of(v)->vhost, v, QUEUES) : 0;
}

static void stop(struct virtio *v)
{
	if (v->in_kernel)
		set_backend(of(v), -1);
	else
		v->fds[TAP].fd = -1;
}

/* --- setting up --- */

static int open_tap(struct net *n, const char *name, struct err *e)
{
	struct ifreq r = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int header = sizeof(struct virtio_net_hdr_mrg_rxbuf);

	if (!if_nametoindex(name))
		return err_set(
			e, -ENODEV,
			"--net: there is no interface %s; make it: ip tuntap add %s mode tap", name,
			name);
	n->tap = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (n->tap < 0)
		return err_sys(e, "--net: opening /dev/net/tun failed");
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	if (ioctl(n->tap, TUNSETIFF, &r)) {
		if (errno == EINVAL)
			return err_set(e, -EINVAL,
				       "--net: %s is no tap interface of one queue; make one: ip "
				       "tuntap add NAME mode tap",
				       name);
		if (errno == EBUSY)
			return err_set(e, -EBUSY, "--net: %s is in use by another VM", name);
		return err_sys(e, "--net: taking interface %s failed", name);
	}
	if (ioctl(n->tap, TUNSETVNETHDRSZ, &header) || ioctl(n->tap, TUNSETOFFLOAD, 0))
		return err_sys(e, "--net: setting up interface %s failed", name);
	return 0;
}

static int open_vhost(struct net *n, struct err *e)
{
	struct err why = { 0 };
	int ret = vhost_open(&n->vhost, "/dev/vhost-net", &why);

	if (ret == -ENOENT)
		return 0; /* our own thread does it */
	if (ret < 0)
		return err_set(e, ret, "--net: %s; cpu=N does without", why.text);
	n->v.in_kernel = true;
	n->v.fds[BROKEN] = (struct pollfd){ n->vhost.broken, POLLIN, 0 };
	return 0;
}

/* Locally administered, and another one each time. */
static int make_mac(uint8_t *mac, struct err *e)
{
	if (getrandom(mac, DEVOPTS_MAC_BYTES, 0) != DEVOPTS_MAC_BYTES)
		return err_sys(e, "--net: making up a MAC address failed");
	mac[0] = (mac[0] & 0xfc) | 2;
	return 0;
}

static int open_net(struct virtio *v, const struct dev_opt *o, struct err *e)
{
	struct net *n = of(v);
	char name[IFNAMSIZ];
	int ret = 0;

	n->tap = n->vhost.fd = n->vhost.broken = -1;
	span_copy(o->path, name, sizeof(name));
	ret = open_tap(n, name, e);
	v->fds[TAP] = (struct pollfd){ -1, POLLIN, 0 };
	v->fds[BROKEN].fd = -1;
	if (!ret && o->cpu < 0)
		ret = open_vhost(n, e);
	v->n_fds = 2;
	v->n_queues = QUEUES;
	v->features = 1ull << VIRTIO_NET_F_MAC;
	v->config_bytes = DEVOPTS_MAC_BYTES;
	memcpy(v->config, o->mac, DEVOPTS_MAC_BYTES);
	if (!ret && !o->mac_given)
		ret = make_mac(v->config, e);
	return ret;
}

static void close_net(struct virtio *v)
{
	struct net *n = of(v);

	vhost_close(&n->vhost);
	if (n->tap >= 0)
		close(n->tap);
}

const struct virtio_ops net_ops = {
	.name = "net",
	.id = VIRTIO_ID_NET,
	.class_code = CLASS_ETHERNET,
	.state_bytes = sizeof(struct net),
	.open = open_net,
	.close = close_net,
	.start = start,
	.stop = stop,
	.vectors = vectors,
	.serve = serve,
	.ready = ready,
};

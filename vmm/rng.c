// SPDX-License-Identifier: GPL-2.0-only
/* rng - the host's random numbers for the guest's pool (VIRTIO 1.2, 5.4) */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_ids.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "vmm/virtio.h"

enum { QUEUE = 0, MOST_BYTES = 4096, CLASS_OTHER = 0xff0000 };

struct rng {
	struct virtio v;
	int fd;
};

static struct rng *of(struct virtio *v)
{
	return container_of(v, struct rng, v);
}

/* A request gets at most so many bytes: the driver asks again. */
static uint32_t fill(const struct rng *r, struct chain *c)
{
	uint8_t bytes[MOST_BYTES];
	size_t want = c->in_bytes < sizeof(bytes) ? c->in_bytes : sizeof(bytes);
	ssize_t n = read(r->fd, bytes, want);

	return n > 0 ? iov_put(&c->in, &c->n_in, bytes, n) : 0;
}

static int serve(struct virtio *v, int q)
{
	struct chain c;
	int ret;

	while ((ret = virtq_pop(&v->queue[q].q, &c)) > 0) {
		if (!c.in_bytes)
			return -EINVAL;
		virtio_done(v, q, &c, fill(of(v), &c));
		virtio_interrupt(v, q);
		if (atomic_load(&v->reset_wanted) || atomic_load(&v->quit))
			break;
	}
	return ret < 0 ? ret : 0;
}

static int open_rng(struct virtio *v, const struct dev_opt *o, struct err *e)
{
	(void)o;
	v->n_queues = 1;
	of(v)->fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
	return of(v)->fd < 0 ? err_sys(e, "--rng: opening /dev/urandom failed") : 0;
}

static void close_rng(struct virtio *v)
{
	if (of(v)->fd >= 0)
		close(of(v)->fd);
}

const struct virtio_ops rng_ops = {
	.name = "rng",
	.id = VIRTIO_ID_RNG,
	.class_code = CLASS_OTHER,
	.state_bytes = sizeof(struct rng),
	.open = open_rng,
	.close = close_rng,
	.serve = serve,
};

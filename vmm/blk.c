// SPDX-License-Identifier: GPL-2.0-only
/*
 * blk - a disk: a raw file or a block device (VIRTIO 1.2, 5.2)
 *
 * One queue, one thread, one request at a time, straight between the file and the guest's pages.
 * A flush is fdatasync: what the guest was told is on the disk is there.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "vmm/virtio.h"

enum { SECTOR = 512, QUEUE = 0, SEGMENTS = VIRTQ_SIZE_MAX - 2, CLASS_STORAGE = 0x018000 };

struct blk {
	struct virtio v;
	int fd;
	bool read_only;
	uint64_t sectors;
	char id[VIRTIO_BLK_ID_BYTES];
};

static struct blk *of(struct virtio *v)
{
	return container_of(v, struct blk, v);
}

/* --- a request --- */

/* Does [sector, sector + bytes) lie on the disk, in whole sectors? */
static bool on_disk(const struct blk *b, uint64_t sector, size_t bytes)
{
	return !(bytes % SECTOR) && sector <= b->sectors && bytes / SECTOR <= b->sectors - sector;
}

static bool transfer(const struct blk *b, struct iovec *iov, int n, size_t bytes, uint64_t at,
		     bool write)
{
	while (bytes && !atomic_load(&b->v.quit)) { /* the kernel moves 2 GiB at a time */
		ssize_t done = write ? pwritev(b->fd, iov, n, at) : preadv(b->fd, iov, n, at);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false; /* 0: the file has been cut off meanwhile */
		bytes -= done;
		at += done;
		iov_drop(&iov, &n, done);
	}
	return !bytes;
}

/* All but the last byte, which is the status: what may be written of the answer. */
static size_t without_status(struct chain *c)
{
	struct iovec *last = &c->in[c->n_in - 1];

	if (!--last->iov_len)
		c->n_in--;
	return c->in_bytes - 1;
}

static uint8_t serve_one(struct blk *b, const struct virtio_blk_outhdr *h, struct chain *c,
			 size_t out_bytes, size_t *written)
{
	size_t in_bytes = without_status(c);
	uint64_t sector = le64toh(h->sector);
	bool ok;

	switch (le32toh(h->type)) {
	case VIRTIO_BLK_T_IN:
		ok = on_disk(b, sector, in_bytes) &&
		     transfer(b, c->in, c->n_in, in_bytes, sector * SECTOR, false);
		*written = ok ? in_bytes : 0;
		break;
	case VIRTIO_BLK_T_OUT:
		ok = !b->read_only && on_disk(b, sector, out_bytes) &&
		     transfer(b, c->out, c->n_out, out_bytes, sector * SECTOR, true);
		break;
	case VIRTIO_BLK_T_FLUSH:
		ok = !fdatasync(b->fd);
		break;
	case VIRTIO_BLK_T_GET_ID:
		*written = iov_put(&c->in, &c->n_in, b->id, sizeof(b->id));
		ok = true;
		break;
	default:
		return VIRTIO_BLK_S_UNSUPP;
	}
	return ok ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR;
}

/* A request without room for its header or status cannot be answered: the driver is at fault. */
static int request(struct blk *b, struct chain *c)
{
	struct virtio_blk_outhdr h;
	size_t written = 0;
	uint8_t *status;

	if (iov_get(&c->out, &c->n_out, &h, sizeof(h)) != sizeof(h) || !c->in_bytes)
		return -EINVAL;
	status = (uint8_t *)c->in[c->n_in - 1].iov_base + c->in[c->n_in - 1].iov_len - 1;
	*status = serve_one(b, &h, c, c->out_bytes - sizeof(h), &written);
	virtio_done(&b->v, QUEUE, c, written + 1);
	return 0;
}

static int serve(struct virtio *v, int q)
{
	struct virtq *vq = &v->queue[q].q;
	struct chain c;
	int ret;

	do {
		virtq_quiet(vq, true);
		while ((ret = virtq_pop(vq, &c)) > 0) {
			ret = request(of(v), &c);
			if (ret < 0)
				return ret;
			virtio_interrupt(v, q);
			if (atomic_load(&v->reset_wanted) || atomic_load(&v->quit))
				return 0;
		}
		virtq_quiet(vq, false);
	} while (!ret && virtq_more(vq));
	return ret;
}

/* --- the file --- */

static int measure(struct blk *b, const char *path, struct err *e)
{
	struct stat st;
	uint64_t bytes;

	if (fstat(b->fd, &st))
		return err_sys(e, "--disk %s", path);
	if (S_ISBLK(st.st_mode)) {
		if (ioctl(b->fd, BLKGETSIZE64, &bytes))
			return err_sys(e, "--disk %s: asking for its size failed", path);
	} else if (S_ISREG(st.st_mode)) {
		bytes = st.st_size;
	} else {
		return err_set(e, -EINVAL,
			       "--disk %s is neither a file nor a block device; give a raw image",
			       path);
	}
	if (bytes < SECTOR)
		return err_set(e, -EINVAL,
			       "--disk %s has %" PRIu64 " bytes, less than a sector; truncate -s "
			       "SIZE makes it larger",
			       path, bytes);
	b->sectors = bytes / SECTOR;
	return 0;
}

static int lock(const struct blk *b, const char *path, struct err *e)
{
	if (!flock(b->fd, (b->read_only ? LOCK_SH : LOCK_EX) | LOCK_NB))
		return 0;
	if (errno == EWOULDBLOCK)
		return err_set(e, -EBUSY,
			       "--disk %s is in use by another VM; only ,ro can be shared, by all",
			       path);
	return err_sys(e, "--disk %s: locking it failed", path);
}

static void describe(struct blk *b, const char *path)
{
	const char *slash = strrchr(path, '/');
	struct virtio_blk_config c = {
		.capacity = htole64(b->sectors),
		.seg_max = htole32(SEGMENTS),
		.blk_size = htole32(SECTOR),
	};

	_Static_assert(offsetof(struct virtio_blk_config, physical_block_exp) <=
			       VIRTIO_CONFIG_BYTES,
		       "fits");
	b->v.config_bytes = offsetof(struct virtio_blk_config, physical_block_exp);
	memcpy(b->v.config, &c, b->v.config_bytes);
	b->v.n_queues = 1;
	b->v.features = 1ull << VIRTIO_BLK_F_FLUSH | 1ull << VIRTIO_BLK_F_SEG_MAX |
			1ull << VIRTIO_BLK_F_BLK_SIZE |
			(b->read_only ? 1ull << VIRTIO_BLK_F_RO : 0);
	memcpy(b->id, slash ? slash + 1 : path, strnlen(slash ? slash + 1 : path, sizeof(b->id)));
}

static int open_disk(struct virtio *v, const struct dev_opt *o, struct err *e)
{
	struct blk *b = of(v);
	char path[PATH_MAX];
	int ret;

	b->fd = -1;
	b->read_only = o->read_only;
	if (!span_copy(o->path, path, sizeof(path)))
		return err_set(e, -ENAMETOOLONG, "--disk: the file's name is too long");
	b->fd = open(path, (b->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK);
	if (b->fd < 0)
		return err_sys(e, "opening --disk %s failed", path);
	ret = measure(b, path, e);
	if (!ret)
		ret = lock(b, path, e);
	if (!ret)
		describe(b, path);
	return ret;
}

static void close_disk(struct virtio *v)
{
	if (of(v)->fd >= 0)
		close(of(v)->fd);
}

const struct virtio_ops blk_ops = {
	.name = "disk",
	.id = VIRTIO_ID_BLOCK,
	.class_code = CLASS_STORAGE,
	.state_bytes = sizeof(struct blk),
	.open = open_disk,
	.close = close_disk,
	.serve = serve,
};

// SPDX-License-Identifier: GPL-2.0-only
/*
 * A hostile driver: any access to a virtio device's registers and configuration space, any bytes
 * in its queues and in guest memory. The first byte chooses the device. Behind the network card is
 * a socket that keeps packets apart, as a tap interface does.
 */
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "tests/unit/virtdriver.h"
#include "vmm/vm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { OP_BYTES = 8, RING = 16, DISK_BYTES = 64 << 10 };

static const struct {
	const struct virtio_ops *ops;
	enum dev_kind kind;
	const char *option;
} kinds[] = {
	{ &blk_ops, DEV_DISK, NULL },
	{ &vconsole_ops, DEV_CONSOLE, "/dev/null,port=a:/dev/null" },
	{ &rng_ops, DEV_RNG, NULL },
	{ &net_ops, DEV_NET, "tap=wire,cpu=0" },
};

static int wire[2] = { -1, -1 }; /* the device's end, and the other */

unsigned int if_nametoindex(const char *name)
{
	(void)name;
	return 1;
}

int open(const char *path, int flags, ...)
{
	if (strcmp(path, "/dev/net/tun") != 0)
		return syscall(SYS_openat, AT_FDCWD, path, flags, 0600);
	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, wire))
		abort();
	return wire[0];
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;
	void *argument;

	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	if (fd == wire[0] &&
	    (request == TUNSETIFF || request == TUNSETVNETHDRSZ || request == TUNSETOFFLOAD))
		return 0;
	return syscall(SYS_ioctl, fd, request, argument);
}

/* Frames come and go. */
static void frames(const uint8_t *op)
{
	uint8_t frame[2048];

	if (wire[1] < 0)
		return;
	while (recv(wire[1], frame, sizeof(frame), MSG_DONTWAIT) >= 0)
		;
	memset(frame, op[2], sizeof(frame));
	for (int n = op[3] % 4; n; n--)
		if (send(wire[1], frame, (op[4] << 3) + op[5] % 8, MSG_DONTWAIT) < 0)
			break; /* its queue is full */
}

static struct driver *create(unsigned int kind)
{
	char disk[] = "/tmp/rtkvm-fuzz-XXXXXX";
	int fd = mkstemp(disk);
	struct driver *f;

	if (fd < 0 || ftruncate(fd, DISK_BYTES))
		abort();
	close(fd);
	f = driver_new(kinds[kind].ops, kinds[kind].kind,
		       kinds[kind].kind == DEV_DISK ? disk : kinds[kind].option);
	unlink(disk);
	return f;
}

/* A descriptor from few bytes, mostly a sound one, offered and kicked. */
static void request(struct driver *f, const uint8_t *op)
{
	int q = op[1] % f->d->n_queues;
	uint8_t *at = driver_area(f, q);
	struct {
		uint64_t addr;
		uint32_t len;
		uint16_t flags, next;
	} d = { (op[2] & 0x80 ? -1ull << 12 : 0) + (op[2] << 8), op[3] << (op[4] & 15), op[5] & 7,
		op[6] };
	uint16_t *avail = (uint16_t *)(at + AVAIL);

	memcpy(at + op[7] % 16 * sizeof(d), &d, sizeof(d));
	if (op[4] & 0x40)
		return; /* a link of the next one */
	avail[2 + avail[1] % 16] = op[7] & 0x80 ? op[7] : op[7] % 16;
	avail[1] += op[4] & 0x80 ? op[6] : 1;
	driver_kick(f, q);
	virtio_turn(f->d, 0);
}

static void one(struct driver *f, const uint8_t *op)
{
	uint32_t value = op[4] | op[5] << 8 | op[6] << 16 | (uint32_t)op[7] << 24;

	frames(op);
	switch (op[0] % 6) {
	case 0:
		driver_config(f, op[2], 1 << op[3] % 3, op[1] & 1, value);
		break;
	case 1:
		driver_memory(f, (op[1] % 8 << 12) + op[2], 1 << op[3] % 4, op[1] & 0x80, value);
		break;
	case 2:
		memcpy(f->vm.mem.host + ((op[1] << 8 | op[2]) & (RAM - 4)), op + 4, 4);
		break;
	case 3:
		driver_begin(f, f->d->features, RING);
		break;
	default:
		request(f, op);
	}
	virtio_turn(f->d, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct driver *f;

	if (!len)
		return 0;
	f = create(data[0] % ARRAY_SIZE(kinds));
	driver_begin(f, f->d->features, RING);
	for (data++, len--; len >= OP_BYTES; data += OP_BYTES, len -= OP_BYTES)
		one(f, data);
	driver_free(f);
	if (wire[1] >= 0)
		close(wire[1]);
	wire[0] = wire[1] = -1;
	return 0;
}

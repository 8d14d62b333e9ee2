// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/guest/port.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/io.h>
#include <zlib.h>

#include "lib/abi.h"

#define LOCK_PATH "/tmp/data-port"

int port_open(struct port *p, struct err *e)
{
	p->lock = open(LOCK_PATH, O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
	if (p->lock < 0)
		return err_sys(e, "making %s failed", LOCK_PATH);
	return iopl(3) ? err_sys(e, "opening the ports failed") : 0;
}

static void out_string(const void *data, size_t n)
{
	__asm__ volatile("rep outsb" : "+S"(data), "+c"(n) : "d"(ABI_DATA_PORT) : "memory");
}

int port_send(const struct port *p, const char *name, const void *data, size_t len, struct err *e)
{
	struct abi_frame f = { .magic = ABI_FRAME_MAGIC, .length = len };

	snprintf(f.name, sizeof(f.name), "%c%s", ABI_FRAME_STREAM, name);
	f.crc = crc32_z(crc32_z(0, NULL, 0), (const Bytef *)&f, sizeof(f));
	f.crc = crc32_z(f.crc, data, len);
	while (flock(p->lock, LOCK_EX))
		if (errno != EINTR)
			return err_sys(e, "waiting for the data port failed");
	out_string(&f, sizeof(f));
	out_string(data, len);
	flock(p->lock, LOCK_UN);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
#include "profiles/kconfig.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "lib/knob.h"

/* /proc/config.gz, where the kernel carries its own configuration */
static ssize_t inflate_own(const struct machine *m, char **text)
{
	int fd = knob_open(m->root, "/proc/config.gz", O_RDONLY | O_NONBLOCK);
	enum { MOST = 2 << 20 };
	gzFile gz = fd >= 0 ? gzdopen(fd, "r") : NULL;
	int n = -1;

	*text = gz ? malloc(MOST + 1) : NULL;
	if (*text)
		n = gzread(gz, *text, MOST);
	if (gz)
		gzclose(gz);
	else if (fd >= 0)
		close(fd);
	if (n <= 0) {
		free(*text);
		*text = NULL;
		return -ENOENT;
	}
	(*text)[n] = '\0';
	return n;
}

bool kconfig_path(const struct machine *m, char *buf, size_t size)
{
	int n = snprintf(buf, size, "/boot/config-%s", m->release);

	return *m->release && !strchr(m->release, '/') && n >= 0 && (size_t)n < size;
}

ssize_t kconfig_load(const struct machine *m, char **text)
{
	struct err ignored = { 0 };
	char path[128];
	ssize_t n = -ENOENT;

	if (kconfig_path(m, path, sizeof(path)))
		n = machine_load(m, path, text, &ignored);
	return n >= 0 ? n : inflate_own(m, text);
}

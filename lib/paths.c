// SPDX-License-Identifier: GPL-2.0-only
#include "lib/paths.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "lib/file.h"

int paths_self(char *buf, size_t size, struct err *e)
{
	ssize_t n = readlink("/proc/self/exe", buf, size - 1);

	if (n < 0)
		return err_sys(e, "reading /proc/self/exe failed");
	buf[n] = '\0';
	return 0;
}

int paths_support(char *buf, size_t size, const char *name, struct err *e)
{
	static const char *const places[] = { "%s/%s", "%s/../lib/rtkvm/%s" };
	char self[PATH_MAX];
	const char *dir;
	int ret = paths_self(self, sizeof(self), e);

	if (ret < 0)
		return ret;
	dir = dirname(self);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (file_path(buf, size, places[i], dir, name) && file_exists(buf))
			return 0;
	return err_set(e, -ENOENT,
		       "support file %s is neither in %s nor in %s/../lib/rtkvm; "
		       "run make, or make install",
		       name, dir, dir);
}

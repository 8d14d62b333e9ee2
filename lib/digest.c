// SPDX-License-Identifier: GPL-2.0-only
#include "lib/digest.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "lib/proc.h"

int digest_sha256(const char *path, char hex[static DIGEST_HEX + 1], struct err *e)
{
	char *argv[] = { (char *)"sha256sum", (char *)"--", (char *)path, NULL };
	char out[PATH_MAX + 80];
	const char *digest = out;
	int ret = proc_run(argv, 600, out, sizeof(out), e);

	if (ret < 0)
		return ret;
	digest += *out == '\\'; /* sha256sum's sign of an unusual file name */
	if (ret || strspn(digest, "0123456789abcdef") != DIGEST_HEX)
		return err_set(e, -EIO, "computing the checksum of %s failed", path);
	snprintf(hex, DIGEST_HEX + 1, "%s", digest);
	return 0;
}

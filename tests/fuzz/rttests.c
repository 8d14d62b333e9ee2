// SPDX-License-Identifier: GPL-2.0-only
/* cyclictest's JSON comes out of a guest: any bytes at all */
#include <stdint.h>
#include <stdlib.h>

#include "results/rttests.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct err e = { 0 };
	struct rttests r;

	if (!rttests_parse(&r, (const char *)data, len, len % 2 ? 60 : 0, "fuzz", &e)) {
		for (size_t i = 0; i < r.n; i++)
			if (hist_total(&r.threads[i].hist) != r.threads[i].cycles)
				abort();
		rttests_free(&r);
	}
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/* A payload's result: the first two bytes are the length of "rows", the rest is "gaps" */
#include <stdlib.h>

#include "vmm/bench.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct bench_result r;
	struct frame_file files[2] = { { .name = "rows" }, { .name = "gaps" } };
	struct frames f = { files, 2 };
	struct err e = { 0 };
	uint64_t v, sum = 0;

	if (len < 2)
		return 0;
	files[0].data = data + 2;
	files[0].len = data[0] | data[1] << 8;
	if (files[0].len > len - 2)
		files[0].len = len - 2;
	files[1].data = files[0].data + files[0].len;
	files[1].len = len - 2 - files[0].len;
	f.n = files[1].len ? 2 : 1;
	if (bench_result_parse(&r, &f, &e))
		return 0;
	for (size_t i = 0; i < r.n; i++) {
		if (bench_quantile(&r.row[i], 0.99, &v) &&
		    (v < r.row[i].head.min || v > r.row[i].head.max))
			abort();
		sum += bench_median(&r.row[i]);
	}
	for (size_t i = 0; i < r.n_gaps; i++)
		if (r.gap[i].tsc < r.start || r.gap[i].tsc + r.gap[i].length > r.end)
			abort();
	return sum == UINT64_MAX;
}

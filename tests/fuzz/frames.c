// SPDX-License-Identifier: GPL-2.0-only
/* the data port's stream: any bytes a guest cares to send */
#include <stdlib.h>

#include "lib/frames.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct err e = { 0 };
	struct frames f;

	if (!frames_parse(&f, data, len, &e)) {
		for (size_t i = 0; i < f.n; i++)
			if (f.files[i].data < data || f.files[i].len > len ||
			    f.files[i].data + f.files[i].len > data + len)
				abort();
		frames_free(&f);
	}
	return 0;
}

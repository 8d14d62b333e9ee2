// SPDX-License-Identifier: GPL-2.0-only
/* A ring-buffer page of any content: the walk ends, inside the page. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "tracing/page.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct page_head heads[] = { { 8, 8, 16, 4080 }, { 8, 4, 12, 4084 } };
	volatile uint8_t sink = 0;

	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		struct page_walk w;
		const uint8_t *rec;
		uint32_t n;
		size_t events = 0;

		if (!page_open(&w, &heads[i], data, len))
			continue;
		while (page_next(&w, &rec, &n) == PAGE_EVENT) {
			if (rec < data || rec + n > data + len || ++events > len)
				abort();
			for (uint32_t k = 0; k < n; k++)
				sink ^= rec[k];
		}
	}
	return 0;
}

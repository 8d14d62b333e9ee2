// SPDX-License-Identifier: GPL-2.0-only
/* The kernel's format files, as a trace file brings them. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tracing/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const names[] = { "common_pid", "next_comm", "name", "vcpu_id", "" };
	const char *text = (const char *)data;
	char name[FORMAT_NAME_BYTES];
	struct page_head h;
	struct err e = { 0 };
	struct field f;
	uint16_t id;

	if (format_id(text, len, name, &id) && !memchr(name, '\0', sizeof(name)))
		abort();
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!format_field(text, len, names[i], &f) && f.bytes)
			abort();
	if (!format_page_head(text, len, &h, &e) && (h.data < 12 || h.data_bytes < 64))
		abort();
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cyclic/campaign.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct campaign_machine machine = { .images = false };
	struct mistakes *m = calloc(1, sizeof(*m));
	char *text = strndup((const char *)data, len);
	struct err e = { 0 };
	struct campaign *c = campaign_new(&e);

	if (m && text && c) {
		for (int cpu = 0; cpu < 4; cpu++)
			cpulist_add(&machine.online, cpu);
		campaign_parse(c, text, m);
		campaign_check(c, &machine, m);
	}
	free(c);
	free(text);
	free(m);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/panic.h"

#include <stdio.h>
#include <string.h>

static void judge(struct panic_watch *p)
{
	static const char begin[] = "Kernel panic - not syncing", end[] = "---[ end Kernel panic";
	const char *at;

	p->line[p->used] = '\0';
	if (strstr(p->line, end)) {
		p->over = p->seen;
		return;
	}
	at = strstr(p->line, begin);
	if (!at || p->seen)
		return;
	p->seen = true;
	at += sizeof(begin) - 1;
	at += strspn(at, ": ");
	snprintf(p->reason, sizeof(p->reason), "%s", at);
}

void panic_feed(struct panic_watch *p, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (data[i] == '\n') {
			judge(p);
			p->used = 0;
		} else if (data[i] >= ' ' && data[i] < 127 && p->used < PANIC_LINE_BYTES - 1) {
			p->line[p->used++] = data[i];
		}
	}
}

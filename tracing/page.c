// SPDX-License-Identifier: GPL-2.0-only
#include "tracing/page.h"

bool page_open(struct page_walk *w, const struct page_head *h, const uint8_t *page, size_t bytes)
{
	uint64_t commit = 0, lost = 0;
	size_t used;

	*w = (struct page_walk){ 0 };
	if (bytes < h->data)
		return false;
	memcpy(&w->ts, page, sizeof(w->ts));
	memcpy(&commit, page + h->commit, h->commit_bytes);
	used = commit & PAGE_COMMIT_MASK;
	if (used > bytes - h->data)
		return false;
	w->p = page + h->data;
	w->end = w->p + used;
	if (!(commit & PAGE_MISSED))
		return true;
	w->lost = UINT64_MAX;
	if (commit & PAGE_MISSED_STORED && bytes - h->data - used >= h->commit_bytes) {
		memcpy(&lost, w->end, h->commit_bytes);
		w->lost = lost;
	}
	return true;
}

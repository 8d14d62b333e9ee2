// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/bus.h"

#include <errno.h>
#include <string.h>

int bus_add(struct bus *b, uint64_t first, uint64_t count, struct vdev *dev, struct err *e)
{
	uint64_t last = first + count - 1;
	size_t at = 0;

	if (!count || last < first || b->n == BUS_RANGES)
		return err_set(e, -EINVAL, "device %s: bad range", dev->ops->name);
	while (at < b->n && b->ranges[at].first < first)
		at++;
	if ((at > 0 && b->ranges[at - 1].last >= first) ||
	    (at < b->n && b->ranges[at].first <= last))
		return err_set(e, -EEXIST, "device %s: its range is another device's",
			       dev->ops->name);
	memmove(&b->ranges[at + 1], &b->ranges[at], (b->n - at) * sizeof(b->ranges[0]));
	b->ranges[at] = (struct bus_range){ first, last, dev };
	b->n++;
	return 0;
}

struct vdev *bus_find(const struct bus *b, uint64_t at, uint64_t len)
{
	size_t lo = 0, hi = b->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		const struct bus_range *r = &b->ranges[mid];

		if (at < r->first)
			hi = mid;
		else if (at > r->last)
			lo = mid + 1;
		else
			return len && len - 1 <= r->last - at ? r->dev : NULL;
	}
	return NULL;
}

// SPDX-License-Identifier: GPL-2.0-only
#include "tracing/lane.h"

#include <errno.h>
#include <stdlib.h>

int lane_init(struct lane *l, uint32_t room, struct err *e)
{
	*l = (struct lane){ .ring = calloc(room, sizeof(*l->ring)), .room = room };
	if (!l->ring)
		return err_set(e, -ENOMEM, "no memory for a history of %u steps", room);
	l->last = &l->ring[room - 1];
	return 0;
}

void lane_free(struct lane *l)
{
	free(l->ring);
	*l = (struct lane){ 0 };
}

const struct step *lane_at(const struct lane *l, uint64_t ts, uint64_t *until)
{
	uint64_t low = l->n > l->room ? l->n - l->room : 0, high = l->n, first = low;

	/* invariant: steps before low are at or before ts, those from high on behind it */
	while (low < high) {
		uint64_t mid = low + (high - low) / 2;

		if (l->ring[mid & (l->room - 1)].ts <= ts)
			low = mid + 1;
		else
			high = mid;
	}
	*until = high < l->n ? l->ring[high & (l->room - 1)].ts : UINT64_MAX;
	return low > first ? &l->ring[(low - 1) & (l->room - 1)] : NULL;
}

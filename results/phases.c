// SPDX-License-Identifier: GPL-2.0-only
#include "results/phases.h"

#include <string.h>

#include "lib/clock.h"
#include "lib/json.h"

static size_t length(json_object *list)
{
	return json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
}

size_t phases_count(const struct result *r)
{
	return length(json_at(r->run.doc, "phases"));
}

static int64_t largest_ns(json_object *phase)
{
	json_object *cpus = json_at(phase, "cpus");
	int64_t max = -1;

	for (size_t i = 0; i < length(cpus); i++) {
		int64_t ns = json_int(json_object_array_get_idx(cpus, i), "max_ns", -1);

		max = ns > max ? ns : max;
	}
	return max;
}

void phases_row(const struct result *r, size_t i, struct phase_row *row)
{
	json_object *phase = json_object_array_get_idx(json_at(r->run.doc, "phases"), i);
	json_object *reasons = json_at(phase, "reasons");
	int64_t measured = json_int(phase, "measured_ns", 0), max = largest_ns(phase);
	const char *why = NULL;

	if (length(reasons))
		why = json_object_get_string(json_object_array_get_idx(reasons, 0));
	*row = (struct phase_row){
		.name = json_str(phase, "name", ""),
		.run = json_str(phase, "run", ""),
		.verdict = json_str(phase, "verdict", json_str(phase, "status", "pending")),
		.attempts = length(json_at(phase, "attempts")),
		.measured = "-",
		.max = "-",
		.why = why ? why : "",
	};
	if (measured > 0)
		format_seconds((double)measured / NSEC_PER_SEC, row->measured);
	if (max >= 0)
		format_us(max, row->max);
}

// SPDX-License-Identifier: GPL-2.0-only
/* guesthwlat - the files of a guest's hwlat: input is hwlat.json, spikes.jsonl and latency.log, a 0 between */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cyclic/guesthwlat.h"
#include "lib/file.h"
#include "lib/json.h"
#include "tests/fuzz/logcrc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* What guesthwlat_take() needs of one; the files it makes, each synced, go with the directory. */
static void empty_run(struct run *run)
{
	*run = (struct run){ .doc = json_object_new_object() };
	json_object_object_add(run->doc, "reasons", json_object_new_array());
	json_object_object_add(run->doc, "cpus", json_object_new_array());
	snprintf(run->dir, sizeof(run->dir), "/dev/shm/rtkvm-fuzz.XXXXXX");
	if (!mkdtemp(run->dir))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const names[] = { "hwlat.json", "spikes.jsonl", "latency.log" };
	const struct cpumap cpus = { .n = 3, .host = { 0, 2, 3 } };
	const struct ctopts o = { .instrument = GUEST_HWLAT, .timeout_s = 3600 };
	const struct gathered g = { .o = &o, .cpus = &cpus, .mark_ns = { [ABI_MARK_CLOCK] = 5 } };
	struct frame_file files[4] = { [0] = { "hwlat-clock", (const uint8_t *)"7", 1 } };
	uint8_t *copy = malloc(len + 1), *rest = copy;
	struct frames f = { files, 4 };
	struct err e = { 0 };
	struct run run;

	if (!copy)
		abort();
	memcpy(copy, data, len);
	copy[len] = 0;
	for (int i = 0; i < 3; i++) {
		uint8_t *end = i < 2 ? memchr(rest, 0, copy + len + 1 - rest) : copy + len;

		snprintf(files[i + 1].name, sizeof(files[i + 1].name), "%s", names[i]);
		files[i + 1].data = rest;
		files[i + 1].len = end - rest;
		rest = end < copy + len ? end + 1 : end;
	}
	logcrc_mend((uint8_t *)files[3].data, files[3].len);
	empty_run(&run);
	if (!guesthwlat_take(&run, &g, &f, &e))
		guesthwlat_judge(&run);
	err_clear(&e);
	file_remove_tree(run.dir, &e);
	json_object_put(run.doc);
	free(copy);
	return 0;
}

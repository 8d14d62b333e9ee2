// SPDX-License-Identifier: GPL-2.0-only
/* runjson - any run.json beside a good log, through every report */
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "results/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void make_log(const char *path)
{
	struct log_slice s = { .instrument = "cyclictest",
			       .cpu = 2,
			       .host_cpu = -1,
			       .start_wall_ns = 1790000000000000000ull,
			       .duration_ns = 1000000000 };
	struct log_writer w;
	struct err e = { 0 };
	struct hist h;

	hist_init(&h);
	for (int i = 0; i < 5000; i++)
		hist_add(&h, 2000 + i * i % 4001);
	if (log_create(&w, path, 1, &e) || log_write(&w, &s, &h, &e) || log_close(&w, &e))
		abort();
}

static void put(const char *path, const uint8_t *data, size_t len)
{
	_cleanup_fclose_ FILE *f = fopen(path, "w");

	if (!f || (len && fwrite(data, len, 1, f) != 1))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char dir[64], log[96], run[96];
	struct err e = { 0 };
	struct result r;

	snprintf(dir, sizeof(dir), "/dev/shm/rtkvm-fuzz-%d", getpid());
	snprintf(log, sizeof(log), "%s/latency.log", dir);
	snprintf(run, sizeof(run), "%s/run.json", dir);
	if (mkdir(dir, 0700))
		abort();
	make_log(log);
	put(run, data, len);
	if (!result_open(&r, dir, false, &e)) {
		run_judge(&r.run, len & 1);
		result_store(&r, &e);
		for (size_t i = 0; i < n_reports; i++) {
			_cleanup_free_ char *text = NULL;
			size_t n;
			FILE *f = open_memstream(&text, &n);

			if (!f)
				abort();
			reports[i].write(f, &r);
			fclose(f);
		}
		result_close(&r);
	}
	unlink(log);
	unlink(run);
	return rmdir(dir) ? 1 : 0;
}

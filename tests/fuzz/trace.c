// SPDX-License-Identifier: GPL-2.0-only
/* A trace file from anywhere: opened, merged, followed as a guest's and as a host's at once. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "tracing/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int on_spike(void *arg, struct spike *s, struct err *e)
{
	(void)arg;
	(void)e;
	if (budget_sum(&s->budget) != s->latency_ns)
		abort();
	return 0;
}

static int memory_file(const uint8_t *data, size_t len)
{
	int fd = memfd_create("trace", MFD_CLOEXEC);

	if (fd < 0 || file_write_all(fd, data, len))
		abort();
	return fd;
}

static void follow(struct feed_file files[SIDES], struct err *e)
{
	struct model_opts o = { .timer_vector = 0xec,
				.rate = { 1, 0 },
				.threads = (const char *[]){ "cyclictest" },
				.n_threads = 1,
				.on_spike = on_spike };
	const struct event *ev;
	struct model model;
	struct merge m;

	if (!model_init(&model, &o, &files[HOST], &files[GUEST], e) &&
	    !merge_open(&m, files, SIDES, 1 << 16, e)) {
		model.merge = &m;
		while (merge_next(&m, &ev, e) > 0 && model_event(&model, ev, ev->file, e) >= 0)
			;
		merge_close(&m);
	}
	model_free(&model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct dat dats[SIDES];
	struct feed_file files[SIDES] = { 0 };
	struct err e = { 0 };
	char *text;
	int ok = 1;

	for (int i = 0; i < SIDES; i++)
		ok &= !dat_open_fd(&dats[i], memory_file(data, len), "fuzz", &e);
	for (int i = 0; i < SIDES && ok; i++)
		ok &= !feed_file_init(&files[i], &dats[i], &e);
	if (ok) {
		follow(files, &e);
		err_clear(&e);
		if (!dat_text(&dats[0], &dats[0].kallsyms, &text, &e))
			free(text);
		if (!dat_text(&dats[0], &dats[0].cmdlines, &text, &e))
			free(text);
	}
	for (int i = 0; i < SIDES; i++) {
		feed_file_free(&files[i]);
		dat_close(&dats[i]);
	}
	return 0;
}

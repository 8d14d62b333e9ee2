/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fakejob - a directory with a program that plays rtkvm sample and hwlat: its Nth start copies what
 * the test has laid down for it (log.N, spikes.N) into the run directory it is
 * given, then runs do.N there; its Nth compare runs compare.N
 */
#ifndef RTKVM_TESTS_UNIT_FAKEJOB_H
#define RTKVM_TESTS_UNIT_FAKEJOB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "lib/file.h"
#include "results/record.h"

#define SEC 1000000000ull

static char fake_dir[] = "/tmp/rtkvm-fakejob.XXXXXX";

static inline const char *in_dir(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", fake_dir, name);
	return path;
}

static inline void put_file(const char *name, const char *text)
{
	struct err e = { 0 };

	if (file_replace(in_dir(name), text, strlen(text), &e) < 0)
		fail_msg("%s", e.text);
}

static inline void fake_make(void)
{
	static const char script[] =
		"#!/bin/sh\nhere=${0%/*}\n"
		"[ \"$1\" != compare ] || { echo x >>\"$here/compared\"; . \"$here/compare.$(wc -l <\"$here/compared\")\"; }\n"
		"case $1 in sample | hwlat | cyclictest) ;; *) exit 0 ;; esac\n"
		"for a; do case $a in --out=*) out=${a#--out=} ;; esac; done\n"
		"n=$(($(cat \"$here/count\" 2>/dev/null || echo 0) + 1))\necho $n >\"$here/count\"\n"
		"mkdir -p \"$out\" && cd \"$out\" || exit 2\n"
		"[ ! -e \"$here/log.$n\" ] || cp \"$here/log.$n\" latency.log\n"
		"[ ! -e \"$here/spikes.$n\" ] || cp \"$here/spikes.$n\" spikes.jsonl\n"
		"echo \"$@\" >>\"$here/asked\"\n"
		". \"$here/do.$n\"\n";

	assert_non_null(mkdtemp(fake_dir));
	put_file("self", script);
	assert_int_equal(chmod(in_dir("self"), 0755), 0);
}

static inline void fake_free(void)
{
	struct err e = { 0 };

	file_remove_tree(fake_dir, &e);
	strcpy(fake_dir + sizeof(fake_dir) - 7, "XXXXXX");
}

/* fake_log_of - n slices of 1 s and 1000 periods of each CPU in [from, to], each ns late; UINT64_MAX: without samples */
static inline void fake_log_of(const char *name, int from, int to, int n, uint64_t ns)
{
	struct log_writer w;
	struct err e = { 0 };

	assert_int_equal(log_create(&w, in_dir(name), 0, &e), 0);
	for (int i = 0; i < n; i++)
		for (int cpu = from; cpu <= to; cpu++) {
			struct log_slice s = { .instrument = "sample",
					       .cpu = cpu,
					       .host_cpu = cpu,
					       .duration_ns = SEC,
					       .period_ns = SEC / 1000 };
			struct hist h;

			hist_init(&h);
			for (int k = 0; k < 1000 && ns != UINT64_MAX; k++)
				hist_add(&h, ns);
			log_count(&s, LOG_EXPECTED, 1000);
			log_count(&s, LOG_MISSED, 0);
			assert_int_equal(log_write(&w, &s, &h, &e), 0);
		}
	assert_int_equal(log_close(&w, &e), 0);
}

static inline void fake_log(const char *name, int from, int to, int n)
{
	fake_log_of(name, from, to, n, 5000);
}

#endif

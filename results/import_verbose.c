// SPDX-License-Identifier: GPL-2.0-only
/*
 * import_verbose - the samples that cyclictest -v prints
 *
 * "%8d:%8lu:%8ld" is thread, cycle, latency; --smi appends "+%8ld". Its ring of 16,384 samples laps
 * unnoticed when the printing thread starves: cycle numbers that jump tell.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "results/import.h"

enum { THREADS = 1024 };

/* "       0:     193:      17": thread, cycle, latency, each 8 wide or more */
static bool sample_line(const char *p, uint64_t *thread, uint64_t *cycle, uint64_t *value)
{
	return scan_u64(&p, thread) && scan_text(&p, ":") && scan_u64(&p, cycle) &&
	       scan_text(&p, ":") && scan_u64(&p, value) &&
	       (scan_end(p) || (*p == '+' && p++ && scan_u64(&p, &(uint64_t){ 0 }) && scan_end(p)));
}

bool verbose_is(const char *head, size_t len)
{
	uint64_t a, b, c;
	int n = 0;

	(void)len;
	for (const char *p = head; p && n < 20; p = strchr(p, '\n'), p = p ? p + 1 : NULL, n++) {
		char line[128];

		snprintf(line, sizeof(line), "%.*s", (int)strcspn(p, "\r\n"), p);
		if (sample_line(line, &a, &b, &c))
			return true;
	}
	return false;
}

struct verbose {
	struct import *im;
	struct lines l;
	uint64_t unit;
	struct import_cpu *cpus[THREADS];
	uint64_t next[THREADS], period_ns[THREADS], gaps;
};

/* Lines that cyclictest -v prints beside the samples; "Thread 0 Interval: 1500" is of use. */
static int verbose_other(struct verbose *v, const char *line, struct err *e)
{
	const char *p = line, *other = import_other_tool(line);
	uint64_t thread, us;

	if (other && strcmp(other, "cyclictest"))
		return lines_error(&v->l, e, "output of %s begins in a file of cyclictest", other);
	if (scan_text(&p, "Thread ") && scan_u64(&p, &thread) && scan_text(&p, " Interval:") &&
	    scan_u64(&p, &us) && thread < THREADS && us < 1000000000)
		v->period_ns[thread] = us * 1000;
	else if (!scan_end(line) && *line != '#' && strncmp(line, "Max CPUs", 8) &&
		 strncmp(line, "Online CPUs", 11) && strncmp(line, "policy:", 7) &&
		 strncmp(line, "WARN:", 5) && strncmp(line, "INFO:", 5) && strncmp(line, "T:", 2))
		return lines_error(&v->l, e, "\"%.40s\" is no sample of cyclictest -v", line);
	return 0;
}

static int verbose_sample(struct verbose *v, uint64_t thread, uint64_t cycle, uint64_t value,
			  struct err *e)
{
	struct import_cpu *c;
	uint64_t ns;

	if (thread >= THREADS || !import_ns(value, v->unit, &ns))
		return lines_error(&v->l, e, "thread %ju, latency %ju: absurd", (uintmax_t)thread,
				   (uintmax_t)value);
	c = v->cpus[thread];
	if (!c) {
		c = v->cpus[thread] = import_cpu(v->im, "cyclictest", thread, e);
		if (!c)
			return e->code;
		c->hist.resolution_ns = v->unit;
		c->slice.period_ns = v->period_ns[thread];
	} else if (cycle != v->next[thread]) { /* its ring overran, or -o left some out */
		v->gaps++;
	}
	v->next[thread] = cycle + 1;
	hist_add(&c->hist, ns);
	return 0;
}

static int verbose_all(struct verbose *v, struct err *e)
{
	uint64_t thread, cycle, value;
	char *line;
	int unit;

	while ((line = lines_next(&v->l, e))) {
		if (!sample_line(line, &thread, &cycle, &value)) {
			if (verbose_other(v, line, e))
				return e->code;
			continue;
		}
		if (!v->unit) {
			unit = import_unit(v->im, &v->l, "or --unit ns if cyclictest ran with -N",
					   e);
			if (unit < 0)
				return unit;
			v->unit = unit;
		}
		if (verbose_sample(v, thread, cycle, value, e))
			return e->code;
	}
	if (e->code)
		return e->code;
	import_source(v->im, "cyclictest", NULL);
	import_note(v->im,
		    "numbers of CPUs are cyclictest's thread numbers; missed periods are not in "
		    "the source");
	if (v->gaps)
		import_note(v->im,
			    "cycle numbers jump %ju times: cyclictest lost samples, or ran with -o",
			    (uintmax_t)v->gaps);
	return 0;
}

int verbose_read(struct import *im, struct err *e)
{
	_cleanup_free_ struct verbose *v = calloc(1, sizeof(*v));

	if (!v)
		return err_set(e, -ENOMEM, "reading %s failed: no memory", im->path);
	v->im = im;
	if (!lines_open(&v->l, im->path, e))
		verbose_all(v, e);
	lines_close(&v->l);
	return e->code;
}

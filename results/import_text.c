// SPDX-License-Identifier: GPL-2.0-only
/*
 * import_text - hwlatdetect's report, and plain two-column histograms
 *
 * Facts from hwlatdetect.py (rt-tests 1.0 to main): sample lines gained cpu: (2.6), count: (2.10)
 * and delta: (main).
 */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "results/import.h"

/* --- hwlatdetect --- */

bool hwlatdetect_is(const char *head, size_t len)
{
	(void)len;
	return strstr(head, "hwlatdetect:") || !strncmp(head, "ts: ", 4);
}

struct hwlat {
	struct import *im;
	struct lines l;
	char instrument[LOG_INSTRUMENT_BYTES];
	bool has_head, ended;
	uint64_t threshold_us;
};

/* "ts: 1790000000.123456789, delta:12.004113, inner:21, outer:19, cpu:3, count:2" */
static int hwlat_sample(struct hwlat *h, const char *p, struct err *e)
{
	struct spike s = {
		.cpu = -1, .host_cpu = -1, .cycle = -1, .cause = cause_find("hardware")
	};
	uint64_t sec, nsec, inner, outer, v;
	const char *field;
	struct import_cpu *c;

	if (!scan_text(&p, "ts:") || !scan_u64(&p, &sec) || !scan_text(&p, ".") ||
	    !scan_u64(&p, &nsec) || nsec > 999999999 || sec > 4102444800)
		return lines_error(&h->l, e, "no time stamp after \"ts:\"");
	field = strstr(p, "inner:");
	if (!field || !scan_text(&field, "inner:") || !scan_u64(&field, &inner))
		return lines_error(&h->l, e, "no \"inner:\" in a sample");
	field = strstr(p, "outer:");
	if (!field || !scan_text(&field, "outer:") || !scan_u64(&field, &outer))
		return lines_error(&h->l, e, "no \"outer:\" in a sample");
	field = strstr(p, "cpu:");
	if (field && scan_text(&field, "cpu:") && scan_u64(&field, &v) && v < 65536)
		s.cpu = v;
	if (!import_ns(fmax(inner, outer), 1000, &s.latency_ns))
		return lines_error(&h->l, e, "an absurd gap");
	s.wall_ns = sec * 1000000000 + nsec;
	snprintf(s.instrument, sizeof(s.instrument), "%s", h->instrument);
	snprintf(s.detail, sizeof(s.detail), "inner %ju us, outer %ju us", (uintmax_t)inner,
		 (uintmax_t)outer);
	c = import_cpu(h->im, h->instrument, s.cpu, e);
	if (!c)
		return e->code;
	c->hist.resolution_ns = 1000;
	hist_add(&c->hist, s.latency_ns);
	if (s.latency_ns >= c->hist.max_ns)
		c->slice.max_wall_ns = s.wall_ns;
	return spikes_add(&h->im->spikes, &s, e);
}

static int hwlat_line(struct hwlat *h, const char *line, struct err *e)
{
	const char *p = line + strspn(line, " \t"), *other = import_other_tool(line);
	uint64_t v;

	if (other && strcmp(other, "hwlatdetect"))
		return lines_error(&h->l, e, "output of %s begins in a file of hwlatdetect", other);
	if (scan_text(&p, "hwlatdetect:")) {
		if (h->has_head)
			return lines_error(&h->l, e, "a second report of hwlatdetect in one file");
		h->has_head = true;
		p = strstr(line, "duration ");
		if (p && scan_text(&p, "duration ") && scan_u64(&p, &v) && v < 1000000000)
			h->im->duration_ns = v * 1000000000;
	} else if (scan_text(&p, "Latency threshold:")) {
		if (!scan_u64(&p, &h->threshold_us))
			return lines_error(&h->l, e, "no number after \"Latency threshold:\"");
		snprintf(h->instrument, sizeof(h->instrument), "hwlat over %u us",
			 (unsigned int)fmin(h->threshold_us, 1e9));
	} else if (!strncmp(p, "Samples recorded:", 17)) {
		h->ended = true;
	} else if (!strncmp(p, "ts:", 3)) {
		return hwlat_sample(h, p, e);
	} else if (scan_u64(&p, &v) && scan_text(&p, " SMIs occured on cpu ")) {
		import_note(h->im, "%s", line);
	}
	return 0;
}

int hwlatdetect_read(struct import *im, struct err *e)
{
	struct hwlat h = { .im = im, .instrument = "hwlat" };
	char *line;

	if (lines_open(&h.l, im->path, e))
		return e->code;
	while ((line = lines_next(&h.l, e)))
		if (hwlat_line(&h, line, e))
			break;
	if (!e->code && h.has_head && !h.ended)
		lines_error(&h.l, e, "the report is cut off: no \"Samples recorded:\"");
	lines_close(&h.l);
	if (e->code)
		return e->code;
	import_source(im, "hwlatdetect", NULL);
	import_note(im, "the source tells only gaps above its threshold: quantiles are of those");
	import_note(im, "by default hwlatdetect watches one CPU at a time, half of the time");
	if (!im->n_cpus && !import_cpu(im, h.instrument, -1, e))
		return e->code;
	return 0;
}

/* --- two columns --- */

/* Two numbers with blanks, a comma or a semicolon between them. */
static bool plain_pair(const char *p, double *value, uint64_t *n)
{
	if (!scan_double(&p, value))
		return false;
	p += strspn(p, " \t");
	p += *p == ',' || *p == ';';
	return scan_u64(&p, n) && scan_end(p);
}

bool plain_is(const char *head, size_t len)
{
	int pairs = 0;

	(void)len;
	for (const char *p = head; p && *p; p = strchr(p, '\n'), p = p ? p + 1 : NULL) {
		char line[128];
		double v;
		uint64_t n;

		if (!strchr(p, '\n') && pairs) /* the head may end in mid-line */
			break;
		snprintf(line, sizeof(line), "%.*s", (int)strcspn(p, "\r\n"), p);
		if (scan_end(line) || *line == '#')
			continue;
		if (!plain_pair(line, &v, &n))
			return false;
		pairs++;
	}
	return pairs > 0;
}

/* All values are multiples of the smallest decimal step that occurs: that is their resolution. */
static uint64_t plain_step(double v, uint64_t step)
{
	while (step > 1 && fabs(v / step - round(v / step)) > 1e-6)
		step /= 10;
	return step ? step : 1;
}

int plain_read(struct import *im, struct err *e)
{
	struct import_cpu *c = import_cpu(im, "samples", -1, e);
	struct lines l;
	uint64_t n, ns, step = 0;
	char *line;
	double v;
	int unit;

	if (!c || lines_open(&l, im->path, e))
		return e->code;
	unit = import_unit(im, &l, "or --unit ns", e);
	step = unit > 0 ? unit : 1;
	while (!e->code && (line = lines_next(&l, e))) {
		if (scan_end(line) || *line == '#')
			continue;
		if (!plain_pair(line, &v, &n) || n >> 56 || !import_ns(v, unit, &ns)) {
			lines_error(&l, e, "\"%.40s\" is no latency and count", line);
			break;
		}
		hist_add_n(&c->hist, ns, n);
		step = plain_step(v * unit, step);
	}
	lines_close(&l);
	c->hist.resolution_ns = step;
	import_source(im, "two columns", NULL);
	import_note(im, "the source tells values and counts, nothing else");
	return e->code;
}

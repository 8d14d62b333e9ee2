// SPDX-License-Identifier: GPL-2.0-only
/*
 * import_rteval - rteval's summary.xml
 *
 * Facts from rteval's modules (3.x): a measurement (cyclictest, timerlat) holds <core id> elements,
 * each with <statistics> and <histogram nbuckets><bucket index value/>; <system> repeats the sum;
 * statistics are absent when the maximum was above the buckets. Older files wrap measurements in
 * <Profile>. <hwlatdetect> has <samples><sample timestamp duration/>.
 */
#include <errno.h>
#include <expat.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/json.h"
#include "results/import.h"

enum { TEXT_BYTES = 512, DEPTH = 64 };

struct rteval {
	struct import *im;
	struct err *e;
	XML_Parser parser;
	int depth;
	const char *measurement; /* cyclictest, timerlat or hwlatdetect while inside it */
	int measurement_depth;
	struct import_cpu *core; /* while inside <core> */
	int core_depth;
	char text[TEXT_BYTES]; /* of the innermost element */
	size_t text_len;
	int64_t samples, max_us; /* of the core's statistics; -1 absent */
	uint64_t last_bucket;
	bool has_root, incomplete;
};

bool rteval_is(const char *head, size_t len)
{
	(void)len;
	return head[strspn(head, " \t\r\n\xef\xbb\xbf")] == '<' && strstr(head, "<rteval");
}

static void fail(struct rteval *r, const char *what)
{
	err_set(r->e, -EINVAL, "reading %s failed: line %lu: %s", r->im->path,
		(unsigned long)XML_GetCurrentLineNumber(r->parser), what);
	XML_StopParser(r->parser, XML_FALSE);
}

static const char *attribute(const char **attrs, const char *name)
{
	for (; *attrs; attrs += 2)
		if (!strcmp(attrs[0], name))
			return attrs[1];
	return NULL;
}

static bool number(const char *text, uint64_t *v)
{
	return text && scan_u64(&text, v) && scan_end(text);
}

static void start_core(struct rteval *r, const char **attrs)
{
	uint64_t cpu;

	if (!number(attribute(attrs, "id"), &cpu) || cpu > 65535) {
		fail(r, "a <core> without a usable id");
		return;
	}
	r->core = import_cpu(r->im, r->measurement, cpu, r->e);
	if (!r->core) {
		XML_StopParser(r->parser, XML_FALSE);
		return;
	}
	if (hist_total(&r->core->hist)) {
		fail(r, "a <core> occurs twice in a measurement");
		return;
	}
	r->core->hist.resolution_ns = 1000;
	r->core_depth = r->depth;
	r->samples = r->max_us = -1;
	r->last_bucket = 0;
}

static void bucket(struct rteval *r, const char **attrs)
{
	uint64_t index, n, ns;

	if (!number(attribute(attrs, "index"), &index) || !number(attribute(attrs, "value"), &n) ||
	    n >> 56 || !import_ns(index, 1000, &ns)) {
		fail(r, "a <bucket> without a usable index and value");
		return;
	}
	hist_add_n(&r->core->hist, ns, n);
	if (index > r->last_bucket)
		r->last_bucket = index;
}

static void hwlat_sample(struct rteval *r, const char **attrs)
{
	struct spike s = { .cpu = -1,
			   .host_cpu = -1,
			   .cycle = -1,
			   .cause = cause_find("hardware"),
			   .instrument = "hwlatdetect" };
	const char *when = attribute(attrs, "timestamp"), *gap = attribute(attrs, "duration");
	struct import_cpu *c = import_cpu(r->im, "hwlatdetect", -1, r->e);
	double sec, us;

	if (!c || !when || !gap || !scan_double(&when, &sec) || !scan_double(&gap, &us) ||
	    sec > 4102444800.0 || !import_ns(us, 1000, &s.latency_ns)) {
		fail(r, "a <sample> without a usable timestamp and duration");
		return;
	}
	s.wall_ns = sec * 1e9;
	hist_add(&c->hist, s.latency_ns);
	c->hist.resolution_ns = 1000;
	spikes_add(&r->im->spikes, &s, r->e);
}

/* days, hours, minutes, seconds of <run_info> */
static void run_info(struct rteval *r, const char **attrs)
{
	static const struct {
		const char *name;
		uint64_t seconds;
	} parts[] = { { "days", 86400 }, { "hours", 3600 }, { "minutes", 60 }, { "seconds", 1 } };
	uint64_t v, sum = 0;

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (number(attribute(attrs, parts[i].name), &v) && v < 100000)
			sum += v * parts[i].seconds;
	r->im->duration_ns = sum * 1000000000;
}

static void start(void *ctx, const char *name, const char **attrs)
{
	static const char *const measurements[] = { "cyclictest", "timerlat", "hwlatdetect" };
	struct rteval *r = ctx;

	r->text_len = 0;
	if (++r->depth > DEPTH) {
		fail(r, "elements nest too deeply");
		return;
	}
	if (r->depth == 1) {
		r->has_root = !strcmp(name, "rteval");
		if (!r->has_root)
			fail(r, "the root element is not <rteval>");
		import_source(r->im, "rteval", attribute(attrs, "version"));
		return;
	}
	if (!strcmp(name, "run_info"))
		run_info(r, attrs);
	if (!strcmp(name, "kernel") && attribute(attrs, "is_RT"))
		json_set_str(run_section(&r->im->run, "host"), "realtime",
			     attribute(attrs, "is_RT"));
	for (size_t i = 0; i < ARRAY_SIZE(measurements) && !r->measurement; i++)
		if (!strcmp(name, measurements[i])) {
			r->measurement = measurements[i];
			r->measurement_depth = r->depth;
			json_set_str(run_section(&r->im->run, "asked"), "command",
				     attribute(attrs, "command_line"));
		}
	if (!r->measurement)
		return;
	if (!strcmp(name, "core") && !r->core)
		start_core(r, attrs);
	else if (!strcmp(name, "bucket") && r->core)
		bucket(r, attrs);
	else if (!strcmp(name, "sample") && !strcmp(r->measurement, "hwlatdetect"))
		hwlat_sample(r, attrs);
}

static void text(void *ctx, const char *s, int len)
{
	struct rteval *r = ctx;

	if (r->text_len + len >= sizeof(r->text))
		len = sizeof(r->text) - 1 - r->text_len;
	memcpy(r->text + r->text_len, s, len);
	r->text_len += len;
}

/* A core is over: what the statistics count and no bucket holds lies above the buckets. */
static void end_core(struct rteval *r)
{
	struct hist *h = &r->core->hist;
	uint64_t ns;

	if (r->samples < 0) {
		r->incomplete = true;
	} else if ((uint64_t)r->samples > h->count) {
		import_ns(r->last_bucket + 1, 1000, &ns);
		hist_add_over(h, ns, r->samples - h->count);
	}
	if (r->max_us >= 0 && hist_total(h) && import_ns(r->max_us, 1000, &ns))
		import_max(h, ns);
	r->core = NULL;
}

static void end(void *ctx, const char *name)
{
	struct rteval *r = ctx;
	double v;
	const char *p = r->text;

	r->text[r->text_len] = '\0';
	p += strspn(p, " \t\r\n");
	if (r->core && !strcmp(name, "samples") && scan_double(&p, &v) && v < 1e17)
		r->samples = v;
	if (r->core && !strcmp(name, "maximum") && scan_double(&p, &v) && v < 1e12)
		r->max_us = v;
	if (!r->measurement && !strcmp(name, "kernel") && *p)
		json_set_str(run_section(&r->im->run, "host"), "kernel", p);
	if (r->core && r->depth == r->core_depth)
		end_core(r);
	if (r->measurement && r->depth == r->measurement_depth)
		r->measurement = NULL;
	r->depth--;
	r->text_len = 0;
}

static int feed(struct rteval *r, struct err *e)
{
	_cleanup_close_ int fd = file_open(r->im->path, e);
	ssize_t n;

	if (fd < 0)
		return fd;
	do {
		char *buf = XML_GetBuffer(r->parser, 65536);

		n = buf ? read(fd, buf, 65536) : -1;
		if (n < 0)
			return err_sys(e, "reading %s failed", r->im->path);
		if (XML_ParseBuffer(r->parser, n, n == 0) == XML_STATUS_ERROR && !e->code)
			return err_set(e, -EINVAL, "reading %s failed: line %lu: %s", r->im->path,
				       (unsigned long)XML_GetCurrentLineNumber(r->parser),
				       XML_ErrorString(XML_GetErrorCode(r->parser)));
	} while (n && !e->code);
	return e->code;
}

int rteval_read(struct import *im, struct err *e)
{
	struct rteval r = { .im = im, .e = e, .parser = XML_ParserCreate(NULL) };

	if (!r.parser)
		return err_set(e, -ENOMEM, "reading %s failed: no memory", im->path);
	XML_SetUserData(r.parser, &r);
	XML_SetElementHandler(r.parser, start, end);
	XML_SetCharacterDataHandler(r.parser, text);
	feed(&r, e);
	XML_ParserFree(r.parser);
	if (e->code)
		return e->code;
	if (!im->n_cpus)
		return err_set(e, -EINVAL, "reading %s failed: no <core> of a measurement in it",
			       im->path);
	import_note(im, "missed periods are not in the source");
	if (r.incomplete)
		import_note(
			im,
			"rteval left out the statistics of some CPUs (a maximum above its buckets): "
			"samples above the buckets are lost");
	return 0;
}

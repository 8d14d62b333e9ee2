// SPDX-License-Identifier: GPL-2.0-only
/*
 * import_json - rt-tests' --json (file_version 1) and jitterdebugger's results.json
 *
 * Facts from rt-tests' src/lib/rt-utils.c and each tool, and from files they wrote:
 * - what cyclictest's own file keeps silent about is told in results/rttests.h;
 * - the version is a float with two decimals: 2.4 prints "2.40", 2.10 as 2.1 would;
 * - resolution_in_ns 1 is cyclictest -N; others count in us;
 * - samples above -h are in "cycles" and in no bin: the difference tells how many they are;
 * - oslat: keys are upper edges, the last bin also takes all above; min and max are us, or ns when
 *   the bin width is no multiple of 1000;
 * - ptsematest and its kin nest sender and receiver: samples here, min and max there.
 * jitterdebugger (jitterdebugger.c, version 3): bins of 1 us below 1000; samples above are in
 * "count" and in no bin.
 */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/json.h"
#include "results/import.h"
#include "results/rttests.h"

enum { JSON_BYTES = 256 << 20 };

static json_object *parse(const struct import *im, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	json_object *o = NULL;
	ssize_t n = file_load(im->path, JSON_BYTES, &text, e);

	if (n >= 0)
		rttests_json(text, n, &o, im->path, e);
	return o;
}

/* --- values that must make sense --- */

static int bad(const struct import *im, const char *where, const char *what, struct err *e)
{
	return err_set(e, -EINVAL, "reading %s failed: thread \"%s\": %s", im->path, where, what);
}

/* A count: a JSON integer from 0 up; -1 absent; -2 absurd. */
static int64_t count_at(json_object *o, const char *key)
{
	json_object *v;

	if (!json_object_object_get_ex(o, key, &v) || !v)
		return -1;
	if (!json_object_is_type(v, json_type_int) || json_object_get_int64(v) < 0 ||
	    json_object_get_int64(v) >> 56)
		return -2;
	return json_object_get_int64(v);
}

/* A bin's key: a number of units with decimals; false when it is none. */
static bool bin_value(const char *key, double *v)
{
	return scan_double(&key, v) && scan_end(key);
}

static int add_bins(struct import *im, const char *where, json_object *bins, struct hist *h,
		    uint64_t unit_ns, struct err *e)
{
	json_object_object_foreach(bins, key, value) {
		double v;
		uint64_t ns;

		if (!bin_value(key, &v) || !import_ns(v, unit_ns, &ns))
			return bad(im, where, "a bin of its histogram is no latency", e);
		if (!json_object_is_type(value, json_type_int) ||
		    json_object_get_int64(value) < 0 || json_object_get_int64(value) >> 56)
			return bad(im, where, "a bin of its histogram has no count", e);
		hist_add_n(h, ns, json_object_get_int64(value));
	}
	return 0;
}

static uint64_t last_bin(json_object *bins)
{
	double last = 0, v;

	json_object_object_foreach(bins, key, value) {
		(void)value;
		if (bin_value(key, &v) && v > last)
			last = v;
	}
	return last;
}

static struct import_cpu *thread_cpu(struct import *im, const char *tool, const char *key,
				     int64_t cpu, struct err *e)
{
	const char *p = key;
	uint64_t number;

	if (!scan_u64(&p, &number) || !scan_end(p) || number > 65535) {
		bad(im, key, "no number of a thread", e);
		return NULL;
	}
	if (cpu >= 0 && cpu > 65535) {
		bad(im, key, "an absurd CPU", e);
		return NULL;
	}
	return import_cpu(im, tool, cpu >= 0 ? cpu : (int64_t)number, e);
}

/* --- rt-tests --- */

bool rttests_is(const char *head, size_t len)
{
	(void)len;
	return head[strspn(head, " \t\r\n")] == '{' && strstr(head, "\"file_version\"") &&
	       strstr(head, "rt_test_version");
}

static int min_max(struct import *im, const char *where, json_object *t, uint64_t unit_ns,
		   uint64_t *min, uint64_t *max, struct err *e)
{
	int64_t lo = count_at(t, "min"), hi = count_at(t, "max");

	if (lo < 0 || hi < lo || !import_ns(lo, unit_ns, min) || !import_ns(hi, unit_ns, max))
		return bad(im, where, "minimum and maximum make no sense", e);
	return 0;
}

/* A number after one of the options ("-h60", "-h 60", "--histogram=60"); 0 when there is none. */
static uint64_t option_number(const char *cmdline, const char *const *names)
{
	for (; *names; names++) {
		const char *p = strstr(cmdline, *names);
		uint64_t v;

		if (!p || p == cmdline || p[-1] != ' ')
			continue;
		p += strlen(*names);
		p += *p == '=';
		if (scan_u64(&p, &v) && v < 1000000000)
			return v;
	}
	return 0;
}

static int cyclictest_thread(struct import *im, const char *key, json_object *t,
			     struct import_cpu *c, uint64_t unit, const char *cmdline,
			     struct err *e)
{
	static const char *const range[] = { "-h", "-H", "--histogram", "--histofall", NULL };
	int64_t cycles = count_at(t, "cycles");
	struct rttests_thread parsed;
	uint64_t min, max;

	c->hist.resolution_ns = unit;
	if (!cycles) /* min is 1000000 then, avg -nan */
		return 0;
	if (min_max(im, key, t, unit, &min, &max, e))
		return e->code;
	if (!json_at(t, "histogram")) {
		if (cycles < 0)
			return bad(im, key, "no \"cycles\"", e);
		import_summary(&c->hist, cycles, min, max);
		return 0;
	}
	/* the -h value counts in the unit of the values */
	if (rttests_thread(&parsed, t, unit, option_number(cmdline, range) * unit / 1000, im->path,
			   e))
		return e->code;
	c->hist = parsed.hist;
	return 0;
}

static uint64_t oslat_width(const char *cmdline)
{
	static const char *const names[] = { "--bucket-width", "-W", NULL };
	uint64_t width = option_number(cmdline, names);

	return width ? width : 1000;
}

static int oslat_thread(const struct import *im, json_object *t, struct import_cpu *c,
			uint64_t width_ns, struct err *e)
{
	struct rttests_thread parsed;
	int ret = rttests_oslat_thread(&parsed, t, width_ns, im->path, e);

	if (!ret)
		c->hist = parsed.hist;
	return ret;
}

/* signaltest, cyclicdeadline; ptsematest, svsematest, pmqtest, sigwaittest */
static int summary_thread(struct import *im, const char *key, json_object *t, struct import_cpu *c,
			  struct err *e)
{
	json_object *receiver = json_at(t, "receiver"), *sender = json_at(t, "sender");
	int64_t n = receiver ? count_at(sender, "samples") : count_at(t, "cycles");
	uint64_t min, max;

	c->hist.resolution_ns = 1000;
	if (n < 0)
		return bad(im, key, "no number of samples", e);
	if (!n)
		return 0;
	if (min_max(im, key, receiver ? receiver : t, 1000, &min, &max, e))
		return e->code;
	import_summary(&c->hist, n, min, max);
	return 0;
}

/* "Fri, 20 Nov 2026 09:00:00 +0000" as CLOCK_REALTIME; 0 when it is not that */
static uint64_t rfc2822(const char *text)
{
	struct tm tm = { 0 };
	const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S %z", &tm);
	long offset = tm.tm_gmtoff;
	time_t t;

	if (!end || *end)
		return 0;
	t = timegm(&tm) - offset;
	return t > 0 ? t * 1000000000ull : 0;
}

/* The program's name: the first word of the command line without its path. */
static void tool_name(const char *cmdline, char *buf, size_t size)
{
	int n = strcspn(cmdline, " ");
	const char *slash = memrchr(cmdline, '/', n);

	if (slash) {
		n -= slash + 1 - cmdline;
		cmdline = slash + 1;
	}
	snprintf(buf, size, "%.*s", n, cmdline);
	for (char *p = buf; *p; p++)
		if (!isalnum((unsigned char)*p) && *p != '-' && *p != '_')
			*p = '_';
}

static int rttests_threads(struct import *im, json_object *o, const char *tool, struct err *e)
{
	json_object *threads = json_at(o, "thread"), *first = NULL;
	uint64_t unit = json_int(o, "resolution_in_ns", 0) == 1 ? 1 : 1000;
	const char *cmdline = json_str(o, "cmdline:", "");
	bool oslat = !strcmp(tool, "oslat");

	if (!json_object_is_type(threads, json_type_object))
		return err_set(e, -EINVAL, "reading %s failed: no \"thread\" object", im->path);
	json_object_object_foreach(threads, key, t) {
		json_object *where = json_at(t, "receiver") ? json_at(t, "receiver") : t;
		struct import_cpu *c = thread_cpu(im, tool, key, json_int(where, "cpu", -1), e);
		int ret;

		if (!c)
			return e->code;
		if (hist_total(&c->hist)) /* two threads on one CPU: kept apart by thread number */
			c = thread_cpu(im, tool, key, -1, e);
		if (!c || hist_total(&c->hist))
			return c ? bad(im, key, "its CPU occurs twice", e) : e->code;
		if (!strcmp(tool, "cyclictest"))
			ret = cyclictest_thread(im, key, t, c, unit, cmdline, e);
		else if (oslat)
			ret = oslat_thread(im, t, c, oslat_width(cmdline), e);
		else
			ret = summary_thread(im, key, t, c, e);
		if (ret < 0)
			return ret;
		first = t;
	}
	if (!first)
		return err_set(e, -EINVAL, "reading %s failed: it has no threads", im->path);
	if (oslat)
		import_note(im, "oslat's values are upper edges of its bins");
	else if (!json_at(first, "histogram"))
		import_note(
			im,
			"no histogram in the source: only count, minimum and maximum are known");
	return 0;
}

static void rttests_facts(struct import *im, json_object *o, const char *tool)
{
	json_object *host = run_section(&im->run, "host");
	uint64_t end = rfc2822(json_str(o, "end_time", ""));

	import_source(im, tool, json_str(o, "rt_test_version:", NULL));
	im->start_wall_ns = rfc2822(json_str(o, "start_time", ""));
	if (im->start_wall_ns && end > im->start_wall_ns)
		im->duration_ns = end - im->start_wall_ns;
	json_set_str(host, "kernel", json_str(o, "sysinfo.release", NULL));
	json_set_str(host, "kernel_version", json_str(o, "sysinfo.version", NULL));
	json_set_str(host, "hostname", json_str(o, "sysinfo.nodename", NULL));
	json_set_str(run_section(&im->run, "asked"), "command", json_str(o, "cmdline:", NULL));
	import_note(im, "missed periods are not in the source");
}

int rttests_read(struct import *im, struct err *e)
{
	_cleanup_json_ json_object *o = parse(im, e);
	char tool[LOG_INSTRUMENT_BYTES];

	if (!o)
		return e->code;
	if (json_int(o, "file_version", -1) != 1)
		return err_set(e, -EPROTONOSUPPORT,
			       "reading %s failed: rt-tests file_version %jd, 1 is read", im->path,
			       (intmax_t)json_int(o, "file_version", -1));
	tool_name(json_str(o, "cmdline:", ""), tool, sizeof(tool));
	if (!tool[0])
		return err_set(e, -EINVAL, "reading %s failed: \"cmdline:\" names no tool",
			       im->path);
	rttests_facts(im, o, tool);
	return rttests_threads(im, o, tool, e);
}

/* --- jitterdebugger --- */

bool jitterdebugger_is(const char *head, size_t len)
{
	(void)len;
	return head[strspn(head, " \t\r\n")] == '{' && strstr(head, "\"cpu\"") &&
	       strstr(head, "\"histogram\"") && !strstr(head, "\"file_version\"");
}

static int jitter_cpu(struct import *im, const char *key, json_object *t, uint64_t unit,
		      struct err *e)
{
	struct import_cpu *c = thread_cpu(im, "jitterdebugger", key, -1, e);
	json_object *bins = json_at(t, "histogram");
	int64_t n = count_at(t, "count");
	uint64_t min, max, from;

	if (!c)
		return e->code;
	c->hist.resolution_ns = unit;
	if (!n)
		return 0;
	if (n < 0 || !json_object_is_type(bins, json_type_object))
		return bad(im, key, "no \"count\" and \"histogram\"", e);
	if (add_bins(im, key, bins, &c->hist, unit, e) || min_max(im, key, t, unit, &min, &max, e))
		return e->code;
	if ((uint64_t)n > c->hist.count) {
		import_ns(last_bin(bins) + 1, unit, &from);
		hist_add_over(&c->hist, from, n - c->hist.count);
	}
	import_max(&c->hist, max);
	return 0;
}

int jitterdebugger_read(struct import *im, struct err *e)
{
	_cleanup_json_ json_object *o = parse(im, e);
	json_object *cpus = json_at(o, "cpu");
	uint64_t unit = json_int(o, "sysinfo.resolution_in_ns", 0) == 1 ? 1 : 1000;

	if (!o)
		return e->code;
	if (json_int(o, "version", -1) > 3 || !json_object_is_type(cpus, json_type_object))
		return err_set(e, -EPROTONOSUPPORT,
			       "reading %s failed: jitterdebugger version %jd, at most 3 is read",
			       im->path, (intmax_t)json_int(o, "version", -1));
	import_source(im, "jitterdebugger", NULL);
	json_set_str(run_section(&im->run, "host"), "kernel", json_str(o, "sysinfo.release", NULL));
	import_note(im,
		    "numbers of CPUs are jitterdebugger's thread numbers; it catches up after a "
		    "stall, so one stall is many samples");
	json_object_object_foreach(cpus, key, t) {
		if (jitter_cpu(im, key, t, unit, e))
			return e->code;
	}
	return 0;
}

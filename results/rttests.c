// SPDX-License-Identifier: GPL-2.0-only
#include "results/rttests.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/json.h"

enum {
	FILE_VERSION = 1,
	MAX_THREADS = 4096,
	MAX_BINS = 1000000, /* cyclictest's own limit for -h */
	MAX_TEXT = 256 << 20,
};

/* Inside "KEY": "VALUE" of one line, quotes and backslashes that cyclictest did not escape. */
static size_t escape_value(char *to, const char *value, size_t len)
{
	char *start = to;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = value[i];

		if (c == '"' || c == '\\')
			*to++ = '\\';
		*to++ = c < ' ' ? ' ' : c;
	}
	return to - start;
}

/*
 * One line made JSON; to has room for twice its length and a bit. cyclictest prints one key a line, so
 * a string ends at the last quote of its line, whatever stands in between.
 */
static size_t repair_line(char *to, const char *line, size_t len)
{
	const char *open = memmem(line, len, "\": \"", 4), *close = memrchr(line, '"', len);
	const char *nan = memmem(line, len, "nan", 3);
	char *start = to;

	if (open && close >= open + 4) {
		const char *value = open + 4;

		to = mempcpy(to, line, value - line);
		to += escape_value(to, value, close - value);
		to = mempcpy(to, close, line + len - close);
	} else if (nan && close && close < nan) {
		const char *number = nan > line && nan[-1] == '-' ? nan - 1 : nan;

		to = mempcpy(to, line, number - line);
		to = mempcpy(to, "null", 4);
		to = mempcpy(to, nan + 3, line + len - (nan + 3));
	} else {
		to = mempcpy(to, line, len);
	}
	*to++ = '\n';
	return to - start;
}

/* Parses all of it: what follows the value but blanks is an error. *line: where it went wrong. */
static enum json_tokener_error parse_json(const char *text, size_t len, json_object **out,
					  size_t *line)
{
	json_tokener *tokener = json_tokener_new();
	enum json_tokener_error why;
	size_t end;

	if (!tokener)
		return json_tokener_error_size;
	*out = json_tokener_parse_ex(tokener, text, len);
	why = json_tokener_get_error(tokener);
	end = json_tokener_get_parse_end(tokener);
	json_tokener_free(tokener);
	*line = 1;
	for (size_t i = 0; i < end; i++)
		*line += text[i] == '\n';
	for (; why == json_tokener_success && end < len; end++)
		if (!memchr(" \t\r\n", text[end], 4))
			why = json_tokener_error_parse_unexpected;
	if (why == json_tokener_success)
		return why;
	json_object_put(*out);
	*out = NULL;
	return why;
}

int rttests_json(const char *text, size_t len, json_object **out, const char *name, struct err *e)
{
	_cleanup_free_ char *fixed = NULL;
	enum json_tokener_error why;
	size_t used = 0, line;

	*out = NULL;
	if (len > MAX_TEXT)
		return err_set(e, -EFBIG, "reading %s failed: %zu bytes are too many", name, len);
	if (parse_json(text, len, out, &line) == json_tokener_success)
		return 0;
	fixed = malloc(2 * len + 16);
	if (!fixed)
		return err_set(e, -ENOMEM, "reading %s failed: no memory", name);
	while (len) {
		const char *end = memchr(text, '\n', len);
		size_t n = end ? (size_t)(end - text) : len;

		used += repair_line(fixed + used, text, n);
		text += n + !!end;
		len -= n + !!end;
	}
	why = parse_json(fixed, used, out, &line);
	if (why == json_tokener_success)
		return 0;
	return err_set(e, -EINVAL, "reading %s failed: line %zu: %s", name, line,
		       why == json_tokener_continue ? "it ends too early"
		       : why == json_tokener_error_parse_unexpected
			       ? "something that is no JSON, or a second value"
			       : json_tokener_error_desc(why));
}

static int count_of(json_object *o, uint64_t *value)
{
	int64_t n;

	if (!json_object_is_type(o, json_type_int))
		return -EINVAL;
	n = json_object_get_int64(o);
	if (n < 0 || n == INT64_MAX) /* json-c clamps what does not fit */
		return -EINVAL;
	*value = n;
	return 0;
}

/* A number under key of a thread; what is absent or not a count is an error. */
static int thread_count(json_object *t, const char *key, uint64_t *value, const char *name,
			struct err *e)
{
	if (count_of(json_at(t, key), value))
		return err_set(e, -EINVAL, "reading %s failed: \"%s\" of a thread is not a count",
			       name, key);
	return 0;
}

/* "12", or of oslat's narrower bins "12.5": whole units, and the value in nanoseconds. */
static bool bin_of(const char *key, uint64_t unit_ns, unsigned long *bin, uint64_t *ns)
{
	uint64_t step = unit_ns / 10;
	char *stop;

	if (key[0] < '0' || key[0] > '9')
		return false;
	*bin = strtoul(key, &stop, 10);
	if (*bin >= MAX_BINS)
		return false;
	*ns = *bin * unit_ns;
	if (*stop == '.' && stop[1])
		for (stop++; *stop >= '0' && *stop <= '9' && step; stop++, step /= 10)
			*ns += (*stop - '0') * step;
	return !*stop;
}

static int read_bins(struct hist *h, json_object *bins, uint64_t unit_ns, uint64_t *end,
		     const char *name, struct err *e)
{
	json_object_object_foreach(bins, key, value) {
		unsigned long bin;
		uint64_t n, sum, ns;

		if (!bin_of(key, unit_ns, &bin, &ns) || count_of(value, &n) ||
		    __builtin_add_overflow(h->count, n, &sum))
			return err_set(e, -EINVAL, "reading %s failed: histogram entry \"%.32s\"",
				       name, key);
		if (n)
			hist_add_n(h, ns, n);
		if (bin >= *end)
			*end = bin + 1;
	}
	return 0;
}

/*
 * Cycles that the histogram does not show: over its range, or printed a moment too early. Where it shows
 * none at all, the smallest is one of them.
 */
static int read_over(struct rttests_thread *t, json_object *o, uint64_t max, uint64_t from,
		     uint64_t unit_ns, const char *name, struct err *e)
{
	struct hist *h = &t->hist;
	int64_t min = json_int(o, "min", 0);

	if (h->count > t->cycles + 1) /* one may be counted between bin and cycle */
		return err_set(e, -EINVAL,
			       "reading %s failed: more samples in a histogram than cycles", name);
	if (!h->count && min > 0 && (uint64_t)min > from && (uint64_t)min <= max)
		from = min;
	if (h->count < t->cycles && max >= from)
		hist_add_over(h, from * unit_ns, t->cycles - h->count);
	t->cycles = hist_total(h);
	if (t->cycles && max * unit_ns > h->max_ns)
		h->max_ns = max * unit_ns;
	return 0;
}

int rttests_thread(struct rttests_thread *t, json_object *o, uint64_t unit_ns, uint64_t range_us,
		   const char *name, struct err *e)
{
	json_object *bins = json_at(o, "histogram");
	uint64_t max, end = 0;
	int ret;

	hist_init(&t->hist);
	t->hist.resolution_ns = unit_ns;
	t->cpu = json_int(o, "cpu", -1);
	if (!json_object_is_type(bins, json_type_object))
		return err_set(e, -EINVAL,
			       "reading %s failed: a thread has no histogram; run cyclictest "
			       "with -h",
			       name);
	ret = thread_count(o, "cycles", &t->cycles, name, e);
	if (!ret)
		ret = thread_count(o, "max", &max, name, e);
	if (!ret && max > UINT64_MAX / unit_ns)
		ret = err_set(e, -EINVAL, "reading %s failed: a maximum out of range", name);
	if (!ret)
		ret = read_bins(&t->hist, bins, unit_ns, &end, name, e);
	if (ret < 0)
		return ret;
	return read_over(t, o, max, range_us ? range_us * 1000 / unit_ns : end, unit_ns, name, e);
}

/* What the last bin holds may lie anywhere above its lower edge. */
static void open_last_bin(struct hist *h, uint64_t last, uint64_t width_ns, uint64_t max_ns)
{
	unsigned int index = hist_index(last);
	uint64_t over = h->bins[index];

	h->bins[index] = 0;
	h->count -= over;
	h->sum_ns -= (unsigned __int128)last * over;
	if (!h->count)
		h->min_ns = UINT64_MAX;
	hist_add_over(h, last > width_ns ? last - width_ns : 0, over);
	h->max_ns = max_ns;
}

/* Seconds with three digits (rt-tests src/oslat/oslat.c, write_summary_json). */
static uint64_t runtime_of(json_object *o)
{
	double s = json_double(o, "duration", 0);

	return s > 0 && s < 1e9 ? s * NSEC_PER_SEC : 0; /* false of NaN */
}

int rttests_oslat_thread(struct rttests_thread *t, json_object *o, uint64_t width_ns,
			 const char *name, struct err *e)
{
	uint64_t min, max, end = 0, unit_ns = width_ns % 1000 ? 1 : 1000;
	json_object *bins = json_at(o, "histogram");
	struct hist *h = &t->hist;
	int ret;

	hist_init(h);
	h->resolution_ns = width_ns;
	t->cpu = json_int(o, "cpu", -1);
	t->runtime_ns = runtime_of(o);
	if (!json_object_is_type(bins, json_type_object))
		return err_set(e, -EINVAL, "reading %s failed: a thread has no histogram", name);
	ret = thread_count(o, "min", &min, name, e);
	if (!ret)
		ret = thread_count(o, "max", &max, name, e);
	if (!ret && (max < min || max > UINT64_MAX / unit_ns))
		ret = err_set(e, -EINVAL, "reading %s failed: minimum and maximum make no sense",
			      name);
	if (!ret)
		ret = read_bins(h, bins, 1000, &end, name, e);
	if (ret < 0)
		return ret;
	if (h->count && max * unit_ns > h->max_ns)
		open_last_bin(h, h->max_ns, width_ns, max * unit_ns);
	t->cycles = hist_total(h);
	return 0;
}

static void read_head(struct rttests *r, json_object *o)
{
	const char *release = json_str(o, "sysinfo.release", "");

	/* the colon belongs to the key; a later rt-tests may have lost it */
	snprintf(r->version, sizeof(r->version), "%s",
		 json_str(o, "rt_test_version:", json_str(o, "rt_test_version", "")));
	snprintf(r->cmdline, sizeof(r->cmdline), "%s",
		 json_str(o, "cmdline:", json_str(o, "cmdline", "")));
	snprintf(r->kernel, sizeof(r->kernel), "%s", release);
}

/* The histogram's range of cyclictest, the bins' width of oslat. */
struct format {
	uint64_t range_us, oslat_ns; /* oslat_ns 0: it is cyclictest */
};

static int read_threads(struct rttests *r, json_object *o, const struct format *f, const char *name,
			struct err *e)
{
	uint64_t unit_ns = json_int(o, "resolution_in_ns", 0) ? 1 : 1000;
	int64_t n = json_int(o, "num_threads", -1);
	char path[32];

	if (n < 1 || n > MAX_THREADS)
		return err_set(e, -EINVAL, "reading %s failed: \"num_threads\" is %jd", name,
			       (intmax_t)n);
	r->threads = calloc(n, sizeof(*r->threads));
	if (!r->threads)
		return err_set(e, -ENOMEM, "reading %s failed: no memory", name);
	for (r->n = 0; r->n < (size_t)n; r->n++) {
		json_object *t;
		int ret;

		snprintf(path, sizeof(path), "thread.%zu", r->n);
		t = json_at(o, path);
		if (!t)
			return err_set(e, -EINVAL, "reading %s failed: thread %zu of %jd is absent",
				       name, r->n, (intmax_t)n);
		if (f->oslat_ns)
			ret = rttests_oslat_thread(&r->threads[r->n], t, f->oslat_ns, name, e);
		else
			ret = rttests_thread(&r->threads[r->n], t, unit_ns, f->range_us, name, e);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int parse(struct rttests *r, const char *text, size_t len, const struct format *f,
		 const char *name, struct err *e)
{
	_cleanup_json_ json_object *o = NULL;
	int ret = rttests_json(text, len, &o, name, e);

	*r = (struct rttests){ 0 };
	if (ret < 0)
		return ret;
	if (json_int(o, "file_version", -1) != FILE_VERSION)
		return err_set(e, -EPROTONOSUPPORT,
			       "reading %s failed: not JSON of %s, file_version %d", name,
			       f->oslat_ns ? "oslat" : "cyclictest", FILE_VERSION);
	read_head(r, o);
	ret = read_threads(r, o, f, name, e);
	if (ret < 0)
		rttests_free(r);
	return ret;
}

int rttests_parse(struct rttests *r, const char *text, size_t len, uint64_t range_us,
		  const char *name, struct err *e)
{
	const struct format f = { .range_us = range_us };

	return parse(r, text, len, &f, name, e);
}

int rttests_parse_oslat(struct rttests *r, const char *text, size_t len, uint64_t width_ns,
			const char *name, struct err *e)
{
	const struct format f = { .oslat_ns = width_ns };

	return parse(r, text, len, &f, name, e);
}

void rttests_free(struct rttests *r)
{
	free(r->threads);
	*r = (struct rttests){ 0 };
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * import_cyclictest - cyclictest's text: status lines, histogram (-h, -H), verbose samples (-v)
 *
 * Facts from rt-tests' src/cyclictest/cyclictest.c (1.0 to 2.10):
 * - a status line "T: 0 ( 2101) P:95 I:200 C:4320000 Min: ..." is rewritten after ESC[nA; the last
 *   one of a thread counts. Act and Avg are 8 wide with -N (ns), 5 without: the only trace of the
 *   unit in the text;
 * - a histogram row is "%06d %06lu\t%06lu...": with -H a last column is the sum, and up to 2.6
 *   every row is there and a "# Total:" line; from 2.7 empty rows are left out;
 * - with -H and one thread the sum column is there from 2.7 on, in the rows only;
 * - after -b the sample that broke the run may be in Max and "# Break value:" but in no row;
 * - "# Histogram Overflows:" counts samples at or above the -h value, which no line tells.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "results/import.h"

enum { THREADS = 1024 };

struct row {
	uint64_t value;
	size_t at; /* first of its columns in counts */
};

struct reader {
	struct import *im;
	struct lines l;
	/* status lines */
	size_t n_status;
	uint64_t status_n[THREADS], status_min[THREADS], status_max[THREADS], period_us[THREADS];
	uint64_t smis[THREADS];
	bool has_smi;
	uint64_t unit_ns; /* what the status lines tell; 0 nothing */
	/* histogram */
	bool in_histogram, has_histogram, has_total;
	size_t columns, n_rows, n_counts;
	struct row *rows;
	uint64_t *counts;
	uint64_t mins[THREADS + 1], maxs[THREADS + 1], overs[THREADS + 1], total[THREADS + 1];
	size_t n_mins, n_maxs, n_overs, n_total, n_ids;
	uint64_t ids[THREADS + 1], break_thread, break_value;
	bool has_break, has_break_value;
};

/* --- detection --- */

/* Does a line of the head begin so? */
static bool line_begins(const char *head, const char *text)
{
	size_t n = strlen(text);

	for (const char *p = head; p; p = strchr(p, '\n'), p = p ? p + 1 : NULL)
		if (!strncmp(p, text, n))
			return true;
	return false;
}

bool cyclictest_is(const char *head, size_t len)
{
	(void)len;
	return line_begins(head, "# Histogram") || line_begins(head, "T: 0 (") ||
	       line_begins(head, "T:0 (");
}

/* --- status lines --- */

/* Width of a field from its colon to the next word: with -N it is 8, else 5, or what it takes. */
static uint64_t unit_of_width(const char *field)
{
	size_t blanks = strspn(field, " "), digits = strspn(field + blanks, "0123456789");

	if (blanks + digits == 5 && digits <= 5)
		return 1000;
	if (blanks + digits == 8 && blanks)
		return 1;
	return 0;
}

static int status_line(struct reader *r, const char *p, struct err *e)
{
	uint64_t thread, pid, prio, period, n, min, act, avg, max, smi;
	const char *act_field, *avg_field;
	uint64_t unit;

	if (!scan_text(&p, "T:") || !scan_u64(&p, &thread) || !scan_text(&p, " (") ||
	    !scan_u64(&p, &pid) || !scan_text(&p, ") P:") || !scan_u64(&p, &prio) ||
	    !scan_text(&p, " I:") || !scan_u64(&p, &period) || !scan_text(&p, " C:") ||
	    !scan_u64(&p, &n) || !scan_text(&p, " Min:") || !scan_u64(&p, &min) ||
	    !scan_text(&p, " Act:") || !(act_field = p) || !scan_u64(&p, &act) ||
	    !scan_text(&p, " Avg:") || !(avg_field = p) || !scan_u64(&p, &avg) ||
	    !scan_text(&p, " Max:") || !scan_u64(&p, &max))
		return lines_error(&r->l, e, "not a whole status line of cyclictest");
	if (thread >= THREADS)
		return lines_error(&r->l, e, "thread %ju: at most %d are read", (uintmax_t)thread,
				   THREADS);
	if (scan_text(&p, " SMI:") && scan_u64(&p, &smi)) {
		r->smis[thread] = smi;
		r->has_smi = true;
	}
	if (!scan_end(p))
		return lines_error(&r->l, e, "\"%.40s\" after a status line", p);
	unit = unit_of_width(act_field);
	if (!unit)
		unit = unit_of_width(avg_field);
	if (unit && r->unit_ns && unit != r->unit_ns)
		return lines_error(&r->l, e, "microseconds and nanoseconds in one file");
	if (unit)
		r->unit_ns = unit;
	r->status_n[thread] = n;
	r->status_min[thread] = min;
	r->status_max[thread] = max;
	r->period_us[thread] = period;
	if (thread >= r->n_status)
		r->n_status = thread + 1;
	return 0;
}

/* "T: 1 Spike:      63: TS:   8123456789": CLOCK_MONOTONIC in us, of no use beside other clocks */
static int spike_line(struct reader *r, const char *p, struct err *e)
{
	uint64_t thread, value, us, ns;
	struct spike s = { .cycle = -1, .host_cpu = -1, .instrument = "cyclictest" };

	if (!scan_text(&p, "T:") || !scan_u64(&p, &thread) || !scan_text(&p, " Spike:") ||
	    !scan_u64(&p, &value) || !scan_text(&p, ": TS:") || !scan_u64(&p, &us) ||
	    !scan_end(p) || thread >= THREADS)
		return lines_error(&r->l, e, "not a spike line of cyclictest");
	if (!import_ns(value, r->unit_ns ? r->unit_ns : 1000, &ns))
		return lines_error(&r->l, e, "an absurd latency");
	s.cpu = thread;
	s.latency_ns = ns;
	s.cause = cause_find(NULL);
	snprintf(s.detail, sizeof(s.detail), "CLOCK_MONOTONIC %ju us", (uintmax_t)us);
	return spikes_add(&r->im->spikes, &s, e);
}

/* --- histogram --- */

static bool more_room(void *array, size_t n, size_t bytes)
{
	void **p = array, *more;

	if (n & (n - 1))
		return true;
	more = realloc(*p, (n ? 2 * n : 1) * bytes);
	if (more)
		*p = more;
	return more;
}

static int histogram_row(struct reader *r, const char *p, struct err *e)
{
	size_t columns = 0;
	uint64_t v;

	if (!more_room(&r->rows, r->n_rows, sizeof(*r->rows)))
		return err_set(e, -ENOMEM, "reading %s failed: no memory", r->l.path);
	if (!scan_u64(&p, &v))
		return lines_error(&r->l, e, "\"%.40s\" is no row of a histogram", p);
	if (r->n_rows && v <= r->rows[r->n_rows - 1].value)
		return lines_error(&r->l, e, "row %ju comes after row %ju: two histograms?",
				   (uintmax_t)v, (uintmax_t)r->rows[r->n_rows - 1].value);
	r->rows[r->n_rows++] = (struct row){ v, r->n_counts };
	while (scan_u64(&p, &v)) {
		if (!more_room(&r->counts, r->n_counts, sizeof(*r->counts)))
			return err_set(e, -ENOMEM, "reading %s failed: no memory", r->l.path);
		if (v >> 56)
			return lines_error(&r->l, e, "an absurd count");
		r->counts[r->n_counts++] = v;
		columns++;
	}
	if (!scan_end(p))
		return lines_error(&r->l, e, "\"%.40s\" is no count", p);
	if (!columns || columns > THREADS + 1 || (r->columns && columns != r->columns))
		return lines_error(&r->l, e, "%zu columns where there were %zu", columns,
				   r->columns);
	r->columns = columns;
	return 0;
}

/* "# Max Latencies: 00005 00061": as many numbers as there are; returns how many */
static int number_list(struct reader *r, const char *p, uint64_t *v, size_t *n, struct err *e)
{
	for (*n = 0; *n <= THREADS && scan_u64(&p, &v[*n]); ++*n)
		;
	if (!scan_end(p))
		return lines_error(&r->l, e, "\"%.40s\" is no number", p);
	return 0;
}

static int comment_line(struct reader *r, const char *p, struct err *e)
{
	size_t one;

	if (scan_text(&p, "# Histogram Overflow at cycle number:"))
		return 0;
	if (scan_text(&p, "# Histogram Overflows:"))
		return number_list(r, p, r->overs, &r->n_overs, e);
	if (scan_text(&p, "# Histogram")) {
		if (r->has_histogram)
			return lines_error(&r->l, e, "a second histogram in one file");
		r->has_histogram = r->in_histogram = true;
		return 0;
	}
	if (scan_text(&p, "# Total:")) {
		r->has_total = true;
		return number_list(r, p, r->total, &r->n_total, e);
	}
	if (scan_text(&p, "# Min Latencies:")) {
		r->in_histogram = false;
		return number_list(r, p, r->mins, &r->n_mins, e);
	}
	if (scan_text(&p, "# Max Latencies:"))
		return number_list(r, p, r->maxs, &r->n_maxs, e);
	if (scan_text(&p, "# Thread Ids:"))
		return number_list(r, p, r->ids, &r->n_ids, e);
	if (scan_text(&p, "# Break thread:")) {
		r->has_break = scan_u64(&p, &r->break_thread);
		return 0;
	}
	if (scan_text(&p, "# Break value:")) {
		r->has_break_value = scan_u64(&p, &r->break_value);
		return 0;
	}
	if (scan_text(&p, "# SMIs:")) {
		r->has_smi = true;
		return number_list(r, p, r->smis, &one, e);
	}
	return 0; /* "# /dev/cpu_dma_latency set to 0us", "# Thread 0: 00486 ..." and people's own */
}

static int text_line(struct reader *r, char *line, struct err *e)
{
	const char *other = import_other_tool(line);
	char *esc = strrchr(line, '\033');

	if (esc) { /* only what stands after the last cursor movement is still on the screen */
		line = esc + 1 + strcspn(esc + 1, "ABCDHJKm");
		line += *line != '\0';
	}
	if (other && strcmp(other, "cyclictest"))
		return lines_error(&r->l, e, "output of %s begins in a file of cyclictest", other);
	if (*line == '#')
		return comment_line(r, line, e);
	if (scan_end(line) || !strncmp(line, "policy:", 7) || !strncmp(line, "WARN:", 5) ||
	    !strncmp(line, "INFO:", 5) || !strncmp(line, "spikes = ", 9) ||
	    !strncmp(line, "Max CPUs", 8) || !strncmp(line, "Online CPUs", 11))
		return 0;
	if (!strncmp(line, "T:", 2))
		return strstr(line, " Spike:") ? spike_line(r, line, e) : status_line(r, line, e);
	if (*line >= '0' && *line <= '9' && r->in_histogram)
		return histogram_row(r, line, e);
	return lines_error(&r->l, e, "\"%.40s\" is no line of cyclictest", line);
}

/* --- what was read becomes histograms --- */

/*
 * How many of the columns are threads: with -H the last one is their sum. The Min line has one
 * number a thread in every version.
 */
static int count_threads(struct reader *r, size_t *threads, struct err *e)
{
	*threads = r->n_mins;
	if (!r->n_mins || !r->n_maxs)
		return err_set(
			e, -EINVAL,
			"reading %s failed: the histogram is cut off: no \"# Min Latencies\" and "
			"\"# Max Latencies\" after line %ju",
			r->l.path, (uintmax_t)r->l.number);
	if (*threads > THREADS ||
	    (r->n_rows && r->columns != *threads && r->columns != *threads + 1))
		return err_set(
			e, -EINVAL,
			"reading %s failed: %zu columns in the histogram, %zu threads below it",
			r->l.path, r->columns, *threads);
	if (r->n_maxs < *threads)
		return err_set(e, -EINVAL, "reading %s failed: %zu minima, %zu maxima", r->l.path,
			       r->n_mins, r->n_maxs);
	return 0;
}

static int add_column(struct reader *r, struct import_cpu *c, size_t thread, uint64_t unit,
		      struct err *e)
{
	uint64_t ns, last = 0;

	for (size_t i = 0; i < r->n_rows; i++) {
		uint64_t n = r->counts[r->rows[i].at + thread];

		if (!import_ns(r->rows[i].value, unit, &ns))
			return err_set(e, -EINVAL, "reading %s failed: a latency of %ju is absurd",
				       r->l.path, (uintmax_t)r->rows[i].value);
		hist_add_n(&c->hist, ns, n);
		last = r->rows[i].value;
	}
	if (thread < r->n_total && r->total[thread] != hist_total(&c->hist))
		return err_set(e, -EINVAL,
			       "reading %s failed: thread %zu has %ju samples in its rows, %ju in "
			       "\"# Total:\"; rows are missing",
			       r->l.path, thread, (uintmax_t)hist_total(&c->hist),
			       (uintmax_t)r->total[thread]);
	if (thread < r->n_overs && r->overs[thread]) {
		/* the -h value is above the last row; it is that with all rows printed */
		import_ns(last + 1, unit, &ns);
		hist_add_over(&c->hist, ns, r->overs[thread]);
	}
	if (r->has_break && r->has_break_value && thread < r->n_ids &&
	    r->ids[thread] == r->break_thread && import_ns(r->break_value, unit, &ns) &&
	    !r->overs[thread] && ns > c->hist.max_ns)
		hist_add_n(&c->hist, ns, 1);
	if (hist_total(&c->hist) && import_ns(r->maxs[thread], unit, &ns))
		import_max(&c->hist, ns);
	return 0;
}

static void add_smis(const struct reader *r, struct import_cpu *c, size_t thread)
{
	if (r->has_smi)
		log_count(&c->slice, LOG_SMI, r->smis[thread]);
	if (thread < r->n_status)
		c->slice.period_ns = r->period_us[thread] * 1000;
}

/* What the status lines tell, what the user says: at least one, and not against each other. */
static int find_unit(struct reader *r, struct err *e)
{
	if (r->unit_ns && r->im->unit_ns && r->unit_ns != r->im->unit_ns)
		return err_set(e, -EINVAL,
			       "reading %s failed: its status lines are in %s, --unit says %s",
			       r->l.path, r->unit_ns == 1 ? "ns" : "us",
			       r->im->unit_ns == 1 ? "ns" : "us");
	if (!r->im->unit_ns)
		r->im->unit_ns = r->unit_ns;
	return import_unit(r->im, &r->l, "or --unit ns if cyclictest ran with -N", e);
}

static int finish_histogram(struct reader *r, struct err *e)
{
	size_t threads;
	int unit;

	if (count_threads(r, &threads, e))
		return e->code;
	unit = find_unit(r, e);
	if (unit < 0)
		return unit;
	for (size_t i = 0; i < threads; i++) {
		struct import_cpu *c = import_cpu(r->im, "cyclictest", i, e);

		if (!c)
			return e->code;
		c->hist.resolution_ns = unit;
		add_smis(r, c, i);
		if (add_column(r, c, i, unit, e))
			return e->code;
	}
	return 0;
}

static int finish_status(struct reader *r, struct err *e)
{
	int unit;

	unit = find_unit(r, e);
	if (unit < 0)
		return unit;
	for (size_t i = 0; i < r->n_status; i++) {
		struct import_cpu *c = import_cpu(r->im, "cyclictest", i, e);
		uint64_t min, max;

		if (!c)
			return e->code;
		c->hist.resolution_ns = unit;
		add_smis(r, c, i);
		if (!r->status_n[i])
			continue;
		if (!import_ns(r->status_min[i], unit, &min) ||
		    !import_ns(r->status_max[i], unit, &max) || max < min)
			return err_set(
				e, -EINVAL,
				"reading %s failed: thread %zu has minimum %ju and maximum %ju",
				r->l.path, i, (uintmax_t)r->status_min[i],
				(uintmax_t)r->status_max[i]);
		import_summary(&c->hist, r->status_n[i], min, max);
	}
	import_note(r->im, "no histogram in the source: only count, minimum and maximum are known");
	return 0;
}

static int read_all(struct reader *r, struct err *e)
{
	char *line;

	while ((line = lines_next(&r->l, e)))
		if (text_line(r, line, e))
			return e->code;
	if (e->code)
		return e->code;
	import_source(r->im, "cyclictest",
		      !r->has_histogram ? NULL
		      : r->has_total	? "2.6 or older"
					: "2.7 or newer");
	import_note(r->im,
		    "numbers of CPUs are cyclictest's thread numbers; missed periods are not in "
		    "the source");
	if (r->has_histogram)
		return finish_histogram(r, e);
	if (r->n_status)
		return finish_status(r, e);
	return err_set(e, -EINVAL, "reading %s failed: neither status lines nor a histogram",
		       r->l.path);
}

int cyclictest_read(struct import *im, struct err *e)
{
	_cleanup_free_ struct reader *r = calloc(1, sizeof(*r));

	if (!r)
		return err_set(e, -ENOMEM, "reading %s failed: no memory", im->path);
	r->im = im;
	if (!lines_open(&r->l, im->path, e))
		read_all(r, e);
	lines_close(&r->l);
	free(r->rows);
	free(r->counts);
	return e->code;
}

// SPDX-License-Identifier: GPL-2.0-only
#include "results/format.h"

#include <math.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/json.h"

char *format_us(double ns, char buf[static FORMAT_BYTES])
{
	double us = ns / 1e3;

	if (isinf(us))
		snprintf(buf, FORMAT_BYTES, "no upper end");
	else
		snprintf(buf, FORMAT_BYTES, "%.*f", us >= 100 ? 0 : us >= 10 ? 1 : 2, us);
	return buf;
}

char *format_count(int64_t n, char buf[static FORMAT_BYTES])
{
	char digits[32];
	size_t len, to = 0;

	if (n < 0)
		return strcpy(buf, "unknown");
	len = snprintf(digits, sizeof(digits), "%jd", (intmax_t)n);
	for (size_t i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			buf[to++] = ',';
		buf[to++] = digits[i];
	}
	buf[to] = '\0';
	return buf;
}

char *format_quantile(const struct figure *f, int level, char buf[static FORMAT_BYTES])
{
	char us[FORMAT_BYTES];

	if (f->quantiles[level].known)
		return format_us(f->quantiles[level].ns, buf);
	if (!f->hist->over || !hist_quantile_supported(f->hist, hist_levels[level].q))
		return strcpy(buf, "-");
	snprintf(buf, FORMAT_BYTES, ">= %.32s", format_us(f->hist->over_from_ns, us));
	return buf;
}

char *format_seconds(double s, char buf[static FORMAT_BYTES])
{
	static const struct {
		double from, unit;
		const char *name;
	} units[] = {
		{ 3 * 86400, 86400, "days" },
		{ 7200, 3600, "h" },
		{ 300, 60, "min" },
		{ 0, 1, "s" },
	};
	size_t i = 0;

	while (s < units[i].from)
		i++;
	snprintf(buf, FORMAT_BYTES, "%.3g %s", s / units[i].unit, units[i].name);
	return buf;
}

char *format_when(uint64_t wall_ns, char buf[static FORMAT_BYTES])
{
	char iso[CLOCK_ISO_BYTES];

	if (!wall_ns)
		return strcpy(buf, "unknown");
	clock_iso8601(wall_ns, iso);
	iso[strcspn(iso, "T")] = ' ';
	iso[strcspn(iso, "Z")] = '\0';
	snprintf(buf, FORMAT_BYTES, "%s.%03u", iso, (unsigned int)(wall_ns / 1000000 % 1000));
	return buf;
}

char *format_bound(const struct exceedance *x, char *buf, size_t size)
{
	char n[FORMAT_BYTES], of[FORMAT_BYTES], time[FORMAT_BYTES];
	int len = snprintf(buf, size, "%s in %s", format_count(x->n, n), format_count(x->of, of));

	if (x->unknown)
		len += snprintf(buf + len, size - len, " and %ju whose value is unknown",
				(uintmax_t)x->unknown);
	if (x->every_s > 0)
		snprintf(buf + len, size - len, ": less than one per %s at 95 %%",
			 format_seconds(x->every_s, time));
	else
		snprintf(buf + len, size - len, ": less than %.2g a sample at 95 %%",
			 x->rate_bound);
	return buf;
}

char *format_tail(const struct tail *t, char *buf, size_t size)
{
	char u[FORMAT_BYTES], v[FORMAT_BYTES], low[FORMAT_BYTES], high[FORMAT_BYTES];
	int len;

	if (!t->fitted) {
		snprintf(buf, size, "No tail model: %s.", t->reason);
		return buf;
	}
	len = snprintf(
		buf, size,
		"Estimate, not a measurement: generalized Pareto above %s us (%.0f samples), "
		"shape %.2f (%.2f to %.2f), fit p = %.2f",
		format_us(t->threshold_ns, u), t->samples, t->shape, t->shape_low, t->shape_high,
		t->gof_p);
	for (int i = 0; i < TAIL_LEVELS; i++)
		if (t->levels[i].rate > 0 && (size_t)len < size)
			len += snprintf(buf + len, size - len, "; %s: %s us (%s to %s)",
					t->levels[i].label, format_us(t->levels[i].ns, v),
					format_us(t->levels[i].low_ns, low),
					format_us(t->levels[i].high_ns, high));
	if ((size_t)len < size)
		snprintf(buf + len, size - len, ".");
	return buf;
}

char *format_stationarity(const struct stationarity *s, char *buf, size_t size)
{
	char a[FORMAT_BYTES], b[FORMAT_BYTES];

	if (s->verdict == STATIONARY_UNKNOWN) {
		snprintf(buf, size, "Stationarity unknown: %zu slice%s, at least %d are needed.",
			 s->slices, s->slices == 1 ? "" : "s", STATIONARY_SLICES);
		return buf;
	}
	snprintf(buf, size,
		 "%s over %zu slices: median slice maximum %s us in the first half, %s us in the "
		 "second (p = %.2g), trend %.2f (p = %.2g).",
		 s->verdict == STATIONARY_YES ? "Stationary" : "NOT stationary", s->slices,
		 format_us(s->first_ns, a), format_us(s->second_ns, b), s->ks_p, s->trend,
		 s->trend_p);
	return buf;
}

char *format_missed(const struct figure *f, char *buf, size_t size)
{
	char missed[FORMAT_BYTES], of[FORMAT_BYTES];
	bool hidden;

	buf[0] = '\0';
	if (f->missed <= 0 || f->expected < f->missed)
		return buf;
	/* an end before its time, or a guest's clock that runs fast, leaves periods without one, too */
	hidden = f->period_ns && hist_hidden(f->hist, f->period_ns, true) >= f->missed;
	snprintf(buf, size, "%s of %s periods have no sample%s", format_count(f->missed, missed),
		 format_count(f->expected, of),
		 hidden ? ": they passed while others were late" : "");
	return buf;
}

char *format_counters(const struct figure *f, char *buf, size_t size)
{
	static const struct {
		enum log_counter counter;
		const char *label, *unit;
		double scale;
	} rows[] = {
		{ LOG_SMI, "system-management interrupts", "", 1 },
		{ LOG_IRQ, "interrupts", "", 1 },
		{ LOG_EXITS, "VM exits", "", 1 },
		{ LOG_STEAL_NS, "time stolen", " s", 1e-9 },
		{ LOG_FREQ_KHZ, "highest frequency", " MHz", 1e-3 },
		{ LOG_TEMP_MC, "highest temperature", " C", 1e-3 },
	};
	char n[FORMAT_BYTES];
	size_t len = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(rows) && len < size; i++) {
		double v = f->counters[rows[i].counter] * rows[i].scale;

		if (!(f->known >> rows[i].counter & 1))
			continue;
		if (rows[i].scale == 1)
			format_count(f->counters[rows[i].counter], n);
		else
			snprintf(n, sizeof(n), "%.6g", v);
		len += snprintf(buf + len, size - len, "%s%s: %s%s", len ? ", " : "", rows[i].label,
				n, rows[i].unit);
	}
	return buf;
}

char *format_verdict(const struct result *r, char *buf, size_t size)
{
	const char *verdict = json_str(r->run.doc, "verdict", "incomplete");
	json_object *reasons = json_at(r->run.doc, "reasons");
	size_t n = json_object_array_length(reasons);
	const char *first = n ? json_object_get_string(json_object_array_get_idx(reasons, 0))
			      : NULL;

	if (first)
		snprintf(buf, size, "%s", first);
	else if (strcmp(verdict, "pass"))
		snprintf(buf, size, "the run gives no reason");
	else if (json_object_array_length(json_at(r->run.doc, "limits")))
		snprintf(buf, size, "all limits met");
	else
		snprintf(buf, size, "measured; no limit was set");
	return buf;
}

/* Length of the UTF-8 character at p, 0 when it is none (XML allows nothing else). */
static int utf8_length(const unsigned char *p)
{
	int n = p[0] < 0x80   ? 1
		: p[0] < 0xc2 ? 0
		: p[0] < 0xe0 ? 2
		: p[0] < 0xf0 ? 3
		: p[0] < 0xf5 ? 4
			      : 0;

	for (int i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

void format_xml(FILE *f, const char *text)
{
	static const char *const escapes[128] = {
		['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&quot;", ['\''] = "&#39;",
	};
	const unsigned char *p = (const unsigned char *)text;

	while (*p) {
		int n = utf8_length(p);

		if (!n)
			fputc('?', f);
		else if (*p < 128 && escapes[*p])
			fputs(escapes[*p], f);
		else if (*p >= ' ' || *p == '\n' || *p == '\t')
			fwrite(p, 1, n, f);
		p += n ? n : 1;
	}
}

double report_seconds(const struct group *g)
{
	double longest = 0;

	for (size_t i = 0; i < g->n_cpus; i++)
		longest = fmax(longest, g->cpus[i].duration_ns / 1e9);
	return longest;
}

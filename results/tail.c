// SPDX-License-Identifier: GPL-2.0-only
#include "results/tail.h"

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_errno.h>
#include <gsl/gsl_min.h>
#include <gsl/gsl_multimin.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CELLS_MAX = 160, TOP_CELLS = 60, GAPS = 50 };

static const double chi1_95 = 3.841458820694124; /* twice the log-likelihood lost at 95 % */
/* A dozen thresholds are compared with the lowest: 3 sd would refuse many a stable tail. */
static const double stable_sds = 3.5;
static const double shape_min = -0.95, shape_max = 3;

/* n samples whose excess over the threshold lies in [a, b). */
struct cell {
	double a, b, n;
};

struct cells {
	struct cell v[CELLS_MAX];
	int n;
	double threshold, samples, mean; /* mean of interval centres */
};

/* --- the data: bins above a threshold as intervals --- */

/* Where the samples of a bin can lie: multiples of the resolution stand for one unit each. */
static void bin_interval(const struct hist *h, unsigned int index, double *a, double *b)
{
	uint64_t low = hist_low(index), high = hist_high(index), r = h->resolution_ns;

	*a = low;
	*b = (double)high + 1;
	if (r > 1 && high / r * r >= low) {
		*a = (low + r - 1) / r * r;
		*b = (double)(high / r * r) + r;
	}
}

/* Samples from the threshold on, as cells: the top bins one by one, the bulk in even portions. */
static void cells_make(struct cells *c, const struct hist *h, double threshold)
{
	unsigned int first = hist_index(threshold), top = HIST_BINS, n_bins = 0;
	double bulk = 0, portion, a, b;

	memset(c, 0, sizeof(*c));
	c->threshold = threshold;
	for (unsigned int i = hist_next(h, first); i < HIST_BINS; i = hist_next(h, i + 1))
		n_bins++;
	for (unsigned int i = hist_next(h, first), k = 0; i < HIST_BINS; i = hist_next(h, i + 1)) {
		if (k++ + TOP_CELLS >= n_bins) {
			top = i;
			break;
		}
		bulk += h->bins[i];
	}
	portion = bulk / (CELLS_MAX - TOP_CELLS - 2);
	for (unsigned int i = hist_next(h, first); i < HIST_BINS; i = hist_next(h, i + 1)) {
		struct cell *last = c->n ? &c->v[c->n - 1] : NULL;

		bin_interval(h, i, &a, &b);
		a = fmax(0, a - threshold);
		b -= threshold;
		if (b <= a)
			continue;
		if (i < top && last && last->n < portion) {
			last->b = b;
			last->n += h->bins[i];
		} else if (c->n < CELLS_MAX) {
			c->v[c->n++] = (struct cell){ a, b, h->bins[i] };
		}
		c->samples += h->bins[i];
		c->mean += h->bins[i] * (a + b) / 2;
	}
	if (h->over && c->n < CELLS_MAX) { /* known to be above, no more: censored */
		c->v[c->n++] =
			(struct cell){ fmax(0, h->over_from_ns - threshold), INFINITY, h->over };
		c->samples += h->over;
		c->mean += h->over * fmax(0, h->max_ns - threshold);
	}
	if (c->samples)
		c->mean /= c->samples;
}

/* --- the model --- */

/* log of the generalized Pareto survival function at excess x >= 0 */
static double log_survival(double shape, double scale, double x)
{
	double z = x / scale;

	if (isinf(x))
		return -INFINITY;
	if (fabs(shape) < 1e-9)
		return -z;
	if (1 + shape * z <= 0)
		return -INFINITY;
	return -log1p(shape * z) / shape;
}

static double log_likelihood(const struct cells *c, double shape, double scale)
{
	double sum = 0, left_x = -1, left = 0;

	if (!(scale > 0) || shape < shape_min || shape > shape_max)
		return -INFINITY;
	for (int i = 0; i < c->n; i++) {
		const struct cell *k = &c->v[i];
		double a = k->a == left_x ? left : log_survival(shape, scale, k->a), d;

		left_x = k->b;
		left = log_survival(shape, scale, k->b);
		if (isinf(a))
			return -INFINITY;
		d = isinf(left) ? 0 : -expm1(left - a);
		if (!isinf(left) && d <= 0)
			return -INFINITY;
		sum += k->n * (a + (isinf(left) ? 0 : log(d)));
	}
	return sum;
}

struct fit {
	double shape, scale, log_likelihood;
};

/* GSL minimizes; parameters are the shape and the log of the scale over the mean excess. */
static double minus_likelihood(const gsl_vector *x, void *param)
{
	const struct cells *c = param;
	double l = log_likelihood(c, gsl_vector_get(x, 0), c->mean * exp(gsl_vector_get(x, 1)));

	return isfinite(l) ? -l : 1e300;
}

static bool fit(const struct cells *c, struct fit *f)
{
	gsl_multimin_fminimizer *m =
		gsl_multimin_fminimizer_alloc(gsl_multimin_fminimizer_nmsimplex2, 2);
	gsl_vector *x = gsl_vector_alloc(2), *step = gsl_vector_alloc(2);
	gsl_multimin_function fn = { .n = 2, .f = minus_likelihood, .params = (void *)c };
	bool ok = m && x && step && c->n >= 3 && c->mean > 0;

	if (ok) {
		gsl_vector_set(x, 0, 0.05);
		gsl_vector_set(x, 1, 0);
		gsl_vector_set_all(step, 0.2);
		gsl_multimin_fminimizer_set(m, &fn, x, step);
		for (int i = 0; i < 500; i++)
			if (gsl_multimin_fminimizer_iterate(m) ||
			    gsl_multimin_test_size(gsl_multimin_fminimizer_size(m), 1e-5) !=
				    GSL_CONTINUE)
				break;
		f->shape = gsl_vector_get(m->x, 0);
		f->scale = c->mean * exp(gsl_vector_get(m->x, 1));
		f->log_likelihood = -m->fval;
		ok = m->fval < 1e299;
	}
	if (m)
		gsl_multimin_fminimizer_free(m);
	if (x)
		gsl_vector_free(x);
	if (step)
		gsl_vector_free(step);
	return ok;
}

/* --- profile likelihood --- */

/* Largest value of fn on [low, high] by golden section; fn has one peak. */
static double golden_max(double (*fn)(double x, const void *ctx), const void *ctx, double low,
			 double high)
{
	const double r = 0.6180339887498949;
	double x1 = high - r * (high - low), x2 = low + r * (high - low);
	double f1 = fn(x1, ctx), f2 = fn(x2, ctx);

	for (int i = 0; i < 45 && high - low > 1e-6; i++) {
		if (f1 < f2) {
			low = x1;
			x1 = x2;
			f1 = f2;
			x2 = low + r * (high - low);
			f2 = fn(x2, ctx);
		} else {
			high = x2;
			x2 = x1;
			f2 = f1;
			x1 = high - r * (high - low);
			f1 = fn(x1, ctx);
		}
	}
	return fmax(f1, f2);
}

struct profile {
	const struct cells *cells;
	double fixed; /* the shape, or the level above the threshold */
	double odds; /* level: samples above the threshold for each at the level */
};

static double at_log_scale(double log_scale, const void *ctx)
{
	const struct profile *p = ctx;

	return log_likelihood(p->cells, p->fixed, p->cells->mean * exp(log_scale));
}

/* Most likely with this shape. A shape below 0 has an end, which the largest sample pushes out. */
static double profile_shape(struct profile *p, double shape)
{
	const struct cell *top = &p->cells->v[p->cells->n - 1];
	double low = -4;

	p->fixed = shape;
	if (shape < 0)
		low = fmax(low, log(-shape * top->a / p->cells->mean) + 1e-9);
	return golden_max(at_log_scale, p, low, fmax(4, low + 4));
}

/* The scale with which the model puts the level where it is fixed. */
static double scale_for_level(const struct profile *p, double shape)
{
	if (fabs(shape) < 1e-9)
		return p->fixed / log(p->odds);
	return p->fixed * shape / expm1(shape * log(p->odds));
}

static double at_shape(double shape, const void *ctx)
{
	const struct profile *p = ctx;

	return log_likelihood(p->cells, shape, scale_for_level(p, shape));
}

/*
 * Most likely with this level. Very negative shapes put the end of the distribution before the
 * largest sample (likelihood 0), which would hide the peak from a golden section: find where it
 * becomes possible first.
 */
static double profile_level(struct profile *p, double level)
{
	double low = shape_min, high = shape_max;

	p->fixed = level;
	while (low < high && !isfinite(at_shape(low, p)))
		low += 0.01;
	while (high > low && !isfinite(at_shape(high, p)))
		high -= 0.01;
	return low < high ? golden_max(at_shape, p, low, high) : -INFINITY;
}

/* Where the profile has lost 95 % worth of likelihood, between inside (it has not) and outside. */
static double edge(double (*profile)(struct profile *, double), struct profile *p, double best,
		   double inside, double outside)
{
	for (int i = 0; i < 40 && fabs(outside - inside) > 1e-4 * fabs(inside) + 1e-6; i++) {
		double mid = (inside + outside) / 2;

		if (2 * (best - profile(p, mid)) > chi1_95)
			outside = mid;
		else
			inside = mid;
	}
	return inside;
}

static void shape_interval(struct tail *t, const struct cells *c, const struct fit *f)
{
	struct profile p = { .cells = c };
	double best = fmax(f->log_likelihood, profile_shape(&p, f->shape));

	t->shape_low = edge(profile_shape, &p, best, f->shape, shape_min);
	t->shape_high = edge(profile_shape, &p, best, f->shape, shape_max);
}

static void level_interval(struct tail_level *l, const struct cells *c, const struct fit *f,
			   double odds)
{
	struct profile p = { .cells = c, .odds = odds };
	double excess = fabs(f->shape) < 1e-9 ? f->scale * log(odds)
					      : f->scale * expm1(f->shape * log(odds)) / f->shape;
	double best = fmax(f->log_likelihood, profile_level(&p, excess)), out = excess;

	l->ns = c->threshold + excess;
	l->low_ns = c->threshold + edge(profile_level, &p, best, excess, excess / 1000);
	for (int i = 0; i < 30 && 2 * (best - profile_level(&p, out)) <= chi1_95; i++)
		out *= 1.5;
	l->high_ns = 2 * (best - profile_level(&p, out)) <= chi1_95
			     ? INFINITY
			     : c->threshold + edge(profile_level, &p, best, excess, out);
}

/* --- is it a good model? --- */

/* Chi-square over cells, joined until at least 5 samples are expected in each. */
static double goodness(const struct cells *c, const struct fit *f)
{
	double chi = 0, seen = 0, expected = 0, before = 1;
	int groups = 0;

	for (int i = 0; i < c->n; i++) {
		double after = i + 1 == c->n ? 0 : exp(log_survival(f->shape, f->scale, c->v[i].b));

		seen += c->v[i].n;
		expected += c->samples * (before - after);
		before = after;
		if (expected < 5 || (i + 1 < c->n && c->samples * after < 5))
			continue;
		chi += (seen - expected) * (seen - expected) / expected;
		groups++;
		seen = expected = 0;
	}
	return groups > 3 ? gsl_cdf_chisq_Q(chi, groups - 3) : 1;
}

/*
 * Under the model, i times the step in -log S between the i-th and the (i+1)-th largest sample is
 * standard exponential. A step that is far too large for that divides the tail from a rare mode.
 */
static bool far_mode(struct tail *t, const struct cells *c, const struct fit *f)
{
	double above = 0;

	for (int i = c->n - 1; i > 0 && above < fmin(GAPS, c->samples / 10); i--) {
		double step = log_survival(f->shape, f->scale, c->v[i - 1].b) -
			      log_survival(f->shape, f->scale, c->v[i].a);

		above += c->v[i].n;
		if (step <= 0 || exp(-above * step) * GAPS > 0.001)
			continue;
		snprintf(
			t->reason, sizeof(t->reason),
			"%.0f samples from %.1f us on stand apart from the tail, which ends at %.1f us: "
			"a rare mode of its own; find its cause before modelling the rest",
			above, (c->v[i].a + c->threshold) / 1e3,
			(c->v[i - 1].b + c->threshold) / 1e3);
		return true;
	}
	return false;
}

/* Shapes at higher thresholds agree, within what their fewer samples allow (nested samples). */
static bool stable_from(const struct tail *t, int first)
{
	const struct tail_point *a = &t->scan[first];
	double var_a = (1 + a->shape) * (1 + a->shape) / a->samples;

	for (int i = first + 1; i < t->n_scan; i++) {
		const struct tail_point *b = &t->scan[i];
		double var_b = (1 + b->shape) * (1 + b->shape) / b->samples;
		double sd = sqrt(fmax(var_b - var_a, 0.25 * var_b));

		if (fabs(b->shape - a->shape) > stable_sds * sd)
			return false;
	}
	return true;
}

static void scan(struct tail *t, const struct hist *h)
{
	double total = hist_total(h), last = -1;

	for (double k = fmin(total / 10, 200000); k >= 80 && t->n_scan < TAIL_SCAN; k /= 1.5) {
		struct tail_point *p = &t->scan[t->n_scan];
		struct cells c;
		struct fit f;
		uint64_t ns;
		double a, b;

		if (!hist_rank(h, total - k, &ns))
			continue;
		bin_interval(h, hist_index(ns), &a, &b); /* only a bin's edge divides bins */
		if (b <= last)
			continue;
		last = b;
		cells_make(&c, h, b);
		if (c.samples < TAIL_MIN_SAMPLES / 2 || !fit(&c, &f))
			continue;
		*p = (struct tail_point){
			.threshold_ns = b,
			.mean_excess_ns = c.mean,
			.samples = c.samples,
			.shape = f.shape,
			.scale_ns = f.scale,
			.gof_p = goodness(&c, &f),
		};
		t->n_scan++;
	}
}

/* One half of the run predicts how many samples of the other lie beyond a level. */
static bool holdout(struct tail *t, const struct hist *halves, double threshold)
{
	double n0 = hist_total(&halves[0]), n1 = hist_total(&halves[1]), odds, b, end, spread;
	struct cells c, other;
	struct fit f;
	uint64_t level, resolution = halves[1].resolution_ns;

	cells_make(&c, &halves[0], threshold);
	cells_make(&other, &halves[1], threshold);
	if (c.samples < TAIL_MIN_SAMPLES || other.samples < TAIL_MIN_SAMPLES || !fit(&c, &f))
		return true;
	odds = c.samples / n0 * n1 / 20; /* where 20 are expected */
	level = threshold + (fabs(f.shape) < 1e-9 ? f.scale * log(odds)
						  : f.scale * expm1(f.shape * log(odds)) / f.shape);
	level -= level % resolution;
	bin_interval(&halves[1], hist_index(level), &b, &end); /* only a bin's edge divides bins */
	t->holdout_ns = b;
	t->holdout_expected =
		c.samples / n0 * n1 * exp(log_survival(f.shape, f.scale, b - threshold));
	for (int i = 0; i < other.n; i++)
		t->holdout_seen += other.v[i].a + threshold >= b ? other.v[i].n : 0;
	/* the counts vary, and the fit to the first half is uncertain, more the farther it reaches */
	spread = (1 + log(odds) * log(odds)) / c.samples;
	spread = sqrt(t->holdout_expected + t->holdout_expected * t->holdout_expected * spread);
	t->holdout_p =
		2 * gsl_cdf_ugaussian_Q(fabs(t->holdout_seen - t->holdout_expected) / spread);
	return t->holdout_p >= 0.001;
}

static bool assumptions_hold(struct tail *t, const struct tail_input *in)
{
	const struct stationarity *s = in->stationarity;

	if (s && s->verdict == STATIONARY_NO) {
		snprintf(
			t->reason, sizeof(t->reason),
			"not stationary: the median slice maximum goes from %.1f us in the first half to "
			"%.1f us in the second",
			s->first_ns / 1e3, s->second_ns / 1e3);
		return false;
	}
	if (in->dispersion > 2) {
		snprintf(
			t->reason, sizeof(t->reason),
			"the largest samples come in clusters (%.1f times the variance of independent "
			"ones a slice)",
			in->dispersion);
		return false;
	}
	return true;
}

static void levels(struct tail *t, const struct cells *c, const struct fit *f, double per_day)
{
	static const char *const labels[TAIL_LEVELS] = { "1e-9 a sample", "worst of 24 h",
							 "worst of 30 days" };
	const double rates[TAIL_LEVELS] = { 1e-9, per_day ? 1 / per_day : 0,
					    per_day ? 1 / (30 * per_day) : 0 };

	for (int i = 0; i < TAIL_LEVELS; i++) {
		double odds = rates[i] ? t->samples / t->of / rates[i] : 0;

		t->levels[i] = (struct tail_level){ .label = labels[i] };
		if (odds <= 1.5) /* not beyond the threshold: the data say it better */
			continue;
		t->levels[i].rate = rates[i];
		level_interval(&t->levels[i], c, f, odds);
	}
}

void tail_fit(struct tail *t, const struct tail_input *in)
{
	gsl_error_handler_t *handler = gsl_set_error_handler_off();
	struct cells c;
	struct fit f;
	int at = 0;

	memset(t, 0, sizeof(*t));
	t->of = hist_total(in->hist);
	if (!assumptions_hold(t, in))
		goto out;
	scan(t, in->hist);
	if (!t->n_scan || t->scan[0].samples < TAIL_MIN_SAMPLES) {
		snprintf(t->reason, sizeof(t->reason),
			 "too few samples or distinct values in the tail (at least %d samples in 3 "
			 "bins are needed)",
			 TAIL_MIN_SAMPLES);
		goto out;
	}
	for (int i = 0; i < t->n_scan; i += 4) { /* a bent fit may hide the gap at one threshold */
		cells_make(&c, in->hist, t->scan[i].threshold_ns);
		if (fit(&c, &f) && far_mode(t, &c, &f))
			goto out;
	}
	while (at < t->n_scan && t->scan[at].samples >= TAIL_MIN_SAMPLES &&
	       (t->scan[at].gof_p < 0.01 || !stable_from(t, at)))
		at++;
	if (at == t->n_scan || t->scan[at].samples < TAIL_MIN_SAMPLES) {
		snprintf(
			t->reason, sizeof(t->reason),
			"no threshold from which the shape of the tail is stable and the fit good");
		goto out;
	}
	cells_make(&c, in->hist, t->scan[at].threshold_ns);
	if (!fit(&c, &f) || (in->halves && !holdout(t, in->halves, c.threshold))) {
		snprintf(
			t->reason, sizeof(t->reason),
			"the first half of the run expects %.0f samples above %.1f us in the second; "
			"there were %.0f",
			t->holdout_expected, t->holdout_ns / 1e3, t->holdout_seen);
		goto out;
	}
	t->fitted = true;
	t->threshold_ns = c.threshold;
	t->samples = c.samples;
	t->shape = f.shape;
	t->scale_ns = f.scale;
	t->gof_p = t->scan[at].gof_p;
	shape_interval(t, &c, &f);
	levels(t, &c, &f, in->samples_per_day);
out:
	gsl_set_error_handler(handler);
}

double tail_survival(const struct tail *t, double ns)
{
	return t->samples / t->of *
	       exp(log_survival(t->shape, t->scale_ns, fmax(0, ns - t->threshold_ns)));
}

// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/simulate.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/progress.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/stop.h"

enum { BODY_DRAWS = 64, TAIL_DRAWS = 4, SPIKE_SLICES = 200, STALL_SLICES = 2000 };

/* SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): every state is good, also a small seed. */
static uint64_t draw(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static uint64_t between(uint64_t *state, uint64_t low, uint64_t high)
{
	return low + draw(state) % (high - low + 1);
}

static void add_max(struct loop_slice *s, uint64_t ns, uint64_t at_ns)
{
	if (ns > s->hist.max_ns)
		s->max_at_ns = at_ns;
	hist_add(&s->hist, ns);
}

void simulate_slice(uint64_t seed, int cpu, uint64_t n, uint64_t period_ns, struct loop_slice *s)
{
	uint64_t state = seed ^ ((uint64_t)cpu << 48) ^ n * 0x2545f4914f6cdd1dull;
	uint64_t left = (s->end_ns - s->start_ns) / period_ns, share = left / BODY_DRAWS;

	hist_init(&s->hist);
	s->missed = 0;
	if (left > 10 && !(draw(&state) % STALL_SLICES)) {
		s->missed = 9;
		left -= 10;
		add_max(s, 9 * period_ns + between(&state, 1, period_ns - 1), s->start_ns);
	}
	if (left && !(draw(&state) % SPIKE_SLICES)) {
		left--;
		add_max(s, between(&state, 50000, 80000), s->start_ns);
	}
	for (int i = 0; i < TAIL_DRAWS && left; i++, left--)
		add_max(s, between(&state, 4000, between(&state, 5000, 20000)), s->start_ns);
	for (; left; left -= share < left ? share : left) {
		share = share && share < left ? share : left;
		/* two dice: a hump rather than a box */
		hist_add_n(&s->hist, between(&state, 1000, 2500) + between(&state, 0, 1500), share);
	}
}

static int one_slice(const struct sampler_config *config, uint64_t seed, struct collect *c,
		     uint64_t n, struct loop_slice *s, int64_t offset, struct err *e)
{
	for (size_t i = 0; i < c->n_cpus; i++) {
		int ret;

		simulate_slice(seed, c->cpus[i].cpu, n, config->period_ns, s);
		if (s->hist.max_ns >= config->spike_ns) {
			struct loop_spike spike = {
				.mono_ns = s->max_at_ns + s->hist.max_ns,
				.cycle = n * (config->slice_ns / config->period_ns),
				.late_ns = s->hist.max_ns,
				.missed = s->missed,
			};

			ret = collect_spike(c, i, &spike, offset, e);
			if (ret < 0)
				return ret;
		}
		ret = collect_slice(c, i, s, offset, e);
		if (ret < 0)
			return ret;
	}
	return collect_sync(c, e);
}

int simulate_run(const struct sampler_config *config, uint64_t seed, struct collect *c,
		 struct err *e)
{
	_cleanup_free_ struct loop_slice *s = calloc(1, sizeof(*s));
	uint64_t start = clock_now_ns(), end = start + config->duration_ns;
	int64_t offset = clock_wall_ns() - start;
	enum sampler_end how = SAMPLER_COMPLETE;
	struct progress p;
	int ret = 0;

	if (!s)
		return err_set(e, -ENOMEM, "preparing the histograms failed: no memory");
	progress_start(&p, "sample");
	for (uint64_t n = 0; !ret && how == SAMPLER_COMPLETE; n++) {
		s->start_ns = start + n * config->slice_ns;
		s->end_ns = s->start_ns + config->slice_ns;
		if (s->start_ns >= end)
			break;
		if (s->end_ns > end)
			s->end_ns = end;
		progress_show(&p, s->start_ns - start, config->duration_ns);
		ret = one_slice(config, seed, c, n, s, offset, e);
		if (stop_requested())
			how = SAMPLER_INTERRUPTED;
		else if (config->stop_at_spike && c->n_spikes)
			how = SAMPLER_SPIKE;
	}
	progress_end(&p);
	return ret < 0 ? ret : (int)how;
}

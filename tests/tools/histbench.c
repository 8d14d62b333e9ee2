// SPDX-License-Identifier: GPL-2.0-only
/* histbench - what recording one sample costs: a hundred million of them, drawn beforehand */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/clock.h"
#include "results/hist.h"

enum { DRAWN = 1 << 20, ROUNDS = 96 };

int main(void)
{
	uint64_t *v = malloc(DRAWN * sizeof(*v)), seed = 1, start, empty, full, sum = 0;
	static struct hist h;

	if (!v)
		return 2;
	for (int i = 0; i < DRAWN; i++) {
		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		v[i] = 2500 - 1500 * log(((seed >> 11) + 0.5) * 0x1p-53);
	}
	hist_init(&h);
	start = clock_now_ns();
	for (int r = 0; r < ROUNDS; r++)
		for (int i = 0; i < DRAWN; i++) {
			sum += v[i];
			__asm__ volatile("" : "+r"(sum)); /* the loop itself, not its absence */
		}
	empty = clock_now_ns() - start;
	start = clock_now_ns();
	for (int r = 0; r < ROUNDS; r++)
		for (int i = 0; i < DRAWN; i++)
			hist_add(&h, v[i]);
	full = clock_now_ns() - start;
	printf("%.2f %.2f\n", (double)full / ((double)ROUNDS * DRAWN),
	       (double)empty / ((double)ROUNDS * DRAWN));
	free(v);
	return (uint64_t)h.sum_ns != sum;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * gap - reads the TSC in a tight loop, interrupts off: whatever takes the vCPU away is a gap
 *
 * Command line: cycles=DURATION threshold=CYCLES. Turns of the loop shorter than the threshold are
 * counted in one histogram, gaps in another; the first GAPS of them are also listed. A guest sees
 * here what is left when no guest software can be the cause: the host and the hardware.
 */
#include "guests/flat/flat.h"
#include "guests/flat/measure.h"

enum { GAPS = 1024, LOOP = 0, GAP = 1, ROWS = 2 };

static struct cycles rows[ROWS];
static struct abi_bench_gap gaps[GAPS];

void payload_ap(void)
{
}

static void add_gap(uint64_t tsc, uint64_t length)
{
	uint64_t n = rows[GAP].row.n;

	cycles_add(&rows[GAP], length);
	if (n < GAPS)
		gaps[n] = (struct abi_bench_gap){ .tsc = tsc, .length = length };
}

static void loop(uint64_t end, uint64_t threshold)
{
	uint64_t before = rdtsc(), now;

	for (; before < end; before = now) {
		now = rdtsc();
		if (__builtin_expect(now - before < threshold, 1))
			cycles_add(&rows[LOOP], now - before);
		else
			add_gap(before, now - before);
	}
}

static void clear(void)
{
	cycles_init(&rows[LOOP], ABI_BENCH_LOOP, 0);
	cycles_init(&rows[GAP], ABI_BENCH_GAP, 0);
}

void payload_main(const void *info)
{
	const char *cmdline = flat_cmdline(info);
	uint64_t cycles = measure_arg(cmdline, "cycles", 0), n;
	uint64_t threshold = measure_arg(cmdline, "threshold", 0);
	struct abi_bench head;

	if (!cycles || !threshold)
		flat_exit(ABI_BENCH_BAD_ARGS);
	clear();
	loop(rdtsc() + cycles / 100, threshold); /* code and tables are in the caches now */
	clear();
	measure_begin(&head);
	loop(head.start + cycles, threshold);
	measure_end(&head);
	n = rows[GAP].row.n < GAPS ? rows[GAP].row.n : GAPS;
	measure_send(&head, rows, ROWS, "gaps", gaps, n * sizeof(gaps[0]));
	flat_exit(0);
}

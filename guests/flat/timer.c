// SPDX-License-Identifier: GPL-2.0-only
/*
 * timer - how late TSC-deadline interrupts come, in HLT and in a loop, at several periods
 *
 * Command line: cycles=DURATION_OF_A_ROW period=CYCLES... Deadlines lie on an absolute grid; one
 * that has passed before it could be set is counted as missed. The first instruction of the
 * handler's C code reads the TSC: lateness = that - deadline.
 */
#include "guests/flat/flat.h"
#include "guests/flat/measure.h"

enum { PERIODS = 8 };

static struct cycles rows[2 * PERIODS];
static volatile uint64_t fired; /* TSC in the handler; 0: not yet */

void payload_ap(void)
{
}

static void on_timer(void)
{
	fired = rdtsc();
}

static void wait_halted(void)
{
	while (!fired)
		flat_idle();
}

/* No pause: on a host that lets it exit it would be the host that is measured. */
static void wait_spinning(void)
{
	irqs_on();
	while (!fired)
		;
	irqs_off();
}

static void measure(struct cycles *c, uint64_t end)
{
	uint64_t next = rdtsc() + c->row.period, now;

	while (next < end) {
		fired = 0;
		flat_timer_at(next);
		if (c->row.kind == ABI_BENCH_HLT)
			wait_halted();
		else
			wait_spinning();
		cycles_add(c, fired > next ? fired - next : 0);
		next += c->row.period;
		now = rdtsc();
		if (now >= end)
			now = end - 1; /* what lies behind the row's end was never planned */
		if (next <= now) {
			uint64_t passed = (now - next) / c->row.period + 1;

			c->row.missed += passed;
			next += passed * c->row.period;
		}
	}
}

void payload_main(const void *info)
{
	const char *cmdline = flat_cmdline(info);
	uint64_t cycles = measure_arg(cmdline, "cycles", 0), period;
	struct abi_bench head;
	size_t n = 0;

	for (; n < 2 * PERIODS && (period = measure_arg(cmdline, "period", n / 2)); n++)
		cycles_init(&rows[n], n % 2 ? ABI_BENCH_SPIN : ABI_BENCH_HLT, period);
	if (!cycles || !n)
		flat_exit(ABI_BENCH_BAD_ARGS);
	measure_require_timer();
	flat_apic_init(on_timer);
	measure_begin(&head);
	for (size_t i = 0; i < n; i++)
		measure(&rows[i], rdtsc() + cycles);
	measure_end(&head);
	measure_send(&head, rows, n, NULL, NULL, 0);
	flat_exit(0);
}

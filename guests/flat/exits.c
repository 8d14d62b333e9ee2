// SPDX-License-Identifier: GPL-2.0-only
/*
 * exits - what it costs in cycles to leave the guest, or not to have to
 *
 * Command line: cycles=DURATION_OF_A_ROW [skip=KIND] (enum abi_bench_kind). Each operation stands between two readings of the TSC;
 * the row "nothing" is what the readings themselves take. Which operations exit is the host's
 * affair: with a virtualized APIC the last three may not.
 */
#include <stdbool.h>

#include "guests/flat/flat.h"
#include "guests/flat/measure.h"

enum {
	MSR_APIC_BASE = 0x1b,
	MSR_X2APIC_SELF_IPI = 0x83f,
	HC_VAPIC_POLL_IRQ = 1, /* does nothing, in every version of KVM */
	NO_DEVICE = 0xfed40000, /* a TPM's place; nobody gives this guest one */
	WARM_UP = 100,
};

static bool amd;
static uint64_t far_cycles; /* a deadline as far away never comes */
static volatile uint64_t interrupted; /* TSC in the handler; 0: not yet */

void payload_ap(void)
{
}

static void on_interrupt(void)
{
	interrupted = rdtsc();
}

static void do_nothing(void)
{
}

static void do_cpuid(void)
{
	uint32_t r[4];

	cpuid(0, r);
}

static void do_port(void)
{
	inb(ABI_DATA_PORT);
}

static void do_mmio(void)
{
	(void)*(volatile uint32_t *)(uintptr_t)NO_DEVICE;
}

static void do_hypercall(void)
{
	uint64_t a = HC_VAPIC_POLL_IRQ;

	if (amd)
		__asm__ volatile("vmmcall" : "+a"(a) : : "memory");
	else
		__asm__ volatile("vmcall" : "+a"(a) : : "memory");
}

static void do_rdmsr(void)
{
	rdmsr(MSR_APIC_BASE);
}

/* From the write to the handler's first reading. */
static void do_self_ipi(void)
{
	interrupted = 0;
	irqs_on();
	wrmsr(MSR_X2APIC_SELF_IPI, FLAT_TIMER_VECTOR);
	while (!interrupted)
		;
	irqs_off();
}

static void do_deadline(void)
{
	flat_timer_at(rdtsc() + far_cycles);
}

static const struct operation {
	enum abi_bench_kind kind;
	void (*run)(void);
} operations[] = {
	{ ABI_BENCH_NOTHING, do_nothing },     { ABI_BENCH_CPUID, do_cpuid },
	{ ABI_BENCH_PORT, do_port },	       { ABI_BENCH_MMIO, do_mmio },
	{ ABI_BENCH_HYPERCALL, do_hypercall }, { ABI_BENCH_RDMSR, do_rdmsr },
	{ ABI_BENCH_SELF_IPI, do_self_ipi },   { ABI_BENCH_EOI, flat_eoi },
	{ ABI_BENCH_DEADLINE, do_deadline },
};

enum { ROWS = sizeof(operations) / sizeof(operations[0]) };

static struct cycles rows[ROWS];

static void measure(const struct operation *op, struct cycles *c, uint64_t cycles)
{
	uint64_t before = 0, end;

	for (int i = 0; i < WARM_UP; i++)
		op->run();
	for (end = rdtsc() + cycles; before < end;) {
		uint64_t after;

		before = rdtsc();
		op->run();
		after = op->kind == ABI_BENCH_SELF_IPI ? interrupted : rdtsc();
		cycles_add(c, after - before);
	}
}

void payload_main(const void *info)
{
	const char *cmdline = flat_cmdline(info);
	uint64_t cycles = measure_arg(cmdline, "cycles", 0);
	uint64_t skip = measure_arg(cmdline, "skip", 0);
	struct abi_bench head;

	if (!cycles)
		flat_exit(ABI_BENCH_BAD_ARGS);
	measure_require_timer();
	amd = flat_is_amd();
	far_cycles = 1000 * cycles;
	flat_apic_init(on_interrupt);
	for (size_t i = 0; i < ROWS; i++)
		cycles_init(&rows[i], operations[i].kind, 0);
	measure_begin(&head);
	for (size_t i = 0; i < ROWS; i++)
		if (operations[i].kind != skip)
			measure(&operations[i], &rows[i], cycles);
	flat_timer_at(0);
	measure_end(&head);
	measure_send(&head, rows, ROWS, NULL, NULL, 0);
	flat_exit(0);
}

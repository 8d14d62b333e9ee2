// SPDX-License-Identifier: GPL-2.0-only
/*
 * hostile - does what a guest must be able to do without harm to the host, at random, for a while
 *
 * Command line: ms=DURATION seed=N hypercalls=0|1. Accesses of every size to ports and to addresses without RAM,
 * string instructions, hypercalls, writes of MSRs that raise no fault, its own timer and APIC. It
 * leaves alone what ends the run or fills the host's files: power, reset, exit and data ports.
 */
#include <stdbool.h>

#include "guests/flat/flat.h"
#include "guests/flat/measure.h"

enum {
	COM1 = 0x3f8,
	ACPI_FIRST = 0x600,
	ACPI_LAST = 0x60f,
	KBD_COMMAND = 0x64,
	PVPANIC = 0x505,
	DATA_PORTS = 4,
	EXIT_PORTS = 4,
};

#define HOLE   0xc0000000u
#define IOAPIC 0xfec00000u
#define LAPIC  0xfee00000u

static uint64_t state;

void payload_ap(void)
{
}

/* xorshift64*: the same seed does the same things */
static uint64_t draw(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 2685821657736338717ull;
}

static bool in(uint16_t port, uint16_t first, unsigned int count)
{
	return port + 3 >= first && port < first + count;
}

static bool ends_the_run(uint16_t port)
{
	return in(port, ABI_EXIT_PORT, EXIT_PORTS) || in(port, ABI_DATA_PORT, DATA_PORTS) ||
	       in(port, ABI_PAGE_PORT, DATA_PORTS) ||
	       in(port, ACPI_FIRST, ACPI_LAST - ACPI_FIRST + 1) || in(port, KBD_COMMAND, 1) ||
	       in(port, PVPANIC, 1);
}

static uint16_t draw_port(void)
{
	static const uint16_t devices[] = { COM1,  COM1 + 2, COM1 + 4,	    0x510,
					    0x511, 0xcf8,    ABI_MARK_PORT, ABI_FREEZE_PORT };
	uint16_t port;

	do
		port = draw() % 2 ? draw() : devices[draw() % 8] + draw() % 2;
	while (ends_the_run(port));
	return port;
}

static void port_access(void)
{
	static uint8_t page[4096];
	uint16_t port = draw_port();
	uint32_t value = draw();
	uint64_t count = draw() % 64;
	void *at = page;

	switch (draw() % 8) {
	case 0:
		__asm__ volatile("inb %w1, %b0" : "=a"(value) : "d"(port));
		break;
	case 1:
		__asm__ volatile("inw %w1, %w0" : "=a"(value) : "d"(port));
		break;
	case 2:
		__asm__ volatile("inl %w1, %0" : "=a"(value) : "d"(port));
		break;
	case 3:
		__asm__ volatile("outb %b0, %w1" : : "a"(value), "d"(port));
		break;
	case 4:
		__asm__ volatile("outw %w0, %w1" : : "a"(value), "d"(port));
		break;
	case 5:
		__asm__ volatile("outl %0, %w1" : : "a"(value), "d"(port));
		break;
	case 6:
		__asm__ volatile("rep outsl" : "+S"(at), "+c"(count) : "d"(port) : "memory");
		break;
	default:
		__asm__ volatile("rep insw" : "+D"(at), "+c"(count) : "d"(port) : "memory");
	}
}

static void memory_access(void)
{
	static const uint32_t bases[] = { HOLE, HOLE, IOAPIC, IOAPIC + 0x10, 0xfe000000 };
	uintptr_t at = bases[draw() % 5] + (draw() % 2 ? draw() % 64 : draw() % 0x1000000);
	uint64_t value = draw();

	if (at + 8 > LAPIC && at < LAPIC + 4096)
		return; /* in x2APIC mode it is no device; KVM's own pages follow it */
	switch (draw() % 6) {
	case 0:
		*(volatile uint8_t *)at = value;
		break;
	case 1:
		*(volatile uint16_t *)at = value;
		break;
	case 2:
		*(volatile uint32_t *)at = value;
		break;
	case 3:
		*(volatile uint64_t *)at = value;
		break;
	case 4:
		(void)*(volatile uint8_t *)at;
		break;
	default:
		(void)*(volatile uint64_t *)at;
	}
}

/* Registers that exist wherever x2APIC does, with values that they take. */
static void msr_write(void)
{
	static const uint32_t msrs[] = {
		0x808, 0x80b, 0x838, 0x6e0, 0x832, 0x83f, 0xc0000102, 0x174
	};
	uint32_t msr = msrs[draw() % 8];
	uint64_t value = draw();

	switch (msr) {
	case 0x808: /* TPR */
		value &= 0xff;
		break;
	case 0x80b: /* EOI */
		value = 0;
		break;
	case 0x832: /* LVT timer: masked or ours, any mode but the reserved one */
		value = FLAT_TIMER_VECTOR | (value % 3) << 17 | (value & 1 << 16);
		break;
	case 0x838: /* initial count */
		value &= 0xffffffff;
		break;
	case 0x83f: /* self IPI */
		value = FLAT_TIMER_VECTOR;
		break;
	case 0xc0000102: /* KERNEL_GS_BASE: canonical */
		value >>= 20;
		break;
	case 0x174: /* SYSENTER_CS */
		value &= 0xffff;
		break;
	}
	wrmsr(msr, value);
}

static void hypercall(bool amd)
{
	uint64_t a = draw() % 16, b = draw(), c = draw(), d = draw(), s = draw();

	if (amd)
		__asm__ volatile("vmmcall" : "+a"(a) : "b"(b), "c"(c), "d"(d), "S"(s) : "memory");
	else
		__asm__ volatile("vmcall" : "+a"(a) : "b"(b), "c"(c), "d"(d), "S"(s) : "memory");
}

static void act(bool amd, bool hypercalls)
{
	switch (draw() % 8) {
	case 0 ... 2:
		port_access();
		break;
	case 3 ... 5:
		memory_access();
		break;
	case 6:
		msr_write();
		irqs_on();
		__asm__ volatile("nop");
		irqs_off();
		break;
	default:
		if (hypercalls)
			hypercall(amd);
	}
}

/* The UART may be in any state by now: no divisor access, no loopback, no interrupts. */
static void mend_console(void)
{
	outb(COM1 + 3, 3);
	outb(COM1 + 4, 0);
	outb(COM1 + 1, 0);
}

static void on_interrupt(void)
{
}

void payload_main(const void *info)
{
	const char *cmdline = flat_cmdline(info);
	uint32_t khz = flat_tsc_khz();
	uint64_t end = rdtsc() + measure_arg(cmdline, "ms", 0) * (khz ? khz : 1000000);
	bool hypercalls = measure_arg(cmdline, "hypercalls", 0), amd = flat_is_amd();
	uint64_t n = 0;

	state = measure_arg(cmdline, "seed", 0) | 1;
	measure_require_timer();
	flat_apic_init(on_interrupt);
	for (; rdtsc() < end; n++)
		act(amd, hypercalls);
	mend_console();
	flat_puts("\nactions ");
	flat_put_u64(n);
	flat_putc('\n');
	flat_exit(0);
}

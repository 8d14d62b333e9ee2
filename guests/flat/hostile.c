// SPDX-License-Identifier: GPL-2.0-only
/*
 * hostile - does what a guest must be able to do without harm to the host, at random, for a while
 *
 * Command line: ms=DURATION actions=N seed=N hypercalls=0|1: so long, and so many actions at least.
 * It begins with a write to the freeze port. Then: accesses of every size to ports and to addresses
 * without RAM, string instructions, hypercalls, writes of MSRs that raise no fault, its own timer and
 * APIC; with virtio devices also their registers, and queues full of nonsense. It leaves alone what
 * ends the run or fills the host's files: power, reset, exit and data ports; and its own memory, which
 * devices would write over: what it tells them of is a buffer for that, or no RAM at all.
 */
#include <stdbool.h>
#include <stddef.h>

#include "guests/flat/flat.h"
#include "guests/flat/measure.h"
#include "guests/flat/pci.h"

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

enum {
	CARDS = 8,
	CARDS_BYTES = 1 << 20, /* of the hole: where they lie */
	QUEUES = 4,
	BUFFER = 1 << 16,
};

/* The devices of the PCI bus, and what they are given. */
static struct vpci cards[CARDS];
static unsigned int n_cards;
static struct queue queues[QUEUES];
static uint8_t buffer[BUFFER];

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

enum {
	ACCESS_READ = 3,
	ACCESS_WRITE_8 = 5,
	ACCESS_KINDS
}; /* the other kinds write up to 4 bytes */

static void access_at(uintptr_t at, unsigned int kind, uint64_t value)
{
	switch (kind) {
	case 0:
		*(volatile uint8_t *)at = value;
		break;
	case 1:
		*(volatile uint16_t *)at = value;
		break;
	case 2:
		*(volatile uint32_t *)at = value;
		break;
	case ACCESS_READ:
		(void)*(volatile uint8_t *)at;
		break;
	case ACCESS_READ + 1:
		(void)*(volatile uint64_t *)at;
		break;
	case ACCESS_WRITE_8:
		*(volatile uint64_t *)at = value;
	}
}

static void memory_access(void)
{
	static const uint32_t bases[] = { HOLE, HOLE, IOAPIC, IOAPIC + 0x10, 0xfe000000 };
	uintptr_t at = bases[draw() % 5] + (draw() % 2 ? draw() % 64 : draw() % 0x1000000);
	uint64_t value = draw();

	if (at + 8 > LAPIC && at < LAPIC + 4096)
		return; /* in x2APIC mode it is no device; KVM's own pages follow it */
	if (n_cards && at >= HOLE && at < HOLE + CARDS_BYTES)
		return; /* any vector, any place of a queue: card_access() knows which do no harm here */
	access_at(at, draw() % ACCESS_KINDS, value);
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

/* A driver that begins as it should, with as many queues as it likes. */
static void begin(struct vpci *v)
{
	unsigned int n = draw() % (QUEUES + 1);

	if (!vpci_begin(v))
		return;
	for (unsigned int i = 0; i < n; i++)
		vpci_queue(v, i, &queues[i], FLAT_TIMER_VECTOR);
	vpci_ready(v);
}

/* Where a descriptor points to, and how far: into the buffer, or not into RAM. */
static struct desc draw_desc(void)
{
	static const uint64_t nowhere[] = { HOLE, LAPIC, 1ull << 40, ~0ull - 8 };
	static const uint32_t lengths[] = { 0, 1 << 30, 0x7fffffff, 0xffffffff };
	uint64_t at = draw() % BUFFER;
	struct desc d = { (uintptr_t)buffer + at, draw() % (BUFFER - at), draw() % 4,
			  draw() % RING };

	switch (draw() % 16) {
	case 0:
		d.addr = nowhere[draw() % 4];
		break;
	case 1:
		d.len = lengths[draw() % 4];
		break;
	case 2:
		d.next = draw();
		break;
	case 3:
		d.flags = draw();
		break;
	}
	return d;
}

/* A request as a disk takes it, of any type; others find bytes to take and room to fill in it. */
static void sound(struct queue *q)
{
	q->desc[0] = (struct desc){ (uintptr_t)buffer, 16, DESC_NEXT, 1 };
	q->desc[1] = (struct desc){ (uintptr_t)buffer + 512, 512 * (draw() % 4),
				    DESC_NEXT | (draw() % 2 ? DESC_WRITE : 0), 2 };
	q->desc[2] = (struct desc){ (uintptr_t)buffer + 64, 1, DESC_WRITE, 0 };
	queue_offer(q, 0);
}

static void nonsense(struct vpci *v)
{
	unsigned int i = draw() % QUEUES;
	struct queue *q = &queues[i];

	for (unsigned int n = draw() % RING; n; n--)
		q->desc[draw() % RING] = draw_desc();
	if (draw() % 2)
		sound(q);
	for (unsigned int n = draw() % 64; n; n--)
		buffer[draw() % 2 ? draw() % BUFFER : draw() % 32] = draw() % 8;
	q->avail.flags = draw() % 2;
	for (unsigned int n = draw() % 4; n; n--)
		queue_offer(q, draw() % 64 ? draw() % RING : draw());
	if (!(draw() % 64))
		q->avail.idx = draw();
	*(volatile uint16_t *)(v->notify + i * v->notify_step) = draw();
}

/* Any register but the places of queues, which eight bytes could reach. */
static void card_register(volatile uint8_t *at)
{
	at += draw() % offsetof(struct common, desc);
	access_at((uintptr_t)at, draw() % ACCESS_WRITE_8, draw());
}

static void card_access(void)
{
	struct vpci *v = &cards[draw() % n_cards];

	switch (draw() % 16) {
	case 0:
		begin(v);
		break;
	case 1:
		v->common->status = draw();
		break;
	case 2:
		card_register((volatile uint8_t *)v->common);
		break;
	case 3:
		v->vectors[4 * (draw() % 16) + 3] = draw();
		break;
	case 4:
		if (v->config)
			(void)*(volatile uint32_t *)(v->config + draw() % 64);
		break;
	default:
		nonsense(v);
	}
}

/* Network, disk, console, random numbers: what rtkvm run has, one of a kind. Each is reset once. */
static void find_cards(void)
{
	for (uint16_t id = 1; id <= 4; id++)
		if (vpci_find(&cards[n_cards], id))
			n_cards++;
	for (unsigned int i = 0; i < n_cards; i++) {
		begin(&cards[i]);
		nonsense(&cards[i]);
		begin(&cards[i]);
	}
}

static void act(bool amd, bool hypercalls)
{
	if (n_cards && draw() % 2) {
		card_access();
		return;
	}
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
	uint64_t least = measure_arg(cmdline, "actions", 0);
	uint64_t end = rdtsc() + measure_arg(cmdline, "ms", 0) * (khz ? khz : 1000000);
	bool hypercalls = measure_arg(cmdline, "hypercalls", 0), amd = flat_is_amd();
	uint64_t n = 0;

	state = measure_arg(cmdline, "seed", 0) | 1;
	measure_require_timer();
	flat_apic_init(on_interrupt);
	find_cards();
	outb(ABI_FREEZE_PORT, 1);
	for (; rdtsc() < end || n < least; n++)
		act(amd, hypercalls);
	mend_console();
	flat_puts("\ndevices ");
	flat_put_u64(n_cards);
	flat_puts("\nactions ");
	flat_put_u64(n);
	flat_putc('\n');
	flat_exit(0);
}

// SPDX-License-Identifier: GPL-2.0-only
#include "guests/flat/flat.h"

#include "lib/abi.h"

enum {
	COM1 = 0x3f8,
	COM1_LSR = COM1 + 5,
	LSR_TX_EMPTY = 0x20,
	AP_PAGE = 0x8000,
	VECTORS = 256,
	CODE_SELECTOR = 0x08,
	GATE_INTERRUPT = 0x8e,
	LEAF_HYPERVISOR = 0x40000000,
	LEAF_TIMING = 0x40000010,
	START_CMDLINE = 24, /* offset of cmdline_paddr in struct hvm_start_info */
};

enum {
	MSR_APIC_BASE = 0x1b,
	MSR_TSC_DEADLINE = 0x6e0,
	MSR_X2APIC_EOI = 0x80b,
	MSR_X2APIC_SPURIOUS = 0x80f,
	MSR_X2APIC_ICR = 0x830,
	MSR_X2APIC_LVT_TIMER = 0x832,
	APIC_X2APIC = 0xc00,
	APIC_ENABLE = 0x1ff,
	LVT_TSC_DEADLINE = 1 << 18,
	ICR_INIT_OTHERS = 0xc4500,
	ICR_STARTUP_OTHERS = 0xc4600,
};

struct gate {
	uint16_t offset_low, selector;
	uint8_t ist, type;
	uint16_t offset_mid;
	uint32_t offset_high, zero;
};

extern char irq_stub[], ap_start[], ap_end[];
extern volatile uint32_t ap_count;
void irq_handler(void);

static struct gate idt[VECTORS];
static void (*timer_callback)(void);

/* the compiler may call these for struct copies */
void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);

void *memcpy(void *to, const void *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((volatile char *)to)[i] = ((const char *)from)[i];
	return to;
}

void *memset(void *to, int byte, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((volatile char *)to)[i] = byte;
	return to;
}

const char *flat_cmdline(const void *info)
{
	uint64_t at;

	memcpy(&at, (const char *)info + START_CMDLINE, sizeof(at));
	return at ? (const char *)(uintptr_t)at : "";
}

void flat_putc(char c)
{
	while (!(inb(COM1_LSR) & LSR_TX_EMPTY))
		;
	outb(COM1, c);
}

void flat_puts(const char *s)
{
	while (*s)
		flat_putc(*s++);
}

void flat_put_u64(uint64_t v)
{
	char text[21], *at = text + sizeof(text) - 1;

	*at = '\0';
	do
		*--at = '0' + v % 10;
	while (v /= 10);
	flat_puts(at);
}

void flat_words(const void *info, void (*call)(const char *word))
{
	const char *text = flat_cmdline(info);

	while (*text) {
		if (*text != ' ')
			call(text);
		while (*text && *text != ' ')
			text++;
		while (*text == ' ')
			text++;
	}
}

_Noreturn void flat_exit(uint8_t code)
{
	for (;;)
		outb(ABI_EXIT_PORT, code);
}

bool flat_is_amd(void)
{
	enum { EBX_OF_AUTHENTIC_AMD = 0x68747541, EBX_OF_HYGON = 0x6f677948 };
	uint32_t r[4];

	cpuid(0, r);
	return r[1] == EBX_OF_AUTHENTIC_AMD || r[1] == EBX_OF_HYGON;
}

uint32_t flat_tsc_khz(void)
{
	uint32_t r[4];

	cpuid(LEAF_HYPERVISOR, r);
	if (r[0] < LEAF_TIMING)
		return 0;
	cpuid(LEAF_TIMING, r);
	return r[0];
}

void irq_handler(void)
{
	if (timer_callback)
		timer_callback();
	flat_eoi();
}

void flat_apic_init(void (*on_timer)(void))
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) pointer = { sizeof(idt) - 1, (uintptr_t)idt };
	uintptr_t stub = (uintptr_t)irq_stub;

	timer_callback = on_timer;
	idt[FLAT_TIMER_VECTOR] = (struct gate){ .offset_low = stub,
						.selector = CODE_SELECTOR,
						.type = GATE_INTERRUPT,
						.offset_mid = stub >> 16 };
	__asm__ volatile("lidt %0" : : "m"(pointer));
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_X2APIC);
	wrmsr(MSR_X2APIC_SPURIOUS, APIC_ENABLE);
	wrmsr(MSR_X2APIC_LVT_TIMER, LVT_TSC_DEADLINE | FLAT_TIMER_VECTOR);
}

void flat_timer_at(uint64_t tsc_deadline)
{
	wrmsr(MSR_TSC_DEADLINE, tsc_deadline);
}

void flat_eoi(void)
{
	wrmsr(MSR_X2APIC_EOI, 0);
}

uint32_t flat_start_aps(uint32_t expected, uint64_t patience_tsc)
{
	uint64_t end = rdtsc() + patience_tsc;

	memcpy((void *)AP_PAGE, ap_start, (uintptr_t)ap_end - (uintptr_t)ap_start);
	wrmsr(MSR_X2APIC_ICR, ICR_INIT_OTHERS);
	wrmsr(MSR_X2APIC_ICR, ICR_STARTUP_OTHERS | AP_PAGE >> 12);
	while (ap_count < expected && rdtsc() < end)
		__asm__ volatile("pause");
	return ap_count;
}

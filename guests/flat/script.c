// SPDX-License-Identifier: GPL-2.0-only
/*
 * script - a payload that does what its command line says, for the VMM's tests
 *
 * Words are separated by blanks: print:TEXT  chars:N  flood  mark:N  marks  freeze  data:BYTES
 * ticks:N  aps:N  spin:MS  tsc:N (sets it back by so many ticks)  port:N (writes one byte there)
 * page:FRAME (sends it)  touch:MIB  above:MIB (from 4 GiB on)  poweroff  reset  kbdreset  triple  halt
 * panic  pvpanic  exit:CODE. An unknown word exits with 99, the end of the line with 0.
 */
#include <stdbool.h>

#include "guests/flat/flat.h"
#include "lib/abi.h"

enum {
	COM1 = 0x3f8,
	ACPI_RESET = 0x600,
	ACPI_SLEEP_CONTROL = 0x601,
	SLEEP_S5 = 5 << 2 | 1 << 5,
	KBD_COMMAND = 0x64,
	KBD_RESET = 0xfe,
	PVPANIC = 0x505,
	MSR_TSC = 0x10,
	EXIT_UNKNOWN = 99,
	EXIT_FAILED = 98,
};

static volatile uint64_t ticks;

void payload_ap(void)
{
}

static void on_timer(void)
{
	ticks++;
}

static uint64_t per_ms(void)
{
	uint32_t khz = flat_tsc_khz();

	return khz ? khz : 1000000;
}

static void do_print(const char *text, uint64_t n)
{
	(void)n;
	while (*text && *text != ' ')
		flat_putc(*text++);
	flat_putc('\n');
}

static void do_chars(const char *text, uint64_t n)
{
	(void)text;
	while (n--)
		flat_putc(n % 64 ? 'x' : '\n');
}

/* String output to the console without end, whether the UART has room or not. */
static void do_flood(const char *text, uint64_t n)
{
	static const uint8_t page[4096] = "flood";

	(void)text;
	(void)n;
	for (;;)
		outsb(COM1, page, sizeof(page));
}

static void do_data(const char *text, uint64_t n)
{
	static uint8_t page[4096];

	(void)text;
	for (size_t i = 0; i < sizeof(page); i++)
		page[i] = i * 7 + (i >> 8);
	for (; n >= sizeof(page); n -= sizeof(page))
		outsb(ABI_DATA_PORT, page, sizeof(page));
	outsb(ABI_DATA_PORT, page, n);
}

static void do_ticks(const char *text, uint64_t n)
{
	uint64_t end = rdtsc() + 10000 * per_ms();

	(void)text;
	flat_apic_init(on_timer);
	for (uint64_t i = 0; i < n; i++) {
		flat_timer_at(rdtsc() + per_ms());
		while (ticks == i) {
			flat_idle();
			if (rdtsc() > end)
				flat_exit(EXIT_FAILED);
		}
	}
}

static void do_aps(const char *text, uint64_t n)
{
	(void)text;
	flat_apic_init(NULL);
	if (flat_start_aps(n, 5000 * per_ms()) != n)
		flat_exit(EXIT_FAILED);
}

static void do_spin(const char *text, uint64_t n)
{
	uint64_t end = rdtsc() + n * per_ms();

	(void)text;
	while (rdtsc() < end)
		__asm__ volatile("pause");
}

static void do_tsc(const char *text, uint64_t n)
{
	(void)text;
	wrmsr(MSR_TSC, rdtsc() - n);
}

static void do_mark(const char *text, uint64_t n)
{
	(void)text;
	outb(ABI_MARK_PORT, n);
}

/* Marks without end, those that open and close the window. */
static void do_marks(const char *text, uint64_t n)
{
	(void)text;
	for (n = 0;; n++)
		outb(ABI_MARK_PORT, n % 2 ? ABI_MARK_JOB_END : ABI_MARK_JOB_START);
}

static void do_freeze(const char *text, uint64_t n)
{
	(void)text;
	outb(ABI_FREEZE_PORT, n);
}

static void do_page(const char *text, uint64_t n)
{
	(void)text;
	outl(ABI_PAGE_PORT, n);
}

static void do_port(const char *text, uint64_t n)
{
	(void)text;
	outb(n, inb(n));
}

/* Every page of memory from 16 MiB on takes a value and still has it afterwards. */
static void do_touch(const char *text, uint64_t n)
{
	(void)text;
	for (uint64_t at = 16ull << 20; at < n << 20; at += 4096)
		*(volatile uint64_t *)at = at;
	for (uint64_t at = 16ull << 20; at < n << 20; at += 4096)
		if (*(volatile uint64_t *)at != at)
			flat_exit(EXIT_FAILED);
}

/* n MiB behind 4 GiB, a word of each: no other than itself, and none of the memory that begins at 0. */
static void do_above(const char *text, uint64_t n)
{
	const uint64_t mib = 1 << 20, base = 1ull << 32;

	(void)text;
	for (uint64_t at = 16 * mib; at < n * mib; at += mib) {
		*(volatile uint64_t *)at = at;
		*(volatile uint64_t *)(base + at) = base + at;
	}
	for (uint64_t at = 16 * mib; at < n * mib; at += mib)
		if (*(volatile uint64_t *)at != at ||
		    *(volatile uint64_t *)(base + at) != base + at)
			flat_exit(EXIT_FAILED);
}

static void do_poweroff(const char *text, uint64_t n)
{
	(void)text;
	(void)n;
	outb(ACPI_SLEEP_CONTROL, SLEEP_S5);
}

static void do_reset(const char *text, uint64_t n)
{
	(void)text;
	(void)n;
	outb(ACPI_RESET, 1);
}

static void do_kbdreset(const char *text, uint64_t n)
{
	(void)text;
	(void)n;
	outb(KBD_COMMAND, KBD_RESET);
}

static void do_triple(const char *text, uint64_t n)
{
	static const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) nothing = { 0, 0 };

	(void)text;
	(void)n;
	__asm__ volatile("lidt %0\n\tud2" : : "m"(nothing));
}

static void do_halt(const char *text, uint64_t n)
{
	(void)text;
	(void)n;
	for (;;)
		__asm__ volatile("cli; hlt");
}

static void do_panic(const char *text, uint64_t n)
{
	(void)text;
	(void)n;
	flat_puts("[    0.1] Kernel panic - not syncing: asked for\n");
	flat_puts("[    0.1] ---[ end Kernel panic - not syncing: asked for ]---\n");
}

static void do_pvpanic(const char *text, uint64_t n)
{
	(void)text;
	(void)n;
	if (inb(PVPANIC) & 1)
		outb(PVPANIC, 1);
}

static void do_exit(const char *text, uint64_t n)
{
	(void)text;
	flat_exit(n);
}

static const struct {
	const char *word;
	void (*run)(const char *text, uint64_t n);
} words[] = {
	{ "print", do_print },	 { "chars", do_chars },	      { "mark", do_mark },
	{ "freeze", do_freeze }, { "data", do_data },	      { "ticks", do_ticks },
	{ "aps", do_aps },	 { "spin", do_spin },	      { "port", do_port },
	{ "above", do_above },	 { "touch", do_touch },	      { "poweroff", do_poweroff },
	{ "reset", do_reset },	 { "kbdreset", do_kbdreset }, { "triple", do_triple },
	{ "halt", do_halt },	 { "panic", do_panic },	      { "pvpanic", do_pvpanic },
	{ "exit", do_exit },	 { "marks", do_marks },	      { "flood", do_flood },
	{ "page", do_page },	 { "tsc", do_tsc },
};

/* Does the command line at text start with this word? Then *rest is behind its colon. */
static bool matches(const char *text, const char *word, const char **rest)
{
	while (*word && *text == *word)
		text++, word++;
	if (*word || (*text && *text != ' ' && *text != ':'))
		return false;
	*rest = *text == ':' ? text + 1 : text;
	return true;
}

static uint64_t number(const char *text)
{
	uint64_t n = 0;

	for (; *text >= '0' && *text <= '9'; text++)
		n = n * 10 + (*text - '0');
	return n;
}

static void run_word(const char *text)
{
	const char *rest;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (matches(text, words[i].word, &rest)) {
			words[i].run(rest, number(rest));
			return;
		}
	flat_exit(EXIT_UNKNOWN);
}

void payload_main(const void *info)
{
	flat_words(info, run_word);
	flat_exit(0);
}

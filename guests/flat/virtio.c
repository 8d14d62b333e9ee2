// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio - drives the VMM's disk, and breaks the rules of its queue; writes to its console
 *
 * Command line: disk:N (writes N sectors, reads them back, between the two job marks), the words
 * of breaks[]: each must end in DEVICE_NEEDS_RESET, and the disk must work again after a reset, and
 * console:N (N lines, each taken before the next).
 * Exit code: 0, or 1 with a sentence on the console.
 */
#include "guests/flat/flat.h"
#include "guests/flat/pci.h"
#include "lib/abi.h"

enum {
	ID_BLOCK = 2,
	ID_CONSOLE = 3,
	CONSOLE_OUT = 1,
	T_IN = 0,
	T_OUT = 1,
	T_FLUSH = 4,
	T_GET_ID = 8,
	SECTOR = 512,
	TIMEOUT_MS = 20000
};

static struct vpci dev;
static struct queue queue;
static struct {
	uint32_t type, reserved;
	uint64_t sector;
} header;
static uint8_t data[SECTOR];
static volatile uint8_t status;
static volatile uint64_t interrupts;

void payload_ap(void)
{
}

static _Noreturn void failed(const char *why)
{
	flat_puts("failed: ");
	flat_puts(why);
	flat_puts("\n");
	flat_exit(1);
}

static void on_interrupt(void)
{
	interrupts++;
}

static void set_up_queue(int i)
{
	if (!vpci_begin(&dev))
		failed("the device refuses VERSION_1");
	vpci_queue(&dev, i, &queue, FLAT_TIMER_VECTOR);
	vpci_ready(&dev);
}

static void set_up(void)
{
	set_up_queue(0);
}

static void describe(uint16_t i, volatile const void *at, uint32_t len, uint16_t flags)
{
	queue.desc[i] = (struct desc){ (uintptr_t)at, len, flags, i + 1 };
}

static void submit(uint32_t type, uint64_t sector, uint32_t len)
{
	header.type = type;
	header.sector = sector;
	status = 0xff;
	describe(0, &header, sizeof(header), DESC_NEXT);
	if (len)
		describe(1, data, len, DESC_NEXT | (type == T_OUT ? 0 : DESC_WRITE));
	describe(len ? 2 : 1, &status, 1, DESC_WRITE);
	queue_offer(&queue, 0);
	queue_kick(&queue);
}

/* Halted until its interrupt comes: if none did, the timeout of the run would tell. */
static uint8_t request(uint32_t type, uint64_t sector, uint32_t len)
{
	submit(type, sector, len);
	while (!queue_taken(&queue))
		flat_idle();
	return status;
}

static void fill(uint64_t sector)
{
	for (int i = 0; i < SECTOR; i++)
		data[i] = sector * 31 + i * 7;
}

static void check(uint64_t sector)
{
	for (int i = 0; i < SECTOR; i++)
		if (data[i] != (uint8_t)(sector * 31 + i * 7))
			failed("a sector reads other than it was written");
}

static void do_disk(uint64_t n)
{
	set_up();
	outb(ABI_MARK_PORT, ABI_MARK_JOB_START);
	for (uint64_t s = 0; s < n; s++) {
		fill(s);
		if (request(T_OUT, s, SECTOR))
			failed("a write");
	}
	if (request(T_FLUSH, 0, 0))
		failed("a flush");
	for (uint64_t s = 0; s < n; s++) {
		if (request(T_IN, s, SECTOR))
			failed("a read");
		check(s);
	}
	outb(ABI_MARK_PORT, ABI_MARK_JOB_END);
	if (!interrupts) /* two that come close together are one */
		failed("no interrupt at all");
	if (request(T_GET_ID, 0, 20))
		failed("its name");
	flat_puts("disk ");
	for (int i = 0; i < 20 && data[i]; i++)
		flat_putc(data[i]);
	flat_puts("\n");
}

static void do_readonly(uint64_t n)
{
	(void)n;
	set_up();
	if (request(T_IN, 0, SECTOR))
		failed("a read");
	if (!request(T_OUT, 0, SECTOR))
		failed("a read-only disk takes a write");
}

/* What must give an I/O error, and no more. */
static void do_errors(uint64_t n)
{
	(void)n;
	set_up();
	if (request(T_IN, 1ull << 40, SECTOR) != 1 || request(T_IN, ~0ull, SECTOR) != 1)
		failed("a read behind the end");
	if (request(T_OUT, 0, 100) != 1)
		failed("a part of a sector");
	if (request(77, 0, SECTOR) != 2)
		failed("an unknown request");
	if (request(T_IN, 0, SECTOR))
		failed("a read after errors");
}

static void loop(void)
{
	queue.desc[1].next = 0;
	queue.desc[1].flags = DESC_NEXT;
}

static void far(void)
{
	queue.desc[1].addr = 1ull << 40;
}

static void wraps(void)
{
	queue.desc[1].addr = ~0ull - 8;
}

static void hole(void)
{
	queue.desc[1].addr = 0xfee00000;
}

static void too_long(void)
{
	queue.desc[1].len = 0xffffffff;
}

static void no_next(void)
{
	queue.desc[1].next = RING;
}

static void head(void)
{
	queue.avail.ring[queue.avail.idx % RING] = 0xffff;
}

static void ahead(void)
{
	queue.avail.idx += RING;
}

static void indirect(void)
{
	queue.desc[1].flags = DESC_INDIRECT;
}

static void backwards(void)
{
	queue.desc[0].flags = DESC_NEXT | DESC_WRITE;
}

static void no_status(void)
{
	queue.desc[0].flags = 0;
}

static void short_header(void)
{
	queue.desc[0].len = 3;
	queue.desc[0].flags = 0;
}

static void (*const breaks[])(void) = { loop, far,   wraps,    hole,	  too_long,  no_next,
					head, ahead, indirect, backwards, no_status, short_header };

/* One broken rule a time; the disk works before and after each. */
static void do_break(uint64_t n)
{
	uint64_t khz = flat_tsc_khz();

	for (n = 0; n < sizeof(breaks) / sizeof(breaks[0]); n++) {
		uint64_t end = rdtsc() + TIMEOUT_MS * (khz ? khz : 1000000);

		set_up();
		if (request(T_IN, 0, SECTOR))
			failed("a read before a broken rule");
		describe(0, &header, sizeof(header), DESC_NEXT);
		describe(1, data, sizeof(data), DESC_NEXT | DESC_WRITE);
		describe(2, &status, 1, DESC_WRITE);
		breaks[n]();
		queue_offer(&queue, breaks[n] == head ? 0xffff : 0);
		queue_kick(&queue);
		while (!(dev.common->status & STATUS_NEEDS_RESET))
			if (rdtsc() > end)
				failed("a broken rule that the device does not mind");
	}
	flat_puts("broken rules ");
	flat_put_u64(n);
	flat_puts("\n");
	set_up();
	if (request(T_IN, 0, SECTOR))
		failed("a read after all");
}

/* The BAR elsewhere: its registers and the kicks follow. */
static void do_move(uint64_t n)
{
	enum { COMMAND = 4, BAR0 = 0x10, MEMORY = 2 };

	(void)n;
	pci_write(dev.address, COMMAND, 0);
	pci_write(dev.address, BAR0, 0xffffffff);
	if (pci_read(dev.address, BAR0) != 0xffff8000)
		failed("the BAR's size");
	pci_write(dev.address, BAR0, 0xd0000000);
	pci_write(dev.address, COMMAND, MEMORY);
	dev = (struct vpci){ 0 };
	if (!vpci_find(&dev, ID_BLOCK) || (uintptr_t)dev.common != 0xd0000000)
		failed("the device after its move");
	do_disk(4);
}

static void do_console(uint64_t n)
{
	static const char line[] = "a line of the guest\n";

	set_up_queue(CONSOLE_OUT);
	while (n--) {
		describe(0, line, sizeof(line) - 1, 0);
		queue_offer(&queue, 0);
		queue_kick(&queue);
		while (!queue_taken(&queue))
			flat_idle();
	}
	flat_puts("all lines taken\n");
}

static const struct {
	const char *word;
	void (*run)(uint64_t n);
	uint16_t device;
} words[] = {
	{ "disk", do_disk, ID_BLOCK },	 { "errors", do_errors, ID_BLOCK },
	{ "break", do_break, ID_BLOCK }, { "readonly", do_readonly, ID_BLOCK },
	{ "move", do_move, ID_BLOCK },	 { "console", do_console, ID_CONSOLE },
};

static const char *skip(const char *text, const char *word)
{
	while (*word && *text == *word)
		text++, word++;
	return *word ? NULL : text;
}

static void run_word(const char *text)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		const char *rest = skip(text, words[i].word);
		uint64_t n = 0;

		if (!rest || (*rest && *rest != ' ' && *rest != ':'))
			continue;
		while (*rest && *rest != ' ') {
			if (*rest != ':')
				n = n * 10 + (*rest - '0');
			rest++;
		}
		dev = (struct vpci){ 0 };
		if (!vpci_find(&dev, words[i].device))
			failed("no such virtio device on the PCI bus");
		words[i].run(n);
		return;
	}
	failed("an unknown word");
}

void payload_main(const void *info)
{
	flat_apic_init(on_interrupt);
	flat_words(info, run_word);
	flat_exit(0);
}

// SPDX-License-Identifier: GPL-2.0-only
#include "guests/flat/measure.h"

#include <stdbool.h>

#include "guests/flat/flat.h"

/* CRC-32 as zlib computes it; *crc is kept inverted: starts as ~0, ends as ~crc */
static void crc_add(uint32_t *crc, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len--) {
		*crc ^= *p++;
		for (int bit = 0; bit < 8; bit++)
			*crc = *crc >> 1 ^ (*crc & 1 ? 0xedb88320u : 0);
	}
}

/* The text behind "key=" if the word starts with it, else NULL. */
static const char *value_of(const char *word, const char *key)
{
	while (*key && *word == *key)
		word++, key++;
	return !*key && *word == '=' ? word + 1 : NULL;
}

uint64_t measure_arg(const char *cmdline, const char *key, unsigned int nth)
{
	bool word = true; /* does one start here? */

	for (const char *at = cmdline; *at; word = *at++ == ' ') {
		const char *digits = word ? value_of(at, key) : NULL;
		uint64_t n = 0;

		if (!digits || nth-- > 0)
			continue;
		for (; *digits >= '0' && *digits <= '9'; digits++)
			n = n * 10 + (*digits - '0');
		return n;
	}
	return 0;
}

void measure_require_timer(void)
{
	enum { FEATURES = 1, ECX_X2APIC = 1 << 21, ECX_TSC_DEADLINE = 1 << 24 };
	uint32_t r[4];

	cpuid(FEATURES, r);
	if (!(r[2] & ECX_TSC_DEADLINE))
		flat_exit(ABI_BENCH_NO_DEADLINE);
	if (!(r[2] & ECX_X2APIC))
		flat_exit(ABI_BENCH_NO_X2APIC);
}

void cycles_init(struct cycles *c, enum abi_bench_kind kind, uint64_t period)
{
	for (size_t i = 0; i < ABI_BENCH_BINS; i++)
		c->bins[i] = 0;
	c->row = (struct abi_bench_row){ .kind = kind, .period = period, .min = UINT64_MAX };
}

void measure_begin(struct abi_bench *head)
{
	outb(ABI_MARK_PORT, ABI_MARK_JOB_START);
	head->start = rdtsc();
}

void measure_end(struct abi_bench *head)
{
	head->end = rdtsc();
	outb(ABI_MARK_PORT, ABI_MARK_JOB_END);
}

/* A file on its way: walked twice, for the checksum and for the port, so that nothing is copied. */
struct file {
	struct abi_frame head;
	uint32_t crc;
	bool sending;
};

/* The checksum covers the header, so the length must be known from the start. */
static struct file file_begin(const char *name, uint64_t length)
{
	struct file f = { .head = { .magic = ABI_FRAME_MAGIC, .length = length }, .crc = ~0u };

	for (size_t i = 0; name[i]; i++)
		f.head.name[i] = name[i];
	crc_add(&f.crc, &f.head, sizeof(f.head));
	return f;
}

static void file_send(struct file *f)
{
	f->head.crc = ~f->crc;
	f->sending = true;
	outsb(ABI_DATA_PORT, &f->head, sizeof(f->head));
}

static void put(struct file *f, const void *data, size_t len)
{
	if (f->sending)
		outsb(ABI_DATA_PORT, data, len);
	else
		crc_add(&f->crc, data, len);
}

static void put_rows(struct file *f, const struct abi_bench *head, const struct cycles *rows)
{
	put(f, head, sizeof(*head));
	for (const struct cycles *c = rows; c < rows + head->rows; c++) {
		put(f, &c->row, sizeof(c->row));
		for (uint64_t i = 0; i < ABI_BENCH_BINS; i++) {
			uint64_t bin = ABI_BENCH_BIN(i, c->bins[i]);

			if (c->bins[i])
				put(f, &bin, sizeof(bin));
		}
	}
}

/* What is known only when all samples are in; returns the row's bytes as sent. */
static uint64_t complete(struct cycles *c)
{
	if (!c->row.n)
		c->row.min = 0;
	for (size_t i = 0; i < ABI_BENCH_BINS; i++)
		c->row.bins += !!c->bins[i];
	return sizeof(c->row) + c->row.bins * sizeof(c->bins[0]);
}

static void send_file(const char *name, const void *data, size_t len)
{
	struct file f = file_begin(name, len);

	put(&f, data, len);
	file_send(&f);
	put(&f, data, len);
}

void measure_send(struct abi_bench *head, struct cycles *rows, size_t n, const char *extra,
		  const void *data, size_t len)
{
	uint64_t length = sizeof(*head);
	struct file f;

	head->magic = ABI_BENCH_MAGIC;
	head->rows = n;
	for (size_t i = 0; i < n; i++)
		length += complete(&rows[i]);
	f = file_begin("rows", length);
	put_rows(&f, head, rows);
	file_send(&f);
	put_rows(&f, head, rows);
	if (extra)
		send_file(extra, data, len);
	f = file_begin("", extra ? 2 : 1); /* its length is the number of files */
	file_send(&f);
}

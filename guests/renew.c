// SPDX-License-Identifier: GPL-2.0-only
/*
 * renew - a client of QEMU's gdb stub (GDB manual, appendix E: Remote Serial Protocol)
 */
#include "guests/renew.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/cleanup.h"
#include "lib/clock.h"

enum {
	PACKET = 8192, /* QEMU's are of 4096 at most */
	ANSWER_SECONDS = 5,
	THREADS = 256,
	PLACES = 1024,
	STACK_BYTES = 1024, /* a breakpoint's frame lies within, however deep its handler is */
	CODE_BYTES = 16, /* before and after an address: the longest instruction has 15 */
	/* of the 17 registers of eight bytes that an answer to g begins with */
	REGISTER_RSP = 7,
	REGISTER_RIP = 16,
	REGISTERS = 17,
};

/* Where x86-64 Linux has its text and its modules (Documentation/arch/x86/x86_64/mm.rst) */
static const uint64_t text_from = 0xffffffff80000000, text_to = 0xffffffffff000000;

struct stub {
	int fd;
	uint64_t deadline_ns;
	char in[PACKET];
	size_t at, n; /* of in */
	char reply[PACKET];
	uint64_t places[PLACES];
	size_t n_places;
};

static int put(struct stub *s, const char *text, ssize_t n, struct err *e)
{
	if (send(s->fd, text, n, MSG_NOSIGNAL) == n)
		return 0;
	if (errno == EPIPE || errno == ECONNRESET)
		return err_set(e, -EPROTO, "QEMU's gdb stub went away");
	return err_sys(e, "talking to QEMU's gdb stub failed");
}

static int send_packet(struct stub *s, const char *text, struct err *e)
{
	char packet[PACKET + 8];
	unsigned char sum = 0;
	int n;

	for (const char *c = text; *c; c++)
		sum += *c;
	n = snprintf(packet, sizeof(packet), "$%s#%02x", text, sum);
	return put(s, packet, n, e);
}

static int next_byte(struct stub *s, struct err *e)
{
	struct pollfd p = { .fd = s->fd, .events = POLLIN };
	uint64_t now_ns = clock_now_ns();
	ssize_t n;

	if (s->at < s->n)
		return (unsigned char)s->in[s->at++];
	if (now_ns >= s->deadline_ns || poll(&p, 1, (s->deadline_ns - now_ns) / 1000000 + 1) <= 0)
		return err_set(e, -ETIMEDOUT, "QEMU's gdb stub did not answer within %d s",
			       ANSWER_SECONDS);
	n = recv(s->fd, s->in, sizeof(s->in), 0);
	if (n <= 0)
		return err_set(e, -EPROTO, "QEMU's gdb stub went away");
	s->n = n;
	s->at = 1;
	return (unsigned char)s->in[0];
}

/* The next packet, without its frame; that it is whole the socket sees to. */
static int receive_packet(struct stub *s, struct err *e)
{
	size_t n = 0;
	int c;

	do
		c = next_byte(s, e);
	while (c >= 0 && c != '$');
	while (c >= 0 && (c = next_byte(s, e)) >= 0 && c != '#') {
		if (n == sizeof(s->reply) - 1)
			return err_set(e, -EPROTO,
				       "QEMU's gdb stub sent a packet that is too long");
		s->reply[n++] = c;
	}
	s->reply[n] = '\0';
	for (int i = 0; c >= 0 && i < 2; i++)
		c = next_byte(s, e);
	if (c < 0)
		return c;
	return put(s, "+", 1, e);
}

/* That the machine stopped is told at any time, and nobody asked. */
static int ask(struct stub *s, const char *text, struct err *e)
{
	int ret = send_packet(s, text, e);

	while (!ret) {
		ret = receive_packet(s, e);
		if (!ret && s->reply[0] != 'T' && s->reply[0] != 'S')
			break;
	}
	return ret;
}

/* The reply's first n numbers of eight bytes, lowest byte first */
static bool words(const struct stub *s, uint64_t *w, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		w[i] = 0;
		for (size_t k = 0; k < 8; k++) {
			unsigned int byte;

			if (sscanf(s->reply + 16 * i + 2 * k, "%2x", &byte) != 1)
				return false;
			w[i] |= (uint64_t)byte << (8 * k);
		}
	}
	return true;
}

static void add_place(struct stub *s, uint64_t address)
{
	if (address < text_from || address >= text_to || s->n_places == PLACES)
		return;
	for (size_t i = 0; i < s->n_places; i++)
		if (s->places[i] == address)
			return;
	s->places[s->n_places++] = address;
}

static int read_memory(struct stub *s, uint64_t address, size_t n, struct err *e)
{
	char text[64];
	int ret;

	snprintf(text, sizeof(text), "m%" PRIx64 ",%zx", address, n);
	ret = ask(s, text, e);
	if (ret < 0)
		return ret;
	return strlen(s->reply) == 2 * n; /* else there is no memory */
}

/* Behind a stack's end there may be no memory: then less of it. */
static int stack_places(struct stub *s, uint64_t rsp, struct err *e)
{
	uint64_t w[STACK_BYTES / 8];
	size_t n = STACK_BYTES;
	int ret;

	while ((ret = read_memory(s, rsp, n, e)) == 0 && n > 64)
		n /= 2;
	if (ret <= 0)
		return ret;
	if (!words(s, w, n / 8))
		return err_set(e, -EPROTO, "QEMU's gdb stub sent memory that is not in hex digits");
	for (size_t i = 0; i < n / 8; i++)
		add_place(s, w[i]);
	return 0;
}

static int cpu_places(struct stub *s, const char *thread, struct err *e)
{
	uint64_t w[REGISTERS];
	char text[32];
	int ret;

	snprintf(text, sizeof(text), "Hg%s", thread);
	ret = ask(s, text, e);
	if (!ret)
		ret = ask(s, "g", e);
	if (ret < 0)
		return ret;
	if (strlen(s->reply) < REGISTERS * 16 || !words(s, w, REGISTERS))
		return err_set(e, -EPROTO, "QEMU's gdb stub sent registers of %zu digits",
			       strlen(s->reply));
	add_place(s, w[REGISTER_RIP]);
	return stack_places(s, w[REGISTER_RSP], e);
}

/* A list comes as m1,2 or one by one; l ends it. */
static int all_places(struct stub *s, struct err *e)
{
	char threads[THREADS][16];
	size_t n = 0;
	int ret = ask(s, "qfThreadInfo", e);

	while (!ret && s->reply[0] == 'm') {
		for (char *save, *id = strtok_r(s->reply + 1, ",", &save); id;
		     id = strtok_r(NULL, ",", &save))
			if (n < THREADS)
				snprintf(threads[n++], sizeof(threads[0]), "%.15s", id);
		ret = n < THREADS ? ask(s, "qsThreadInfo", e)
				  : err_set(e, -EPROTO, "QEMU's gdb stub told too many CPUs");
	}
	for (size_t i = 0; !ret && i < n; i++)
		ret = cpu_places(s, threads[i], e);
	return ret;
}

static int write_again(struct stub *s, uint64_t address, struct err *e)
{
	char text[64 + 4 * CODE_BYTES];
	int ret = read_memory(s, address - CODE_BYTES, 2 * CODE_BYTES, e);

	if (ret <= 0)
		return ret;
	snprintf(text, sizeof(text), "M%" PRIx64 ",%x:%s", address - CODE_BYTES, 2 * CODE_BYTES,
		 s->reply);
	ret = ask(s, text, e);
	return ret < 0 ? ret : !strcmp(s->reply, "OK");
}

int renew_code(int fd, struct err *e)
{
	_cleanup_free_ struct stub *s = calloc(1, sizeof(*s));
	struct err ignored = { 0 };
	int ret, done = 0;

	if (!s)
		return err_set(e, -ENOMEM, "renewing the emulator's code failed: no memory");
	s->fd = fd;
	s->deadline_ns = clock_now_ns() + ANSWER_SECONDS * NSEC_PER_SEC;
	ret = all_places(s, e);
	for (size_t i = 0; ret >= 0 && i < s->n_places; i++) {
		ret = write_again(s, s->places[i], e);
		done += ret > 0;
	}
	/* who connects stops the machine, and only this lets it go on, should it be read later */
	send_packet(s, "D", &ignored);
	return ret < 0 ? ret : done;
}

// SPDX-License-Identifier: GPL-2.0-only
/* lab_end - whether a machine of the lab still goes on, what can be done, and what its end is called */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guests/lab_session.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"

enum { TAIL_BYTES = 3000, PANIC_BYTES = 16 << 10, LINE_BYTES = 500 };
enum { LOG_BYTES = 64 << 20, LOOKS = 9, CONSOLE_BYTES = 64 << 10 };

/* A machine that its monitor may stop is silent and well, as is one whose command has ended. */
static bool may_hang(const struct session *s, const struct progress *p)
{
	return p->code < 0 && s->o->silence_ns;
}

static uint64_t patience(const struct session *s, const struct progress *p)
{
	uint64_t silent = p->heard_ns + s->o->silence_ns;

	return p->ready && may_hang(s, p) && silent < p->deadline_ns ? silent : p->deadline_ns;
}

/* While it boots nothing is heard; later a sign of life comes every few seconds. */
static uint64_t look_ns(const struct session *s, const struct progress *p)
{
	uint64_t least = 2 * LAB_ALIVE_SECONDS * NSEC_PER_SEC, each = s->o->silence_ns / LOOKS;

	if (!p->ready)
		return s->o->boot_timeout_ns / 2;
	return each > least ? each : least;
}

uint64_t lab_next_look(const struct session *s, const struct progress *p)
{
	uint64_t end = patience(s, p), look;

	if (!may_hang(s, p))
		return end;
	look = p->heard_ns + look_ns(s, p) * (p->renewals + 1);
	return look < end ? look : end;
}

static void renew(struct session *s, struct progress *p, const char *why)
{
	struct err e = { 0 };
	int n = machine_renew(&s->m, &e);

	p->renewals++;
	if (n < 0)
		fprintf(stderr, "rtkvm lab: %s; freeing it failed: %s\n", why, e.text);
	else
		fprintf(stderr,
			"rtkvm lab: %s; in case it is stuck in code that the emulator holds "
			"although it was overwritten, %d places were written again\n",
			why, n);
}

int lab_look(struct session *s, struct progress *p)
{
	uint64_t now_ns = clock_now_ns();
	char why[80];

	if (now_ns >= patience(s, p))
		return -ETIMEDOUT;
	snprintf(why, sizeof(why), "no sign of life from the machine for %.0f s",
		 (double)(now_ns - p->heard_ns) / NSEC_PER_SEC);
	renew(s, p, why);
	return -EAGAIN;
}

/* The console's new bytes, if it is a file; those that were skipped, too many at once, are seen too. */
static size_t new_text(const struct session *s, struct progress *p, char *buf, size_t size)
{
	_cleanup_close_ int fd = open(s->console, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size <= p->console_seen)
		return 0;
	if (st.st_size - p->console_seen >= (off_t)size)
		p->console_seen = st.st_size - size + 1;
	n = pread(fd, buf, size - 1, p->console_seen);
	p->console_seen += n > 0 ? n : 0;
	return n > 0 ? n : 0;
}

static void read_console(struct session *s, struct progress *p)
{
	_cleanup_free_ char *text = malloc(CONSOLE_BYTES);

	if (!text)
		return;
	text[new_text(s, p, text, CONSOLE_BYTES)] = '\0';
	/* kernel/rcu/tree_stall.h, kernel/watchdog.c, kernel/smp.c */
	if (strstr(text, "rcu: INFO: rcu_") || strstr(text, "BUG: soft lockup") ||
	    strstr(text, "non-responsive CSD lock"))
		renew(s, p, "the machine's kernel tells of a CPU that is stuck");
}

void lab_heard(struct session *s, struct progress *p)
{
	p->heard_ns = clock_now_ns();
	p->renewals = 0;
	if (!may_hang(s, p) || p->heard_ns - p->console_ns < LAB_ALIVE_SECONDS * NSEC_PER_SEC)
		return;
	p->console_ns = p->heard_ns;
	read_console(s, p);
}

static const char *line_of(const char *text, const char *at)
{
	const char *before = memrchr(text, '\n', at - text);

	return before ? before + 1 : text;
}

/* The line in which the kernel last said why it panicked; not that of its end, which follows all. */
static const char *panic_line(const char *text, size_t len)
{
	static const char says[] = "Kernel panic - not syncing", closes[] = "---[ end ";
	const char *at = text, *last = NULL;
	size_t closing = sizeof(closes) - 1;

	while ((at = memmem(at, text + len - at, says, sizeof(says) - 1))) {
		if (!last || memcmp(at - closing, closes, closing))
			last = at;
		at += sizeof(says) - 1;
	}
	return last ? line_of(text, last) : NULL;
}

/*
 * The first line of the last PANIC_BYTES in which the kernel told of a fault before it panicked, or NULL.
 * What kills a thread of the kernel's has the number of such deaths behind it (arch/x86/kernel/dumpstack.c).
 */
static const char *fault_line(const char *text, const char *panic, const char *end)
{
	static const char *const says[] = { "BUG: ", "kernel BUG at ", "PANIC: ", " [#" };
	const char *from = text, *first = NULL;

	if (end - text > PANIC_BYTES) { /* from a line's begin */
		from = memchr(end - PANIC_BYTES, '\n', PANIC_BYTES);
		from = from ? from + 1 : end;
	}
	for (size_t i = 0; i < ARRAY_SIZE(says) && from < panic; i++) {
		const char *at = memmem(from, panic - from, says[i], strlen(says[i]));

		if (at && (!first || at < first))
			first = at;
	}
	return first ? line_of(from, first) : NULL;
}

static int line_length(const char *line)
{
	size_t n = strcspn(line, "\r\n");

	return n < LINE_BYTES ? n : LINE_BYTES;
}

void lab_console_end(const char *text, size_t len, FILE *out)
{
	const char *end = text + len, *panic = panic_line(text, len), *at = text;
	const char *fault = panic ? fault_line(text, panic, end) : NULL;
	const char *begin = fault ? fault : panic;

	if (len > TAIL_BYTES) {
		at = memchr(end - TAIL_BYTES, '\n', TAIL_BYTES);
		at = at && at + 1 < end ? at + 1 : end - TAIL_BYTES;
	}
	if (begin && begin < at && end - begin <= PANIC_BYTES)
		at = begin;
	else if (panic && panic < at)
		fprintf(out, "%.*s\n[...]\n", line_length(panic), panic);
	fwrite(at, 1, end - at, out);
	if (len && end[-1] != '\n')
		fputc('\n', out);
}

void lab_show_console(const struct session *s)
{
	_cleanup_free_ char *text = NULL;
	struct err ignored = { 0 };
	ssize_t n = file_load(s->console, LOG_BYTES, &text, &ignored);

	if (n <= 0)
		return;
	fprintf(stderr, "--- the end of the lab's console:\n");
	lab_console_end(text, n, stderr);
	fprintf(stderr, "---\n");
}

enum { CAUSE_BYTES = 320 };

/* A panic? Why it ended, by the console, as the agent could not announce it; "": nothing at all. */
static bool cause(const struct session *s, char why[static CAUSE_BYTES])
{
	static const char before[] = "not syncing";
	_cleanup_free_ char *text = NULL;
	struct err ignored = { 0 };
	ssize_t n = file_load(s->console, LOG_BYTES, &text, &ignored);
	const char *panic, *at;

	panic = n > 0 ? panic_line(text, n) : NULL;
	why[0] = '\0';
	if (n > 0)
		snprintf(why, CAUSE_BYTES, "%s",
			 strstr(text, "rtkvm lab agent:")
				 ? "its agent gave up"
				 : "it was switched off, restarted or killed");
	if (!panic)
		return false;
	at = strstr(panic, before);
	at = at ? at + strlen(before) : panic;
	at += strspn(at, ": ");
	snprintf(why, CAUSE_BYTES, "kernel panic: %.*s", line_length(at), at);
	return true;
}

/* QEMU's last words, without its name; its warnings about CPU features come before them. */
static char *last_line(const char *file, char *buf, size_t size)
{
	_cleanup_free_ char *text = NULL;
	struct err ignored = { 0 };
	char *at, *colon;

	buf[0] = '\0';
	if (file_load(file, LOG_BYTES, &text, &ignored) <= 0)
		return buf;
	text[strlen(text) - (text[strlen(text) - 1] == '\n')] = '\0';
	at = strrchr(text, '\n');
	at = at ? at + 1 : text;
	colon = strstr(at, ": ");
	snprintf(buf, size, "%s", colon ? colon + 2 : at);
	return buf;
}

int lab_ended(struct session *s, struct err *e)
{
	char text[300], why[CAUSE_BYTES];
	bool panicked;

	/* the agent's line may end before the last of the console is in its file */
	proc_wait(&s->m.qemu, clock_now_ns() + 5 * NSEC_PER_SEC);
	panicked = cause(s, why);
	if (!why[0])
		return err_set(e, -EIO, "starting the lab's machine failed: QEMU: %s",
			       last_line(s->log, text, sizeof(text)));
	lab_show_console(s);
	return err_set(e, panicked && s->o->retry_panic ? -EHOSTDOWN : -EIO,
		       "the lab's machine ended before the command did: %s", why);
}

/*
 * After a panic the machine restarts itself, which ends it: one that hangs on that way has panicked all
 * the same, and is tried again only by who wants that.
 */
static int hung(const struct session *s, const char *what, double seconds, const char *option,
		const char *otherwise, struct err *e)
{
	char why[CAUSE_BYTES];
	bool panicked = cause(s, why);

	return err_set(e, panicked && !s->o->retry_panic ? -EIO : -EHOSTDOWN, "%s %.6g s (%s)%s%s",
		       what, seconds, option, panicked ? ": " : "; ", panicked ? why : otherwise);
}

int lab_timed_out(const struct session *s, const struct progress *p, struct err *e)
{
	lab_show_console(s);
	if (!p->ready)
		return hung(s, "the lab did not start the command within",
			    (double)s->o->boot_timeout_ns / NSEC_PER_SEC, "--boot-timeout",
			    "is its kernel command line right?", e);
	if (clock_now_ns() < p->deadline_ns)
		return hung(s, "the emulated host hung: no sign of life for",
			    (double)s->o->silence_ns / NSEC_PER_SEC, "--silence",
			    "run it again, or with --tries", e);
	return err_set(e, -ETIMEDOUT,
		       "the command in the lab did not end within %.6g s (--timeout)",
		       (double)s->o->timeout_ns / NSEC_PER_SEC);
}

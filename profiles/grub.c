// SPDX-License-Identifier: GPL-2.0-only
#include "profiles/grub.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

static const char begin[] = "### BEGIN /etc/grub.d/";

static const char *next_line(const char *p)
{
	p += strcspn(p, "\n");
	return p + (*p == '\n');
}

/* How long the part "linux /boot/vmlinuz-..." of a kernel's line is; 0: it is another line */
static size_t kernel_length(const char *line)
{
	const char *p = line + strspn(line, " \t");

	if (strncmp(p, "linux", 5) != 0)
		return 0;
	p += strcspn(p, " \t\n");
	if (*p == '\n' || !*p)
		return 0;
	p += strspn(p, " \t");
	p += strcspn(p, " \t\n");
	return p - line;
}

/* Ubuntu has a second one, for a root on ZFS, with the same words. */
static bool is_linux(const char *script)
{
	return !strncmp(script, "10_linux ", 9) || !strncmp(script, "10_linux_zfs ", 13);
}

int grub_entries_without(const char *grub, const char *words, int *entries)
{
	bool framed = strstr(grub, begin), ours = !framed;
	int without = 0;

	*entries = 0;
	for (const char *p = grub; *p; p = next_line(p)) {
		size_t len = strcspn(p, "\n");

		if (framed && !strncmp(p, begin, strlen(begin)))
			ours = is_linux(p + strlen(begin));
		if (!ours || !kernel_length(p) || memmem(p, len, " single", 7) ||
		    memmem(p, len, " recovery", 9))
			continue;
		(*entries)++;
		without += !memmem(p, len, words, strlen(words));
	}
	return without;
}

bool grub_same_kernels(const char *a, const char *b)
{
	while (*a && *b) {
		size_t la = kernel_length(a), lb = kernel_length(b);

		if (!la && !lb) {
			la = strcspn(a, "\n");
			lb = strcspn(b, "\n");
		}
		if (la != lb || memcmp(a, b, la) != 0)
			return false;
		a = next_line(a);
		b = next_line(b);
	}
	return !*a && !*b;
}

/* The next letter or digit, in lower case, 0 at the end; a byte that is not ASCII is of a letter. */
static int next_letter(const char **p)
{
	for (; **p; (*p)++) {
		unsigned char c = **p;

		if (c >= 0x80 || isalnum(c)) {
			(*p)++;
			return tolower(c);
		}
	}
	return 0;
}

static int language_order(const char *a, const char *b)
{
	int x, y;

	do {
		x = next_letter(&a);
		y = next_letter(&b);
	} while (x && x == y);
	return x >= 0x80 || y >= 0x80 ? 0 : x - y; /* where such a letter stands, we do not know */
}

int grub_dropin_order(const char *a, const char *b)
{
	int bytes = strcmp(a, b), language = language_order(a, b);

	if ((bytes < 0 && language < 0) || (bytes > 0 && language > 0))
		return bytes;
	return 0;
}

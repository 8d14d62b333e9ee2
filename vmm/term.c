// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/term.h"

#include <unistd.h>

enum { ESCAPE = 'A' & 0x1f };

void term_open(struct term *t)
{
	struct termios raw;

	*t = (struct term){ .fd = -1 };
	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &t->saved))
		return;
	raw = t->saved;
	cfmakeraw(&raw);
	raw.c_oflag |= OPOST; /* our own messages still want carriage returns */
	if (!tcsetattr(STDIN_FILENO, TCSANOW, &raw))
		t->fd = STDIN_FILENO;
}

void term_close(struct term *t)
{
	if (t->fd >= 0)
		tcsetattr(t->fd, TCSANOW, &t->saved);
	t->fd = -1;
}

/* Ctrl-A Ctrl-A is one Ctrl-A for the guest. */
size_t term_filter(struct term *t, uint8_t *data, size_t len, bool *quit)
{
	size_t out = 0;

	for (size_t i = 0; i < len; i++) {
		if (!t->escape && data[i] == ESCAPE) {
			t->escape = true;
			continue;
		}
		if (t->escape && data[i] == 'x')
			*quit = true;
		else
			data[out++] = data[i];
		t->escape = false;
	}
	return out;
}

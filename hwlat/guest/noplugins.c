// SPDX-License-Identifier: GPL-2.0-only
/*
 * noplugins - libtraceevent asks dlopen(3) for plugins, which a static program does not have
 *
 * The linker puts this in its place (--wrap) and has no reason to warn; one that is told to say
 * nothing says nothing of functions that are missing, either.
 */
#include <stddef.h>

void *__wrap_dlopen(const char *file, int mode);

void *__wrap_dlopen(const char *file, int mode)
{
	(void)file;
	(void)mode;
	return NULL;
}

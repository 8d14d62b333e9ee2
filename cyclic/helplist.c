// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/helplist.h"

void help_begin(struct help_list *l, const char *headline, int width)
{
	*l = (struct help_list){ .width = width };
	l->f = open_memstream(&l->text, &l->size);
	if (l->f)
		fprintf(l->f, "%s:\n", headline);
}

void help_row(struct help_list *l, const char *name, const char *help)
{
	if (l->f)
		fprintf(l->f, "  %-*s%s\n", l->width, name, help);
}

char *help_end(struct help_list *l)
{
	if (!l->f)
		return NULL;
	fclose(l->f);
	return l->text;
}

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * helplist - a table's rows behind --help, for argp's help_filter at ARGP_KEY_HELP_POST_DOC
 */
#ifndef RTKVM_CYCLIC_HELPLIST_H
#define RTKVM_CYCLIC_HELPLIST_H

#include <stdio.h>

struct help_list {
	char *text;
	size_t size;
	int width; /* of the names' column */
	FILE *f; /* NULL: no memory; the rows are then left out */
};

/* help_begin - start with a headline; names get a column of that width */
void help_begin(struct help_list *l, const char *headline, int width);

/* help_row - one name with what it means */
void help_row(struct help_list *l, const char *name, const char *help);

/* help_end - the text, which argp frees; NULL without memory */
char *help_end(struct help_list *l);

#endif

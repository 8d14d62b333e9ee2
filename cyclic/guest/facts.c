// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/guest/facts.h"

#include <stdio.h>

#include "cyclic/factlist.h"
#include "lib/cleanup.h"
#include "lib/file.h"

#define FACTS_PATH "/out/guest-facts"

int facts_write(struct err *e)
{
	_cleanup_fclose_ FILE *out = fopen(FACTS_PATH, "we");
	char line[4096];

	for (size_t i = 0; out && i < n_facts; i++)
		if (file_exists(facts[i].path))
			fprintf(out, "%s:%s\n", facts[i].path,
				file_read_line(facts[i].path, line, sizeof(line)));
	return !out || fflush(out) ? err_sys(e, "writing " FACTS_PATH " failed") : 0;
}

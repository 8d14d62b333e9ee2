// SPDX-License-Identifier: GPL-2.0-only
/* A campaign file from disk, checked against this machine. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cyclic/campaign.h"
#include "lib/cleanup.h"
#include "lib/file.h"

uint64_t campaign_total_ns(const struct campaign *c)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < c->n_phases; i++)
		sum += c->phases[i].duration_ns;
	return sum;
}

int campaign_machine_read(struct campaign_machine *machine, struct err *e)
{
	machine->images = true;
	return cpulist_read(&machine->online, "/sys/devices/system/cpu/online", e);
}

int campaign_load(struct campaign **c, char **text, const char *path, FILE *out, struct err *e)
{
	_cleanup_free_ struct mistakes *m = calloc(1, sizeof(*m));
	_cleanup_free_ char *data = NULL;
	struct campaign_machine machine;
	ssize_t n = file_load(path, CAMPAIGN_FILE_BYTES, &data, e);

	*c = NULL;
	if (n < 0)
		return n;
	if (strlen(data) != (size_t)n)
		return err_set(e, -EINVAL, "reading %s failed: not a text file", path);
	if (campaign_machine_read(&machine, e) < 0)
		return e->code;
	*c = m ? campaign_new(e) : NULL;
	if (!*c)
		return err_set(e, -ENOMEM, "reading %s failed: no memory", path);
	campaign_parse(*c, data, m);
	campaign_check(*c, &machine, m);
	if (m->n) {
		mistakes_print(m, path, out);
		free(*c);
		*c = NULL;
		return err_set(e, -EINVAL, "%s has %zu mistake%s", path, m->n,
			       m->n == 1 ? "" : "s");
	}
	if (text) {
		*text = data;
		data = NULL;
	}
	return 0;
}

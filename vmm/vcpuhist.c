// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/vcpuhist.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/cleanup.h"

enum { TEXT_MAX_BYTES = 256 << 10 };

static bool has(const struct vcpuhist *h, const char *file)
{
	char path[80];

	snprintf(path, sizeof(path), "%s/%s", h->events, file);
	return tfs_has(&h->trace, path);
}

static int check_kernel(const struct vcpuhist *h, const struct vcpuhist_event *event, struct err *e)
{
	if (!has(h, "format"))
		return err_set(e, -ENOTSUP, "%s: this kernel has no event %s:%s; leave it out",
			       h->option, event->system, event->name);
	if (!has(h, "hist"))
		return err_set(e, -ENOTSUP,
			       "%s: this kernel has no hist triggers (CONFIG_HIST_TRIGGERS); "
			       "leave it out",
			       h->option);
	return 0;
}

int vcpuhist_open(struct vcpuhist *h, const struct vcpuhist_event *event, struct err *e)
{
	struct err why = { 0 };
	int ret = tfs_create(&h->trace, event->purpose, &why);

	h->option = event->option;
	if (ret < 0)
		return err_set(e, ret, "%s: %s", h->option, why.text);
	h->on = true;
	snprintf(h->events, sizeof(h->events), "events/%s/%s", event->system, event->name);
	ret = check_kernel(h, event, e);
	return ret < 0 ? ret : tfs_buffer(&h->trace, 4, e); /* nothing is recorded */
}

int vcpuhist_add(struct vcpuhist *h, const char *what, const char *filter, const pid_t *tids, int n,
		 struct err *e)
{
	_cleanup_free_ char *text = NULL;
	char path[80];
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return err_set(e, -ENOMEM, "%s: no memory", h->option);
	fprintf(f, "hist:%s if %s && (", what, filter);
	for (int i = 0; i < n; i++)
		fprintf(f, "%scommon_pid == %d", i ? " || " : "", (int)tids[i]);
	fprintf(f, ")");
	if (fclose(f))
		return err_set(e, -ENOMEM, "%s: no memory", h->option);
	snprintf(path, sizeof(path), "%s/trigger", h->events);
	return tfs_write(&h->trace, path, text, e);
}

void vcpuhist_close(struct vcpuhist *h)
{
	if (h->on)
		tfs_remove(&h->trace);
	free(h->text);
	*h = (struct vcpuhist){ 0 };
}

int vcpuhist_read(struct vcpuhist *h, struct err *e)
{
	char path[80], *text;
	int ret;

	if (!h->on)
		return 0;
	snprintf(path, sizeof(path), "%s/hist", h->events);
	ret = tfs_load(&h->trace, path, TEXT_MAX_BYTES, &text, e);
	if (ret < 0)
		return ret;
	free(h->text);
	h->text = text;
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/* tracefs - an instance's events, as libtraceevent and libtracefs read them */
#include "lib/tracefs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/file.h"

/* Formats are the same below the root and in every instance; tracers' are below the root only. */
static int load_format(const struct tfs *t, const char *file, char **text, struct err *e)
{
	char path[PATH_MAX];
	ssize_t n;

	if (!file_path(path, sizeof(path), "%s/events/%s", t->root, file))
		return err_sys(e, "reading %s failed", file);
	n = file_load(path, 1 << 20, text, e);
	return n < 0 ? n : 0;
}

static int new_tep(struct tfs *t, struct err *e)
{
	_cleanup_free_ char *page = NULL;
	int ret = load_format(t, "header_page", &page, e);

	if (ret < 0)
		return ret;
	t->tep = tep_alloc();
	if (!t->tep)
		return err_set(e, -ENOMEM, "reading event formats failed: no memory");
	tep_set_file_bigendian(t->tep, tep_is_bigendian());
	tep_set_local_bigendian(t->tep, tep_is_bigendian());
	if (tep_parse_header_page(t->tep, page, strlen(page), sizeof(long)))
		return err_set(e, -EIO, "reading %s/events/header_page failed", t->root);
	return 0;
}

/* One format, not the whole system's: kvm alone has a hundred, a second's work to parse. */
int tfs_learn(struct tfs *t, const char *system, const char *event, struct err *e)
{
	_cleanup_free_ char *format = NULL;
	char file[256];
	int ret = t->tep ? 0 : new_tep(t, e);

	snprintf(file, sizeof(file), "%s/%s/format", system, event);
	if (!ret)
		ret = load_format(t, file, &format, e);
	if (ret < 0)
		return ret;
	if (tep_parse_event(t->tep, format, strlen(format), system))
		return err_set(e, -EIO, "reading the format of the event %s:%s failed", system,
			       event);
	return 0;
}

int tfs_enable(struct tfs *t, const char *system, const char *event, const char *filter,
	       struct err *e)
{
	char file[256];
	int ret = 0;

	snprintf(file, sizeof(file), "events/%s/%s/filter", system, event);
	if (!tfs_has(t, file))
		return err_set(e, -ENOENT, "enabling the event %s:%s failed: this kernel has none",
			       system, event);
	if (filter)
		ret = tfs_write(t, file, filter, e);
	if (!ret)
		ret = tfs_learn(t, system, event, e);
	if (ret < 0)
		return ret;
	snprintf(file, sizeof(file), "events/%s/%s/enable", system, event);
	return tfs_write(t, file, "1", e);
}

/*
 * libtracefs looks for a mount of its own, and mounts tracefs for the whole machine when it finds
 * none, unless it has been told where to look.
 */
static int open_instance(struct tfs *t, struct err *e)
{
	if (tracefs_set_tracing_dir(t->root))
		return err_set(e, -ENOMEM, "opening %s failed: no memory", t->root);
	if (!t->instance)
		t->instance = tracefs_instance_alloc(t->root, strrchr(t->dir, '/') + 1);
	return t->instance ? 0 : err_sys(e, "opening the trace instance %s failed", t->dir);
}

int tfs_drain(struct tfs *t, tfs_event_fn *fn, void *ctx, struct err *e)
{
	int ret = open_instance(t, e);

	if (ret < 0)
		return ret;
	if (!t->tep)
		return err_set(e, -EINVAL, "reading trace events failed: none is enabled");
	if (tracefs_iterate_raw_events(t->tep, t->instance, NULL, 0, fn, ctx) < 0)
		return err_sys(e, "reading trace events from %s failed", t->dir);
	return 0;
}

void tfs_destroy(struct tfs *t)
{
	if (t->tep)
		tep_free(t->tep);
	if (t->instance)
		tracefs_instance_free(t->instance);
	tfs_remove(t);
}

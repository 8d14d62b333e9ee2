// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/ended.h"

#include <errno.h>
#include <string.h>

#include "lib/cleanup.h"

enum {
	INIT_FAILED = 125, /* guests/init: what it could not do is on the console */
	NOT_FOUND = 127, /* sh(1): no such program */
	USAGE = 2, /* rtkvm-sample: of one that knows no "attend" (cyclic/guest/attend.h) */
};

static int check_job(const struct ended *d, struct err *e)
{
	if (!d->status)
		return 0;
	if (d->status == NOT_FOUND)
		return err_set(e, -ENOENT,
			       "the guest has no %s (its shell ended with 127); build the image "
			       "anew: rtkvm guest build",
			       d->program);
	if (d->status == INIT_FAILED)
		return err_set(e, -EIO, "the guest's init failed; %s/console.log says why", d->dir);
	return err_set(e, -EIO, "%s ended with code %jd in the guest; see %s/console.log%s",
		       d->program, (intmax_t)d->status, d->dir,
		       d->attended && d->status == USAGE ? "; an image of an older rtkvm? build it "
							   "anew: rtkvm guest build"
							 : "");
}

int ended_check(const struct ended *d, struct err *e)
{
	static const struct {
		const char *outcome, *what;
	} rows[] = {
		{ "poweroff", "the guest powered off" },
		{ "reset", "the guest reset itself" },
		{ "panic", "the guest panicked" },
		{ "triple-fault", "the guest crashed (triple fault)" },
	};

	if (!strcmp(d->outcome, "exit"))
		return check_job(d, e);
	if (!strcmp(d->outcome, "timeout"))
		return err_set(e, -ETIMEDOUT,
			       "the guest did not end within %ju s: stopped %s; see %s/console.log",
			       (uintmax_t)d->timeout_s, d->stage, d->dir);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (!strcmp(d->outcome, rows[i].outcome))
			return err_set(e, -EIO, "%s %s; see %s/console.log", rows[i].what, d->stage,
				       d->dir);
	if (!strcmp(d->outcome, "killed"))
		return err_set(e, -EIO, "the VMM was killed by signal %d %s", d->signal, d->stage);
	return err_set(e, -EIO, "the VMM failed %s: %s", d->stage,
		       d->complaint[0] ? d->complaint : "it did not say why");
}

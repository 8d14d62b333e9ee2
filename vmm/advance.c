// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/advance.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "lib/file.h"

static const char ns_param[] = "sys/module/kvm/parameters/lapic_timer_advance_ns";
static const char bool_param[] = "sys/module/kvm/parameters/lapic_timer_advance";

/* A kernel with the boolean has decided for all VMs when it loaded kvm. */
static int check_bool(const struct advance_opts *o, int root, struct err *e)
{
	struct err ignored = { 0 };
	char text[16];

	if (knob_read(root, bool_param, text, sizeof(text), &ignored) < 0)
		return err_set(e, -ENOTSUP,
			       "--lapic-timer-advance: this kernel's kvm module has no such "
			       "parameter; leave the option out");
	if (o->mode == ADVANCE_NS)
		return err_set(e, -ENOTSUP,
			       "--lapic-timer-advance: wanted %" PRIu32 " ns, this kernel takes no "
			       "number: kvm.lapic_timer_advance is Y (it adapts itself) or N; use "
			       "auto or off",
			       o->ns);
	if (knob_same(text, o->mode == ADVANCE_AUTO ? "Y" : "N"))
		return 0;
	return err_set(
		e, -ENOTSUP,
		"--lapic-timer-advance: wanted %s, kvm.lapic_timer_advance is %s for all VMs "
		"and read-only; load kvm with lapic_timer_advance=%s",
		o->mode == ADVANCE_AUTO ? "auto" : "off", text,
		o->mode == ADVANCE_AUTO ? "Y" : "N");
}

/* Two VMs that are created at once must not get each other's value, or keep it. */
static int take_lock(struct advance *a, struct err *e)
{
	enum { TRIES = 500, STEP_MS = 10 };

	a->lock = knob_open(a->root, ns_param, O_RDONLY);
	if (a->lock < 0)
		return err_set(e, a->lock, "opening /%s failed: %s", ns_param, strerror(-a->lock));
	for (int i = 0; i < TRIES; i++) {
		if (!flock(a->lock, LOCK_EX | LOCK_NB))
			return 0;
		if (errno != EWOULDBLOCK)
			break;
		poll(NULL, 0, STEP_MS);
	}
	return err_sys(e, "locking /%s failed", ns_param);
}

/* With the lock: what a dead run left is no value to keep, and nobody else puts it back now. */
static int recover(const struct advance *a, const char *dir, struct err *e)
{
	return file_exists(dir) ? knobs_recover(a->root, dir, e) : 0;
}

static int set(struct advance *a, const struct advance_opts *o, const char *dir, struct err *e)
{
	int ret = take_lock(a, e);

	if (!ret)
		ret = recover(a, dir, e);
	if (ret < 0)
		return ret;
	snprintf(a->want, sizeof(a->want), "%d",
		 o->mode == ADVANCE_AUTO  ? -1
		 : o->mode == ADVANCE_OFF ? 0
					  : (int)o->ns);
	if (!file_path(a->journal, sizeof(a->journal), "%s/lapic-%d.knobs", dir, getpid()))
		return err_sys(e, "--lapic-timer-advance: the journal's name");
	a->knob = (struct knob){ .path = ns_param, .want = a->want };
	ret = knobs_apply(a->root, a->journal, KNOB_PROCESS, &a->knob, 1, e);
	return ret < 0 ? ret : 0;
}

int advance_begin(struct advance *a, const struct advance_opts *o, const char *root,
		  const char *dir, struct err *e)
{
	struct err later = { 0 };
	char text[16];
	int ret;

	*a = (struct advance){ .root = -1, .lock = -1 };
	if (o->mode == ADVANCE_KEEP)
		return 0;
	a->root = knob_root(root, e);
	if (a->root < 0)
		return a->root;
	ret = knob_read(a->root, ns_param, text, sizeof(text), &later);
	ret = ret < 0 ? check_bool(o, a->root, e) : set(a, o, dir, e);
	if (ret < 0)
		advance_end(a, &later);
	return ret;
}

int advance_recover(const char *root, const char *dir, struct err *e)
{
	struct advance a = { .root = -1, .lock = -1 };
	struct err ignored = { 0 };
	char text[16];
	int ret;

	if (!file_exists(dir))
		return 0;
	a.root = ret = knob_root(root, e);
	if (ret >= 0 && knob_read(a.root, ns_param, text, sizeof(text), &ignored) >= 0)
		ret = take_lock(&a, e);
	if (ret >= 0)
		ret = recover(&a, dir, e);
	advance_end(&a, &ignored);
	return ret;
}

int advance_end(struct advance *a, struct err *e)
{
	int ret = a->journal[0] ? knobs_undo(a->root, a->journal, e) : 0;

	knobs_free(&a->knob, 1);
	if (a->lock >= 0)
		close(a->lock);
	if (a->root >= 0)
		close(a->root);
	*a = (struct advance){ .root = -1, .lock = -1 };
	return ret < 0 ? ret : 0;
}

int64_t advance_read_ns(const char *debugfs, int vm_fd, int vcpu)
{
	char path[PATH_MAX], line[32];

	if (!file_path(path, sizeof(path), "%s/kvm/%d-%d/vcpu%d/lapic_timer_advance_ns", debugfs,
		       getpid(), vm_fd, vcpu))
		return -1;
	file_read_line(path, line, sizeof(line));
	return isdigit((unsigned char)line[0]) ? strtoll(line, NULL, 10) : -1;
}

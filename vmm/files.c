// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/stop.h"

/* Terminals and /dev/null take from whoever writes; the others are one stream of bytes each. */
static bool same(const struct stat *a, const struct stat *b)
{
	if ((a->st_mode & S_IFMT) != (b->st_mode & S_IFMT))
		return false;
	if (S_ISBLK(a->st_mode))
		return a->st_rdev == b->st_rdev;
	return (S_ISREG(a->st_mode) || S_ISFIFO(a->st_mode)) && a->st_dev == b->st_dev &&
	       a->st_ino == b->st_ino;
}

/* --- what is compared --- */

struct input {
	const char *option;
	struct span path;
};

static struct span whole(const char *text)
{
	return (struct span){ text, text ? strlen(text) : 0 };
}

/* Those of the command line that are read, or that the guest has for a disk. */
static int list_inputs(const struct run_opts *o, struct input list[static 3 + DEVOPTS_MAX])
{
	const struct input plain[] = {
		{ "--kernel", whole(o->boot.kernel) },
		{ "--initrd", whole(o->boot.initrd) },
		{ "--freeze", whole(o->freeze) },
	};
	int n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
		if (plain[i].path.len)
			list[n++] = plain[i];
	for (int i = 0; i < o->devices.n; i++)
		if (o->devices.at[i].kind == DEV_DISK)
			list[n++] = (struct input){ "--disk", o->devices.at[i].path };
	return n;
}

/* One that cannot be looked at is told by who opens it. */
static bool look(const struct input *in, struct stat *st)
{
	char path[PATH_MAX];

	return snprintf(path, sizeof(path), "%.*s", in->path.len, in->path.at) < PATH_MAX &&
	       !stat(path, st);
}

static int check_inputs(const struct output *x, const struct stat *st, const struct run_opts *o,
			struct err *e)
{
	struct input list[3 + DEVOPTS_MAX];
	int n = list_inputs(o, list);
	struct stat other;

	for (int i = 0; i < n; i++)
		if (look(&list[i], &other) && same(st, &other))
			return err_set(e, -EINVAL, "%s %s would overwrite %s %.*s; name another",
				       x->option, x->path, list[i].option, list[i].path.len,
				       list[i].path.at);
	return 0;
}

static int check_outputs(const struct files *f, const struct output *x, const struct stat *st,
			 struct err *e)
{
	struct stat other;

	for (const struct output *y = f->at; y < x; y++)
		if (!fstat(y->fd, &other) && same(st, &other))
			return err_set(e, -EINVAL,
				       "%s %s and %s %s are the same file; name another", y->option,
				       y->path, x->option, x->path);
	return 0;
}

static int check_disks(const struct run_opts *o, struct err *e)
{
	struct input list[3 + DEVOPTS_MAX];
	int n = list_inputs(o, list);
	struct stat a, b;

	for (int i = 0; i < n; i++)
		for (int j = i + 1; j < n; j++)
			if (!strcmp(list[i].option, "--disk") && look(&list[i], &a) &&
			    look(&list[j], &b) && same(&a, &b))
				return err_set(e, -EINVAL,
					       "--disk %.*s and --disk %.*s are the same disk; "
					       "leave one out",
					       list[i].path.len, list[i].path.at, list[j].path.len,
					       list[j].path.at);
	return 0;
}

/* --- opening --- */

enum { OPEN_FLAGS = O_WRONLY | O_CLOEXEC | O_NOCTTY, READER_STEP_MS = 10 };

/* Has open() just found that a FIFO has no reader? */
static bool lacks_reader(const char *path)
{
	struct stat st;

	return errno == ENXIO && !stat(path, &st) && S_ISFIFO(st.st_mode);
}

/* A FIFO's reader is waited for in steps: a signal that came just before open() would be lost. */
static int open_there(const char *path)
{
	int fd;

	while ((fd = open(path, OPEN_FLAGS | O_NONBLOCK)) < 0 && lacks_reader(path)) {
		if (stop_requested()) {
			errno = EINTR;
			return -1;
		}
		poll(NULL, 0, READER_STEP_MS);
	}
	if (fd >= 0 && fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* Without O_CREAT first: what is there is not ours to remove. */
static int open_path(struct output *x, struct err *e)
{
	x->fd = open_there(x->path);
	if (x->fd >= 0 || errno != ENOENT)
		return 0;
	x->fd = open(x->path, OPEN_FLAGS | O_CREAT | O_EXCL, 0644);
	x->made = x->fd >= 0;
	if (x->fd >= 0 || errno != EEXIST)
		return 0;
	return err_set(e, -ENOENT,
		       "opening %s %s failed: it is a link to nothing; name the file itself",
		       x->option, x->path);
}

static int add(struct files *f, const char *option, struct span path, const struct run_opts *o,
	       struct err *e)
{
	struct output *x = &f->at[f->n++];
	struct stat st;
	int ret = 0;

	*x = (struct output){ .option = option, .fd = -1, .path = strndup(path.at, path.len) };
	if (!x->path)
		return err_set(e, -ENOMEM, "no memory");
	if (!strcmp(x->path, "-"))
		x->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	else
		ret = open_path(x, e);
	if (ret < 0)
		return ret;
	if (x->fd < 0 || fstat(x->fd, &st))
		return err_sys(e, "opening %s %s failed", option, x->path);
	ret = check_outputs(f, x, &st, e);
	return ret < 0 ? ret : check_inputs(x, &st, o, e);
}

/* Sockets, pipes and terminals are the device's own to open: they hold nothing that could be lost. */
static int add_port(struct files *f, struct span path, const struct run_opts *o, struct err *e)
{
	const struct input in = { "--virtio-console", path };
	struct stat st;

	if (path.len == 1 && path.at[0] == '-')
		return err_set(
			e, -EINVAL,
			"--virtio-console: - is standard output, which only --console, --data "
			"and --events can have; give a file or socket, or ./- for that name");
	if (look(&in, &st) && !S_ISREG(st.st_mode))
		return 0;
	return add(f, in.option, path, o, e);
}

static int add_console(struct files *f, const struct dev_opt *d, const struct run_opts *o,
		       struct err *e)
{
	int ret = add_port(f, d->path, o, e);

	for (int i = 0; !ret && i < d->n_ports; i++)
		ret = add_port(f, d->ports[i].path, o, e);
	return ret;
}

int files_open(struct files *f, const struct run_opts *o, struct err *e)
{
	const struct input outputs[] = {
		{ "--console", whole(o->console) },
		{ "--data", whole(o->data) },
		{ "--events", whole(o->events) },
	};
	int ret = check_disks(o, e);

	for (size_t i = 0; !ret && i < ARRAY_SIZE(outputs); i++)
		if (outputs[i].path.at)
			ret = add(f, outputs[i].option, outputs[i].path, o, e);
	for (int i = 0; !ret && i < o->devices.n; i++)
		if (o->devices.at[i].kind == DEV_CONSOLE)
			ret = add_console(f, &o->devices.at[i], o, e);
	return ret;
}

int files_fd(const struct files *f, const char *option)
{
	for (int i = 0; i < f->n; i++)
		if (!strcmp(f->at[i].option, option))
			return f->at[i].fd;
	return -1;
}

int files_begin(struct files *f, struct err *e)
{
	struct stat st;

	f->begun = true;
	for (int i = 0; i < f->n; i++)
		if (strcmp(f->at[i].path, "-") != 0 && !fstat(f->at[i].fd, &st) &&
		    S_ISREG(st.st_mode) && st.st_size && ftruncate(f->at[i].fd, 0))
			return err_sys(e, "emptying %s %s failed", f->at[i].option, f->at[i].path);
	return 0;
}

/* What we made, if it is still that. */
static void unmake(const struct output *x)
{
	struct stat ours, there;

	if (x->made && !fstat(x->fd, &ours) && !lstat(x->path, &there) &&
	    ours.st_dev == there.st_dev && ours.st_ino == there.st_ino)
		unlink(x->path);
}

int files_close(struct files *f, int ret, struct err *e)
{
	for (int i = 0; i < f->n; i++) {
		struct output *x = &f->at[i];

		if (!f->begun)
			unmake(x);
		if (x->fd >= 0 && close(x->fd) && ret >= 0)
			ret = err_sys(e, "closing %s failed", x->option);
		free(x->path);
	}
	f->n = 0;
	return ret;
}

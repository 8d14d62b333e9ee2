// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/vmproc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cyclic/complaint.h"
#include "cyclic/qemu.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/ctl.h"
#include "lib/paths.h"

enum {
	DATA_MAX_BYTES = 256 << 20, /* what rtkvm run allows, too */
	LINE_MAX_BYTES = 1 << 20,
	ANSWER_MS = 30000, /* an emulated host may be slow */
	GRACE_MS = 5000, /* between the last event and the end of the process; after SIGTERM */
};

int argv_add(struct vmproc_argv *a, const char *fmt, ...)
{
	size_t room = sizeof(a->text) - a->used;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(a->text + a->used, room, fmt, args);
	va_end(args);
	if (n < 0 || (size_t)n >= room || a->n == VMPROC_ARGS - 1)
		return -E2BIG;
	a->argv[a->n++] = a->text + a->used;
	a->argv[a->n] = NULL;
	a->used += n + 1;
	return 0;
}

/* "0:2,1:3": the map says what a list could only mean */
static int add_cpus(struct vmproc_argv *a, const struct cpumap *m)
{
	char text[CPUMAP_VCPUS * 10];
	size_t used = 0;

	for (int i = 0; i < m->n; i++)
		used += snprintf(text + used, sizeof(text) - used, "%s%d:%d", i ? "," : "", i,
				 m->host[i]);
	return argv_add(a, "%s", text);
}

static int rtkvm_argv(struct vmproc_argv *a, const struct vmproc_opts *o, const char *self,
		      const struct vmproc_fds *fds)
{
	int bad = argv_add(a, "%s", self);
	char list[512];

	bad |= argv_add(a, "run") | argv_add(a, "--kernel") | argv_add(a, "%s", o->kernel);
	bad |= argv_add(a, "--initrd") | argv_add(a, "%s", o->initrd);
	bad |= argv_add(a, "--append") | argv_add(a, "%s", o->append);
	bad |= argv_add(a, "--memory") | argv_add(a, "%ju", (uintmax_t)o->memory_bytes);
	bad |= argv_add(a, "--cpus") | add_cpus(a, o->cpus);
	bad |= argv_add(a, "--console") | argv_add(a, "%s", o->console);
	bad |= argv_add(a, "--data") | argv_add(a, "/dev/fd/%d", fds->data);
	bad |= argv_add(a, "--events") | argv_add(a, "/dev/fd/%d", fds->events);
	bad |= argv_add(a, "--timeout") |
	       argv_add(a, "%jus", (uintmax_t)(o->timeout_ns / NSEC_PER_SEC));
	bad |= argv_add(a, "--ctl") | argv_add(a, "/dev/fd/%d", fds->ctl);
	if (o->hold)
		bad |= argv_add(a, "--hold");
	if (o->allow_shared)
		bad |= argv_add(a, "--allow-shared");
	else if (o->allow_tick)
		bad |= argv_add(a, "--allow-tick");
	if (!cpulist_empty(&o->ordinary))
		bad |= argv_add(a, "--ordinary") |
		       argv_add(a, "%s", cpulist_format(&o->ordinary, list, sizeof(list)));
	return bad;
}

int vmproc_argv(struct vmproc_argv *a, const struct vmproc_opts *o, const char *self,
		const struct vmproc_fds *fds, struct err *e)
{
	*a = (struct vmproc_argv){ 0 };
	if (o->kind == VMM_QEMU ? qemu_argv(a, o, fds->events, fds->data)
				: rtkvm_argv(a, o, self, fds))
		return err_set(e, -E2BIG, "starting the VMM failed: its command line is too long");
	return 0;
}

static int start(struct vmproc *v, const struct vmproc_fds *fds, struct err *e)
{
	const int keep[] = { fds->events, fds->data, fds->ctl };
	struct proc_opts po = PROC_OPTS_INIT;
	struct vmproc_argv a;
	char self[PATH_MAX];
	int ret = paths_self(self, sizeof(self), e);

	if (!ret)
		ret = vmproc_argv(&a, v->o, v->o->program ? v->o->program : self, fds, e);
	if (ret < 0)
		return ret;
	po.argv = a.argv;
	po.in = fds->in;
	po.out = fds->out;
	po.err = v->errors;
	po.keep = keep;
	po.n_keep = ARRAY_SIZE(keep) - (fds->ctl < 0);
	v->start_ns = clock_now_ns();
	return proc_start(&v->proc, &po, e);
}

/* How the guest is told to end its job: see vmproc_interrupt. */
static int make_ctl(struct vmproc *v, struct vmproc_fds *fds, struct err *e)
{
	int pair[2];

	if (v->o->kind == VMM_QEMU) {
		fds->out = open(v->o->console, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		if (fds->out < 0)
			return err_sys(e, "making %s failed", v->o->console);
	}
	if (v->o->kind == VMM_QEMU ? pipe2(pair, O_CLOEXEC)
				   : socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return err_sys(e, "starting the VMM failed");
	*(v->o->kind == VMM_QEMU ? &fds->in : &fds->ctl) = pair[0];
	v->ctl = pair[1];
	return 0;
}

/* Ours of what the VMM has inherited. */
static void close_fds(const struct vmproc_fds *fds)
{
	const int all[] = { fds->events, fds->ctl, fds->in, fds->out };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (all[i] >= 0)
			close(all[i]);
}

int vmproc_start(struct vmproc *v, const struct vmproc_opts *o, struct err *e)
{
	struct vmproc_fds fds = VMPROC_FDS_INIT;
	int pipe_fd[2], ret;

	*v = (struct vmproc){ .o = o, .events = -1, .data = -1, .errors = -1, .ctl = -1 };
	v->data = memfd_create("rtkvm-data", MFD_CLOEXEC);
	v->errors = memfd_create("rtkvm-errors", MFD_CLOEXEC);
	if (v->data < 0 || v->errors < 0 || pipe2(pipe_fd, O_CLOEXEC)) {
		ret = err_sys(e, "starting the VMM failed");
		goto fail;
	}
	v->events = pipe_fd[0];
	fds.events = pipe_fd[1];
	fds.data = v->data;
	ret = make_ctl(v, &fds, e);
	if (!ret)
		ret = start(v, &fds, e);
	close_fds(&fds);
	if (!ret)
		return 0;
fail:
	vmproc_close(v);
	return ret;
}

/* The first whole line in the buffer, as JSON; 0 when there is none yet. */
static int take_line(struct vmproc *v, json_object **event, struct err *e)
{
	char *end = v->used ? memchr(v->line, '\n', v->used) : NULL;
	size_t len;

	if (!end)
		return 0;
	*end = '\0';
	*event = json_tokener_parse(v->line);
	len = end + 1 - v->line;
	if (!json_object_is_type(*event, json_type_object)) {
		json_object_put(*event);
		return err_set(e, -EPROTO, "the VMM's event \"%.60s\" is not understood", v->line);
	}
	v->used -= len;
	memmove(v->line, v->line + len, v->used);
	return 1;
}

/* More bytes of events; 0 at their end. */
static ssize_t read_events(struct vmproc *v, struct err *e)
{
	ssize_t n;

	if (v->used == v->room) {
		size_t room = v->room ? v->room * 2 : 4096;
		char *line = room > LINE_MAX_BYTES ? NULL : realloc(v->line, room);

		if (!line)
			return err_set(e, -EPROTO, "the VMM's event is longer than %d bytes",
				       LINE_MAX_BYTES);
		v->line = line;
		v->room = room;
	}
	n = read(v->events, v->line + v->used, v->room - v->used);
	if (n < 0)
		return errno == EINTR ? 1 : err_sys(e, "reading the VMM's events failed");
	v->used += n;
	return n;
}

/* The VMM is gone, and had not said how: say it. */
static int last_words(struct vmproc *v, json_object **event, struct err *e)
{
	json_object *o;

	/* a killed VMM's children may hold the pipe open no longer than it lives */
	if (proc_wait(&v->proc, clock_now_ns() + GRACE_MS * 1000000ull) == -ETIMEDOUT)
		vmproc_stop(v);
	if (v->proc.pid)
		proc_stop(&v->proc, GRACE_MS);
	if (v->ended)
		return -ENODATA;
	v->ended = true;
	if (v->o->kind == VMM_QEMU) {
		*event = qemu_ended(v);
		return 1;
	}
	o = json_object_new_object();
	if (!o)
		return err_set(e, -ENOMEM, "reading the VMM's events failed: no memory");
	json_set_str(o, "event", "ended");
	json_set_int(o, "ns", clock_now_ns());
	json_set_str(o, "outcome", WIFSIGNALED(v->proc.status) ? "killed" : "failed");
	json_set_int(o, "status", proc_code(&v->proc));
	*event = o;
	return 1;
}

/*
 * A guest may send without end; QEMU would write it all down. What has been read and freed
 * (guestsample_take) takes no blocks, so a day's slices are not too much.
 */
static int check_data(const struct vmproc *v, struct err *e)
{
	struct stat st;

	if (!fstat(v->data, &st) && (uint64_t)st.st_blocks * 512 > DATA_MAX_BYTES)
		return err_set(e, -EFBIG, "the guest sent more than %d MiB of data",
			       DATA_MAX_BYTES >> 20);
	return 0;
}

static void note(struct vmproc *v, json_object *event)
{
	const char *name = json_str(event, "event", "");

	if (!strcmp(name, "started"))
		v->started = true;
	else if (!strcmp(name, "ended"))
		v->ended = true;
}

static int next(struct vmproc *v, json_object **event, struct err *e)
{
	if (v->o->kind == VMM_QEMU)
		return qemu_next(v, event, e);
	return take_line(v, event, e);
}

int vmproc_next(struct vmproc *v, int timeout_ms, json_object **event, struct err *e)
{
	if (v->o->kind == VMM_QEMU && !v->started && timeout_ms > 10)
		timeout_ms = 10; /* its vCPU threads are to be pinned as soon as they exist */
	for (bool polled = false;; polled = true) {
		struct pollfd fd = { .fd = v->events, .events = POLLIN };
		ssize_t n;
		int ret = check_data(v, e);

		if (!ret)
			ret = next(v, event, e);
		if (ret > 0)
			note(v, *event);
		if (ret)
			return ret;
		if (v->events < 0)
			return last_words(v, event, e);
		if (polled || poll(&fd, 1, timeout_ms) <= 0)
			return 0;
		n = read_events(v, e);
		if (n < 0)
			return n;
		if (!n) {
			close(v->events);
			v->events = -1;
		}
	}
}

static int ask(struct vmproc *v, enum ctl_command command, struct err *e)
{
	const struct ctl_request r = { .command = command };
	_cleanup_json_ json_object *reply = NULL;

	return ctl_ask(v->ctl, &r, ANSWER_MS, &reply, e);
}

int vmproc_resume(struct vmproc *v, struct err *e)
{
	struct err why = { 0 };
	int ret = v->o->kind == VMM_RTKVM && v->o->hold ? ask(v, CTL_RESUME, &why) : 0;

	/* one that has gone says how in its last event */
	return !ret || ret == -EPIPE ? 0
				     : err_set(e, ret, "starting the guest failed: %s", why.text);
}

int vmproc_interrupt(struct vmproc *v, struct err *e)
{
	static const char ctrl_c = 'C' & 0x1f;

	if (v->o->kind == VMM_RTKVM)
		return ask(v, CTL_INTERRUPT, e);
	return write(v->ctl, &ctrl_c, 1) == 1 ? 0 : err_sys(e, "telling the guest to end failed");
}

char *vmproc_complaint(const struct vmproc *v, char *buf, size_t size)
{
	return complaint(v->errors, v->o->kind == VMM_QEMU ? QEMU_PROGRAM ": " : "rtkvm run: ", buf,
			 size);
}

int vmproc_data(const struct vmproc *v, void **data, size_t *len, struct err *e)
{
	struct stat st;

	*data = NULL;
	*len = 0;
	if (fstat(v->data, &st))
		return err_sys(e, "reading the guest's data failed");
	if (!st.st_size)
		return 0;
	*data = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, v->data, 0);
	if (*data == MAP_FAILED)
		return err_sys(e, "reading the guest's data failed");
	*len = st.st_size;
	return 0;
}

void vmproc_stop(struct vmproc *v)
{
	proc_stop(&v->proc, GRACE_MS);
}

void vmproc_close(struct vmproc *v)
{
	int fds[] = { v->events, v->data, v->errors, v->ctl };

	vmproc_stop(v);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	free(v->line);
	json_object_put(v->vcpus);
	*v = (struct vmproc){ .events = -1, .data = -1, .errors = -1, .ctl = -1 };
}

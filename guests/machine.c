// SPDX-License-Identifier: GPL-2.0-only
#include "guests/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "guests/renew.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/stop.h"

enum { POLL_MS = 250 };

/*
 * PREEMPT_RT kernels load KVM only where the CPU has a constant TSC, which the emulation cannot
 * offer; a kernel that takes the machine for VMware sets that flag by itself (arch/x86/kernel/cpu/
 * vmware.c): hence vmport, the SMBIOS names and -hypervisor.
 */
static const char *const fixed[] = {
	"qemu-system-x86_64",
	"-name",
	"rtkvm-lab",
	"-no-user-config",
	"-nodefaults",
	"-no-reboot",
	"-display",
	"none",
	"-machine",
	"q35,vmport=on",
	"-accel",
	"tcg,thread=multi",
	"-cpu",
	"EPYC,-hypervisor,+svm,+npt",
	"-smbios",
	"type=1,manufacturer=VMware,serial=VMware-56 4d",
	"-serial",
	"chardev:console",
	"-device",
	"virtio-serial-pci,max_ports=2",
	"-device",
	"virtserialport,chardev=lab,name=" LAB_PORT,
	NULL,
};

/* QEMU splits its option values at commas; a doubled one is a comma. */
static void add_path(struct args *a, const char *before, const char *path, const char *after)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f) {
		a->failed = true;
		return;
	}
	fputs(before, f);
	for (; *path; path++)
		fprintf(f, *path == ',' ? ",," : "%c", *path);
	fputs(after, f);
	if (fclose(f))
		a->failed = true;
	else
		args_add(a, "%s", text);
	free(text);
}

static void add_share(struct args *a, const struct machine_share *s)
{
	char before[96];

	snprintf(before, sizeof(before),
		 "local,id=%s,security_model=none,multidevs=remap%s,path=", s->tag,
		 s->writable ? "" : ",readonly=on");
	args_add(a, "-fsdev");
	add_path(a, before, s->path, "");
	args_add(a, "-device");
	args_add(a, "virtio-9p-pci,fsdev=%s,mount_tag=%s", s->tag, s->tag);
}

void machine_command(struct args *a, const struct machine_config *c, int channel, int stub)
{
	args_add_all(a, fixed);
	args_add(a, "-smp");
	args_add(a, "%u", c->cpus);
	args_add(a, "-m");
	args_add(a, "%" PRIu64 "M", c->mem_bytes >> 20);
	args_add(a, "-kernel");
	args_add(a, "%s", c->kernel);
	args_add(a, "-initrd");
	args_add(a, "%s", c->initrd);
	args_add(a, "-append");
	args_add(a, "%s", c->cmdline);
	args_add(a, "-chardev");
	add_path(a, "file,id=console,path=", c->console, "");
	args_add(a, "-chardev");
	args_add(a, "socket,id=lab,fd=%d", channel);
	args_add(a, "-chardev");
	args_add(a, "socket,id=gdb,server=on,wait=off,fd=%d", stub);
	args_add(a, "-gdb");
	args_add(a, "chardev:gdb");
	for (size_t i = 0; i < c->n_shares; i++)
		add_share(a, &c->shares[i]);
	if (c->disk) {
		args_add(a, "-drive");
		add_path(a, "if=virtio,format=raw,cache=unsafe,file=", c->disk,
			 c->keep_disk ? "" : ",snapshot=on");
	}
	if (c->monitor) {
		args_add(a, "-monitor");
		add_path(a, "unix:", c->monitor, ",server=on,wait=off");
	}
}

/* The directory's own path may be too long for a socket's address. */
static struct sockaddr_un stub_address(const struct machine *m)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/gdb", m->dir);
	return a;
}

static int listen_stub(struct machine *m, const char *dir, struct err *e)
{
	struct sockaddr_un a;
	int fd;

	m->dir = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (m->dir < 0)
		return err_sys(e, "opening %s failed", dir);
	a = stub_address(m);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && !bind(fd, (struct sockaddr *)&a, sizeof(a)) && !listen(fd, 1))
		return fd;
	err_sys(e, "making the socket of QEMU's gdb stub failed");
	if (fd >= 0)
		close(fd);
	return e->code;
}

int machine_start(struct machine *m, const struct machine_config *c, struct err *e)
{
	_cleanup_close_ int log = -1, channel = -1, stub = -1;
	_cleanup_args_ struct args a = { 0 };
	struct proc_opts o = PROC_OPTS_INIT;
	int ends[2], ret;

	*m = (struct machine){ .channel = -1, .dir = -1 };
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return err_sys(e, "making the channel to the machine failed");
	m->channel = ends[0];
	channel = ends[1];
	ret = stub = listen_stub(m, c->dir, e);
	if (ret < 0)
		goto fail;
	log = open(c->log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (log < 0) {
		ret = err_sys(e, "writing %s failed", c->log);
		goto fail;
	}
	machine_command(&a, c, channel, stub);
	ret = args_check(&a, e);
	if (ret < 0)
		goto fail;
	o.argv = a.v;
	o.out = o.err = log;
	o.keep = (int[]){ channel, stub };
	o.n_keep = 2;
	ret = proc_start(&m->qemu, &o, e);
	if (!ret)
		return 0;
fail:
	machine_stop(m);
	return ret;
}

void machine_stop(struct machine *m)
{
	proc_stop(&m->qemu, 0); /* nothing in it is worth a slow end: its disk is a snapshot */
	if (m->channel >= 0)
		close(m->channel);
	if (m->dir >= 0)
		close(m->dir);
	m->channel = m->dir = -1;
}

int machine_renew(struct machine *m, struct err *e)
{
	/* a QEMU that was stopped takes no more connections than fit its queue */
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un a = stub_address(m);

	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)))
		return err_sys(e, "connecting to QEMU's gdb stub failed");
	return renew_code(fd, e);
}

static int wait_readable(int fd, int other, uint64_t deadline_ns)
{
	for (;;) {
		struct pollfd p[] = { { .fd = fd, .events = POLLIN },
				      { .fd = other, .events = POLLIN } };
		uint64_t now = clock_now_ns(), left_ms = 0;
		int n;

		if (stop_requested())
			return -EINTR;
		/* no longer than this: a signal just before poll must not be slept over */
		if (now < deadline_ns)
			left_ms = (deadline_ns - now) / 1000000 + 1;
		/* too late or not, what is there is taken: it is we who may have slept */
		n = poll(p, 2, left_ms < POLL_MS ? left_ms : POLL_MS);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0 && p[0].revents)
			return 0;
		if (n > 0)
			return -EAGAIN;
		if (!left_ms)
			return -ETIMEDOUT;
	}
}

/* The part of the frame that begins after start bytes of it, as far as it is not there yet. */
static int read_part(struct machine *m, uint64_t deadline_ns, void *to, size_t start, size_t len)
{
	while (m->got < start + len) {
		int ret = wait_readable(m->channel, -1, deadline_ns);
		ssize_t n;

		if (ret < 0)
			return ret;
		n = read(m->channel, (char *)to + m->got - start, start + len - m->got);
		if (!n || (n < 0 && errno == ECONNRESET))
			return -EPIPE;
		if (n > 0)
			m->got += n;
		else if (errno != EINTR)
			return -errno;
	}
	return 0;
}

int machine_receive(struct machine *m, uint64_t deadline_ns, int other, struct lab_frame *h,
		    void *data, struct err *e)
{
	int ret = m->got ? 0 : wait_readable(m->channel, other, deadline_ns);

	if (!ret)
		ret = read_part(m, deadline_ns, &m->head, 0, sizeof(m->head));
	if (ret < 0)
		return ret;
	if (m->head.len > LAB_FRAME_MAX)
		return err_set(e, -EPROTO,
			       "the lab's agent sent a frame of %u bytes; at most %d "
			       "are allowed",
			       m->head.len, LAB_FRAME_MAX);
	ret = read_part(m, deadline_ns, data, sizeof(m->head), m->head.len);
	if (ret < 0)
		return ret;
	*h = m->head;
	m->got = 0;
	return 0;
}

int machine_send(struct machine *m, enum lab_type type, const void *data, uint32_t len,
		 struct err *e)
{
	struct lab_frame h = { .type = type, .len = len };

	if (send(m->channel, &h, sizeof(h), MSG_NOSIGNAL) != sizeof(h) ||
	    send(m->channel, data, len, MSG_NOSIGNAL) != (ssize_t)len)
		return err_sys(e, "talking to the lab's agent failed");
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/* lab_run - start the machine, pass on what its command prints, end with its exit code */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "guests/disk.h"
#include "guests/home.h"
#include "guests/lab_session.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/tscpoint.h"

enum { OFF_SECONDS = 120 };

/*
 * Always there: a console to look at, an end instead of a hang after a panic, and no detours around what
 * a CPU speculates, which an emulated one does not (a sixth of a guest's start).
 */
#define BASE_CMDLINE "console=ttyS0 panic=-1 mitigations=off"

char *lab_default_cmdline(unsigned int cpus, char *buf, size_t size)
{
	buf[0] = '\0';
	if (cpus > 2)
		snprintf(buf, size,
			 "isolcpus=managed_irq,domain,2-%u nohz_full=2-%u rcu_nocbs=2-%u "
			 "irqaffinity=0-1",
			 cpus - 1, cpus - 1, cpus - 1);
	return buf;
}

static int kernel_cmdline(const struct session *s, char *buf, size_t size, struct err *e)
{
	char image[2048] = "", isolation[256];
	const char *text = s->o->cmdline ? s->o->cmdline : "";
	uint64_t khz = tsc_measured_hz() / 1000;

	if (s->o->cmdline_from_image) {
		int ret = disk_cmdline(s->disk, image, sizeof(image), e);

		if (ret < 0)
			return ret;
	} else if (!s->o->cmdline) {
		text = lab_default_cmdline(s->o->cpus, isolation, sizeof(isolation));
	}
	/*
	 * The emulator hands our TSC on, but emulates the timers that the kernel would measure it by:
	 * on a busy machine that goes wrong by a factor, and no clock in there is right then.
	 */
	if (!khz)
		return err_set(e, -EIO,
			       "measuring the rate of the time-stamp counter failed: "
			       "CLOCK_MONOTONIC_RAW stands still");
	if (!file_path(buf, size, "%s tsc_early_khz=%" PRIu64 " %s %s", BASE_CMDLINE, khz, image,
		       text))
		return err_set(e, -E2BIG, "the lab's kernel command line is too long");
	return 0;
}

/* Ctrl-C and the rest go to the machine's shell, which has a terminal of its own. */
static void enter_terminal(struct session *s, struct progress *p)
{
	struct termios raw;

	p->interactive = true;
	p->input = STDIN_FILENO;
	if (s->raw || tcgetattr(STDIN_FILENO, &s->terminal))
		return;
	raw = s->terminal;
	cfmakeraw(&raw);
	s->raw = !tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

static void leave_terminal(struct session *s)
{
	if (s->raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &s->terminal);
	s->raw = false;
}

static int send_size(struct session *s, struct err *e)
{
	struct winsize w;

	if (!s->raw || ioctl(STDIN_FILENO, TIOCGWINSZ, &w) ||
	    (w.ws_row == s->size.rows && w.ws_col == s->size.columns))
		return 0;
	s->size = (struct lab_size){ .rows = w.ws_row, .columns = w.ws_col };
	return machine_send(&s->m, LAB_SIZE, &s->size, sizeof(s->size), e);
}

/* The end of a file or pipe is what Ctrl-D is on a terminal. */
static int forward_input(struct session *s, struct progress *p, struct err *e)
{
	char buf[4096];
	ssize_t n = read(p->input, buf, sizeof(buf));

	if (n < 0 && errno == EINTR)
		return 0;
	if (n <= 0) {
		p->input = -1;
		buf[0] = 4;
		n = 1;
	}
	return send_size(s, e) < 0 ? e->code : machine_send(&s->m, LAB_INPUT, buf, n, e);
}

static int on_ready(struct session *s, struct progress *p, struct err *e)
{
	p->ready = true;
	p->deadline_ns = s->o->timeout_ns ? clock_now_ns() + s->o->timeout_ns : UINT64_MAX;
	if (s->o->action != LAB_SHELL)
		return 0;
	enter_terminal(s, p);
	return send_size(s, e);
}

/* With --keep the agent opens a shell after the command, and tells that one's end as well. */
static int on_exit_code(struct session *s, struct progress *p, const void *data, uint32_t len,
			struct err *e)
{
	uint32_t code;

	if (len != sizeof(code))
		return err_set(e, -EPROTO, "the lab's agent sent an exit code of %u bytes", len);
	memcpy(&code, data, sizeof(code));
	if (p->code >= 0)
		return p->code;
	p->code = code & 0xff;
	if (!s->o->keep || p->interactive)
		return p->code;
	fprintf(stderr, "rtkvm lab: exit code %d; the machine is kept, this is a shell in it\n",
		p->code);
	p->deadline_ns = UINT64_MAX;
	enter_terminal(s, p);
	return send_size(s, e) < 0 ? e->code : -EAGAIN;
}

/* -EAGAIN: go on; else the command's exit code or an error */
static int handle_frame(struct session *s, struct progress *p, const struct lab_frame *h,
			const void *data, struct err *e)
{
	int out = h->type == LAB_ERR ? STDERR_FILENO : STDOUT_FILENO;

	switch (h->type) {
	case LAB_READY:
		return on_ready(s, p, e) < 0 ? e->code : -EAGAIN;
	case LAB_OUT:
	case LAB_ERR:
		if (file_write_all(out, data, h->len) < 0)
			return err_sys(e, "passing on the command's output failed");
		return -EAGAIN;
	case LAB_ALIVE:
		return -EAGAIN;
	case LAB_EXIT:
		return on_exit_code(s, p, data, h->len, e);
	case LAB_FAIL:
		lab_show_console(s);
		return err_set(e, -EIO, "the lab's agent could not run the command: %.*s",
			       (int)h->len, (const char *)data);
	}
	return err_set(e, -EPROTO, "the lab's agent sent a frame of unknown type %u", h->type);
}

static int serve(struct session *s, struct err *e)
{
	_cleanup_free_ char *data = malloc(LAB_FRAME_MAX);
	struct progress p = { .heard_ns = clock_now_ns(), .input = -1, .code = -1 };
	int ret = -EAGAIN;

	if (!data)
		return err_set(e, -ENOMEM, "running the lab failed: no memory");
	p.deadline_ns = p.heard_ns + s->o->boot_timeout_ns;
	while (ret == -EAGAIN) {
		struct lab_frame h;

		ret = machine_receive(&s->m, lab_next_look(s, &p), p.input, &h, data, e);
		if (ret == -EAGAIN) {
			ret = forward_input(s, &p, e) < 0 ? e->code : -EAGAIN;
		} else if (ret == -ETIMEDOUT) {
			ret = lab_look(s, &p);
		} else if (!ret) {
			ret = handle_frame(s, &p, &h, data, e);
			lab_heard(s, &p);
		}
	}
	leave_terminal(s);
	if (ret == -EPIPE)
		return p.code >= 0 ? p.code : lab_ended(s, e);
	if (ret == -ETIMEDOUT)
		return lab_timed_out(s, &p, e);
	if (ret == -EINTR)
		return err_set(e, ret, "interrupted");
	return ret;
}

/* A kept disk has to be unmounted: the agent has told systemd to switch off. */
static int wait_off(struct session *s, struct err *e)
{
	int ret = proc_wait(&s->m.qemu, clock_now_ns() + OFF_SECONDS * NSEC_PER_SEC);

	if (ret == -EINTR)
		return err_set(e, ret,
			       "interrupted while the lab was being switched off; its "
			       "disk may need a check");
	if (ret < 0) {
		lab_show_console(s);
		return err_set(e, -ETIMEDOUT,
			       "the lab did not switch off within %d s; its disk may need a check",
			       OFF_SECONDS);
	}
	return 0;
}

static int find_disk(struct session *s, struct err *e)
{
	int ret;

	if (s->o->flavour != LAB_FULL)
		return 0;
	if (!s->o->disk)
		return disk_find(s->disk, e);
	ret = file_exists(s->o->disk) ? 0 : disk_copy(s->o->disk, e);
	if (!ret && !file_path(s->disk, sizeof(s->disk), "%s", s->o->disk))
		ret = err_sys(e, "opening %s failed", s->o->disk);
	return ret;
}

static int write_pid_file(const struct session *s, struct err *e)
{
	char text[16];

	if (!s->o->pid_file)
		return 0;
	snprintf(text, sizeof(text), "%d\n", s->m.qemu.pid);
	return file_replace(s->o->pid_file, text, strlen(text), e);
}

static int start(struct session *s, struct err *e)
{
	char initrd[PATH_MAX], cmdline[4096];
	struct machine_config c = {
		.kernel = s->setup.kernel.elf,
		.initrd = initrd,
		.cmdline = cmdline,
		.cpus = s->o->cpus,
		.mem_bytes = s->o->mem_bytes,
		.disk = s->o->flavour == LAB_FULL ? s->disk : NULL,
		.keep_disk = s->o->disk,
		.shares = s->setup.shares,
		.dir = s->dir.path,
		.console = s->console,
		.log = s->log,
		.monitor = s->o->monitor,
	};
	int ret = find_disk(s, e);

	if (!ret)
		ret = kernel_cmdline(s, cmdline, sizeof(cmdline), e);
	if (ret < 0)
		return ret;
	if (!file_path(initrd, sizeof(initrd), "%s/initrd", s->dir.path) ||
	    !file_path(s->log, sizeof(s->log), "%s/qemu.log", s->dir.path) ||
	    !file_path(s->console, sizeof(s->console), s->o->console ? "%s" : "%s/console.log",
		       s->o->console ? s->o->console : s->dir.path))
		return err_sys(e, "starting the lab failed");
	ret = lab_setup_initrd(&s->setup, initrd, e);
	if (ret < 0)
		return ret;
	c.n_shares = s->setup.n_shares;
	ret = machine_start(&s->m, &c, e);
	return ret < 0 ? ret : write_pid_file(s, e);
}

static void stop(struct session *s)
{
	bool ran = s->m.qemu.pid || s->log[0];

	machine_stop(&s->m);
	if (ran && s->o->pid_file)
		unlink(s->o->pid_file);
	if (ran && s->o->monitor)
		unlink(s->o->monitor);
	lab_setup_free(&s->setup);
	rundir_remove(&s->dir);
}

static int run_once(const struct lab_options *o, struct err *e)
{
	_cleanup_free_ struct session *s = calloc(1, sizeof(*s));
	int ret;

	if (!s)
		return err_set(e, -ENOMEM, "running the lab failed: no memory");
	s->o = s->setup.o = o;
	s->m.channel = s->m.dir = -1;
	ret = lab_kernel(&s->setup.kernel, o->kernel, e);
	if (!ret)
		ret = rundir_create(&s->dir, e);
	if (ret < 0)
		return ret;
	s->setup.dir = s->dir.path;
	ret = start(s, e);
	if (!ret)
		ret = serve(s, e);
	if (ret >= 0 && o->disk && wait_off(s, e) < 0)
		ret = e->code;
	stop(s);
	return ret;
}

int lab_run(const struct lab_options *o, struct err *e)
{
	int ret = run_once(o, e);

	for (unsigned int n = 1; ret == -EHOSTDOWN && n < o->tries; n++) {
		fprintf(stderr, "rtkvm lab: %s: another machine is tried\n", e->text);
		err_clear(e);
		ret = run_once(o, e);
	}
	return ret;
}

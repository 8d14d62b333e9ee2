// SPDX-License-Identifier: GPL-2.0-only
/* lab_run - start the machine, pass on what its command prints, end with its exit code */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "guests/home.h"
#include "guests/lab.h"
#include "guests/machine.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/paths.h"

enum { MAX_MACHINE_SHARES = LAB_SHARES + 8, TAIL_BYTES = 3000 };

struct session {
	const struct lab_options *o;
	struct rundir dir;
	struct kernel kernel;
	struct machine m;
	struct machine_share shares[MAX_MACHINE_SHARES];
	size_t n_shares;
	char support[PATH_MAX], results[PATH_MAX], modules[PATH_MAX], disk[PATH_MAX];
	char share_paths[LAB_SHARES][PATH_MAX];
	char console[PATH_MAX];
	FILE *order; /* records for the agent (lab/proto.h) while they are collected */
	char *order_text;
	size_t order_len;
};

static void record(struct session *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void record(struct session *s, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vfprintf(s->order, fmt, args);
	va_end(args);
	fputc('\0', s->order);
}

/* One 9p share: QEMU's side and the agent's. */
static void share(struct session *s, const char *tag, const char *path, const char *at,
		  bool writable)
{
	s->shares[s->n_shares++] =
		(struct machine_share){ .tag = tag, .path = path, .writable = writable };
	record(s, "share %s %s %s", tag, writable ? "rw" : "ro", at);
}

static int check_dir(const char *path, struct err *e)
{
	struct stat st;

	if (stat(path, &st))
		return err_sys(e, "sharing %s with the lab failed", path);
	if (!S_ISDIR(st.st_mode))
		return err_set(e, -ENOTDIR, "sharing %s with the lab failed: not a directory",
			       path);
	return 0;
}

static int user_shares(struct session *s, struct err *e)
{
	static const char *const tags[LAB_SHARES] = { "share0", "share1", "share2", "share3",
						      "share4", "share5", "share6", "share7" };

	for (size_t i = 0; i < s->o->n_shares; i++) {
		int ret;

		if (!realpath(s->o->shares[i], s->share_paths[i]))
			return err_sys(e, "sharing %s with the lab failed", s->o->shares[i]);
		ret = check_dir(s->share_paths[i], e);
		if (ret < 0)
			return ret;
		share(s, tags[i], s->share_paths[i], s->share_paths[i], false);
	}
	return 0;
}

/* Without --results there is a directory all the same: the command need not know the difference. */
static int results_share(struct session *s, struct err *e)
{
	int ret = 0;

	if (s->o->results) {
		ret = file_mkdirs(s->o->results, e);
		if (!ret && !realpath(s->o->results, s->results))
			ret = err_sys(e, "finding %s failed", s->o->results);
	} else if (file_path(s->results, sizeof(s->results), "%s/results", s->dir.path)) {
		ret = file_mkdirs(s->results, e);
	}
	if (ret < 0)
		return ret;
	share(s, "results", s->results, LAB_RESULTS, true);
	record(s, "env RTKVM_RESULTS=%s", LAB_RESULTS);
	return 0;
}

/* The directory paths_support() searches: what it finds here it finds in the machine too. */
static int support_share(struct session *s, struct err *e)
{
	int ret = paths_support(s->support, sizeof(s->support), "guests/lab-agent", e);

	if (ret < 0)
		return ret;
	s->support[strlen(s->support) - strlen("/guests/lab-agent")] = '\0';
	share(s, "support", s->support, LAB_SUPPORT, false);
	return 0;
}

static int modules_share(struct session *s, struct err *e)
{
	if (!file_path(s->modules, sizeof(s->modules), "%s/lib/modules", s->kernel.tree))
		return err_sys(e, "sharing the modules failed");
	share(s, "modules", s->modules, "/lib/modules", false);
	return 0;
}

/*
 * The fast flavour's root: /usr is this machine's; /lib is a directory of links into it, because
 * the kernel's modules have to appear below it; /etc is what the C library and dash ask for.
 */
static int fast_root(struct session *s, struct cpio *c, struct err *e)
{
	static const struct {
		const char *name, *target;
	} links[] = {
		{ "bin", "usr/bin" },
		{ "sbin", "usr/sbin" },
		{ "lib64", "usr/lib64" },
		{ "etc/mtab", "/proc/self/mounts" },
	};
	static const char passwd[] = "root:x:0:0:root:/root:/bin/bash\n"
				     "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
	static const char group[] = "root:x:0:\ntty:x:5:\nkvm:x:104:\nnogroup:x:65534:\n";
	struct dirent *d;
	DIR *dir;
	int ret = 0;

	for (size_t i = 0; i < ARRAY_SIZE(links) && !ret; i++)
		ret = cpio_link(c, links[i].name, links[i].target, e);
	if (!ret)
		ret = cpio_data(c, "etc/passwd", 0644, passwd, strlen(passwd), e);
	if (!ret)
		ret = cpio_data(c, "etc/group", 0644, group, strlen(group), e);
	if (!ret)
		ret = cpio_file(c, "etc/ld.so.cache", 0644, "/etc/ld.so.cache", e);
	if (ret < 0)
		return ret;
	dir = opendir("/usr/lib");
	if (!dir)
		return err_sys(e, "reading /usr/lib failed");
	while (!ret && (d = readdir(dir))) {
		char name[300], target[300];

		if (d->d_name[0] == '.' || !strcmp(d->d_name, "modules"))
			continue;
		snprintf(name, sizeof(name), "lib/%s", d->d_name);
		snprintf(target, sizeof(target), "/usr/lib/%s", d->d_name);
		ret = cpio_link(c, name, target, e);
	}
	closedir(dir);
	share(s, "usr", "/usr", "/usr", false);
	share(s, "alternatives", "/etc/alternatives", "/etc/alternatives", false);
	return ret;
}

static void module_order(void *ctx, const char *path)
{
	record(ctx, "module /%s", path);
}

static void command_records(struct session *s)
{
	const struct lab_options *o = s->o;
	const char *term = getenv("TERM");

	record(s, "flavour %s", o->flavour == LAB_FAST ? "fast" : "full");
	record(s, "env PATH=" LAB_BIN ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:"
		  "/bin");
	record(s, "env HOME=/root");
	record(s, "env LANG=C.UTF-8");
	record(s, "env TERM=%s", term ? term : "dumb");
	record(s, "env RTKVM_LAB=%s", o->flavour == LAB_FAST ? "fast" : "full");
	if (o->n_shares)
		record(s, "env RTKVM_SHARE=%s", s->share_paths[0]);
	if (o->disk)
		record(s, "off yes");
	if (o->action == LAB_SHELL) {
		record(s, "tty yes");
		record(s, "arg /bin/bash");
		record(s, "arg -l");
	}
	for (char **arg = o->argv; o->action != LAB_SHELL && *arg; arg++)
		record(s, "arg %s", *arg);
}

static int collect_initrd(struct session *s, struct cpio *c, struct err *e)
{
	static const char *const base[] = { "virtio_pci", "virtio_console", "9pnet_virtio",
					    "9p",	  "kvm_amd",	    NULL };
	static const char *const disk[] = { "virtio_blk", "crc32c_generic", "ext4", NULL };
	char path[PATH_MAX];
	int ret = kernel_add_modules(&s->kernel, base, c, module_order, s, e);

	if (!ret && s->o->flavour == LAB_FULL)
		ret = kernel_add_modules(&s->kernel, disk, c, module_order, s, e);
	if (!ret)
		ret = paths_support(path, sizeof(path), "guests/lab-agent", e);
	if (!ret)
		ret = cpio_file(c, "init", 0755, path, e);
	if (!ret)
		ret = paths_self(path, sizeof(path), e);
	if (!ret)
		ret = cpio_file(c, "rtkvm/rtkvm", 0755, path, e);
	if (!ret && s->o->flavour == LAB_FAST)
		ret = fast_root(s, c, e);
	if (!ret)
		ret = modules_share(s, e);
	if (!ret)
		ret = support_share(s, e);
	if (!ret)
		ret = results_share(s, e);
	if (!ret)
		ret = user_shares(s, e);
	return ret;
}

static int write_initrd(struct session *s, const char *path, struct err *e)
{
	_cleanup_cpio_ struct cpio c = { 0 };
	_cleanup_close_ int fd = -1;
	int ret;

	s->order = open_memstream(&s->order_text, &s->order_len);
	if (!s->order)
		return err_sys(e, "writing the lab's order failed");
	ret = collect_initrd(s, &c, e);
	if (!ret)
		command_records(s);
	if (fclose(s->order) && !ret)
		ret = err_sys(e, "writing the lab's order failed");
	if (!ret)
		ret = cpio_data(&c, LAB_ORDER + 1, 0644, s->order_text, s->order_len, e);
	if (!ret)
		ret = cpio_dir(&c, "dev", 0755, e);
	if (ret < 0)
		return ret;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "writing %s failed", path);
	return cpio_write(&c, fd, e);
}

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

static void show_tail(const struct session *s, const char *file, const char *what)
{
	_cleanup_free_ char *text = NULL;
	struct err ignored = { 0 };
	ssize_t n = file_load(file, 64 << 20, &text, &ignored);
	const char *at;

	(void)s;
	if (n <= 0)
		return;
	at = n > TAIL_BYTES ? strchr(text + n - TAIL_BYTES, '\n') : text;
	fprintf(stderr, "--- the end of %s:\n%s%s---\n", what, at ? at : text,
		text[n - 1] == '\n' ? "" : "\n");
}

/* What the console says about an end that the agent could not announce. */
static const char *cause(const struct session *s)
{
	_cleanup_free_ char *text = NULL;
	struct err ignored = { 0 };

	if (file_load(s->console, 64 << 20, &text, &ignored) <= 0)
		return "it printed nothing on its console";
	if (strstr(text, "Kernel panic - not syncing"))
		return "kernel panic";
	if (strstr(text, "rtkvm lab agent:"))
		return "the agent in it gave up";
	return "it went off or restarted";
}

struct progress {
	bool ready;
	uint64_t deadline_ns;
};

static int machine_ended(struct session *s, struct err *e)
{
	char log[PATH_MAX], text[300] = "";

	proc_wait(&s->m.qemu, clock_now_ns() + 5 * NSEC_PER_SEC);
	if (file_path(log, sizeof(log), "%s/qemu.log", s->dir.path))
		file_read_line(log, text, sizeof(text));
	if (proc_code(&s->m.qemu) && *text && access(s->console, F_OK))
		return err_set(e, -EIO, "starting the lab failed: %s", text);
	show_tail(s, s->console, "the lab's console");
	return err_set(e, -EIO, "the lab's machine ended before the command did: %s", cause(s));
}

static int timed_out(struct session *s, const struct progress *p, struct err *e)
{
	uint64_t limit_ns = p->ready ? s->o->timeout_ns : s->o->boot_timeout_ns;

	show_tail(s, s->console, "the lab's console");
	return err_set(e, -ETIMEDOUT,
		       p->ready ? "the command in the lab did not end within %.6g s (--timeout)"
				: "the lab did not start the command within %.6g s; is its command "
				  "line right? (--boot-timeout)",
		       (double)limit_ns / NSEC_PER_SEC);
}

static int handle_frame(struct session *s, struct progress *p, const struct lab_frame *h,
			const void *data, struct err *e)
{
	uint32_t code;

	switch (h->type) {
	case LAB_READY:
		p->ready = true;
		p->deadline_ns = s->o->timeout_ns ? clock_now_ns() + s->o->timeout_ns : UINT64_MAX;
		return -EAGAIN;
	case LAB_OUT:
		fflush(stdout);
		file_write_all(STDOUT_FILENO, data, h->len);
		return -EAGAIN;
	case LAB_ERR:
		file_write_all(STDERR_FILENO, data, h->len);
		return -EAGAIN;
	case LAB_EXIT:
		if (h->len != sizeof(code))
			break;
		memcpy(&code, data, sizeof(code));
		return code & 0xff;
	case LAB_FAIL:
		return err_set(e, -EIO, "the lab's agent could not run the command: %.*s",
			       (int)h->len, (const char *)data);
	}
	return err_set(e, -EPROTO, "the lab's agent sent a frame of unknown type %u", h->type);
}

static int forward_input(struct session *s, struct err *e)
{
	char buf[4096];
	ssize_t n = read(STDIN_FILENO, buf, sizeof(buf));

	return n > 0 ? machine_send(&s->m, LAB_INPUT, buf, n, e) : 0;
}

static int serve(struct session *s, struct err *e)
{
	_cleanup_free_ char *data = malloc(LAB_FRAME_MAX);
	struct progress p = { .deadline_ns = clock_now_ns() + s->o->boot_timeout_ns };
	int ret = -EAGAIN;

	if (!data)
		return err_set(e, -ENOMEM, "running the lab failed: no memory");
	while (ret == -EAGAIN) {
		int input = p.ready && s->o->action == LAB_SHELL ? STDIN_FILENO : -1;
		struct lab_frame h;

		ret = machine_receive(&s->m, p.deadline_ns, input, &h, data, e);
		if (ret == -EAGAIN)
			ret = forward_input(s, e) < 0 ? e->code : -EAGAIN;
		else if (!ret)
			ret = handle_frame(s, &p, &h, data, e);
	}
	if (ret == -EPIPE)
		return machine_ended(s, e);
	if (ret == -ETIMEDOUT)
		return timed_out(s, &p, e);
	if (ret == -EINTR)
		return err_set(e, ret, "interrupted");
	return ret;
}

static int start(struct session *s, struct err *e)
{
	char initrd[PATH_MAX], log[PATH_MAX], isolation[256], cmdline[2048];
	struct machine_config c = { .kernel = s->kernel.image,
				    .initrd = initrd,
				    .cmdline = cmdline,
				    .cpus = s->o->cpus,
				    .mem_bytes = s->o->mem_bytes,
				    .console = s->console,
				    .log = log,
				    .monitor = s->o->monitor };
	int ret;

	if (!file_path(initrd, sizeof(initrd), "%s/initrd", s->dir.path) ||
	    !file_path(log, sizeof(log), "%s/qemu.log", s->dir.path) ||
	    !file_path(s->console, sizeof(s->console), "%s/console.log", s->dir.path) ||
	    !file_path(cmdline, sizeof(cmdline), "console=ttyS0 panic=-1 %s",
		       s->o->cmdline
			       ? s->o->cmdline
			       : lab_default_cmdline(s->o->cpus, isolation, sizeof(isolation))))
		return err_set(e, -E2BIG, "the lab's kernel command line is too long");
	ret = write_initrd(s, initrd, e);
	if (ret < 0)
		return ret;
	if (s->o->flavour == LAB_FULL) {
		ret = lab_disk(s->disk, e);
		if (ret < 0)
			return ret;
		c.disk = s->disk;
	}
	c.shares = s->shares;
	c.n_shares = s->n_shares;
	return machine_start(&s->m, &c, e);
}

int lab_run(const struct lab_options *o, struct err *e)
{
	struct session s = { .o = o, .m = { .channel = -1 } };
	int ret = lab_kernel(&s.kernel, o->kernel, e);

	if (ret < 0)
		return ret;
	ret = rundir_create(&s.dir, e);
	if (ret < 0)
		return ret;
	ret = start(&s, e);
	if (!ret)
		ret = serve(&s, e);
	machine_stop(&s.m);
	rundir_remove(&s.dir);
	free(s.order_text);
	return ret;
}

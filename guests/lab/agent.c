// SPDX-License-Identifier: GPL-2.0-only
/*
 * agent - inside the emulated machine: mounts what the host shares, runs one command, reports
 *
 * It is /init of the initramfs: loads modules and mounts the shares. In the fast flavour the
 * initramfs stays the root, the host's own /usr makes it whole, and the command runs at once. In
 * the full flavour the disk becomes the root, systemd is started, and a unit made here starts the
 * agent again, with "job", when the system is up. Whatever fails before the channel exists is said
 * on the console, and the machine goes off: the host shows the console's tail.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guests/lab/agent.h"

static void power_off(void)
{
	sync();
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

void die(struct agent *a, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	fprintf(stderr, "rtkvm lab agent: %s\n", text);
	if (a->channel >= 0)
		send_frame(a, LAB_FAIL, text, strlen(text));
	power_off();
	for (;;)
		pause();
}

static void make_dirs(const char *path)
{
	char part[PATH_MAX];

	snprintf(part, sizeof(part), "%s", path);
	for (char *p = part + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		mkdir(part, 0755);
		*p = '/';
	}
	mkdir(part, 0755);
}

static void mount_at(struct agent *a, const char *root, const char *what, const char *type,
		     const char *path, unsigned long flags, const char *data)
{
	char at[PATH_MAX];

	snprintf(at, sizeof(at), "%s%s", root, path);
	make_dirs(at);
	if (mount(what, at, type, flags, data))
		die(a, "mounting %s at %s failed: %s", what, path, strerror(errno));
}

static void read_order(struct agent *a, const char *path)
{
	struct order *o = &a->order;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		die(a, "opening %s failed: %s", path, strerror(errno));
	o->text = calloc(1, st.st_size + 1);
	if (!o->text || read(fd, o->text, st.st_size) != st.st_size)
		die(a, "reading %s failed", path);
	o->len = st.st_size;
	close(fd);
}

/* The next record of the order: its value when its key is the one wanted, NULL at the end. */
static char *next_value(struct order *o, size_t *at, const char *key)
{
	size_t len = strlen(key);

	while (*at < o->len) {
		char *record = o->text + *at;

		*at += strlen(record) + 1;
		if (!strncmp(record, key, len) && record[len] == ' ')
			return record + len + 1;
	}
	return NULL;
}

static char *value(struct order *o, const char *key)
{
	size_t at = 0;

	return next_value(o, &at, key);
}

static void parse_order(struct agent *a)
{
	struct order *o = &a->order;
	const char *flavour = value(o, "flavour");
	size_t at = 0;
	char *arg;

	o->full = flavour && !strcmp(flavour, "full");
	o->tty = value(o, "tty");
	o->off = value(o, "off");
	o->keep = value(o, "keep");
	o->cwd = value(o, "cwd");
	while ((arg = next_value(o, &at, "arg")) && o->argc < MAX_ARGS - 1)
		o->argv[o->argc++] = arg;
	if (arg || (!o->argc && !o->tty))
		die(a, "the order has no command, or too long a one");
	for (at = 0; (arg = next_value(o, &at, "env"));)
		putenv(arg);
}

static void load_modules(struct agent *a)
{
	size_t at = 0;
	char *path;

	while ((path = next_value(&a->order, &at, "module"))) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST))
			die(a, "loading module %s failed: %s", path, strerror(errno));
		close(fd);
	}
}

static void mount_shares(struct agent *a, const char *root)
{
	size_t at = 0;
	char *share;

	while ((share = next_value(&a->order, &at, "share"))) {
		char tag[32], mode[3];
		bool ro;
		int used;

		if (sscanf(share, "%31s %2s %n", tag, mode, &used) != 2)
			die(a, "the order's share \"%s\" makes no sense", share);
		ro = !strcmp(mode, "ro");
		mount_at(a, root, tag, "9p", share + used, ro ? MS_RDONLY : 0,
			 ro ? "trans=virtio,version=9p2000.L,msize=262144,cache=loose"
			    : "trans=virtio,version=9p2000.L,msize=262144,cache=mmap");
	}
}

static void basic_mounts(struct agent *a, const char *root)
{
	mount_at(a, root, "proc", "proc", "/proc", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL);
	mount_at(a, root, "sysfs", "sysfs", "/sys", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL);
	mount_at(a, root, "devtmpfs", "devtmpfs", "/dev", MS_NOSUID, "mode=755");
	mount_at(a, root, "tmpfs", "tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=755");
}

/* What systemd would have mounted. */
static void more_mounts(struct agent *a)
{
	mount_at(a, "", "devpts", "devpts", "/dev/pts", MS_NOSUID, "gid=5,mode=620,ptmxmode=666");
	mount_at(a, "", "tmpfs", "tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777");
	mount_at(a, "", "tmpfs", "tmpfs", "/tmp", MS_NOSUID | MS_NODEV, "mode=1777");
	mount_at(a, "", "tmpfs", "tmpfs", "/var/tmp", MS_NOSUID | MS_NODEV, "mode=1777");
	mount_at(a, "", "cgroup2", "cgroup2", "/sys/fs/cgroup", MS_NOSUID, NULL);
	mount_at(a, "", "tracefs", "tracefs", "/sys/kernel/tracing", MS_NOSUID, NULL);
	mount_at(a, "", "debugfs", "debugfs", "/sys/kernel/debug", MS_NOSUID, NULL);
	mount_at(a, "", "hugetlbfs", "hugetlbfs", "/dev/hugepages", MS_NOSUID | MS_NODEV, NULL);
	symlink("/proc/self/fd", "/dev/fd");
	symlink("/proc/self/fd/0", "/dev/stdin");
	symlink("/proc/self/fd/1", "/dev/stdout");
	symlink("/proc/self/fd/2", "/dev/stderr");
	make_dirs("/root");
}

static void copy_file(struct agent *a, const char *from, const char *to)
{
	char buf[65536];
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	ssize_t n = -1;

	while (in >= 0 && out >= 0 && (n = read(in, buf, sizeof(buf))) > 0)
		if (write_all(out, buf, n))
			break;
	if (n)
		die(a, "copying %s to %s failed: %s", from, to, strerror(errno));
	close(in);
	close(out);
}

static void write_text(struct agent *a, const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || write_all(fd, text, strlen(text)))
		die(a, "writing %s failed: %s", path, strerror(errno));
	close(fd);
}

/* Our program, the agent and the order leave the initramfs with us; /run survives the switch. */
static void carry_over(struct agent *a, const char *root)
{
	static const char unit[] =
		"[Unit]\nDescription=rtkvm lab: run the command\n"
		"After=multi-user.target tuned.service\n"
		"[Service]\nExecStart=" LAB_RUN "/agent job\nKillMode=process\n"
		"StandardOutput=journal+console\nStandardError=journal+console\n";
	char path[PATH_MAX], to[PATH_MAX];

	snprintf(path, sizeof(path), "%s%s", root, LAB_BIN);
	make_dirs(path);
	snprintf(path, sizeof(path), "%s/run/systemd/system/multi-user.target.wants", root);
	make_dirs(path);
	snprintf(to, sizeof(to), "%s%s/agent", root, LAB_RUN);
	copy_file(a, "/init", to);
	snprintf(to, sizeof(to), "%s%s/order", root, LAB_RUN);
	copy_file(a, LAB_ORDER, to);
	snprintf(to, sizeof(to), "%s%s/rtkvm", root, LAB_BIN);
	copy_file(a, "/rtkvm/rtkvm", to);
	snprintf(path, sizeof(path), "%s/run/systemd/system/rtkvm-lab.service", root);
	write_text(a, path, unit);
	snprintf(path, sizeof(path),
		 "%s/run/systemd/system/multi-user.target.wants/rtkvm-lab.service", root);
	if (symlink("../rtkvm-lab.service", path))
		die(a, "making %s failed: %s", path, strerror(errno));
}

static void switch_to_disk(struct agent *a)
{
	static const char *const moved[] = { "/proc", "/sys", "/dev", "/run" };
	char *init[] = { (char *)"/sbin/init", NULL };
	char to[PATH_MAX];

	for (int tries = 0; access("/dev/vda", F_OK) && tries < 500; tries++)
		usleep(10000);
	mount_at(a, "/new", "/dev/vda", "ext4", "/", MS_NOATIME, NULL);
	carry_over(a, "");
	for (size_t i = 0; i < sizeof(moved) / sizeof(moved[0]); i++) {
		snprintf(to, sizeof(to), "/new%s", moved[i]);
		if (mount(moved[i], to, NULL, MS_MOVE, NULL))
			die(a, "moving %s failed: %s", moved[i], strerror(errno));
	}
	mount_shares(a, "/new");
	if (chdir("/new") || mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/"))
		die(a, "changing to the disk failed: %s", strerror(errno));
	execv(init[0], init);
	die(a, "starting /sbin/init of the disk failed: %s", strerror(errno));
}

static void first_stage(struct agent *a)
{
	basic_mounts(a, "");
	read_order(a, LAB_ORDER);
	parse_order(a);
	load_modules(a);
	if (a->order.full)
		switch_to_disk(a);
	more_mounts(a);
	mount_shares(a, "");
	make_dirs(LAB_BIN);
	copy_file(a, "/rtkvm/rtkvm", LAB_BIN "/rtkvm");
	unlink("/rtkvm/rtkvm");
	run_job(a);
	power_off();
}

int main(int argc, char **argv)
{
	static struct agent a = { .channel = -1 };

	if (argc > 1 && !strcmp(argv[1], "job")) {
		read_order(&a, LAB_RUN "/order");
		parse_order(&a);
		run_job(&a);
		if (a.order.off)
			execl("/bin/systemctl", "systemctl", "poweroff", NULL);
		for (;;)
			pause();
	}
	first_stage(&a);
}

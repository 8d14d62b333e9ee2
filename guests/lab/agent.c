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
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guests/lab/proto.h"

enum { MAX_ARGS = 4096 };

struct order {
	char *text; /* the file; everything below points into it */
	size_t len;
	bool full, tty, off, keep;
	const char *cwd;
	char *argv[MAX_ARGS];
	size_t argc;
};

struct agent {
	struct order order;
	int channel; /* -1 until it is open */
};

static void die(struct agent *a, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), noreturn));

static int write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0) {
			p += n;
			len -= n;
		}
	}
	return 0;
}

static void send_frame(struct agent *a, enum lab_type type, const void *data, uint32_t len)
{
	struct lab_frame h = { .type = type, .len = len };

	write_all(a->channel, &h, sizeof(h));
	write_all(a->channel, data, len);
}

static void power_off(void)
{
	sync();
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

static void die(struct agent *a, const char *fmt, ...)
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

/* Finds the port by its name: /sys/class/virtio-ports/vport1p1/name. */
static int find_channel(char *path, size_t size)
{
	DIR *dir = opendir("/sys/class/virtio-ports");
	struct dirent *d;
	int ret = -1;

	while (ret && dir && (d = readdir(dir))) {
		char file[PATH_MAX], name[64] = "";
		FILE *f;

		snprintf(file, sizeof(file), "/sys/class/virtio-ports/%s/name", d->d_name);
		f = d->d_name[0] == '.' ? NULL : fopen(file, "re");
		if (!f)
			continue;
		if (fgets(name, sizeof(name), f) && !strcmp(name, LAB_PORT "\n")) {
			snprintf(path, size, "/dev/%s", d->d_name);
			ret = 0;
		}
		fclose(f);
	}
	if (dir)
		closedir(dir);
	return ret;
}

/* The port's device appears a moment after its driver, when the host has told its name. */
static void open_channel(struct agent *a)
{
	char path[PATH_MAX];

	for (int tries = 0; tries < 500; tries++) {
		if (!find_channel(path, sizeof(path))) {
			a->channel = open(path, O_RDWR | O_CLOEXEC);
			if (a->channel >= 0)
				return;
		}
		usleep(10000);
	}
	die(a, "the port %s does not appear", LAB_PORT);
}

/* No word asks for a login shell, one is a line for the shell, several are a command. */
static void exec_command(const struct order *o)
{
	char *login[] = { (char *)"/bin/bash", (char *)"-l", NULL };
	char *line[] = { (char *)"/bin/sh", (char *)"-c", o->argv[0], NULL };
	char *const *argv = o->argc == 0 ? login : o->argc == 1 ? line : o->argv;
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (chdir(o->cwd ? o->cwd : "/root"))
		dprintf(2, "rtkvm lab: changing to %s failed: %s\n", o->cwd, strerror(errno));
	execvp(argv[0], argv);
	dprintf(2, "rtkvm lab: running %s failed: %s\n", argv[0], strerror(errno));
	_exit(127);
}

struct job {
	pid_t pid;
	int out, err; /* read ends; with a terminal out is the pty and err -1 */
	int status;
};

static void start_job(struct agent *a, struct job *j)
{
	int out[2], err[2];

	*j = (struct job){ .out = -1, .err = -1 };
	if (a->order.tty) {
		j->pid = forkpty(&j->out, NULL, NULL, NULL);
	} else {
		if (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
			die(a, "making pipes failed: %s", strerror(errno));
		j->pid = fork();
	}
	if (j->pid < 0)
		die(a, "starting a process failed: %s", strerror(errno));
	if (!j->pid) {
		if (!a->order.tty) {
			int null = open("/dev/null", O_RDONLY);

			setsid();
			dup2(null, 0);
			dup2(out[1], 1);
			dup2(err[1], 2);
		}
		exec_command(&a->order);
	}
	if (!a->order.tty) {
		close(out[1]);
		close(err[1]);
		j->out = out[0];
		j->err = err[0];
	}
}

/* Moves what there is to the host; false at the end of the stream. */
static bool relay(struct agent *a, int *fd, enum lab_type type)
{
	char buf[LAB_FRAME_MAX];
	ssize_t n = read(*fd, buf, sizeof(buf));

	if (n > 0) {
		send_frame(a, type, buf, n);
		return true;
	}
	close(*fd);
	*fd = -1;
	return false;
}

static int read_all(int fd, void *data, size_t len)
{
	for (size_t got = 0; got < len;) {
		ssize_t n = read(fd, (char *)data + got, len - got);

		if (n <= 0 && errno != EINTR)
			return -1;
		if (n > 0)
			got += n;
	}
	return 0;
}

static void host_frame(struct agent *a, struct job *j)
{
	char buf[LAB_FRAME_MAX];
	struct lab_frame h;

	if (read_all(a->channel, &h, sizeof(h)) || h.len > sizeof(buf) ||
	    read_all(a->channel, buf, h.len))
		die(a, "the channel to the host broke");
	if (h.type == LAB_INPUT && j->out >= 0)
		write_all(j->out, buf, h.len);
	if (h.type == LAB_SIZE && h.len == sizeof(struct lab_size)) {
		struct lab_size size;
		struct winsize w;

		memcpy(&size, buf, sizeof(size));
		w = (struct winsize){ .ws_row = size.rows, .ws_col = size.columns };
		ioctl(j->out, TIOCSWINSZ, &w);
	}
}

/* As process 1 it reaps everybody; true once the job itself is among the reaped. */
static bool reap(struct job *j)
{
	bool ended = false;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != j->pid)
			continue;
		j->status = status;
		ended = true;
	}
	return ended;
}

static void on_child(int sig)
{
	(void)sig;
}

/*
 * Until the job has ended and its output is drained. A background process may hold the pipes open
 * for ever: after the job's end only what is there already is taken.
 */
static void serve(struct agent *a, struct job *j)
{
	bool ended = false;
	sigset_t wait_mask;

	sigemptyset(&wait_mask);
	for (;;) {
		struct pollfd p[] = { { .fd = j->out, .events = POLLIN },
				      { .fd = j->err, .events = POLLIN },
				      { .fd = a->order.tty ? a->channel : -1, .events = POLLIN } };
		struct timespec now = { 0 };
		int n;

		ended |= reap(j);
		n = ppoll(p, 3, ended ? &now : NULL, &wait_mask);
		if (n < 0)
			continue;
		if (p[0].revents)
			relay(a, &j->out, LAB_OUT);
		if (p[1].revents)
			relay(a, &j->err, LAB_ERR);
		if (p[2].revents & POLLIN)
			host_frame(a, j);
		if (ended && !p[0].revents && !p[1].revents)
			return;
	}
}

static void run_one(struct agent *a)
{
	uint32_t code;
	struct job j;

	start_job(a, &j);
	serve(a, &j);
	sync(); /* what it left in the results has to be there when the host hears of its end */
	code = WIFEXITED(j.status) ? WEXITSTATUS(j.status) : 128 + WTERMSIG(j.status);
	send_frame(a, LAB_EXIT, &code, sizeof(code));
}

static void run_job(struct agent *a)
{
	struct sigaction sa = { .sa_handler = on_child };
	struct utsname un;
	sigset_t block;

	sigaction(SIGCHLD, &sa, NULL);
	sigemptyset(&block);
	sigaddset(&block, SIGCHLD); /* delivered in ppoll alone, so that no exit is missed */
	sigprocmask(SIG_BLOCK, &block, NULL);
	open_channel(a);
	uname(&un);
	send_frame(a, LAB_READY, un.release, strlen(un.release));
	run_one(a);
	if (a->order.keep) {
		a->order.tty = true;
		a->order.argc = 0;
		run_one(a);
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

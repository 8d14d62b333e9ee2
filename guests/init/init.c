// SPDX-License-Identifier: GPL-2.0-only
/*
 * init - process 1 of a guest: set up, run one job, send what it left, end the machine
 *
 * The job is the kernel parameter rtkvm.exec="SHELL COMMAND"; its files go to /out. Without it a
 * shell on the console is the job. The host learns of each step through lib/abi.h's ports. What
 * cannot be done is one line on the console and exit code 125; 127 means the job's program was not
 * found (sh says so). Includes nothing of rtkvm but lib/abi.h: it is built static, and read alone.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "lib/abi.h"

enum {
	EXIT_INIT_FAILED = 125,
	DRAIN_S = 60,
	CMDLINE_BYTES = 4096, /* COMMAND_LINE_SIZE of x86 is 2048 */
	OUT_BURST = 4096,
};

static void finish(int code) __attribute__((noreturn));

static void on_alarm(int sig)
{
	(void)sig; /* its arrival ends tcdrain */
}

/* The exit is at once, the console's last words are not; nobody may be reading them, though. */
static void drain_console(void)
{
	struct sigaction sa = { .sa_handler = on_alarm };

	sigaction(SIGALRM, &sa, NULL); /* to process 1 only handled signals come */
	alarm(DRAIN_S);
	tcdrain(2);
	alarm(0);
}

/* A VMM without the exit port takes the power-off as the end; its exit code is then lost. */
static void finish(int code)
{
	sync();
	drain_console();
	outb(code, ABI_EXIT_PORT);
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

static void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

static void fail(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	dprintf(2, "rtkvm init: ");
	vdprintf(2, fmt, args);
	dprintf(2, "\n");
	va_end(args);
	finish(EXIT_INIT_FAILED);
}

static void mark(enum abi_mark m)
{
	outb(m, ABI_MARK_PORT);
}

static const struct {
	const char *type, *path, *options;
} mounts[] = {
	{ "devtmpfs", "/dev", NULL },
	{ "proc", "/proc", NULL },
	{ "sysfs", "/sys", NULL },
	{ "tracefs", "/sys/kernel/tracing", NULL },
	{ "debugfs", "/sys/kernel/debug", NULL },
	{ "devpts", "/dev/pts", "ptmxmode=666" },
	{ "tmpfs", "/dev/shm", NULL },
	{ "tmpfs", "/tmp", NULL },
};

static void mount_all(void)
{
	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		mkdir(mounts[i].path, 0755);
		if (mount(mounts[i].type, mounts[i].path, mounts[i].type, 0, mounts[i].options))
			fail("mounting %s failed: %s", mounts[i].path, strerror(errno));
	}
}

/* The kernel gave us its console; where it has none, what we print goes nowhere. */
static void need_console(void)
{
	while (fcntl(2, F_GETFD) < 0)
		if (open("/dev/null", O_RDWR) < 0)
			fail("opening /dev/null failed");
}

static void load_module(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || syscall(SYS_finit_module, fd, "", 0))
		fail("loading %s failed: %s", path, strerror(errno));
	close(fd);
}

/* Lines "DEVICE MODULE", in loading order: each is loaded only where its device is. */
static void load_modules(void)
{
	char device[256], module[256];
	FILE *f = fopen("/etc/modules", "re");

	if (!f)
		fail("opening /etc/modules failed: %s", strerror(errno));
	while (fscanf(f, "%255s %255s", device, module) == 2)
		if (!access(device, F_OK))
			load_module(module);
	fclose(f);
}

/* vCPU 0 is the housekeeper: what is started here stays off the isolated ones unless it moves. */
static void pin_to_cpu0(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		fail("moving to CPU 0 failed: %s", strerror(errno));
}

/*
 * The kernel stops real-time threads for 50 ms of each second in which they leave nothing to others;
 * in a guest that exists for them that is a latency of 50 ms (kernel/sched/rt.c, sched_rt_runtime).
 */
static void lift_rt_limit(void)
{
	int fd = open("/proc/sys/kernel/sched_rt_runtime_us", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "-1", 2) != 2)
		fail("setting kernel.sched_rt_runtime_us to -1 failed: %s", strerror(errno));
	close(fd);
}

/*
 * The value of a kernel parameter, cut out of line: the kernel's quotes (around the value or
 * around the whole parameter) are removed, and as there, nothing escapes a quote.
 */
static char *parameter(char *line, const char *name)
{
	size_t len = strlen(name);

	for (char *p = line; *p;) {
		bool quoted = false;
		char *start, *out;

		p += strspn(p, " \n");
		for (start = out = p; *p && (quoted || (*p != ' ' && *p != '\n')); p++) {
			if (*p == '"')
				quoted = !quoted;
			else
				*out++ = *p;
		}
		if (*p)
			p++;
		*out = '\0';
		if (!strncmp(start, name, len) && start[len] == '=')
			return start + len + 1;
	}
	return NULL;
}

static char *job_command(char *line, size_t size)
{
	int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, line, size - 1);

	if (n < 0)
		fail("reading /proc/cmdline failed: %s", strerror(errno));
	close(fd);
	line[n] = '\0';
	return parameter(line, "rtkvm.exec");
}

static void exec_job(char *command)
{
	char *job[] = { (char *)"sh", (char *)"-c", command, NULL };
	char *shell[] = { (char *)"-sh", NULL };

	iopl(0); /* a port bitmap would cost each switch to the job's threads */
	setsid();
	ioctl(0, TIOCSCTTY, 1); /* Ctrl-C in the shell; a job does without */
	execv("/bin/sh", command ? job : shell);
	dprintf(2, "rtkvm init: starting /bin/sh failed: %s\n", strerror(errno));
	_exit(127);
}

/* Reaps everybody until the job itself ends; then whatever it left running is killed. */
static int run_job(char *command)
{
	int status;
	pid_t job = fork(), pid;

	if (job < 0)
		fail("starting the job failed: %s", strerror(errno));
	if (!job)
		exec_job(command);
	do {
		pid = wait(&status);
	} while (pid != job);
	kill(-1, SIGKILL);
	while (wait(NULL) > 0)
		;
	if (!command)
		return 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* CRC-32 as in zlib (polynomial 0xedb88320, reflected), a nibble at a time. */
static uint32_t crc32_update(uint32_t crc, const void *data, size_t len)
{
	static const uint32_t table[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
		0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	const uint8_t *p = data;

	crc = ~crc;
	while (len--) {
		crc ^= *p++;
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return ~crc;
}

/*
 * One instruction for the whole run of bytes (KVM still exits for each). Not glibc's outsb: its
 * asm does not say that it reads memory, and the compiler then drops the stores to what is sent.
 */
static void out_string(const uint8_t *p, size_t n)
{
	__asm__ volatile("rep outsb" : "+S"(p), "+c"(n) : "d"(ABI_DATA_PORT) : "memory");
}

/*
 * Where the VMM takes whole pages: those of [p, p + len), which is locked and begins a page.
 * Returns how many bytes are sent. Page frames are shown to root alone: that is us.
 */
static size_t put_pages(const uint8_t *p, size_t len)
{
	int fd = inl(ABI_PAGE_PORT) == ABI_PAGE_MAGIC
			 ? open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC)
			 : -1;
	size_t sent = 0;

	for (; fd >= 0 && len - sent >= ABI_PAGE_BYTES; sent += ABI_PAGE_BYTES) {
		off_t at = (uintptr_t)(p + sent) / ABI_PAGE_BYTES * sizeof(uint64_t);
		uint64_t entry;

		/* bit 63: present; bits 0 to 54: the frame (admin-guide/mm/pagemap.rst) */
		if (pread(fd, &entry, sizeof(entry), at) != sizeof(entry) || !(entry >> 63))
			break;
		entry &= (1ull << 55) - 1;
		if (!entry || entry > UINT32_MAX)
			break;
		outl(entry, ABI_PAGE_PORT);
	}
	if (fd >= 0)
		close(fd);
	return sent;
}

static void put(const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len) {
		size_t n = len < OUT_BURST ? len : OUT_BURST;

		out_string(p, n);
		p += n;
		len -= n;
	}
}

static void send_frame(const char *name, const void *data, uint64_t length, size_t bytes)
{
	struct abi_frame f = { .magic = ABI_FRAME_MAGIC, .length = length };
	size_t sent;

	strncpy(f.name, name, sizeof(f.name) - 1);
	f.crc = crc32_update(crc32_update(0, &f, sizeof(f)), data, bytes);
	put(&f, sizeof(f));
	sent = put_pages(data, bytes);
	put((const uint8_t *)data + sent, bytes - sent);
}

static void send_file(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *data;

	if (fd < 0 || fstat(fd, &st))
		fail("reading /out/%s failed: %s", name, strerror(errno));
	if (st.st_size > ABI_FRAME_MAX_BYTES)
		fail("/out/%s is too long: %lld bytes, at most %u", name, (long long)st.st_size,
		     ABI_FRAME_MAX_BYTES);
	if (strlen(name) >= sizeof(((struct abi_frame *)0)->name))
		fail("/out/%s: the name is too long", name);
	/* locked: pages that are sent by their place in memory must keep it */
	data = mmap(NULL, st.st_size + 1, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_LOCKED, -1, 0);
	if (data == MAP_FAILED || read(fd, data, st.st_size) != st.st_size)
		fail("reading /out/%s failed: %s", name, strerror(errno));
	close(fd);
	send_frame(name, data, st.st_size, st.st_size);
	munmap(data, st.st_size + 1);
}

static void send_results(void)
{
	DIR *dir = opendir("/out");
	uint64_t count = 0;
	struct dirent *d;
	struct stat st;

	if (!dir)
		fail("reading /out failed: %s", strerror(errno));
	while ((d = readdir(dir))) {
		if (fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW))
			fail("reading /out/%s failed: %s", d->d_name, strerror(errno));
		if (!S_ISREG(st.st_mode))
			continue;
		send_file(dirfd(dir), d->d_name);
		count++;
	}
	closedir(dir);
	send_frame("", "", count, 0);
}

int main(void)
{
	char line[CMDLINE_BYTES], *command;
	int code;

	if (iopl(3)) /* without the ports nobody can be told */
		reboot(RB_POWER_OFF);
	mark(ABI_MARK_INIT);
	mount_all();
	need_console();
	load_modules();
	lift_rt_limit();
	pin_to_cpu0();
	mkdir("/out", 0755);
	setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
	setenv("HOME", "/", 1);
	command = job_command(line, sizeof(line));
	mark(ABI_MARK_BOOTED);
	mark(ABI_MARK_JOB_START);
	code = run_job(command);
	mark(ABI_MARK_JOB_END);
	send_results();
	finish(code);
}

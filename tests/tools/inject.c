// SPDX-License-Identifier: GPL-2.0-only
/*
 * inject KIND COUNT MIN_MS MAX_MS PAUSE_MS TARGET - make wake-ups late for a known reason
 *
 * Linked static: it runs in the lab's host and, put into a guest's initrd, in the guest.
 * TARGET is a CPU; for stop a process.
 *   hog      a SCHED_FIFO thread that spins
 *   softirq  broadcasts to many sockets, each delivered to all of them in one softirq
 *   port     writes to the slow port (rtkvm run --slow-exit); MIN and MAX do not matter
 *   pipe     writes to the same port where another VMM has a pipe behind it, see drain
 *   off      interrupts off, by the kernel's own hwlat tracer
 *   irq      one inter-processor interrupt whose handler takes that long
 *   stop     SIGSTOP and SIGCONT to a process
 * One line each on stdout: KIND, the TSC before and after; where that is unclear there is none, and one
 * more is tried.
 *
 * inject drain FIFO MIN_MS MAX_MS - until killed: make a pipe so full that of two bytes written to it
 *	the second one has to wait for that long: a device that is slow because its back end is
 * inject tick COUNT - print "TSC" and this machine's TSC so often
 * inject stamp - copy stdin to stdout; a line of tick gets the TSC at which it came here
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "lib/abi.h"

enum {
	UNCLEAR = 1,
	FIFO_PRIO = 97,
	RECEIVERS = 800,
	GROUP = 1000,
	FILES_MAX = 100000,
	PORT = 9999,
	TRIES = 3,
	TIMES_MAX = 2, /* as many injections as wanted, where some are unclear */
	TICK_MS = 20,
	GAP_MS = 15,
	PIPE_BYTES = 4096,
};

#define HWLAT	 "/sys/kernel/tracing/hwlat_detector/"
#define INSTANCE "/sys/kernel/tracing/instances/inject/"

struct job {
	double min_ms, max_ms;
	long target;
	int fd;
	uint64_t begin, end; /* of the injection; set by one that knows better */
};

static int fail(const char *what)
{
	fprintf(stderr, "inject: %s failed: %s\n", what, strerror(errno));
	return -1;
}

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static void sleep_ms(double ms)
{
	struct timespec t = { ms / 1e3, (long)(ms * 1e6) % 1000000000 };

	nanosleep(&t, NULL);
}

static int pin(long cpu, int prio)
{
	struct sched_param p = { prio };
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	/* the policy first: an ordinary thread may never get that CPU */
	if (sched_setscheduler(0, prio ? SCHED_FIFO : SCHED_OTHER, &p) ||
	    sched_setaffinity(0, sizeof(set), &set))
		return fail("moving to the CPU");
	return 0;
}

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));

	if (fd >= 0)
		close(fd);
	return n < 0 ? fail(path) : 0;
}

static int hog_setup(struct job *j)
{
	return pin(j->target, FIFO_PRIO);
}

/* One that did not run for a part of its time is not the only cause of what was late. */
static int hog(struct job *j, double ms)
{
	double begin = now_ms(), last = begin, lost = 0;

	(void)j;
	while (last < begin + ms) {
		double now = now_ms();

		if (now - last > GAP_MS)
			lost += now - last;
		last = now;
	}
	return lost > (last - begin) * 0.2 ? UNCLEAR : 0;
}

/* --- softirq: the kernel delivers a broadcast to each socket that is bound to its port --- */

static int loopback_up(int fd)
{
	struct ifreq r = { .ifr_name = "lo" };

	if (ioctl(fd, SIOCGIFFLAGS, &r))
		return -1;
	r.ifr_flags |= IFF_UP;
	return ioctl(fd, SIOCSIFFLAGS, &r);
}

static int receiver(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0), yes = 1, least = 0;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof(least));
	return bind(fd, (struct sockaddr *)&any, sizeof(any)) ? -1 : fd;
}

static int softirq(struct job *j, double ms)
{
	struct sockaddr_in all = { .sin_family = AF_INET,
				   .sin_port = htons(PORT),
				   .sin_addr.s_addr = htonl(0x7fffffff) };
	double end = now_ms() + ms;

	while (now_ms() < end)
		if (sendto(j->fd, "", 1, 0, (struct sockaddr *)&all, sizeof(all)) < 0)
			return fail("sendto");
	return 0;
}

/*
 * --- irq: switching one more group of perf events on makes the kernel, in an IPI, take all of the
 * CPU's events off and put them on again ---
 */

/* A member is on as soon as its leader is; leader -1: this is one, and off. */
static int event_on(long cpu, int leader)
{
	struct perf_event_attr a = { .type = PERF_TYPE_SOFTWARE,
				     .size = sizeof(a),
				     .config = PERF_COUNT_SW_CPU_CLOCK,
				     .sample_period = UINT64_MAX >> 2,
				     .disabled = leader < 0 };

	return syscall(SYS_perf_event_open, &a, -1, (int)cpu, leader, PERF_FLAG_FD_CLOEXEC);
}

static int group_on(long cpu)
{
	int leader = event_on(cpu, -1);

	for (int i = 1; i < GROUP && leader >= 0; i++)
		if (event_on(cpu, leader) < 0)
			return -1;
	return leader;
}

static int irq(struct job *j, double ms)
{
	(void)ms;
	if (ioctl(j->fd, PERF_EVENT_IOC_ENABLE, 0))
		return fail("switching on perf events");
	return 0;
}

static void irq_done(struct job *j)
{
	ioctl(j->fd, PERF_EVENT_IOC_DISABLE, 0);
}

static int many_files(void)
{
	struct rlimit r = { FILES_MAX, FILES_MAX };

	return setrlimit(RLIMIT_NOFILE, &r) ? fail("opening many files") : 0;
}

static int softirq_setup(struct job *j)
{
	int yes = 1;

	if (many_files())
		return -1;
	j->fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (j->fd < 0 || loopback_up(j->fd) ||
	    setsockopt(j->fd, SOL_SOCKET, SO_BROADCAST, &yes, sizeof(yes)))
		return fail("setting up the loopback interface");
	for (int i = 0; i < RECEIVERS; i++)
		if (receiver() < 0)
			return fail("binding a socket");
	return pin(j->target, FIFO_PRIO);
}

/* How long the handler takes at least: a machine that stood still meanwhile makes it longer. */
static double irq_takes(struct job *j)
{
	double least = 1e9;

	for (int i = 0; i < TRIES; i++) {
		double begin = now_ms(), took;

		if (irq(j, 0))
			return -1;
		took = now_ms() - begin;
		least = took < least ? took : least;
		irq_done(j);
	}
	return least;
}

/* Ever more groups that are on, until one more takes as long as wanted. */
static int irq_setup(struct job *j)
{
	double took = 0;

	if (many_files())
		return -1;
	for (int n = 1; took < j->min_ms; n++) {
		if (n > 1 && irq(j, 0))
			return -1;
		j->fd = group_on(j->target);
		if (j->fd < 0)
			return fail("opening one more perf event");
		took = irq_takes(j);
		if (took < 0)
			return -1;
		fprintf(stderr, "inject: %d groups of events take %.1f ms\n", n, took);
	}
	return 0;
}

/* --- off: one window of the hwlat tracer --- */

static int off_setup(struct job *j)
{
	char mask[32];

	if (mkdir("/sys/kernel/tracing/instances/inject", 0755) && errno != EEXIST)
		return fail("making a trace instance");
	snprintf(mask, sizeof(mask), "%lx", 1l << j->target);
	if (put(INSTANCE "tracing_cpumask", mask) || put(HWLAT "window", "1000000"))
		return -1;
	return pin(j->target, FIFO_PRIO);
}

/*
 * The tracer's thread takes its time to start, so when the interrupts were off is seen from this
 * thread's own absence. A machine that stood still besides makes that unclear: then nobody knows.
 */
static int off(struct job *j, double ms)
{
	double end = now_ms() + ms + 60, ticks = 0, begin_ms = now_ms();
	uint64_t begin = __rdtsc(), last;
	char us[32];

	snprintf(us, sizeof(us), "%.0f", ms * 1e3);
	if (put(HWLAT "width", us) || put(INSTANCE "current_tracer", "hwlat"))
		return -1;
	for (last = __rdtsc(); now_ms() < end; last = __rdtsc()) {
		sleep_ms(0.5);
		if (__rdtsc() - last <= ticks)
			continue;
		ticks = __rdtsc() - last;
		j->begin = last;
		j->end = __rdtsc();
	}
	ticks /= (__rdtsc() - begin) / (now_ms() - begin_ms);
	if (put(INSTANCE "current_tracer", "nop"))
		return -1;
	return ticks < ms * 0.9 || ticks > ms * 1.5 ? UNCLEAR : 0;
}

static int port_setup(struct job *j)
{
	if (ioperm(ABI_SLOW_PORT, 1, 1))
		return fail("asking for the slow port");
	return pin(j->target, FIFO_PRIO);
}

static int port(struct job *j, double ms)
{
	(void)j;
	(void)ms;
	outb(0, ABI_SLOW_PORT);
	return 0;
}

/* The first byte fills the pipe and tells its reader to begin; the second has to wait. */
static int pipe_out(struct job *j, double ms)
{
	(void)ms;
	outb(0, ABI_SLOW_PORT);
	j->begin = __rdtsc();
	outb(0, ABI_SLOW_PORT);
	return 0;
}

static int stop_setup(struct job *j)
{
	return kill(j->target, 0) ? fail("stopping the process") : 0;
}

static int stop(struct job *j, double ms)
{
	double end = now_ms() + ms;

	if (kill(j->target, SIGSTOP))
		return fail("stopping the process");
	sleep_ms(end - now_ms());
	return kill(j->target, SIGCONT);
}

static const struct kind {
	const char *name;
	int (*setup)(struct job *j);
	int (*once)(struct job *j, double ms);
	void (*done)(struct job *j);
} kinds[] = {
	{ "hog", hog_setup, hog, NULL },	{ "softirq", softirq_setup, softirq, NULL },
	{ "port", port_setup, port, NULL },	{ "off", off_setup, off, NULL },
	{ "irq", irq_setup, irq, irq_done },	{ "stop", stop_setup, stop, NULL },
	{ "pipe", port_setup, pipe_out, NULL },
};

static int inject(const struct kind *k, struct job *j, int count, double pause_ms)
{
	if (k->setup(j))
		return 1;
	srand(20261120);
	for (int clear = 0, i = 0; clear < count && i < TIMES_MAX * count; i++) {
		double ms = j->min_ms + (j->max_ms - j->min_ms) * rand() / RAND_MAX;
		int ret;

		sleep_ms(pause_ms * (0.5 + (double)rand() / RAND_MAX));
		j->end = 0;
		j->begin = __rdtsc();
		ret = k->once(j, ms);
		if (ret < 0)
			return 1;
		if (!j->end)
			j->end = __rdtsc();
		clear += !ret;
		if (!ret)
			printf("%s %ju %ju\n", k->name, (uintmax_t)j->begin, (uintmax_t)j->end);
		fflush(stdout);
		if (k->done)
			k->done(j);
	}
	return 0;
}

/*
 * The same in a child: the kernel takes minutes to close thousands of perf events, and nobody has to
 * wait for that.
 */
static int inject_apart(const struct kind *k, struct job *j, int count, double pause_ms)
{
	unsigned char code = 1;
	int fds[2];
	pid_t child;

	if (pipe(fds))
		return 1;
	child = fork();
	if (child < 0)
		return 1;
	if (!child) {
		close(fds[0]);
		code = inject(k, j, count, pause_ms);
		return write(fds[1], &code, 1) != 1;
	}
	close(fds[1]);
	return read(fds[0], &code, 1) == 1 ? code : 1;
}

/* Until there are that many bytes in the pipe. */
static int wait_bytes(int fd, int want)
{
	int n = 0;

	while (n < want) {
		if (ioctl(fd, FIONREAD, &n))
			return fail("asking for a pipe's bytes");
		if (n < want)
			sleep_ms(0.5);
	}
	return 0;
}

/* One page of pipe, and one byte of room in it. */
static int drain(const char *path, double min_ms, double max_ms)
{
	static char page[PIPE_BYTES];
	int fd;

	if (mkfifo(path, 0600) && errno != EEXIST)
		return fail("making a FIFO"), 1;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || fcntl(fd, F_SETPIPE_SZ, PIPE_BYTES) != PIPE_BYTES)
		return fail("making a small pipe"), 1;
	for (;;) {
		if (write(fd, page, PIPE_BYTES - 1) != PIPE_BYTES - 1)
			return fail("filling the pipe"), 1;
		if (wait_bytes(fd, PIPE_BYTES))
			return 1;
		sleep_ms(min_ms + (max_ms - min_ms) * rand() / RAND_MAX);
		/* now there is room for the second byte */
		if (read(fd, page, PIPE_BYTES) != PIPE_BYTES || wait_bytes(fd, 1) ||
		    read(fd, page, 1) != 1)
			return fail("reading the pipe"), 1;
	}
}

static int tick(int count)
{
	for (int i = 0; i < count; i++) {
		printf("TSC %ju\n", (uintmax_t)__rdtsc());
		fflush(stdout);
		sleep_ms(TICK_MS);
	}
	return 0;
}

static int stamp(void)
{
	char line[4096];

	while (fgets(line, sizeof(line), stdin)) {
		uintmax_t here = __rdtsc();

		line[strcspn(line, "\n")] = '\0';
		if (!strncmp(line, "TSC ", 4))
			printf("%s %ju\n", line, here);
		else
			printf("%s\n", line);
		fflush(stdout);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct job j = { .fd = -1 };

	if (argc == 3 && !strcmp(argv[1], "tick"))
		return tick(atoi(argv[2]));
	if (argc == 2 && !strcmp(argv[1], "stamp"))
		return stamp();
	if (argc == 5 && !strcmp(argv[1], "drain"))
		return drain(argv[2], atof(argv[3]), atof(argv[4]));

	if (argc == 7) {
		j.min_ms = atof(argv[3]);
		j.max_ms = atof(argv[4]);
		j.target = atol(argv[6]);
		for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
			if (!strcmp(kinds[i].name, argv[1]))
				return (kinds[i].done ? inject_apart : inject)(
					&kinds[i], &j, atoi(argv[2]), atof(argv[5]));
	}
	fprintf(stderr, "usage: inject hog|softirq|port|pipe|off|irq|stop COUNT MIN_MS MAX_MS "
			"PAUSE_MS TARGET\n");
	return 2;
}

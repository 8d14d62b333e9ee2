// SPDX-License-Identifier: GPL-2.0-only
/* The loads that need no other program. Each runs in a process of its own until it is killed. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cyclic/noise.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/paths.h"

enum {
	FORK_TOUCH_BYTES = 1 << 20, /* copied on write by each child: page faults, TLB flushes */
	MEMORY_BYTES = 64 << 20, /* beyond the last-level cache */
	TIMERS = 64,
	TIMER_PERIOD_NS = 500000,
	DISK_CHUNK_BYTES = 1 << 20,
	DISK_FILE_BYTES = 64 << 20,
};

const struct noise_kind noise_kinds[] = {
	{ "fork", "forks", "fork, touch 1 MiB, exit: page tables, TLB flushes, scheduling",
	  .work = noise_fork, .min_cpus = 1 },
	{ "signal", "signals", "signals to a process that forks in a loop", .work = noise_signal,
	  .min_cpus = 1 },
	{ "memory", "bytes", "copy 64 MiB to and fro: memory bandwidth", .work = noise_memory,
	  .min_cpus = 1 },
	{ "timer", "expirations", "64 timers at 2 kHz on each CPU: timer interrupts",
	  .work = noise_timer, .min_cpus = 1 },
	{ "ipi", "interrupts", "membarrier(2) at threads on all CPUs", .work = noise_ipi,
	  .one_worker = true, .min_cpus = 2 },
	{ "disk", "bytes", "write and fdatasync 1 MiB at a time below --dir", .work = noise_disk,
	  .needs_dir = true, .min_cpus = 1 },
	{ "compile", "compilations",
	  "compile a generated C file below --dir with cc, like a "
	  "kernel build",
	  .work = noise_compile, .needs_dir = true, .min_cpus = 1 },
	{ "net", "bytes", "TCP over 127.0.0.1: copies and network softirqs", .work = noise_net,
	  .min_cpus = 1 },
	{ "vm", "runs", "a neighbour: a small VM that boots, sleeps and is woken by its timer",
	  .work = noise_vm, .min_cpus = 1 },
	{ "hackbench", "rounds", "hackbench (package rt-tests): sockets and scheduling",
	  .command = (const char *const[]){ "hackbench", "-T", "-g", "2", "-l", "500", NULL },
	  .min_cpus = 1 },
	{ "stress-cpu", "rounds", "stress-ng --cpu (package stress-ng)",
	  .command = (const char *const[]){ "stress-ng", "--cpu", "1", "--cpu-ops", "50", NULL },
	  .min_cpus = 1 },
	{ "stress-vm", "rounds", "stress-ng --vm: mappings and page faults",
	  .command = (const char *const[]){ "stress-ng", "--vm", "1", "--vm-bytes", "64M",
					    "--vm-ops", "100", NULL },
	  .min_cpus = 1 },
	{ "stress-sched", "rounds", "stress-ng --switch --futex: context switches",
	  .command = (const char *const[]){ "stress-ng", "--switch", "1", "--switch-ops", "2000",
					    "--futex", "1", "--futex-ops", "2000", NULL },
	  .min_cpus = 1 },
	{ 0 },
};

const struct noise_kind *noise_find(const char *name)
{
	for (const struct noise_kind *k = noise_kinds; k->name; k++)
		if (!strcmp(k->name, name))
			return k;
	return NULL;
}

/* One fork, its page copies and its exit. */
static int fork_once(volatile char *block, struct err *e)
{
	pid_t pid = fork();

	if (!pid) {
		for (size_t i = 0; i < FORK_TOUCH_BYTES; i += 4096)
			block[i]++;
		_exit(0);
	}
	if (pid < 0)
		return err_sys(e, "fork failed");
	while (waitpid(pid, NULL, 0) < 0)
		if (errno != EINTR)
			return err_sys(e, "waiting for a child failed");
	return 0;
}

int noise_fork(struct noise_worker *w, struct err *e)
{
	_cleanup_free_ char *block = calloc(1, FORK_TOUCH_BYTES);
	int ret = 0;

	if (!block)
		return err_set(e, -ENOMEM, "no memory");
	memset(block, 1, FORK_TOUCH_BYTES);
	for (; !ret; noise_count(w, !ret))
		ret = fork_once(block, e);
	return ret;
}

static void signal_arrives(int sig, siginfo_t *info, void *context)
{
	struct noise_proof *proof = info->si_value.sival_ptr;

	(void)sig;
	(void)context;
	atomic_fetch_add_explicit(&proof->done, 1, memory_order_relaxed);
}

/*
 * The pair of the KVM-RT practice: one process forks, another sends it signals. What counts is a
 * signal that was handled, in the forking process or in a child of its.
 */
int noise_signal(struct noise_worker *w, struct err *e)
{
	struct sigaction sa = { .sa_sigaction = signal_arrives, .sa_flags = SA_SIGINFO };
	union sigval proof = { .sival_ptr = w->proof };
	pid_t parent = getpid(), target;

	sigaction(SIGUSR1, &sa, NULL);
	target = fork();
	if (!target) {
		struct noise_proof uncounted = { 0 };
		struct noise_worker forker = { .proof = &uncounted };

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		noise_fork(&forker, e);
		_exit(1);
	}
	if (target < 0)
		return err_sys(e, "fork failed");
	for (;;) {
		if (sigqueue(target, SIGUSR1, proof) && errno != EAGAIN)
			return err_sys(e, "sending a signal failed");
		if (waitpid(target, NULL, WNOHANG) == target)
			return err_set(e, -ECHILD, "the process that takes the signals ended");
		sched_yield();
	}
}

int noise_memory(struct noise_worker *w, struct err *e)
{
	char *block = mmap(NULL, 2 * (size_t)MEMORY_BYTES, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (block == MAP_FAILED)
		return err_sys(e, "mapping %d MiB failed", 2 * MEMORY_BYTES >> 20);
	memset(block, 1, 2 * (size_t)MEMORY_BYTES);
	for (;;) {
		memcpy(block + MEMORY_BYTES, block, MEMORY_BYTES);
		noise_count(w, MEMORY_BYTES);
		memcpy(block, block + MEMORY_BYTES, MEMORY_BYTES);
		noise_count(w, MEMORY_BYTES);
	}
}

int noise_timer(struct noise_worker *w, struct err *e)
{
	const struct itimerspec every = { .it_value.tv_nsec = TIMER_PERIOD_NS,
					  .it_interval.tv_nsec = TIMER_PERIOD_NS };
	int timers[TIMERS];

	for (int i = 0; i < TIMERS; i++) {
		timers[i] = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
		if (timers[i] < 0 || timerfd_settime(timers[i], 0, &every, NULL))
			return err_sys(e, "making a timer failed");
	}
	for (;;) {
		/* a read waits for the next expiry and tells how many there were */
		for (int i = 0; i < TIMERS; i++) {
			uint64_t n;

			if (read(timers[i], &n, sizeof(n)) != sizeof(n))
				return err_sys(e, "reading a timer failed");
			noise_count(w, n);
		}
	}
}

static void *spin(void *arg)
{
	const struct cpulist *one = arg;
	struct err ignored = { 0 };

	cpulist_pin(one, 0, &ignored);
	for (;;)
		__builtin_ia32_pause();
	return NULL;
}

/* membarrier(2) interrupts every CPU on which another thread of this process runs. */
int noise_ipi(struct noise_worker *w, struct err *e)
{
	int first = cpulist_next(&w->cpus, 0), n = cpulist_count(&w->cpus);
	_cleanup_free_ struct cpulist *each = calloc(n, sizeof(*each));
	int i = 0;

	if (!each)
		return err_set(e, -ENOMEM, "no memory");
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0))
		return err_sys(e, "membarrier failed");
	cpulist_for_each(cpu, &w->cpus) {
		pthread_t thread;

		cpulist_add(&each[i], cpu);
		if (cpu == first ? cpulist_pin(&each[i], 0, e)
				 : pthread_create(&thread, NULL, spin, &each[i]))
			return err_set(e, -EAGAIN, "starting a thread for CPU %d failed", cpu);
		i++;
	}
	for (;;) {
		if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0))
			return err_sys(e, "membarrier failed");
		noise_count(w, n - 1);
	}
}

int noise_disk(struct noise_worker *w, struct err *e)
{
	_cleanup_free_ char *chunk = calloc(1, DISK_CHUNK_BYTES);
	_cleanup_close_ int fd = open(w->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	off_t at = 0;

	if (!chunk)
		return err_set(e, -ENOMEM, "no memory");
	if (fd < 0) /* unnamed: nothing is left behind, however the load ends */
		return err_sys(e, "making a file in %s failed", w->dir);
	for (;; at = (at + DISK_CHUNK_BYTES) % DISK_FILE_BYTES) {
		if (pwrite(fd, chunk, DISK_CHUNK_BYTES, at) != DISK_CHUNK_BYTES || fdatasync(fd))
			return err_sys(e, "writing to %s failed", w->dir);
		noise_count(w, DISK_CHUNK_BYTES);
	}
}

/* A fraction of a second of work for cc: many small functions, as in a kernel source file. */
static int write_source(int fd, struct err *e)
{
	for (int i = 0; i < 100; i++) {
		char text[256];
		int n = snprintf(text, sizeof(text),
				 "int f%d(int *a, int n) { int s = %d; for (int i = 0; i < n; i++) "
				 "s = s * 31 + a[i] %% (i + %d); return s; }\n",
				 i, i, i + 1);

		if (file_write_all(fd, text, n) < 0)
			return err_sys(e, "writing a source file failed");
	}
	return 0;
}

int noise_compile(struct noise_worker *w, struct err *e)
{
	_cleanup_close_ int fd = open(w->dir, O_TMPFILE | O_RDWR, 0600);
	char source[64];
	const char *const argv[] = {
		"cc",  "-pipe", /* no temporary files that a killed one would leave */
		"-O2", "-x",	"c", "-c", source, "-o", "/dev/null", NULL
	};
	int ret;

	if (fd < 0)
		return err_sys(e, "making a file in %s failed", w->dir);
	ret = write_source(fd, e);
	if (ret < 0)
		return ret;
	snprintf(source, sizeof(source), "/proc/self/fd/%d", fd); /* cc inherits it */
	return noise_rounds(w, argv, e);
}

/* Not real-time: a neighbour takes what its CPU has to spare. */
int noise_vm(struct noise_worker *w, struct err *e)
{
	char self[PATH_MAX], cpu[16];
	const char *const argv[] = { self,	 "bench",  "timer", "--allow-shared", "--cpu",
				     cpu,	 "--fifo", "0",	    "--duration",     "200ms",
				     "--period", "1ms",	   NULL };

	if (paths_self(self, sizeof(self), e) < 0)
		return e->code;
	snprintf(cpu, sizeof(cpu), "%d", w->cpu);
	return noise_rounds(w, argv, e);
}

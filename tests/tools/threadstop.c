// SPDX-License-Identifier: GPL-2.0-only
/*
 * threadstop TID COUNT MIN_MS MAX_MS - stop one thread COUNT times for random lengths
 *
 * SIGSTOP stops a whole process; ptrace(2) stops the one thread that is, say, a vCPU. One line for
 * each stop as hwlat-stops.pl writes them: earliest and latest beginning, earliest and latest end,
 * CLOCK_MONOTONIC in ns. The thread runs on when this program ends, however it ends.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "lib/clock.h"

enum { PAUSE_MS = 150 };

static void sleep_ms(double ms)
{
	clock_sleep_until(clock_now_ns() + ms * 1e6);
}

static int stop_once(pid_t tid, double ms)
{
	uint64_t t[4];
	int status;

	t[0] = clock_now_ns();
	if (ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) || waitpid(tid, &status, __WALL) != tid)
		return -errno;
	t[1] = clock_now_ns();
	sleep_ms(ms);
	t[2] = clock_now_ns();
	if (!WIFSTOPPED(status) || ptrace(PTRACE_CONT, tid, NULL, NULL))
		return -errno;
	t[3] = clock_now_ns();
	printf("%ju %ju %ju %ju\n", (uintmax_t)t[0], (uintmax_t)t[1], (uintmax_t)t[2],
	       (uintmax_t)t[3]);
	return fflush(stdout);
}

/* Signals of the thread itself stop it too while it is traced: hand them on. */
static void pass_signals(pid_t tid)
{
	int status;

	while (waitpid(tid, &status, __WALL | WNOHANG) == tid && WIFSTOPPED(status))
		ptrace(PTRACE_CONT, tid, NULL, (void *)(long)(status >> 16 ? 0 : WSTOPSIG(status)));
}

int main(int argc, char **argv)
{
	pid_t tid = argc == 5 ? atoi(argv[1]) : 0;
	int ret = 0;

	if (!tid) {
		fprintf(stderr, "usage: threadstop TID COUNT MIN_MS MAX_MS\n");
		return 2;
	}
	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL)) {
		fprintf(stderr, "threadstop: seizing thread %d failed: %s\n", tid, strerror(errno));
		return 2;
	}
	srand(20261120);
	for (int i = atoi(argv[2]); i > 0 && !ret; i--) {
		double least = atof(argv[3]), most = atof(argv[4]);
		int pause = PAUSE_MS / 2 + rand() % PAUSE_MS;

		for (int k = 0; k < pause; k++) {
			sleep_ms(1);
			pass_signals(tid);
		}
		ret = stop_once(tid, least + (most - least) * rand() / RAND_MAX);
	}
	ptrace(PTRACE_INTERRUPT, tid, NULL, NULL); /* only a stopped thread can be let go */
	waitpid(tid, NULL, __WALL);
	ptrace(PTRACE_DETACH, tid, NULL, NULL);
	return ret ? 1 : 0;
}

// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/guest/load.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cyclic/guest/port.h"
#include "lib/abi.h"
#include "lib/clock.h"
#include "lib/file.h"

#define TOTAL_PATH "/out/guest-load"

enum {
	AGAIN_NS = 100000000, /* after a round that failed, which must not be a load, too */
	NICE = 19, /* all that is left of vCPU 0, but behind what tells of the measurement */
};

struct load {
	struct port port;
	char **command;
	uint64_t slice_ns, begun_ns; /* of the slice */
	uint64_t rounds, total; /* of the slice; of all */
	pid_t child; /* 0: none */
	uint64_t start_ns; /* of the next round, not before */
};

/* A group of its own: hackbench has children. */
static int start_round(struct load *l, struct err *e)
{
	sigset_t none;

	l->child = fork();
	if (l->child < 0)
		return err_sys(e, "starting %s failed", l->command[0]);
	if (l->child)
		return 0;
	setpgid(0, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setpriority(PRIO_PROCESS, 0, NICE);
	execvp(l->command[0], l->command);
	_exit(127);
}

static void reap(struct load *l)
{
	int status;

	if (!l->child || waitpid(l->child, &status, WNOHANG) != l->child)
		return;
	l->child = 0;
	if (!status)
		l->rounds++;
	else
		l->start_ns = clock_now_ns() + AGAIN_NS;
}

static int end_slice(struct load *l, struct err *e)
{
	uint64_t now = clock_now_ns();
	const struct abi_load told = { .rounds = l->rounds, .elapsed_ns = now - l->begun_ns };

	l->total += l->rounds;
	l->rounds = 0;
	l->begun_ns = now;
	return port_send(&l->port, "load", &told, sizeof(told), e);
}

/* Until a round ends, a slice is over, or a signal comes; returns whether to go on. */
static bool rest(const struct load *l, const sigset_t *set)
{
	uint64_t now = clock_now_ns(), until = l->begun_ns + l->slice_ns, ns;
	struct timespec ts;

	if (!l->child && l->start_ns < until)
		until = l->start_ns;
	ns = until > now ? until - now : 0;
	ts = (struct timespec){ ns / NSEC_PER_SEC, ns % NSEC_PER_SEC };
	return sigtimedwait(set, NULL, &ts) != SIGTERM;
}

static int finish(struct load *l, struct err *e)
{
	char text[32];

	if (l->child) {
		kill(-l->child, SIGKILL);
		kill(l->child, SIGKILL); /* it may not have its group yet */
		waitpid(l->child, NULL, 0);
	}
	snprintf(text, sizeof(text), "%ju\n", (uintmax_t)(l->total + l->rounds));
	return file_replace(TOTAL_PATH, text, strlen(text), e);
}

int load_run(uint64_t slice_ns, char **command, struct err *e)
{
	struct load l = { .command = command, .slice_ns = slice_ns, .begun_ns = clock_now_ns() };
	bool go_on = true;
	sigset_t set;
	int ret = port_open(&l.port, e);

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	while (!ret && go_on) {
		reap(&l);
		if (!l.child && clock_now_ns() >= l.start_ns)
			ret = start_round(&l, e);
		if (!ret && clock_now_ns() >= l.begun_ns + slice_ns)
			ret = end_slice(&l, e);
		go_on = rest(&l, &set);
	}
	return finish(&l, e) < 0 ? e->code : ret;
}

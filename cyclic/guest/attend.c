// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/guest/attend.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cyclic/toolwatch.h"
#include "lib/cleanup.h"
#include "lib/file.h"

#define TEXT_PATH    "/tmp/text"
#define THREADS_PATH "/out/guest-threads"

enum {
	LOOK_MS = 100, /* one that breaks off at a spike may do so soon */
	THREADS_BYTES = 1 << 16, /* 128 lines */
};

/* The text goes to a file: the console is a port, and each byte of it an exit. */
static void become(char **command, const sigset_t *before)
{
	int out = open(TEXT_PATH, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	/* one that comes before its own handler ends it, rather than being lost */
	signal(SIGINT, SIG_DFL);
	if (out >= 0 && dup2(out, STDOUT_FILENO) >= 0) {
		sigprocmask(SIG_SETMASK, before, NULL);
		execvp(command[0], command);
	}
	fprintf(stderr, "%s: %s\n", command[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

/* Until it has ended; its threads are looked at until all have what was asked. */
static int watch(pid_t pid, const sigset_t *child, uint64_t priority, uint64_t threads)
{
	const struct timespec look = { .tv_nsec = LOOK_MS * 1000000 };
	static char lines[THREADS_BYTES];
	struct err ignored = { 0 };
	bool seen = false;
	int status;

	while (waitpid(pid, &status, WNOHANG) != pid) {
		if (!seen) {
			seen = (uint64_t)toolwatch_threads(pid, priority, lines, sizeof(lines)) >=
			       threads;
			/* without it the host knows what to think */
			file_replace(THREADS_PATH, lines, strlen(lines), &ignored);
		}
		sigtimedwait(child, NULL, seen ? NULL : &look);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int attend_run(uint64_t priority, uint64_t threads, char **command, struct err *e)
{
	char path[64];
	sigset_t child, before;
	pid_t pid;
	int code;

	signal(SIGINT, SIG_IGN); /* the tool has a handler of its own */
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, &before);
	pid = fork();
	if (pid < 0)
		return err_sys(e, "starting %s failed", command[0]);
	if (!pid)
		become(command, &before);
	code = watch(pid, &child, priority, threads);
	if (!file_path(path, sizeof(path), "/out/%s.txt", command[0]))
		return err_sys(e, "keeping the text of %s failed", command[0]);
	if (toolwatch_text(TEXT_PATH, strcmp(command[0], "oslat") ? '#' : ':', path, e) < 0)
		return e->code;
	return code;
}

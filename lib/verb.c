// SPDX-License-Identifier: GPL-2.0-only
#include "lib/verb.h"

#include <argp.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool reader_gone(void)
{
	struct pollfd p = { .fd = STDOUT_FILENO, .events = POLLOUT };

	return poll(&p, 1, 0) == 1 && p.revents & POLLERR;
}

/*
 * "| head" is no error: once all is undone, we end as every filter does whose reader went away. The
 * verbs that have something to undo held the signal back until here; where it is ignored, writing
 * fails like any other.
 */
static void end_by_pipe(void)
{
	struct sigaction now;

	if (sigaction(SIGPIPE, NULL, &now) || now.sa_handler == SIG_IGN)
		return;
	signal(SIGPIPE, SIG_DFL);
	raise(SIGPIPE);
}

/* A verdict that nobody could read, because the disk was full or the reader gone, is an error. */
static int flush_output(int ret, struct err *e)
{
	int error = ferror(stdout) ? EIO : 0;

	if (fflush(stdout))
		error = errno;
	if (!error || ret < 0)
		return ret;
	if (reader_gone())
		end_by_pipe();
	return err_set(e, -error, "writing standard output failed: %s", strerror(error));
}

int verb_main(char *name, verb_fn *run, int argc, char **argv)
{
	struct err e = { 0 };
	int ret;

	argv[0] = name;
	argp_err_exit_status = VERDICT_ERROR;
	ret = run(argc, argv, &e);
	ret = flush_output(ret, &e);
	if (e.code)
		err_print(&e, name, stderr);
	return err_verdict(ret);
}

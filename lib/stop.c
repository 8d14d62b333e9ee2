// SPDX-License-Identifier: GPL-2.0-only
#include "lib/stop.h"

#include <signal.h>
#include <stddef.h>

/* A signal handler has no argument to carry a context in: the program's one mutable global. */
static volatile sig_atomic_t stop_flag;

void stop_set(int code)
{
	if (!stop_flag || (stop_flag < _NSIG && code >= _NSIG))
		stop_flag = code;
}

static void on_signal(int sig)
{
	stop_set(sig);
}

static void on_pipe(int sig)
{
	(void)sig;
}

/*
 * Writing to a reader that went away is to fail, not to end us with things altered. A handler, as
 * what is ignored would stay ignored in the programs that we start.
 */
static void survive_pipes(void)
{
	struct sigaction sa = { .sa_handler = on_pipe, .sa_flags = SA_RESTART }, now;

	sigemptyset(&sa.sa_mask);
	if (!sigaction(SIGPIPE, NULL, &now) && now.sa_handler == SIG_DFL)
		sigaction(SIGPIPE, &sa, NULL);
}

void stop_install(void)
{
	static const int sigs[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction sa = { .sa_handler = on_signal };

	sigemptyset(&sa.sa_mask);
	for (size_t i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++)
		sigaction(sigs[i], &sa, NULL);
	survive_pipes();
}

bool stop_requested(void)
{
	return stop_flag;
}

int stop_signal(void)
{
	return stop_flag;
}

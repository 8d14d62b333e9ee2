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

void stop_install(void)
{
	static const int sigs[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction sa = { .sa_handler = on_signal };

	sigemptyset(&sa.sa_mask);
	for (size_t i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++)
		sigaction(sigs[i], &sa, NULL);
}

bool stop_requested(void)
{
	return stop_flag;
}

int stop_signal(void)
{
	return stop_flag;
}

// SPDX-License-Identifier: GPL-2.0-only
#include "lib/verb.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A verdict that nobody could read, because the disk was full or the reader gone, is an error. */
static int flush_output(int ret, struct err *e)
{
	int error = ferror(stdout) ? EIO : 0;

	if (fflush(stdout))
		error = errno;
	if (!error || ret < 0)
		return ret;
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
		fprintf(stderr, "%s: %s\n", name, e.text);
	return err_verdict(ret);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * main - rtkvm hwlat inside a guest: the same options, run directory and exit codes
 *
 * Beside the run directory a guest leaves CLOCK_FILE: its clock at the moment of a mark, which the host
 * stamps with its own. Static; started by the job that rtkvm hwlat-guest writes (cyclic/guestjob.c).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/io.h>

#include "hwlat/hwlat.h"
#include "lib/abi.h"
#include "lib/clock.h"
#include "lib/file.h"

#define CLOCK_FILE "/out/hwlat-clock"

/* Nobody but this call has a right to the ports: threads that measure would inherit it. */
static int tell_clock(struct err *e)
{
	char text[32];
	uint64_t now;

	if (iopl(3))
		return err_sys(e, "opening the ports failed");
	outb(ABI_MARK_CLOCK, ABI_MARK_PORT);
	now = clock_now_ns();
	iopl(0);
	snprintf(text, sizeof(text), "%ju\n", (uintmax_t)now);
	return file_replace(CLOCK_FILE, text, strlen(text), e);
}

int main(int argc, char **argv)
{
	struct err e = { 0 };
	int ret = tell_clock(&e);

	if (!ret)
		ret = hwlat_detect(argc, argv, &e);
	if (ret >= 0)
		return ret;
	err_print(&e, "rtkvm-hwlat", stderr);
	return e.code == -EINTR ? VERDICT_INCOMPLETE : VERDICT_ERROR;
}

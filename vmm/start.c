// SPDX-License-Identifier: GPL-2.0-only
/* start - from the rtkvm of all verbs to the program that does nothing but run a guest */
#include <limits.h>
#include <unistd.h>

#include "lib/paths.h"
#include "vmm/vmm.h"

int vmm_run(int argc, char **argv, struct err *e)
{
	char program[PATH_MAX];
	int ret = paths_support(program, sizeof(program), "vmm/rtkvm-run", e);

	(void)argc; /* the list ends in NULL */
	if (ret < 0)
		return ret;
	execv(program, argv);
	return err_sys(e, "starting %s failed", program);
}

// SPDX-License-Identifier: GPL-2.0-only
/* rtkvm-run - the process that a guest runs in: `rtkvm run`, and nothing of the other verbs */
#include "lib/verb.h"
#include "vmm/vmm.h"

int main(int argc, char **argv)
{
	char name[] = "rtkvm run";

	return verb_main(name, vmm_guest, argc, argv);
}

// SPDX-License-Identifier: GPL-2.0-only
/* rtkvm cyclictest, oslat, hwlat-guest - one guest, one instrument, one run directory (cyclic/harness.h) */
#include "cyclic/cyclic.h"
#include "cyclic/harness.h"

int cyclic_cyclictest(int argc, char **argv, struct err *e)
{
	return harness_main(GUEST_CYCLICTEST, argc, argv, e);
}

int cyclic_oslat(int argc, char **argv, struct err *e)
{
	return harness_main(GUEST_OSLAT, argc, argv, e);
}

int cyclic_hwlat_guest(int argc, char **argv, struct err *e)
{
	return harness_main(GUEST_HWLAT, argc, argv, e);
}

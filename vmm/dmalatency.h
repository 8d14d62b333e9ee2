/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dmalatency - how long a CPU of this host may take to leave an idle state, while a guest runs
 *
 * /dev/cpu_dma_latency (Documentation/power/pm_qos_interface.rst): a request in us that the idle
 * governors of all CPUs heed as long as its descriptor is open, so that nothing is left behind by a
 * run that is killed. The least of all requests is in force.
 */
#ifndef RTKVM_VMM_DMALATENCY_H
#define RTKVM_VMM_DMALATENCY_H

#include <stdint.h>

#include "lib/err.h"

enum { DMALATENCY_MAX_US = 1000000 };

/*
 * dmalatency_hold - ask for at most us by the file at path and read back what is in force into
 * *in_force_us; returns the descriptor that holds it
 */
int dmalatency_hold(const char *path, int32_t us, int32_t *in_force_us, struct err *e);

#endif

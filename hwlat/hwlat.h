/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hwlat - find every moment in which hardware, firmware or a host took a CPU away, and name it
 *
 * Verbs:    rtkvm hwlat
 * Threads:  one SCHED_FIFO spinner for each watched CPU and their keeper (detector.c); the
 *           supervisor, which is the calling thread, on the housekeeping CPUs (measure.c). They
 *           share struct spinner only.
 * Files:    run directory: run.json, latency.log, spikes.jsonl, hwlat.txt; --report FILE.
 * Alters:   a tracefs instance, sched_rt_runtime_us, watchdog_cpumask, /dev/cpu_dma_latency
 *           (altered.c), settings of the kernel's tracers (ktracer.c); all undone.
 * Must not know: guests, the VMM, how reports are drawn.
 *
 * Reading order: spin.c (what is measured), gap.c (what belongs together), activity.c and
 * culprit.c (who did it), measure.c (how it is run).
 */
#ifndef RTKVM_HWLAT_HWLAT_H
#define RTKVM_HWLAT_HWLAT_H

#include "lib/err.h"

/* hwlat_detect - the verb: a verdict, or -errno with e set */
int hwlat_detect(int argc, char **argv, struct err *e);

#endif

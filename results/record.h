/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * record - what an instrument needs to leave a result behind
 *
 * hist: the histogram, a value. log: latency.log, its slices. run: the run directory and run.json.
 * rttests: a cyclictest file as histograms. explained: which spike an explanation belongs to.
 * Needs lib, json-c and zlib; nothing that reads or draws results stands behind it.
 *
 *	struct run run;
 *	struct log_writer log;
 *
 *	run_create(&run, out, "cyclictest", e);
 *	log_create(&log, run_path(&run, "latency.log", path), 0, e);
 *	... each slice and CPU: log_write(&log, &slice, &hist, e); then log_sync(&log, e);
 *	log_close(&log, e);
 *	run_add_cpu(&run, &cpu, &hist); run_add_limit(&run, "max_ns", 40000);
 *	run_finish(&run, run_judge(&run, smoke), e);
 */
#ifndef RTKVM_RESULTS_RECORD_H
#define RTKVM_RESULTS_RECORD_H

#include "results/explained.h"
#include "results/hist.h"
#include "results/host.h"
#include "results/log.h"
#include "results/rttests.h"
#include "results/run.h"

#endif

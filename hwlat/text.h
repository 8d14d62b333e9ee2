/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * text - the report for people, in the order and words of hwlatdetect, so that scripts that read
 * "Max Latency:", "Samples recorded:", "Samples exceeding threshold:" and sample lines still can
 */
#ifndef RTKVM_HWLAT_TEXT_H
#define RTKVM_HWLAT_TEXT_H

#include <stdio.h>

#include "hwlat/options.h"
#include "hwlat/plan.h"
#include "hwlat/findings.h"

/* text_head - what is going to be measured, up to "Starting test" */
void text_head(FILE *out, const struct hwlat_opts *o, const struct plan *p, const char *conditions);

/* text_tail - from "test finished" on; samples: with the sample lines (not after --watch) */
void text_tail(FILE *out, const struct findings *r, const struct hwlat_opts *o, bool samples);

#endif

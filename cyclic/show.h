/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * show - a run's result in a few lines, from run.json alone
 */
#ifndef RTKVM_CYCLIC_SHOW_H
#define RTKVM_CYCLIC_SHOW_H

#include <stdio.h>

#include "results/record.h"

/* show_run - conditions, a line for each CPU, VM exits per wake-up, verdict with its reasons */
void show_run(const struct run *run, FILE *out);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * optvalues - the texts behind rtkvm run's options, each checked by itself
 *
 * optvalue_X - the text behind --X into o; -EINVAL or -ERANGE with one sentence that names the option.
 * What contradicts another option is vmm/opts.c's to see.
 */
#ifndef RTKVM_VMM_OPTVALUES_H
#define RTKVM_VMM_OPTVALUES_H

#include "lib/err.h"
#include "vmm/opts.h"

int optvalue_memory(struct run_opts *o, const char *text, struct err *e);
int optvalue_hugepages(struct run_opts *o, const char *text, struct err *e);
int optvalue_exit_code(struct run_opts *o, const char *text, struct err *e);
int optvalue_prefault(struct run_opts *o, const char *text, struct err *e);
int optvalue_cpus(struct run_opts *o, const char *text, struct err *e);
int optvalue_placement(struct run_opts *o, const char *text, struct err *e);
int optvalue_vcpus(struct run_opts *o, const char *text, struct err *e);
int optvalue_housekeeping(struct run_opts *o, const char *text, struct err *e);
int optvalue_fifo(struct run_opts *o, const char *text, struct err *e);
int optvalue_ordinary(struct run_opts *o, const char *text, struct err *e);
int optvalue_dma_latency(struct run_opts *o, const char *text, struct err *e);
int optvalue_pmu(struct run_opts *o, const char *text, struct err *e);
int optvalue_slow_exit(struct run_opts *o, const char *text, struct err *e);
int optvalue_no_exit(struct run_opts *o, const char *text, struct err *e);
int optvalue_halt_poll(struct run_opts *o, const char *text, struct err *e);
int optvalue_advance(struct run_opts *o, const char *text, struct err *e);
int optvalue_partition(struct run_opts *o, const char *text, struct err *e);
int optvalue_nx_pages(struct run_opts *o, const char *text, struct err *e);
int optvalue_irqchip(struct run_opts *o, const char *text, struct err *e);
int optvalue_name(struct run_opts *o, const char *text, struct err *e);
int optvalue_sandbox(struct run_opts *o, const char *text, struct err *e);
int optvalue_timeout(struct run_opts *o, const char *text, struct err *e);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * opt - command lines: argp with errors as values, and the numbers users write
 *
 * Parsing is pure: it fills a struct, opens nothing, checks no rights and prints only --help.
 */
#ifndef RTKVM_LIB_OPT_H
#define RTKVM_LIB_OPT_H

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/cpulist.h"
#include "lib/cpumap.h"
#include "lib/err.h"

/*
 * opt_parse - run argp; an unknown option, a missing argument or a parser's own err_set becomes
 * one sentence in e and -EINVAL. --help prints and exits 0. A parser that refuses leftover words
 * does so with err_set at ARGP_KEY_ARG. One that takes a command to run asks for in_order and, at
 * the first ARGP_KEY_ARG, takes &state->argv[state->next - 1] and sets state->next = state->argc.
 */
int opt_parse(const struct argp *argp, int argc, char **argv, bool in_order, void *input,
	      struct err *e);

/* opt_u64 - a decimal (or 0x) number in [min, max]; what names the option in the error */
int opt_u64(const char *what, const char *text, uint64_t min, uint64_t max, uint64_t *out,
	    struct err *e);

/* opt_int - opt_u64 of what is an int; *out stays on failure */
int opt_int(const char *what, const char *text, int min, int max, int *out, struct err *e);

/* opt_size - bytes from "4096", "512M", "1G" (powers of 1024; K M G T) */
int opt_size(const char *what, const char *text, uint64_t *bytes, struct err *e);

/*
 * opt_duration - nanoseconds from "90s", "10m", "24h", "2d", "500ms", "20us"; a bare number: s; so
 * few that no clock's reading plus them overflows
 */
int opt_duration(const char *what, const char *text, uint64_t *ns, struct err *e);

/*
 * opt_latency - opt_duration of a limit: a bare number, which other tools take for microseconds, is
 * refused (0 is 0)
 */
int opt_latency(const char *what, const char *text, uint64_t *ns, struct err *e);

/* opt_duration_in - opt_duration that must lie in [min, max] (ns) */
int opt_duration_in(const char *what, const char *text, uint64_t min, uint64_t max, uint64_t *ns,
		    struct err *e);

/* opt_latency_in - opt_latency that must lie in [min, max] (ns) */
int opt_latency_in(const char *what, const char *text, uint64_t min, uint64_t max, uint64_t *ns,
		   struct err *e);

/* opt_cpulist - cpulist_parse whose error names the option */
int opt_cpulist(const char *what, const char *text, struct cpulist *l, struct err *e);

/* opt_cpumap - cpumap_parse whose error names the option */
int opt_cpumap(const char *what, const char *text, struct cpumap *m, struct err *e);

#endif

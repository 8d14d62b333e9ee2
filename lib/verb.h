/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * verb - what the programs' main() do with a verb; the one place that prints an error
 */
#ifndef RTKVM_LIB_VERB_H
#define RTKVM_LIB_VERB_H

#include "lib/err.h"

/* A verb: returns a verdict, or -errno with e set. */
typedef int verb_fn(int argc, char **argv, struct err *e);

/*
 * verb_main - run a verb under the name that its messages bear ("rtkvm run", which replaces
 * argv[0]), print its one error; returns the exit code. Output that could not be written is an error
 */
int verb_main(char *name, verb_fn *run, int argc, char **argv);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * results - the face: what is made of a measurement
 *
 * What: reads run directories (run.json, latency.log, spikes.jsonl) and foreign tools' output,
 *	computes statistics, draws plots, writes reports, compares runs, keeps their history.
 * Verbs: report, compare, import, history. (Instruments write through results/record.h.)
 * Threads: none; gnuplot runs as a child process.
 * Files written: in the run directory run.json (key statistics, cpus, limits, verdict after
 *	--limit), plots/ (SVG and PNG), report.html, summary.md, junit.xml, report.ktap,
 *	metrics.prom; import makes a run directory; history a database where it is told.
 * Must not know: how anything was measured; other parts' structs. It reads files.
 */
#ifndef RTKVM_RESULTS_RESULTS_H
#define RTKVM_RESULTS_RESULTS_H

#include "lib/err.h"

/* results_report - rtkvm report DIR: statistics, plots and reports of one run; its verdict */
int results_report(int argc, char **argv, struct err *e);

/* results_compare - rtkvm compare A B...: better, worse, the same, or cannot tell */
int results_compare(int argc, char **argv, struct err *e);

/* results_history - rtkvm history DIR: the trend of many runs, and where it changed */
int results_history(int argc, char **argv, struct err *e);

/* results_import - rtkvm import FILE...: run directories from other tools' results */
int results_import(int argc, char **argv, struct err *e);

#endif

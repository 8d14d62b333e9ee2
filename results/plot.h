/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * plot - one gnuplot process a picture: the same script draws the SVG and the PNG
 *
 * Text that came from elsewhere (names, kernel versions, marks) goes through plot_quote: gnuplot
 * runs commands in double-quoted strings, so nothing foreign is ever put into one.
 */
#ifndef RTKVM_RESULTS_PLOT_H
#define RTKVM_RESULTS_PLOT_H

#include <stdio.h>

#include "results/result.h"

struct plot {
	FILE *out; /* the script: commands and data; write with fprintf */
	char *text;
	size_t len;
	const char *name; /* of the picture: NAME.svg, NAME.png */
	char dir[PATH_MAX]; /* where they go */
};

enum { PLOT_WIDTH = 1000, PLOT_HEIGHT = 520 };

/* plot_open - begin DIR/plots/NAME.{svg,png}, with the common style set; name must be a literal */
int plot_open(struct plot *p, const char *dir, const char *name, struct err *e);

/*
 * plot_title - the title, with a second line of small print: figures and kernel, and a caution of r
 * (may be NULL)
 * where the latencies are not of hardware (pictures travel without their report)
 */
void plot_title(struct plot *p, const struct result *r, const char *title, const char *fine_print);

/*
 * plot_draw - run gnuplot: set up both terminals and evaluate command ("plot $data using ...")
 * for each; frees the plot. Errors carry gnuplot's first line.
 */
int plot_draw(struct plot *p, const char *command, struct err *e);

/* plot_drop - free without drawing (nothing to show) */
void plot_drop(struct plot *p);

/* plot_quote - text as a single-quoted gnuplot string, printable characters only; returns buf */
char *plot_quote(const char *text, char *buf, size_t size);

/* plot_colour - colour of the i-th line, told apart with any colour vision; dash type beside it */
const char *plot_colour(size_t i);
int plot_dash(size_t i);

/* plot_x_time - x axis in UTC between two wall-clock times, ticks as fine as the span needs */
void plot_x_time(struct plot *p, uint64_t begin_ns, uint64_t end_ns);

/* plot_log_x - a logarithmic x axis of microseconds, which will reach from low to high */
void plot_log_x(struct plot *p, double low_ns, double high_ns);

/* plot_us - microseconds as people write them: "4", "4.2", "0.31", "1500"; returns buf */
char *plot_us(double ns, char *buf, size_t size);

/* plot_steps - a histogram as step-line points (us, samples in the bin), bins at least bin_ns */
void plot_steps(struct plot *p, const struct hist *h, uint64_t bin_ns);

/* plot_ccdf - points (us, share of samples above), from 1 down to the last sample */
void plot_ccdf(struct plot *p, const struct hist *h);

/* plot_fine_print - "NAME: max 18.7 us, n = 864,000,000, interval 200 us, Linux 6.1"; returns buf */
char *plot_fine_print(const struct result *r, const struct figure *f, char *buf, size_t size);

/* plot_limits - the run's limits as labelled lines across the x axis of microseconds */
void plot_limits(struct plot *p, const struct result *r);

/* plot_lines - "plot $d0 using 1:2 HOW ..., $d1 ...", a line a CPU; the caller frees; NULL: no memory */
char *plot_lines(const struct group *g, const char *how);

/* plot_longest_slice - ns; a grid finer than that would show stripes */
uint64_t plot_longest_slice(const struct result *r);

/* --- the pictures; each returns 1 when it drew, 0 when there is nothing to show, -errno --- */

struct picture {
	const char *name; /* plots/NAME.svg */
	const char *title; /* heading in the report */
	const char *text; /* what one sees, for the caption and for who cannot see it */
	int (*draw)(const struct result *r, struct err *e);
};

extern const struct picture pictures[];
extern const size_t n_pictures;

int plot_histogram(const struct result *r, struct err *e);
int plot_exceedance(const struct result *r, struct err *e);
int plot_density(const struct result *r, struct err *e);
int plot_timeline(const struct result *r, struct err *e);
int plot_maxima(const struct result *r, struct err *e);
int plot_delays(const struct result *r, struct err *e);
int plot_host_guest(const struct result *r, struct err *e);
int plot_tail(const struct result *r, struct err *e);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * campaign - what a campaign file says (rtkvm-campaign(5)), as data
 *
 * Reading is in two steps: campaign_file.c takes the text apart, campaign_check.c holds it against
 * itself and against the machine. Both collect mistakes with their line numbers instead of
 * stopping at the first.
 */
#ifndef RTKVM_CYCLIC_CAMPAIGN_H
#define RTKVM_CYCLIC_CAMPAIGN_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "cyclic/guestjob.h"
#include "cyclic/noise.h"
#include "cyclic/sample.h"
#include "lib/cpulist.h"
#include "lib/cpumap.h"
#include "lib/err.h"

enum {
	CAMPAIGN_NAME_BYTES = 16,
	CAMPAIGN_GUEST_NAME = 7, /* phase/guest has to fit a log's instrument name */
	CAMPAIGN_TEXT_BYTES = 256,
	CAMPAIGN_GUESTS = 16,
	CAMPAIGN_LOADS = 16,
	CAMPAIGN_PHASES = 64,
	CAMPAIGN_KEYS = 40, /* rows of the key table; checked there */
	CAMPAIGN_FILE_BYTES = 1 << 20,
	CAMPAIGN_LINE_BYTES =
		190, /* inih's own limit is 200 with its end; a longer line is a mistake */
	CAMPAIGN_TRACES = 10, /* traces kept of a phase, by default */
};

/* The program that carries a phase out: rtkvm VERB (gap: rtkvm bench gap). */
enum instrument {
	RUN_NONE,
	RUN_DOCTOR,
	RUN_HWLAT,
	RUN_GAP,
	RUN_SAMPLE,
	RUN_CYCLICTEST,
	RUN_OSLAT,
	RUN_KINDS,
};

/* instrument_name - the word in campaign files */
const char *instrument_name(enum instrument i);

/* What every section has; lines[] tells where each key stood, 0 where it did not. */
struct entry {
	char name[CAMPAIGN_NAME_BYTES];
	int line;
	int lines[CAMPAIGN_KEYS];
};

struct guest_entry {
	struct entry entry;
	char image[PATH_MAX];
	uint64_t memory_bytes;
	char cpus_text[CAMPAIGN_TEXT_BYTES];
	struct cpumap cpus;
	char vmm[CAMPAIGN_TEXT_BYTES]; /* "rtkvm" or "qemu" */
	bool allow_shared, allow_tick;
};

struct load_entry {
	struct entry entry;
	const struct noise_kind *kind;
	struct cpulist cpus;
	uint64_t floor; /* counts a second in every slice; 0: more than nothing */
	char dir[PATH_MAX]; /* "" none */
};

struct phase_entry {
	struct entry entry;
	enum instrument run;
	struct cpulist cpus;
	char guests_text[CAMPAIGN_TEXT_BYTES], loads_text[CAMPAIGN_TEXT_BYTES];
	const struct guest_entry *guests[CAMPAIGN_GUESTS];
	const struct load_entry *loads[CAMPAIGN_LOADS];
	size_t n_guests, n_loads;
	const struct guest_load *guest_load; /* NULL: none */
	uint64_t guest_load_floor; /* rounds a second in every slice; 0: more than nothing */
	uint64_t duration_ns, interval_ns, segment_ns; /* segment 0: all in one */
	uint64_t spike_ns, threshold_ns, width_ns, histogram_ns; /* 0: the instrument's default */
	uint64_t priority;
	enum spike_action on_spike;
	uint64_t traces; /* with on_spike trace: attempts that may keep one */
	bool gate, simulate;
	uint64_t seed;
	struct sample_limit limits[SAMPLE_LIMITS];
	size_t n_limits;
};

struct campaign {
	struct entry entry; /* [campaign] */
	char name[CAMPAIGN_NAME_BYTES];
	bool smoke;
	bool end_on_stall; /* else the campaign goes on with the next phase */
	uint64_t slice_ns;
	struct guest_entry guests[CAMPAIGN_GUESTS];
	struct load_entry loads[CAMPAIGN_LOADS];
	struct phase_entry phases[CAMPAIGN_PHASES];
	size_t n_guests, n_loads, n_phases;
};

enum { MISTAKES = 100, MISTAKE_BYTES = 320 };

struct mistakes {
	struct {
		int line; /* 0: of the file as a whole */
		char text[MISTAKE_BYTES];
	} v[MISTAKES];
	size_t n; /* may exceed MISTAKES: the rest is only counted */
};

/* mistake - note one */
void mistake(struct mistakes *m, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* mistakes_print - FILE:LINE: what, by line */
void mistakes_print(struct mistakes *m, const char *file, FILE *out);

/* The machine a file is checked against. */
struct campaign_machine {
	struct cpulist online;
	bool images; /* look for guest images on disk */
};

/* campaign_new - an empty one; free() it */
struct campaign *campaign_new(struct err *e);

/* campaign_parse - take text apart; values are checked one by one, mistakes are collected in m */
void campaign_parse(struct campaign *c, const char *text, struct mistakes *m);

/* campaign_check - hold a parsed campaign together: references, CPUs, what applies to what */
void campaign_check(struct campaign *c, const struct campaign_machine *machine, struct mistakes *m);

/* campaign_machine_read - this machine */
int campaign_machine_read(struct campaign_machine *machine, struct err *e);

/*
 * campaign_load - read, parse and check a file against this machine. Mistakes go to out, one a
 * line, and -EINVAL with their number into e. The caller frees *c; *text (may be NULL) is the
 * file as it was read, the caller's too.
 */
int campaign_load(struct campaign **c, char **text, const char *path, FILE *out, struct err *e);

/* phase_watches_guests - rtkvm hwlat in guests: judged and resumed as the other instruments are */
static inline bool phase_watches_guests(const struct phase_entry *p)
{
	return p->run == RUN_HWLAT && p->n_guests;
}

/* phase_breaks_off - a spike ends the attempt, and another measures what is left (breakoff.h) */
static inline bool phase_breaks_off(const struct phase_entry *p)
{
	return p->run == RUN_CYCLICTEST && p->on_spike != SPIKE_RECORD;
}

/* phase_cpus - the host CPUs a phase measures on */
struct cpulist phase_cpus(const struct phase_entry *p);

/* campaign_total_ns - the measured time asked for, all phases together */
uint64_t campaign_total_ns(const struct campaign *c);

#endif

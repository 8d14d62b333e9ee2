// SPDX-License-Identifier: GPL-2.0-only
/* import - rtkvm import: finds out what a file is, reads it, leaves a run directory or nothing */
#include "results/import.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/opt.h"
#include "results/results.h"

enum { HEAD_BYTES = 65536 };

/* In this order: the first whose beginning it is. Plain columns come last: much looks like them. */
static const struct format formats[] = {
	{ "rt-tests JSON", rttests_is, rttests_read },
	{ "jitterdebugger JSON", jitterdebugger_is, jitterdebugger_read },
	{ "rteval XML", rteval_is, rteval_read },
	{ "HdrHistogram log", hdr_is, hdr_read },
	{ "hwlatdetect", hwlatdetect_is, hwlatdetect_read },
	{ "rtla hist", rtla_hist_is, rtla_hist_read },
	{ "rtla top", rtla_top_is, rtla_top_read },
	{ "cyclictest", cyclictest_is, cyclictest_read },
	{ "cyclictest -v", verbose_is, verbose_read },
	{ "jitterdebugger samples", jitterraw_is, jitterraw_read },
	{ "two columns", plain_is, plain_read },
};

const char *import_other_tool(const char *line)
{
	static const struct {
		const char *begin, *tool;
	} heads[] = {
		{ "hwlatdetect:", "hwlatdetect" },
		{ "# RTLA ", "rtla" },
		{ "# Histogram", "cyclictest" },
		{ "T: 0 (", "cyclictest" },
		{ "{", "a JSON writer" },
		{ "<?xml", "an XML writer" },
		{ "<rteval", "rteval" },
		{ "RTT|", "Xenomai latency" },
		{ "#[Histogram log", "HdrHistogram" },
	};

	line += strspn(line, " \t");
	for (size_t i = 0; i < ARRAY_SIZE(heads); i++)
		if (!strncmp(line, heads[i].begin, strlen(heads[i].begin)))
			return heads[i].tool;
	return NULL;
}

/* --- for the readers --- */

struct import_cpu *import_cpu(struct import *im, const char *instrument, int cpu, struct err *e)
{
	struct import_cpu **more, *c;

	for (size_t i = 0; i < im->n_cpus; i++)
		if (im->cpus[i]->slice.cpu == cpu &&
		    !strcmp(im->cpus[i]->slice.instrument, instrument))
			return im->cpus[i];
	more = realloc(im->cpus, (im->n_cpus + 1) * sizeof(*more));
	c = calloc(1, sizeof(*c));
	if (more)
		im->cpus = more;
	if (!more || !c || im->n_cpus >= 4096) {
		free(c);
		err_set(e, -ENOMEM, "reading %s failed: more than 4096 CPUs, or no memory",
			im->path);
		return NULL;
	}
	c->slice.cpu = cpu;
	c->slice.host_cpu = -1;
	snprintf(c->slice.instrument, sizeof(c->slice.instrument), "%s", instrument);
	hist_init(&c->hist);
	hist_init(&c->total);
	im->cpus[im->n_cpus++] = c;
	return c;
}

int import_slice(struct import *im, struct import_cpu *c, struct err *e)
{
	uint64_t resolution = c->hist.resolution_ns;
	int ret = log_write(&im->log, &c->slice, &c->hist, e);

	if (ret < 0)
		return ret;
	c->total.resolution_ns = resolution > c->total.resolution_ns ? resolution
								     : c->total.resolution_ns;
	hist_merge(&c->total, &c->hist);
	hist_init(&c->hist);
	c->hist.resolution_ns = resolution;
	c->slice.max_wall_ns = 0;
	c->slices++;
	return 0;
}

void import_summary(struct hist *h, uint64_t n, uint64_t min_ns, uint64_t max_ns)
{
	if (min_ns == max_ns) {
		hist_add_n(h, min_ns, n);
		return;
	}
	if (n)
		hist_add_n(h, max_ns, 1);
	if (n > 1)
		hist_add_n(h, min_ns, 1);
	if (n > 2)
		hist_add_over(h, min_ns, n - 2);
}

void import_max(struct hist *h, uint64_t max_ns)
{
	if (max_ns > h->max_ns)
		h->max_ns = max_ns;
}

void import_source(struct import *im, const char *tool, const char *version)
{
	json_object *o = run_section(&im->run, "import");

	json_set_str(o, "tool", tool);
	json_set_str(o, "version", version);
}

void import_note(struct import *im, const char *fmt, ...)
{
	json_object *o = run_section(&im->run, "import"), *notes = json_at(o, "notes");
	char text[256];
	va_list args;

	if (!notes) {
		notes = json_object_new_array();
		json_object_object_add(o, "notes", notes);
	}
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	json_object_array_add(notes, json_object_new_string(text));
}

int import_unit(struct import *im, const struct lines *l, const char *hint, struct err *e)
{
	if (im->unit_ns)
		return im->unit_ns;
	return err_set(e, -EINVAL,
		       "reading %s failed: the source does not tell its unit; add --unit us, %s",
		       l->path, hint);
}

bool import_ns(double v, uint64_t unit_ns, uint64_t *ns)
{
	v *= unit_ns;
	if (!(v >= 0) || v > 30 * 86400e9)
		return false;
	*ns = v + 0.5;
	return true;
}

/* --- one file --- */

static ssize_t read_head(const char *path, char *buf, size_t size, struct err *e)
{
	_cleanup_close_ int fd = file_open(path, e);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = read(fd, buf, size - 1);
	if (n < 0)
		return err_sys(e, "reading %s failed", path);
	buf[n] = '\0';
	if (!n)
		return err_set(e, -ENODATA, "reading %s failed: the file is empty", path);
	return n;
}

int import_file(struct import *im, struct err *e)
{
	_cleanup_free_ char *head = malloc(HEAD_BYTES);
	ssize_t n = head ? read_head(im->path, head, HEAD_BYTES, e)
			 : err_set(e, -ENOMEM, "reading %s failed: no memory", im->path);

	if (n < 0)
		return n;
	if (log_is(head, n))
		return err_set(
			e, -EINVAL,
			"reading %s failed: it is a latency.log already; rtkvm report reads its "
			"run directory",
			im->path);
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
		if (formats[i].is(head, n))
			return formats[i].read(im, e);
	return err_set(e, -EINVAL,
		       "reading %s failed: line 1: \"%.*s\" begins no format that is known; man "
		       "rtkvm-import lists them",
		       im->path, (int)strcspn(head, "\r\n") > 40 ? 40 : (int)strcspn(head, "\r\n"),
		       isprint((unsigned char)*head) ? head : "(binary)");
}

/* --- a run directory from it --- */

/* This machine's facts are not the source's. */
static void forget_this_machine(struct import *im, const char *conditions)
{
	json_object *doc = im->run.doc;
	char iso[CLOCK_ISO_BYTES];

	json_set_str(doc, "conditions", conditions);
	json_set_str(doc, "conditions_why",
		     strcmp(conditions, "unknown") ? "said by who imported it"
						   : "the source does not say where it ran");
	json_object_object_add(doc, "host", json_object_new_object());
	json_set_str(run_section(&im->run, "import"), "file", im->path);
	json_set_str(run_section(&im->run, "import"), "at", clock_iso8601(clock_wall_ns(), iso));
}

static int finish_cpu(struct import *im, struct import_cpu *c, struct err *e)
{
	struct run_cpu rc = {
		.cpu = c->slice.cpu,
		.host_cpu = c->slice.host_cpu,
		.instrument = c->slice.instrument,
		.expected = -1,
		.missed = -1,
	};

	if (!c->slices) {
		c->slice.start_wall_ns = im->start_wall_ns;
		c->slice.duration_ns = im->duration_ns;
	}
	if ((!c->slices || hist_total(&c->hist)) && import_slice(im, c, e))
		return e->code;
	run_add_cpu(&im->run, &rc, &c->total);
	return 0;
}

static int by_instrument_and_cpu(const void *a, const void *b)
{
	const struct log_slice *x = &(*(struct import_cpu *const *)a)->slice;
	const struct log_slice *y = &(*(struct import_cpu *const *)b)->slice;
	int order = strcmp(x->instrument, y->instrument);

	return order ? order : (x->cpu > y->cpu) - (x->cpu < y->cpu);
}

static int finish_run(struct import *im, struct err *e)
{
	char path[PATH_MAX], iso[CLOCK_ISO_BYTES];
	enum verdict v;

	qsort(im->cpus, im->n_cpus, sizeof(*im->cpus), by_instrument_and_cpu);
	for (size_t i = 0; i < im->n_cpus; i++)
		if (finish_cpu(im, im->cpus[i], e))
			return e->code;
	if (log_close(&im->log, e))
		return e->code;
	if (im->spikes.n) {
		if (spikes_group(&im->spikes, e) ||
		    spikes_save(&im->spikes, run_path(&im->run, "spikes.jsonl", path), e))
			return e->code;
		run_file(&im->run, "spikes", "spikes.jsonl");
	}
	json_set_int(im->run.doc, "spikes", im->spikes.n);
	run_file(&im->run, "log", "latency.log");
	json_set_str(im->run.doc, "started",
		     im->start_wall_ns ? clock_iso8601(im->start_wall_ns, iso) : NULL);
	v = run_judge(&im->run, false);
	if (run_finish(&im->run, v, e))
		return e->code;
	/* run_finish wrote now; when the source ended is another matter */
	json_set_str(im->run.doc, "ended",
		     im->start_wall_ns && im->duration_ns
			     ? clock_iso8601(im->start_wall_ns + im->duration_ns, iso)
			     : NULL);
	return run_save(&im->run, e);
}

static void import_free(struct import *im)
{
	struct err ignored = { 0 };

	log_close(&im->log, &ignored);
	for (size_t i = 0; i < im->n_cpus; i++)
		free(im->cpus[i]);
	free(im->cpus);
	spikes_free(&im->spikes);
	run_close(&im->run);
}

/* The name of a run from that of a file: what is no letter or digit becomes "-". */
static void run_name(const char *path, char *buf, size_t size)
{
	const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;

	snprintf(buf, size, "import-%.80s", base);
	for (char *p = buf; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("._-", *p))
			*p = '-';
}

struct args {
	const char *out, *unit, *conditions, *name;
	char **files;
	size_t n_files;
	struct err *e;
};

static int one_file(const struct args *a, const char *path, struct err *e)
{
	struct import im = {
		.path = path,
		.log = { .fd = -1 },
		.unit_ns = !a->unit		    ? 0
			   : !strcmp(a->unit, "us") ? 1000
						    : 1,
	};
	char name[128], log[PATH_MAX];
	int ret;

	run_name(path, name, sizeof(name));
	/* a source that cannot be read at all makes no directory */
	if (access(path, R_OK))
		return err_sys(e, "opening %s failed", path);
	if (run_create(&im.run, a->out, a->name ? a->name : name, e))
		return e->code;
	forget_this_machine(&im, a->conditions);
	ret = log_create(&im.log, run_path(&im.run, "latency.log", log), 0, e);
	if (!ret)
		ret = import_file(&im, e);
	if (!ret)
		ret = finish_run(&im, e);
	if (!ret)
		printf("%s\n", im.run.dir);
	else
		run_discard(&im.run);
	import_free(&im);
	return ret;
}

/* --- the verb --- */

static const struct argp_option options[] = {
	{ "out", 'o', "DIR", 0,
	  "the run directory to make (one FILE only); default runs/TIME-NAME" },
	{ "name", 'n', "NAME", 0, "name of the run; default: from the file's name" },
	{ "unit", 'u', "us|ns", 0, "the unit of a source that does not tell it" },
	{ "conditions", 'c', "hardware|nested|emulated", 0,
	  "where the source was measured; without it that stays unknown, and no limit is passed" },
	{ 0 },
};

static error_t one_of(struct args *a, const char *what, const char *text, const char *const *words,
		      const char **to)
{
	for (size_t i = 0; words[i]; i++)
		if (!strcmp(words[i], text)) {
			*to = text;
			return 0;
		}
	return err_set(a->e, -EINVAL, "%s: \"%s\" is none of its words; see --help", what, text);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	static const char *const units[] = { "us", "ns", NULL };
	static const char *const conditions[] = { "hardware", "nested", "emulated", NULL };
	struct args *a = state->input;

	switch (key) {
	case 'o':
		a->out = arg;
		return 0;
	case 'n':
		a->name = arg;
		return 0;
	case 'u':
		return one_of(a, "--unit", arg, units, &a->unit);
	case 'c':
		return one_of(a, "--conditions", arg, conditions, &a->conditions);
	case ARGP_KEY_ARGS:
		a->files = state->argv + state->next;
		a->n_files = state->argc - state->next;
		return 0;
	case ARGP_KEY_END:
		if (!a->n_files)
			return err_set(a->e, -EINVAL, "which file? give at least one");
		if (a->out && a->n_files > 1)
			return err_set(a->e, -EINVAL, "--out takes one file, %zu are given",
				       a->n_files);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "FILE...",
	.doc = "Make a run directory of another tool's result: cyclictest (text and JSON), oslat, "
	       "signaltest and the other rt-tests (JSON), hwlatdetect, rtla hist and top, rteval, "
	       "jitterdebugger, HdrHistogram logs, plain columns. A format is known by its content. "
	       "Prints the directory of each.",
};

int results_import(int argc, char **argv, struct err *e)
{
	struct args a = { .conditions = "unknown", .e = e };
	int ret = opt_parse(&argp, argc, argv, false, &a, e);

	for (size_t i = 0; i < a.n_files && !ret; i++)
		ret = one_file(&a, a.files[i], e);
	return ret;
}

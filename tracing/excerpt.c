// SPDX-License-Identifier: GPL-2.0-only
/* excerpt - what both kernels did around each late wake-up, of an explanation or of a run directory */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/json.h"
#include "tracing/explain.h"
#include "tracing/report.h"

struct report_window report_around(const char *comm, uint32_t tid, uint64_t ran_ns,
				   uint64_t latency_ns, uint64_t around_ns)
{
	uint64_t due_ns = ran_ns > latency_ns ? ran_ns - latency_ns : 0;
	struct report_window w = {
		.from_ns = due_ns > around_ns ? due_ns - around_ns : 0,
		.to_ns = ran_ns < UINT64_MAX - around_ns ? ran_ns + around_ns : UINT64_MAX,
	};

	snprintf(w.title, sizeof(w.title), "\n%.*s/%u at %.9f, %.1f us late", COMM_BYTES, comm, tid,
		 ran_ns / 1e9, latency_ns / 1e3);
	return w;
}

static int by_begin(const void *a, const void *b)
{
	const struct report_window *x = a, *y = b;

	return (x->from_ns > y->from_ns) - (x->from_ns < y->from_ns);
}

int explain_excerpt(const struct explanation *x, struct err *e)
{
	_cleanup_free_ struct report_window *windows = calloc(x->n_worst + 1, sizeof(*windows));

	if (!windows)
		return err_set(e, -ENOMEM, "no memory for %zu excerpts", x->n_worst);
	for (size_t i = 0; i < x->n_worst; i++) {
		const struct spike *s = &x->worst[i];

		windows[i] = report_around(s->comm, s->tid, clock_ns(x->session.rate, s->ran),
					   s->latency_ns, x->opts->excerpt_ns);
	}
	qsort(windows, x->n_worst, sizeof(*windows), by_begin);
	return x->n_worst ? report_windows(&x->opts->session, windows, x->n_worst, e) : 0;
}

/* A line of spikes.jsonl that explain wrote, as a window; what others wrote is passed over. */
static bool window_of(const char *line, uint64_t around_ns, struct report_window *w)
{
	_cleanup_json_ json_object *o = json_tokener_parse(line);
	int64_t ran_ns = json_int(o, "trace_ns", -1), latency_ns = json_int(o, "latency_ns", -1);
	int64_t tid = json_int(o, "tid", 0);

	if (strcmp(json_str(o, "instrument", ""), "trace") != 0 || ran_ns < 0 || latency_ns < 0)
		return false;
	*w = report_around(json_str(o, "thread", "?"), tid, ran_ns, latency_ns, around_ns);
	return true;
}

static int read_windows(FILE *f, uint64_t around_ns, struct report_window **windows, size_t *n,
			struct err *e)
{
	_cleanup_free_ char *line = NULL;
	size_t bytes = 0, room = 0;

	while (getline(&line, &bytes, f) > 0) {
		struct report_window *more;

		if (*n == room) {
			room = room ? 2 * room : 64;
			more = reallocarray(*windows, room, sizeof(*more));
			if (!more)
				return err_set(e, -ENOMEM, "no memory for %zu windows", room);
			*windows = more;
		}
		*n += window_of(line, around_ns, &(*windows)[*n]);
	}
	return 0;
}

int report_spikes(const char *run_dir, uint64_t around_ns, struct report_window **windows,
		  size_t *n, struct err *e)
{
	_cleanup_fclose_ FILE *f = NULL;
	char path[PATH_MAX];
	int ret;

	*windows = NULL;
	*n = 0;
	if (!file_path(path, sizeof(path), "%s/spikes.jsonl", run_dir))
		return err_sys(e, "reading %s failed", run_dir);
	ret = file_stream(path, &f, e);
	if (!ret && !f)
		ret = err_set(e, -ENOENT, "reading %s failed: %s", path, strerror(ENOENT));
	if (!ret)
		ret = read_windows(f, around_ns, windows, n, e);
	if (!ret && !*n)
		ret = err_set(e, -ENODATA,
			      "%s holds no explained wake-up; rtkvm trace explain %s writes them",
			      path, run_dir);
	if (!ret)
		qsort(*windows, *n, sizeof(**windows), by_begin);
	return ret;
}

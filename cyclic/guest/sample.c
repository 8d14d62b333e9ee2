// SPDX-License-Identifier: GPL-2.0-only
/*
 * sample - the sampler inside a guest: slices leave through the data port while it runs
 *
 *	rtkvm-sample CPUS INTERVAL_NS DURATION_NS SLICE_NS PRIORITY SPIKE_NS (0: none) [ACTION]
 *	rtkvm-sample load SLICE_NS COMMAND... (load.h)
 *	rtkvm-sample facts (facts.h)
 *	rtkvm-sample attend PRIORITY THREADS COMMAND... (attend.h)
 *
 * ACTION at a spike: record (default), trace (stop the guest's trace and tell the host), stop.
 *
 * The loop, its threads and the collector are those of rtkvm sample; only where a slice goes is
 * different. Each byte through a port is a VM exit, so the collector sends them, on vCPU 0, where
 * init has pinned it; a measured thread has no right to the ports. Static; started by the job that
 * rtkvm sample --guest writes (cyclic/ctopts.c), read by cyclic/guestsample.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <unistd.h>
#include <x86intrin.h>

#include "cyclic/guest/attend.h"
#include "cyclic/guest/beat.h"
#include "cyclic/guest/facts.h"
#include "cyclic/guest/load.h"
#include "cyclic/guest/port.h"
#include "cyclic/sampler.h"
#include "lib/abi.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/progress.h"
#include "lib/stop.h"

#define LOG_PATH    "/tmp/latency.log"
#define SPIKES_PATH "/tmp/spikes.jsonl"

/* The console is a port, too: nobody is shown how far it has come. */
void progress_start(struct progress *p, const char *what)
{
	(void)p;
	(void)what;
}

void progress_show(struct progress *p, uint64_t done, uint64_t all)
{
	(void)p;
	(void)done;
	(void)all;
}

void progress_end(struct progress *p)
{
	(void)p;
}

/* What has been written since the last time; the file then starts again, so that it never grows. */
static int send_file(const struct port *p, const char *name, const char *path, struct err *e)
{
	_cleanup_free_ char *data = NULL;
	ssize_t n = file_load(path, ABI_FRAME_MAX_BYTES, &data, e);

	if (n > 0)
		n = port_send(p, name, data, n, e);
	if (n < 0)
		return n;
	return truncate(path, 0) ? err_sys(e, "emptying %s failed", path) : 0;
}

/* The host stamps the mark with its clock, between our two readings' nearest. */
static int send_clock(const struct port *p, struct err *e)
{
	uint64_t clock[2];

	outb(ABI_MARK_CLOCK, ABI_MARK_PORT);
	clock[0] = clock_now_ns();
	clock[1] = __rdtsc();
	return port_send(p, "clock", clock, sizeof(clock), e);
}

/* Only the calling thread, the collector, gets the right to the ports. */
static int ship(struct collect *c, struct err *e)
{
	struct port *p = c->shipper;

	if (p->lock < 0 && (port_open(p, e) < 0 || send_clock(p, e) < 0))
		return e->code;
	if (send_file(p, "latency.log", LOG_PATH, e) < 0)
		return e->code;
	return send_file(p, "spikes.jsonl", SPIKES_PATH, e);
}

static int number(const char *text, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 10);
	return errno || end == text || *end ? -EINVAL : 0;
}

static int parse(struct sampler_config *config, int argc, char **argv, struct err *e)
{
	const char *action = argc == 8 ? argv[7] : "record";
	uint64_t priority = 0;

	config->hurry = !strcmp(action, "trace");
	config->stop_at_spike = !strcmp(action, "stop");
	if (argc < 7 || argc > 8 ||
	    (!config->hurry && !config->stop_at_spike && strcmp(action, "record") != 0) ||
	    cpulist_parse(&config->cpus, argv[1], e) < 0 || number(argv[2], &config->period_ns) ||
	    number(argv[3], &config->duration_ns) || number(argv[4], &config->slice_ns) ||
	    number(argv[5], &priority) || priority > 98 || number(argv[6], &config->spike_ns) ||
	    !config->period_ns || !config->slice_ns)
		return err_set(e, -EINVAL,
			       "usage: rtkvm-sample CPUS INTERVAL_NS DURATION_NS SLICE_NS "
			       "PRIORITY SPIKE_NS [record|trace|stop]");
	config->priority = priority;
	if (!config->spike_ns)
		config->spike_ns = UINT64_MAX;
	return 0;
}

/* What only we know; sent with the job's files. */
static int leave_word(json_object *doc, const struct collect *c, int end, struct err *e)
{
	json_set_int(doc, "spikes", c->n_spikes);
	json_set_bool(doc, "interrupted", end == SAMPLER_INTERRUPTED);
	json_set_bool(doc, "stopped_at_spike", end == SAMPLER_SPIKE);
	return json_save("/out/sample.json", doc, e);
}

/* Where rtkvm trace job records the guest; one that it could not record can be measured. */
static void find_freeze(struct sampler_config *config, struct collect *c)
{
	const char *file = getenv("RTKVM_TRACE_FREEZE");

	if (!config->hurry)
		return;
	if (!file)
		collect_note(c, "no trace of the guest: it is not recorded");
	else if (access(file, W_OK))
		collect_note(c, "no trace of the guest: %s: %s", file, strerror(errno));
	else
		config->freeze = file;
}

static int measure(struct sampler_config *config, struct err *e)
{
	_cleanup_json_ json_object *doc = json_object_new_object();
	json_object *inforce = json_object_new_object(), *window = json_object_new_object();
	json_object *reasons = json_object_new_array();
	struct collect c;
	struct port port = { .lock = -1 };
	int ret = collect_init(&c, "sample", &config->cpus, config->period_ns, LOG_PATH,
			       SPIKES_PATH, e);

	json_object_object_add(doc, "inforce", inforce);
	json_object_object_add(doc, "window", window);
	json_object_object_add(doc, "reasons", reasons);
	c.reasons = reasons;
	c.ship = ship;
	c.shipper = &port;
	find_freeze(config, &c);
	if (!ret)
		ret = sampler_run(config, &c, inforce, window, e);
	if (ret >= 0 && collect_sync(&c, e) < 0) /* the slice that was open */
		ret = e->code;
	if (ret >= 0)
		ret = leave_word(doc, &c, ret, e);
	collect_free(&c);
	return ret;
}

static int load_main(int argc, char **argv, struct err *e)
{
	uint64_t slice_ns;

	if (argc < 4 || number(argv[2], &slice_ns) || !slice_ns)
		return err_set(e, -EINVAL, "usage: rtkvm-sample load SLICE_NS COMMAND...");
	return load_run(slice_ns, argv + 3, e);
}

static int beat_main(int argc, char **argv, struct err *e)
{
	uint64_t slice_ns;

	if (argc != 3 || number(argv[2], &slice_ns) || !slice_ns)
		return err_set(e, -EINVAL, "usage: rtkvm-sample beat SLICE_NS");
	return beat_run(slice_ns, e);
}

/* The tool's exit code. */
static int attend_main(int argc, char **argv, struct err *e)
{
	uint64_t priority, threads;

	if (argc < 5 || number(argv[2], &priority) || number(argv[3], &threads))
		return err_set(e, -EINVAL,
			       "usage: rtkvm-sample attend PRIORITY THREADS COMMAND...");
	return attend_run(priority, threads, argv + 4, e);
}

int main(int argc, char **argv)
{
	struct sampler_config config = { 0 };
	struct err e = { 0 };
	int code = VERDICT_PASS;

	if (argc > 1 && !strcmp(argv[1], "load")) {
		load_main(argc, argv, &e);
	} else if (argc > 1 && !strcmp(argv[1], "beat")) {
		beat_main(argc, argv, &e);
	} else if (argc > 1 && !strcmp(argv[1], "facts")) {
		facts_write(&e);
	} else if (argc > 1 && !strcmp(argv[1], "attend")) {
		code = attend_main(argc, argv, &e);
	} else {
		stop_install();
		if (!parse(&config, argc, argv, &e))
			measure(&config, &e);
	}
	if (e.code < 0) {
		err_print(&e, "rtkvm-sample", stderr);
		return VERDICT_ERROR;
	}
	return code;
}

// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/paths.h"
#include "lib/proc.h"
#include "lib/progress.h"
#include "lib/stop.h"
#include "vmm/bench.h"

enum {
	GRACE_MS = 3000,
	STEP_NS = 250000000,
	TEXT_MAX_BYTES = 1 << 20,
};

/* Bytes of the largest result: rows and bins, gaps, frame headers. More is no result of ours. */
#define DATA_MAX_BYTES (16u << 20)

/* What start-up, an emulated machine and the sending may take beside the measurement itself. */
#define SPARE_NS (120 * NSEC_PER_SEC)

/* A channel that the child opens by name, so it can neither be a path nor be left behind. */
static int channel(const char *name, struct err *e)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	return fd < 0 ? err_sys(e, "making a channel to the VMM failed") : fd;
}

static int open_channels(struct bench_child *c, struct err *e)
{
	c->data = channel("rtkvm-data", e);
	c->events = channel("rtkvm-events", e);
	c->errors = channel("rtkvm-errors", e);
	return c->data < 0 || c->events < 0 || c->errors < 0 ? e->code : 0;
}

static void close_channels(const struct bench_child *c)
{
	int fds[] = { c->data, c->events, c->errors, c->monitor };

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* All that was written to a memory file, NUL-terminated. */
static ssize_t read_channel(int fd, size_t max, char **text, struct err *e)
{
	char path[32];

	snprintf(path, sizeof(path), "/dev/fd/%d", fd);
	return file_load(path, max, text, e);
}

static uint64_t limit_ns(const struct bench_opts *o)
{
	return o->duration_ns + SPARE_NS;
}

static int start_rtkvm(struct bench_child *c, const struct bench_opts *o, const char *payload,
		       const char *append, struct err *e)
{
	char self[PATH_MAX], cpu[16], fifo[16], data[32], events[32], timeout[32];
	char *argv[] = { self,	      "run",   "--kernel",  (char *)payload,
			 "--cpus",    cpu,     "--fifo",    fifo,
			 "--memory",  "32M",   "--console", "/dev/null",
			 "--data",    data,    "--events",  events,
			 "--timeout", timeout, "--append",  (char *)append,
			 NULL,	      NULL };
	const int keep[] = { c->data, c->events };
	struct proc_opts po = PROC_OPTS_INIT;
	int ret = paths_self(self, sizeof(self), e);

	if (ret < 0)
		return ret;
	snprintf(cpu, sizeof(cpu), "%d", o->cpu);
	snprintf(fifo, sizeof(fifo), "%d", o->fifo);
	snprintf(data, sizeof(data), "/dev/fd/%d", c->data);
	snprintf(events, sizeof(events), "/dev/fd/%d", c->events);
	snprintf(timeout, sizeof(timeout), "%" PRIu64 "ms", limit_ns(o) / 1000000);
	if (o->allow_shared)
		argv[ARRAY_SIZE(argv) - 2] = "--allow-shared";
	else if (o->allow_tick)
		argv[ARRAY_SIZE(argv) - 2] = "--allow-tick";
	po.argv = argv;
	po.err = c->errors;
	po.keep = keep;
	po.n_keep = ARRAY_SIZE(keep);
	return proc_start(&c->proc, &po, e);
}

static uint64_t sent(const struct bench_child *c)
{
	struct stat st;

	return fstat(c->data, &st) ? 0 : st.st_size;
}

static int wait_for(struct bench_child *c, const struct bench_opts *o, struct err *e)
{
	uint64_t start = clock_now_ns(), end = start + limit_ns(o) + GRACE_MS * 1000000ull;
	struct progress p;
	int ret;

	progress_start(&p, bench_payload_name(o->payload));
	for (;;) {
		ret = proc_wait(&c->proc, clock_now_ns() + STEP_NS);
		if (ret != -ETIMEDOUT || clock_now_ns() > end)
			break;
		progress_show(&p, clock_now_ns() - start, o->duration_ns);
	}
	progress_end(&p);
	if (!ret)
		return 0;
	proc_stop(&c->proc, GRACE_MS);
	if (ret == -EINTR)
		return err_set(e, ret, "interrupted; the payload sends its result at its end");
	return err_set(
		e, ret,
		"the payload had not ended after %ju s and was stopped; it had sent %ju bytes",
		(uintmax_t)((end - start) / NSEC_PER_SEC), (uintmax_t)sent(c));
}

/* The VMM's own sentence, without the name of a verb that nobody called. */
static int complaint(const struct bench_child *c, int code, struct err *e)
{
	static const char prefix[] = "rtkvm run: ";
	_cleanup_free_ char *text = NULL;
	struct err ignored = { 0 };
	const char *at;

	if (read_channel(c->errors, TEXT_MAX_BYTES, &text, &ignored) <= 0)
		return err_set(e, -EIO, "the VMM ended with code %d and without a word", code);
	text[strcspn(text, "\n")] = '\0';
	at = strncmp(text, prefix, strlen(prefix)) ? text : text + strlen(prefix);
	return err_set(e, -EIO, "%s", at);
}

/*
 * isa-debug-exit makes value * 2 + 1 of the payload's code. 1 is also what QEMU says when it cannot
 * start, but a payload that ends with 0 has sent something.
 */
static int payload_code(const struct bench_child *c, const struct bench_opts *o)
{
	int code = proc_code(&c->proc);

	if (o->vmm != BENCH_QEMU)
		return code;
	if (code == 1)
		return sent(c) ? 0 : -1;
	return code % 2 ? code / 2 : -1;
}

static int judge_code(const struct bench_child *c, const struct bench_opts *o, struct err *e)
{
	switch (payload_code(c, o)) {
	case 0:
		return 0;
	case ABI_BENCH_NO_DEADLINE:
		return err_set(e, -ENOTSUP,
			       "the guest's CPUID shows no TSC-deadline timer; this KVM or its "
			       "host does not have one");
	case ABI_BENCH_NO_X2APIC:
		return err_set(e, -ENOTSUP, "the guest's CPUID shows no x2APIC");
	case ABI_BENCH_BAD_ARGS:
		return err_set(e, -EINVAL, "the payload refused its command line");
	default:
		return complaint(c, proc_code(&c->proc), e);
	}
}

/* Lines of JSON; the last of a kind counts. They come from our own VMM: no event, no figure. */
static void read_events(struct bench_vm *vm, const struct bench_child *c)
{
	_cleanup_free_ char *text = NULL;
	struct err ignored = { 0 };
	char *rest, *line;

	if (read_channel(c->events, TEXT_MAX_BYTES, &text, &ignored) < 0)
		return;
	for (rest = text; (line = strsep(&rest, "\n"));) {
		json_object *o = json_tokener_parse(line);
		const char *name = json_str(o, "event", "");
		json_object **to = !strcmp(name, "started") ? &vm->started
				   : !strcmp(name, "ended") ? &vm->ended
							    : NULL;

		if (!to) {
			json_object_put(o);
			continue;
		}
		json_object_put(*to);
		*to = o;
	}
}

static int run_child(struct bench_vm *vm, struct bench_child *c, const struct bench_opts *o,
		     const char *append, struct err *e)
{
	char payload[PATH_MAX], name[64];
	ssize_t len;
	int ret;

	snprintf(name, sizeof(name), "guests/flat/%s.elf", bench_payload_name(o->payload));
	ret = paths_support(payload, sizeof(payload), name, e);
	if (!ret)
		ret = o->vmm == BENCH_QEMU ? bench_qemu_start(c, o, payload, append, e)
					   : start_rtkvm(c, o, payload, append, e);
	if (!ret)
		ret = wait_for(c, o, e);
	else
		proc_stop(&c->proc, GRACE_MS);
	if (!ret)
		ret = judge_code(c, o, e);
	if (ret < 0)
		return ret;
	read_events(vm, c);
	if (c->started) {
		vm->started = c->started;
		c->started = NULL;
	}
	len = read_channel(c->data, DATA_MAX_BYTES, &vm->data, e);
	vm->len = len < 0 ? 0 : len;
	return len < 0 ? len : 0;
}

int bench_vm_run(struct bench_vm *vm, const struct bench_opts *o, const char *append, struct err *e)
{
	struct bench_child c = { .data = -1, .events = -1, .errors = -1, .monitor = -1 };
	int ret = open_channels(&c, e);

	*vm = (struct bench_vm){ 0 };
	if (!ret)
		ret = run_child(vm, &c, o, append, e);
	json_object_put(c.started);
	close_channels(&c);
	claim_drop(&c.claim);
	return ret;
}

void bench_vm_free(struct bench_vm *vm)
{
	free(vm->data);
	json_object_put(vm->started);
	json_object_put(vm->ended);
	*vm = (struct bench_vm){ 0 };
}

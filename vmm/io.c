// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/io.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/stop.h"
#include "vmm/partition.h"
#include "vmm/serial.h"
#include "vmm/vcpu.h"

enum {
	CHUNK = 4096, /* PIPE_BUF: a pipe that polls writable takes this much without blocking */
	BUSY_MS = 4, /* between looks while bytes flow */
	FINISH_MS = 2000, /* for a stalled reader to take the rest */
	IDLE_AFTER = 8, /* looks without a byte before sleeping until woken */
	MARKS_A_TURN = 16, /* as many as an honest guest writes in all */
	MARKS_TOLD_MAX = 100000, /* lines that a guest can make us write to --events */
};

#define PANIC_GRACE_NS (2 * NSEC_PER_SEC) /* for the reset that follows a panic's last line */

/*
 * Returns the bytes moved. A reader that stalls leaves them in the ring: the guest waits, not we.
 * A guest that prints without end gets one ringful a turn: signals and the time limit come between.
 */
static int drain(struct ring *r, struct sink *s, struct panic_watch *panic, int timeout_ms,
		 struct err *e)
{
	char data[CHUNK];
	int moved = 0;

	while (!ring_empty(r) && (uint32_t)moved < r->size) {
		size_t n;
		int ret;

		if (!sink_writable(s, timeout_ms))
			return timeout_ms ? err_set(e, -ETIMEDOUT, "%s: its reader takes nothing",
						    s->what)
					  : moved;
		n = ring_pop(r, data, sizeof(data));
		if (!n)
			break;
		if (panic)
			panic_feed(panic, data, n);
		ret = sink_write(s, data, n, e);
		if (ret < 0)
			return ret;
		moved += n;
	}
	return moved;
}

static int promote(struct io *io, struct err *e)
{
	int ret = vcpus_realtime(io->vm, true, e);

	return ret < 0 ? ret : events_realtime(&io->events, io->vm, e);
}

static int take_mark(struct io *io, const struct mark *m, struct err *e)
{
	int ret;

	if (io->marks_told == MARKS_TOLD_MAX) {
		atomic_fetch_add_explicit(&io->vm->marks_lost, 1, memory_order_relaxed);
		return 0;
	}
	io->marks_told++;
	if (m->id == ABI_MARK_JOB_END && io->vm->opts.partition)
		partition_check(io->vm->opts.partition, &io->lost);
	ret = io->stopped ? 0 : counters_mark(&io->window, io->vm, m->id, m->ns, e);
	if (!ret)
		ret = events_mark(&io->events, m, e);
	if (!ret && m->id == ABI_MARK_BOOTED && io->vm->opts.rt_delay && !io->stopped)
		ret = promote(io, e);
	return ret;
}

/* At most so many: a guest that writes marks without end must not keep us from everything else. */
static int drain_marks(struct io *io, int max, struct err *e)
{
	struct mark m;
	int ret = 0;

	while (!ret && max-- && ring_pop_record(&io->vm->marks, &m, sizeof(m)))
		ret = take_mark(io, &m, e);
	return ret;
}

static int drain_all(struct io *io, int timeout_ms, struct err *e)
{
	int ret = drain_marks(io, MARKS_A_TURN, e), console, data;

	if (ret < 0)
		return ret;
	console = drain(&io->vm->console, &io->console, &io->panic, timeout_ms, e);
	if (console < 0)
		return console;
	if (console)
		serial_drained(io->vm->serial);
	data = drain(&io->vm->data, &io->data, NULL, timeout_ms, e);
	return data < 0 ? data : console + data;
}

static void check_panic(struct io *io)
{
	uint64_t limit = clock_now_ns() + PANIC_GRACE_NS;

	if (io->panic.over && (!io->deadline_ns || io->deadline_ns > limit))
		io->deadline_ns = limit;
}

static void check_deadline(struct io *io)
{
	if (io->deadline_ns && clock_now_ns() >= io->deadline_ns)
		vm_end(io->vm, io->panic.over ? OUTCOME_PANIC : OUTCOME_TIMEOUT, 0);
}

static void read_terminal(struct io *io)
{
	uint8_t data[16];
	bool quit = false;
	ssize_t n = read(io->term.fd, data, sizeof(data));
	size_t len;

	if (n <= 0) {
		term_close(&io->term);
		return;
	}
	len = term_filter(&io->term, data, n, &quit);
	for (size_t i = 0; i < len; i++)
		serial_input(io->vm->serial, data[i]); /* a guest that does not read loses keys */
	if (quit)
		vm_end(io->vm, OUTCOME_INTERRUPTED, 0);
}

static void until(struct io *io, int limit_ms, struct timespec *ts, struct timespec **out)
{
	uint64_t now = clock_now_ns(), wait_ns = limit_ms * 1000000ull;

	*out = NULL;
	if (limit_ms < 0 && !io->deadline_ns)
		return;
	if (io->deadline_ns) {
		uint64_t left = io->deadline_ns > now ? io->deadline_ns - now : 0;

		if (limit_ms < 0 || left < wait_ns)
			wait_ns = left;
	}
	*ts = (struct timespec){ wait_ns / NSEC_PER_SEC, wait_ns % NSEC_PER_SEC };
	*out = ts;
}

/*
 * Sleep until a vCPU, the terminal, a writable file, a signal or the limit. Signals are blocked
 * everywhere but in here, so none is lost between the check and the sleep.
 */
static void wait_io(struct io *io, int limit_ms)
{
	enum { WAKE, TERM, CONSOLE, DATA, CTL };
	struct pollfd p[CTL + CTLSERVER_FDS] = {
		{ .fd = io->vm->io_wake, .events = POLLIN },
		{ .fd = io->term.fd, .events = POLLIN },
		{ .fd = ring_empty(&io->vm->console) ? -1 : io->console.fd, .events = POLLOUT },
		{ .fd = ring_empty(&io->vm->data) ? -1 : io->data.fd, .events = POLLOUT },
	};
	int n = CTL + ctlserver_poll(&io->ctl, p + CTL);
	struct timespec ts, *timeout;
	sigset_t none;
	uint64_t drop;

	until(io, limit_ms, &ts, &timeout);
	sigemptyset(&none);
	if (ppoll(p, n, timeout, &none) <= 0)
		return;
	if (p[WAKE].revents && read(io->vm->io_wake, &drop, sizeof(drop)) < 0)
		return;
	if (p[TERM].revents)
		read_terminal(io);
	ctlserver_serve(&io->ctl, p + CTL, n - CTL);
}

static bool has_work(struct io *io)
{
	struct vm *vm = io->vm;

	return atomic_load(&vm->outcome) || !ring_empty(&vm->marks) ||
	       (!ring_empty(&vm->console) && sink_writable(&io->console, 0)) ||
	       (!ring_empty(&vm->data) && sink_writable(&io->data, 0));
}

/* Announce the sleep, then look once more: a producer does it the other way round. */
static void sleep_until_woken(struct io *io)
{
	struct vm *vm = io->vm;

	atomic_store(&vm->io_sleeping, true);
	atomic_thread_fence(memory_order_seq_cst); /* pairs with vm_nudge_io */
	if (!has_work(io))
		wait_io(io, -1);
	atomic_store(&vm->io_sleeping, false);
}

int io_run(struct io *io, struct err *e)
{
	int idle = 0;

	while (!atomic_load(&io->vm->outcome)) {
		int moved = drain_all(io, 0, e);

		if (moved < 0)
			return moved;
		check_panic(io);
		check_deadline(io);
		if (stop_requested())
			vm_end(io->vm, OUTCOME_INTERRUPTED, 0);
		idle = moved ? 0 : idle + 1;
		if (idle < IDLE_AFTER)
			wait_io(io, BUSY_MS);
		else
			sleep_until_woken(io);
	}
	/* while the vCPU threads still exist */
	if (drain_marks(io, io->vm->marks.size / sizeof(struct mark), e) < 0)
		return e->code;
	if (counters_now(&io->window, io->vm, e) < 0)
		return e->code;
	counters_check_hlt(&io->window, io->vm, &io->lost);
	return 0;
}

int io_finish(struct io *io, struct err *e)
{
	int ret;

	io->stopped = true; /* a mark of the last moment finds no vCPU thread to read any more */
	ret = drain_marks(io, io->vm->marks.size / sizeof(struct mark), e);
	if (!ret)
		ret = drain_all(io, FINISH_MS, e);
	return ret < 0 ? ret : 0;
}

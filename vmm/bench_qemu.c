// SPDX-License-Identifier: GPL-2.0-only
/* QEMU in the place of rtkvm run: isa-debugcon is the data port, isa-debug-exit the exit port */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/cpumap.h"
#include "lib/hostcpus.h"
#include "lib/json.h"
#include "lib/stop.h"
#include "lib/threads.h"
#include "vmm/bench.h"
#include "vmm/place.h"

#define START_NS (60 * NSEC_PER_SEC)

enum { LOOK_NS = 2000000 };

/*
 * What guides for real-time guests turn off is off: no RTC, PIT, PIC or PMU; memory is allocated
 * before the start, and locked. HLT exits, as under rtkvm run. It starts paused. The payload does not
 * look at ARCH_CAPABILITIES, and not every KVM that shows this MSR lets it be written.
 */
static int start(struct bench_child *c, const char *payload, const char *append, int commands,
		 int quiet, struct err *e)
{
	char data[64], debugcon[64], debugexit[64];
	char *argv[] = {
		"qemu-system-x86_64",
		"-nodefaults",
		"-no-user-config",
		"-no-reboot",
		"-display",
		"none",
		"-S",
		"-monitor",
		"stdio",
		"-name",
		"rtkvm-bench,debug-threads=on",
		"-M",
		"microvm,accel=kvm,rtc=off,pit=off,pic=off,memory-backend=ram",
		"-cpu",
		"host,migratable=off,arch-capabilities=off,pmu=off",
		"-overcommit",
		"mem-lock=on",
		"-m",
		"32M",
		"-object",
		"memory-backend-ram,id=ram,prealloc=on,size=32M",
		"-kernel",
		(char *)payload,
		"-append",
		(char *)append,
		"-chardev",
		data,
		"-device",
		debugcon,
		"-device",
		debugexit,
		NULL,
	};
	struct proc_opts po = { .argv = argv,
				.in = commands,
				.out = quiet,
				.err = c->errors,
				.keep = &c->data,
				.n_keep = 1 };

	snprintf(data, sizeof(data), "file,id=data,path=/dev/fd/%d", c->data);
	snprintf(debugcon, sizeof(debugcon), "isa-debugcon,iobase=%#x,chardev=data", ABI_DATA_PORT);
	snprintf(debugexit, sizeof(debugexit), "isa-debug-exit,iobase=%#x,iosize=1", ABI_EXIT_PORT);
	return proc_start(&c->proc, &po, e);
}

/* The same judgement and claim of the CPU as rtkvm run's; QEMU's other threads inherit our affinity. */
static int settle(struct bench_child *c, const struct bench_opts *o, struct err *e)
{
	struct cpumap map = { .n = 1, .host = { o->cpu } };
	struct cpulist allowed, housekeeping, vcpus = cpumap_cpus(&map);
	struct hostcpus host;
	struct place_opts p = { .map = &map,
				.allowed = &allowed,
				.allow_shared = o->allow_shared,
				.allow_tick = o->allow_tick };
	const struct claim_opts wanted = { .isolated = &host.isolated,
					   .alone = &vcpus,
					   .beside = &housekeeping,
					   .alone_for = "--cpu",
					   .beside_for = "QEMU's other threads",
					   .remedy = "name another, or use --allow-shared",
					   .share_alone = o->allow_shared,
					   .share_beside = o->allow_shared };
	int ret = hostcpus_read(&host, "/sys", e);

	if (!ret)
		ret = cpulist_affinity(&allowed, 0, e);
	if (!ret)
		ret = place_check(&host, &p, &housekeeping, e);
	if (!ret)
		ret = claim_cpus(&c->claim, "/sys", &wanted, e);
	if (!ret)
		ret = place_ordinary(0, e);
	return ret ? ret : cpulist_pin(&housekeeping, 0, e);
}

static int start_with_monitor(struct bench_child *c, const char *payload, const char *append,
			      struct err *e)
{
	_cleanup_close_ int quiet = open("/dev/null", O_WRONLY | O_CLOEXEC), reader = -1;
	int ends[2];

	if (quiet < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return err_sys(e, "making a channel to QEMU failed");
	reader = ends[0];
	c->monitor = ends[1];
	return start(c, payload, append, reader, quiet, e);
}

/* QEMU makes its vCPU threads before it listens; it runs none of them before "cont". */
static int find_vcpu(struct bench_child *c, pid_t *tid, struct err *e)
{
	uint64_t end = clock_now_ns() + START_NS;

	while (!(*tid = thread_find(c->proc.pid, "CPU 0/KVM"))) {
		if (proc_poll(&c->proc))
			return 1; /* its own words are the better error */
		if (stop_requested())
			return err_set(e, -EINTR, "interrupted");
		if (clock_now_ns() > end)
			return err_set(e, -ETIMEDOUT, "QEMU made no vCPU thread");
		clock_sleep_until(clock_now_ns() + LOOK_NS);
	}
	return 0;
}

static int place(struct bench_child *c, const struct bench_opts *o, pid_t tid, struct err *e)
{
	struct vcpu_placed placed = { .cpu = o->cpu };
	struct cpulist one = { 0 };
	json_object *vcpu, *vcpus;
	int ret;

	cpulist_add(&one, o->cpu);
	ret = cpulist_pin(&one, tid, e);
	if (!ret)
		ret = place_policy(tid, o->fifo, &placed, e);
	if (ret < 0)
		return ret;
	vcpu = json_object_new_object();
	json_set_int(vcpu, "cpu", placed.cpu);
	json_set_str(vcpu, "policy", placed.policy == SCHED_FIFO ? "fifo" : "other");
	json_set_int(vcpu, "priority", placed.priority);
	vcpus = json_object_new_array();
	json_object_array_add(vcpus, vcpu);
	c->started = json_object_new_object();
	json_object_object_add(c->started, "vcpus", vcpus);
	return 0;
}

int bench_qemu_start(struct bench_child *c, const struct bench_opts *o, const char *payload,
		     const char *append, struct err *e)
{
	static const char cont[] = "cont\n";
	pid_t tid;
	int ret = settle(c, o, e);

	if (!ret)
		ret = start_with_monitor(c, payload, append, e);
	if (!ret)
		ret = find_vcpu(c, &tid, e);
	if (ret)
		return ret < 0 ? ret : 0;
	ret = place(c, o, tid, e);
	if (!ret && send(c->monitor, cont, strlen(cont), MSG_NOSIGNAL) != (ssize_t)strlen(cont))
		ret = err_set(e, -EIO, "starting QEMU's vCPU failed: its monitor is closed");
	return ret;
}

// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/qemu.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/threads.h"
#include "lib/abi.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/cpulist.h"
#include "lib/file.h"

enum { VCPU_PRIORITY = 1 };

/*
 * What RT guides turn off is off: no RTC, PIT or PIC whose timers would wake QEMU's threads, HLT
 * and MWAIT stay in the guest, memory is allocated before the guest starts, and locked.
 */
int qemu_argv(struct vmproc_argv *a, const struct vmproc_opts *o, int events, int data)
{
	static const char *const fixed[] = {
		"-nodefaults",
		"-no-user-config",
		"-no-reboot",
		"-display",
		"none",
		"-monitor",
		"none",
		"-name",
		"rtkvm,debug-threads=on",
		"-M",
		"microvm,accel=kvm,rtc=off,pit=off,pic=off,isa-serial=on,memory-backend=ram",
		"-cpu",
		"host,migratable=off",
		"-overcommit",
		"mem-lock=on",
		"-overcommit",
		"cpu-pm=on",
	};
	int bad = argv_add(a, "%s", o->program ? o->program : QEMU_PROGRAM);

	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		bad |= argv_add(a, "%s", fixed[i]);
	bad |= argv_add(a, "-smp") | argv_add(a, "%d", o->cpus->n);
	bad |= argv_add(a, "-m") | argv_add(a, "%juM", (uintmax_t)o->memory_bytes >> 20);
	bad |= argv_add(a, "-object") |
	       argv_add(a, "memory-backend-ram,id=ram,prealloc=on,size=%juM",
			(uintmax_t)o->memory_bytes >> 20);
	bad |= argv_add(a, "-kernel") | argv_add(a, "%s", o->kernel);
	bad |= argv_add(a, "-initrd") | argv_add(a, "%s", o->initrd);
	bad |= argv_add(a, "-append") | argv_add(a, "%s", o->append);
	/* its stdin is a pipe of ours, its stdout the console's file; Ctrl-C is for the guest */
	bad |= argv_add(a, "-chardev") | argv_add(a, "stdio,id=console,signal=off");
	bad |= argv_add(a, "-serial") | argv_add(a, "chardev:console");
	bad |= argv_add(a, "-chardev") | argv_add(a, "file,id=data,path=/dev/fd/%d", data);
	bad |= argv_add(a, "-device") |
	       argv_add(a, "isa-debugcon,iobase=%#x,chardev=data", ABI_DATA_PORT);
	bad |= argv_add(a, "-chardev") | argv_add(a, "file,id=mark,path=/dev/fd/%d", events);
	bad |= argv_add(a, "-device") |
	       argv_add(a, "isa-debugcon,iobase=%#x,chardev=mark", ABI_MARK_PORT);
	bad |= argv_add(a, "-device") |
	       argv_add(a, "isa-debug-exit,iobase=%#x,iosize=1", ABI_EXIT_PORT);
	return bad;
}

int qemu_exit(int code)
{
	return code > 0 && code % 2 ? code / 2 : -1;
}

uint64_t qemu_overhead(const char *statm, uint64_t memory_bytes)
{
	uintmax_t size, resident;
	uint64_t bytes;

	if (sscanf(statm, "%ju %ju", &size, &resident) != 2)
		return 0;
	bytes = resident * sysconf(_SC_PAGESIZE);
	return bytes > memory_bytes ? bytes - memory_bytes : 0;
}

/* Pin vCPU threads as rtkvm run does; a thread that QEMU has not made yet: 0, try again. */
static int place(struct vmproc *v, json_object **vcpus, struct err *e)
{
	_cleanup_json_ json_object *list = json_object_new_array();

	for (int i = 0; i < v->o->cpus->n; i++) {
		bool ordinary = cpulist_has(&v->o->ordinary, i);
		struct sched_param p = { .sched_priority = ordinary ? 0 : VCPU_PRIORITY };
		struct cpulist one = { 0 };
		char name[32];
		pid_t tid;
		json_object *o;
		int ret;

		snprintf(name, sizeof(name), "CPU %d/KVM", i);
		tid = thread_find(v->proc.pid, name);
		if (!tid)
			return 0;
		cpulist_add(&one, v->o->cpus->host[i]);
		ret = cpulist_pin(&one, tid, e);
		if (ret < 0)
			return ret;
		if (sched_setscheduler(tid, ordinary ? SCHED_OTHER : SCHED_FIFO, &p))
			return err_sys(e, "priority %d for QEMU's thread \"%s\" failed",
				       p.sched_priority, name);
		o = json_object_new_object();
		json_set_int(o, "index", i);
		json_set_int(o, "tid", tid);
		json_set_int(o, "cpu", v->o->cpus->host[i]);
		json_set_str(o, "policy", ordinary ? "other" : "fifo");
		json_set_int(o, "priority", p.sched_priority);
		json_object_array_add(list, o);
	}
	*vcpus = json_object_get(list);
	return 1;
}

static json_object *event(const char *name)
{
	json_object *o = json_object_new_object();

	json_set_str(o, "event", name);
	json_set_int(o, "ns", clock_now_ns());
	return o;
}

static int next_started(struct vmproc *v, json_object **out, struct err *e)
{
	int ret = place(v, &v->vcpus, e);

	if (ret <= 0)
		return ret;
	*out = event("started");
	json_set_int(*out, "pid", v->proc.pid);
	json_object_object_add(*out, "vcpus", json_object_get(v->vcpus));
	return 1;
}

static void measure_overhead(struct vmproc *v)
{
	char path[64], statm[128];

	snprintf(path, sizeof(path), "/proc/%d/statm", v->proc.pid);
	v->overhead_bytes =
		qemu_overhead(file_read_line(path, statm, sizeof(statm)), v->o->memory_bytes);
}

/* At both ends of the job: what the kernel counted for each vCPU thread. */
static void count_threads(struct vmproc *v, bool begin)
{
	for (size_t i = 0; i < json_object_array_length(v->vcpus); i++) {
		json_object *vcpu = json_object_array_get_idx(v->vcpus, i), *w;
		struct thread_counts now;

		if (thread_counts(v->proc.pid, json_int(vcpu, "tid", 0), &now))
			continue;
		if (begin) {
			json_set_int(vcpu, "page_faults", now.page_faults);
			json_set_int(vcpu, "involuntary", now.involuntary_switches);
			continue;
		}
		w = json_object_new_object();
		json_set_int(w, "page_faults", now.page_faults - json_int(vcpu, "page_faults", 0));
		json_set_int(w, "involuntary_switches",
			     now.involuntary_switches - json_int(vcpu, "involuntary", 0));
		json_object_object_add(vcpu, "window", w);
	}
}

static int next_mark(struct vmproc *v, json_object **out)
{
	static const char *const names[] = {
		[ABI_MARK_INIT] = "init",
		[ABI_MARK_JOB_START] = "job_start",
		[ABI_MARK_JOB_END] = "job_end",
		[ABI_MARK_BOOTED] = "booted",
	};
	unsigned char id;

	if (!v->used)
		return 0;
	id = v->line[0];
	memmove(v->line, v->line + 1, --v->used);
	*out = event("mark"); /* first of all: it is stamped with the time */
	if (id == ABI_MARK_INIT && !v->init_ns)
		v->init_ns = json_int(*out, "ns", 0);
	if (id == ABI_MARK_JOB_START) {
		measure_overhead(v);
		count_threads(v, true);
	} else if (id == ABI_MARK_JOB_END) {
		count_threads(v, false);
	}
	json_set_int(*out, "id", id);
	json_set_str(*out, "name", id < ARRAY_SIZE(names) ? names[id] : NULL);
	return 1;
}

int qemu_next(struct vmproc *v, json_object **out, struct err *e)
{
	if (!v->started)
		return v->proc.pid && proc_poll(&v->proc) == 0 ? next_started(v, out, e) : 0;
	return next_mark(v, out);
}

json_object *qemu_ended(struct vmproc *v)
{
	int code = proc_code(&v->proc), job = qemu_exit(code);
	json_object *o = event("ended");
	const char *outcome;

	if (WIFSIGNALED(v->proc.status))
		outcome = "killed";
	else if (job >= 0 && v->started) /* 1 is also what QEMU says when it cannot start */
		outcome = "exit";
	else
		outcome = code ? "failed" : "poweroff";
	json_set_str(o, "outcome", outcome);
	json_set_int(o, "status", job >= 0 ? job : code);
	if (v->init_ns)
		json_set_int(o, "start_to_init_ns", v->init_ns - v->start_ns);
	if (v->overhead_bytes)
		json_set_int(o, "overhead_bytes", v->overhead_bytes);
	json_object_object_add(o, "vcpus", json_object_get(v->vcpus));
	return o;
}

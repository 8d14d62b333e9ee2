// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/control.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/cpulist.h"
#include "lib/file.h"
#include "lib/opt.h"
#include "vmm/ctlplace.h"
#include "vmm/partition.h"
#include "vmm/place.h"
#include "vmm/serial.h"
#include "vmm/vcpu.h"

/* --- where it listens --- */

static int adopt(struct io *io, const char *number, struct err *e)
{
	int fd, ret = opt_int("--ctl /dev/fd/N", number, 3, 1 << 20, &fd, e);

	if (!ret)
		ret = ctlserver_adopt(&io->ctl, fd, e);
	if (!ret && fcntl(fd, F_SETFD, FD_CLOEXEC))
		ret = err_sys(e, "--ctl /dev/fd/%s", number);
	return ret;
}

static int listen_by_name(struct io *io, const char *name, struct err *e)
{
	char path[CTLPLACE_PATH_MAX], pid[16];
	int ret = file_mkdirs(CTLPLACE_DIR, e);

	if (ret < 0)
		return ret;
	snprintf(pid, sizeof(pid), "%d", getpid());
	ctlplace_sweep(CTLPLACE_DIR);
	file_path(path, sizeof(path), "%s/%s.sock", CTLPLACE_DIR, name ? name : pid);
	return ctlserver_listen(&io->ctl, path, e);
}

int control_open(struct io *io, const char *ctl, const char *name, bool hold, struct err *e)
{
	static const char inherited[] = "/dev/fd/";
	bool must = name || hold;
	struct err ignored = { 0 };
	int ret;

	io->name = name;
	if (!ctl) {
		ret = listen_by_name(io, name, must ? e : &ignored);
		return must ? ret : 0;
	}
	if (!strcmp(ctl, "none"))
		return 0;
	if (!strncmp(ctl, inherited, sizeof(inherited) - 1))
		return adopt(io, ctl + sizeof(inherited) - 1, e);
	return ctlserver_listen(&io->ctl, ctl, e);
}

/* --- what is asked --- */

static const char *policy_name(int policy)
{
	switch (policy & ~SCHED_RESET_ON_FORK) {
	case SCHED_FIFO:
		return "fifo";
	case SCHED_RR:
		return "rr";
	case SCHED_OTHER:
		return "other";
	default:
		return "another";
	}
}

/* "Seccomp:\t2" of a status file */
static int64_t status_number(const char *text, const char *key, int base)
{
	const char *at = strstr(text, key);

	return at ? (int64_t)strtoull(at + strlen(key), NULL, base) : -1;
}

/* What the thread may do: its filter, new privileges, capabilities. */
static int add_privileges(json_object *o, pid_t tid, struct err *e)
{
	char path[64], text[4096];
	int ret;

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid);
	ret = file_read(path, text, sizeof(text), e);
	if (ret < 0)
		return ret;
	json_set_int(o, "seccomp", status_number(text, "\nSeccomp:", 10));
	json_set_int(o, "no_new_privs", status_number(text, "\nNoNewPrivs:", 10));
	json_set_int(o, "capabilities", status_number(text, "\nCapEff:", 16));
	return 0;
}

/* "0::/PATH" is its place in cgroup v2 (cgroups(7)); a host without one has no such line. */
static void add_cgroup(json_object *o, pid_t tid)
{
	char path[64], text[8192], *at;
	struct err ignored = { 0 };

	snprintf(path, sizeof(path), "/proc/self/task/%d/cgroup", tid);
	if (file_read(path, text, sizeof(text), &ignored) < 0)
		text[0] = '\0';
	at = !strncmp(text, "0::", 3) ? text : strstr(text, "\n0::");
	if (at)
		at += strcspn(at, "/");
	json_object_object_add(o, "cgroup",
			       at ? json_object_new_string_len(at, strcspn(at, "\n")) : NULL);
}

/* CPUs, policy, priority, cgroup and privileges of one thread, as the kernel has them now. */
static int add_thread(json_object *o, pid_t tid, struct err *e)
{
	char path[64], text[256];
	struct sched_param p = { 0 };
	struct cpulist cpus;
	int policy = sched_getscheduler(tid), ret = cpulist_affinity(&cpus, tid, e);

	if (ret < 0)
		return ret;
	if (policy < 0 || sched_getparam(tid, &p))
		return err_sys(e, "reading thread %d's policy failed", tid);
	snprintf(path, sizeof(path), "/proc/self/task/%d/comm", tid);
	json_set_int(o, "tid", tid);
	json_set_str(o, "name", file_read_line(path, text, sizeof(text)));
	json_set_str(o, "cpus", cpulist_format(&cpus, text, sizeof(text)));
	json_set_str(o, "policy", policy_name(policy));
	json_set_int(o, "priority", p.sched_priority);
	add_cgroup(o, tid);
	return add_privileges(o, tid, e);
}

static bool is_vcpu(const struct vm *vm, pid_t tid)
{
	for (int i = 0; i < vm->n_vcpus; i++)
		if (vm->vcpus[i].tid == tid)
			return true;
	return false;
}

static int add_vcpus(json_object *o, struct io *io, struct err *e)
{
	struct vm *vm = io->vm;
	json_object *all = json_object_new_array();
	int ret = counters_now(&io->window, vm, e);

	json_object_object_add(o, "vcpus", all);
	for (int i = 0; !ret && i < vm->n_vcpus; i++) {
		json_object *one = json_object_new_object();

		json_object_array_add(all, one);
		json_set_int(one, "index", i);
		counters_timer_json(one, vm, &vm->vcpus[i], &io->window);
		events_boost(one, &vm->vcpus[i]);
		ret = add_thread(one, vm->vcpus[i].tid, e);
	}
	return ret;
}

static int add_others(json_object *o, const struct vm *vm, struct err *e)
{
	_cleanup_closedir_ DIR *d = opendir("/proc/self/task");
	json_object *all = json_object_new_array();
	struct err why = { 0 };
	struct dirent *entry;
	int ret = 0;

	json_object_object_add(o, "threads", all);
	while (!ret && d && (entry = readdir(d))) {
		pid_t tid = atoi(entry->d_name);
		json_object *one;

		if (!tid || is_vcpu(vm, tid) || helpers_has(&vm->helpers, tid))
			continue;
		one = json_object_new_object();
		ret = add_thread(one, tid, &why);
		if (!ret)
			json_object_array_add(all, one);
		else
			json_object_put(one);
		if (ret == -ESRCH || ret == -ENOENT) { /* it has ended since it was listed */
			ret = 0;
			err_clear(&why);
		}
	}
	return ret < 0 ? err_set(e, ret, "%s", why.text) : 0;
}

static int status(struct io *io, json_object *o, struct err *e)
{
	struct vm *vm = io->vm;
	char text[256];
	int ret = mem_read_back(&vm->mem, e);

	if (ret < 0)
		return ret;
	json_set_int(o, "pid", getpid());
	json_set_str(o, "name", io->name);
	json_set_str(o, "version", RTKVM_VERSION);
	json_set_int(o, "ns", clock_now_ns());
	json_set_int(o, "held_ns", io->held_ns);
	events_machine(o, vm);
	if (vm->opts.partition)
		json_set_str(o, "cpuset_partition_state",
			     partition_state(vm->opts.partition, text, sizeof(text)));
	ret = add_vcpus(o, io, e);
	return ret < 0 ? ret : add_others(o, vm, e);
}

static int tids(struct io *io, json_object *o, struct err *e)
{
	json_object *all = json_object_new_array();

	(void)e;
	json_set_int(o, "pid", getpid());
	json_object_object_add(o, "vcpus", all);
	for (int i = 0; i < io->vm->n_vcpus; i++)
		json_object_array_add(all, json_object_new_int(io->vm->vcpus[i].tid));
	return 0;
}

static int stats(struct io *io, json_object *o, struct err *e)
{
	json_object *all = json_object_new_array();
	int ret = counters_now(&io->window, io->vm, e);

	json_set_int(o, "ns", io->window.end.ns);
	json_set_int(o, "unclaimed_accesses", atomic_load(&io->vm->unclaimed));
	json_object_object_add(o, "vcpus", all);
	for (int i = 0; !ret && i < io->vm->n_vcpus; i++)
		json_object_array_add(
			all, counters_vcpu_json(io->vm, &io->vm->vcpus[i], &io->window, true));
	return ret;
}

/* --- what is told --- */

static int pause_vcpus(struct vm *vm, struct err *e)
{
	if (vm->state == VM_HELD)
		return err_set(e, -EBUSY, "the machine is held: nothing of it runs yet");
	if (vm->state == VM_RUNNING) {
		vm->state = VM_PAUSING;
		vcpus_pause(vm);
	}
	if (vm->state == VM_PAUSING && vcpus_parked(vm))
		vm->state = VM_PAUSED;
	return vm->state == VM_PAUSED ? 0 : CTL_LATER;
}

void control_go(struct io *io)
{
	uint64_t now = clock_now_ns();

	if (io->started_ns)
		io->held_ns = now - io->started_ns;
	if (io->timeout_ns)
		io->deadline_ns = now + io->timeout_ns;
	io->vm->state = VM_RUNNING;
	vcpus_go(io->vm);
}

static int resume(struct io *io, struct err *e)
{
	struct vm *vm = io->vm;

	switch (vm->state) {
	case VM_HELD:
		control_go(io);
		return 0;
	case VM_PAUSING: /* who asked for the pause may have gone before all were parked */
		if (!vcpus_parked(vm))
			return CTL_LATER;
		/* fall through */
	case VM_PAUSED:
		vm->state = VM_RUNNING;
		vcpus_resume(vm);
		return 0;
	default:
		return err_set(e, -EALREADY, "the machine runs");
	}
}

static int realtime(struct io *io, bool on, struct err *e)
{
	int ret;

	if (on && !place_highest(&io->vm->opts))
		return err_set(e, -EINVAL,
			       "this VM was started with --fifo 0 or --ordinary for every vCPU: no "
			       "priority to give");
	ret = vcpus_realtime(io->vm, on, e);
	return ret < 0 ? ret : events_realtime(&io->events, io->vm, e);
}

/* As if typed on the guest's serial console. */
static int interrupt(struct vm *vm, struct err *e)
{
	enum { CTRL_C = 'C' & 0x1f };

	return serial_input(vm->serial, CTRL_C)
		       ? 0
		       : err_set(e, -EAGAIN, "the guest does not read its console");
}

static int act(struct io *io, const struct ctl_request *r, json_object *o, struct err *e)
{
	switch (r->command) {
	case CTL_STATUS:
		return status(io, o, e);
	case CTL_TIDS:
		return tids(io, o, e);
	case CTL_STATS:
		return stats(io, o, e);
	case CTL_MARK:
		return vm_mark(io->vm, r->id)
			       ? 0
			       : err_set(e, -EAGAIN,
					 "the guest's own marks leave no room; ask again");
	case CTL_PAUSE:
		return pause_vcpus(io->vm, e);
	case CTL_RESUME:
		return resume(io, e);
	case CTL_RT:
		return realtime(io, r->on, e);
	case CTL_NMI:
		return vcpus_nmi(io->vm, e);
	case CTL_INTERRUPT:
		return interrupt(io->vm, e);
	case CTL_QUIT:
		vm_end(io->vm, OUTCOME_INTERRUPTED, 0);
		return 0;
	default:
		return err_set(e, -EINVAL, "there is no such command");
	}
}

int control_answer(void *ctx, const struct ctl_request *r, json_object **reply, struct err *e)
{
	_cleanup_json_ json_object *o = json_object_new_object();
	struct io *io = ctx;
	int ret = act(io, r, o, e);

	json_set_str(o, "state", vm_state_name(io->vm->state));
	if (!ret)
		*reply = json_object_get(o);
	return ret;
}

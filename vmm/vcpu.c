// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/vcpu.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/cpulist.h"
#include "vmm/place.h"
#include "vmm/stack.h"

#define KICK_SIGNAL SIGRTMIN

static const char *const exit_names[VCPU_EXIT_REASONS] = {
	[KVM_EXIT_UNKNOWN] = "unknown",
	[KVM_EXIT_EXCEPTION] = "exception",
	[KVM_EXIT_IO] = "io",
	[KVM_EXIT_HYPERCALL] = "hypercall",
	[KVM_EXIT_DEBUG] = "debug",
	[KVM_EXIT_HLT] = "hlt",
	[KVM_EXIT_MMIO] = "mmio",
	[KVM_EXIT_IRQ_WINDOW_OPEN] = "irq_window",
	[KVM_EXIT_SHUTDOWN] = "shutdown",
	[KVM_EXIT_FAIL_ENTRY] = "fail_entry",
	[KVM_EXIT_INTR] = "intr",
	[KVM_EXIT_SET_TPR] = "set_tpr",
	[KVM_EXIT_TPR_ACCESS] = "tpr_access",
	[KVM_EXIT_NMI] = "nmi",
	[KVM_EXIT_INTERNAL_ERROR] = "internal_error",
	[KVM_EXIT_SYSTEM_EVENT] = "system_event",
	[KVM_EXIT_IOAPIC_EOI] = "ioapic_eoi",
	[KVM_EXIT_X86_RDMSR] = "rdmsr",
	[KVM_EXIT_X86_WRMSR] = "wrmsr",
	[KVM_EXIT_DIRTY_RING_FULL] = "dirty_ring",
	[KVM_EXIT_X86_BUS_LOCK] = "bus_lock",
	[KVM_EXIT_NOTIFY] = "notify",
};

const char *vcpu_exit_name(unsigned int reason)
{
	return reason < VCPU_EXIT_REASONS ? exit_names[reason] : NULL;
}

/* One writer: no locked instruction needed. */
static void bump(_Atomic uint64_t *counter, uint64_t by)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by,
			      memory_order_relaxed);
}

void vcpu_stats_copy(struct vcpu_stats *to, const struct vcpu_stats *from)
{
	for (int i = 0; i < VCPU_EXIT_REASONS; i++)
		to->exits[i] = atomic_load_explicit(&from->exits[i], memory_order_relaxed);
	for (int i = 0; i < VCPU_HIST_BINS; i++)
		to->user_hist[i] = atomic_load_explicit(&from->user_hist[i], memory_order_relaxed);
	to->user_ns = atomic_load_explicit(&from->user_ns, memory_order_relaxed);
}

static void account_user(struct vcpu *v, uint64_t ns)
{
	int bin = ns ? 64 - __builtin_clzll(ns) : 0;

	bump(&v->stats.user_ns, ns);
	bump(&v->stats.user_hist[bin < VCPU_HIST_BINS ? bin : VCPU_HIST_BINS - 1], 1);
}

static enum vcpu_next exit_io(struct vcpu *v)
{
	struct kvm_run *run = v->run;
	struct pio io = {
		.port = run->io.port,
		.len = run->io.size,
		.write = run->io.direction == KVM_EXIT_IO_OUT,
		.count = run->io.count,
		.data = (uint8_t *)run + run->io.data_offset,
	};
	struct vdev *d = bus_find(&v->vm->ports, io.port, io.len);

	if (!d || !d->ops->pio) {
		atomic_fetch_add_explicit(&v->vm->unclaimed, 1, memory_order_relaxed);
		vdev_ignore_pio(&io);
		return VCPU_RUN;
	}
	return d->ops->pio(d, v, &io);
}

static enum vcpu_next exit_mmio(struct vcpu *v)
{
	struct kvm_run *run = v->run;
	struct mmio io = {
		.at = run->mmio.phys_addr,
		.len = run->mmio.len,
		.write = run->mmio.is_write,
		.data = run->mmio.data,
	};
	struct vdev *d = bus_find(&v->vm->mmio, io.at, io.len);

	if (!d || !d->ops->mmio) {
		atomic_fetch_add_explicit(&v->vm->unclaimed, 1, memory_order_relaxed);
		if (!io.write)
			memset(io.data, 0xff, sizeof(run->mmio.data));
		return VCPU_RUN;
	}
	return d->ops->mmio(d, v, &io);
}

static uint64_t rip_of(struct vcpu *v)
{
	struct kvm_regs r;

	return ioctl(v->fd, KVM_GET_REGS, &r) ? 0 : r.rip;
}

static enum vcpu_next exit_fatal(struct vcpu *v)
{
	struct kvm_run *run = v->run;
	uint64_t rip = rip_of(v);

	switch (run->exit_reason) {
	case KVM_EXIT_FAIL_ENTRY:
		return vm_fail(v->vm, -EIO,
			       "vCPU %d cannot enter the guest: hardware reason %#" PRIx64
			       " at RIP %#" PRIx64,
			       v->index, (uint64_t)run->fail_entry.hardware_entry_failure_reason,
			       rip);
	case KVM_EXIT_INTERNAL_ERROR:
		return vm_fail(
			v->vm, -EIO,
			"KVM gave up on vCPU %d: internal error, suberror %u, at RIP %#" PRIx64
			"%s",
			v->index, run->internal.suberror, rip,
			run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION
				? "; the guest executed what this KVM cannot emulate"
				: "");
	default:
		return vm_fail(v->vm, -EIO, "vCPU %d: unexpected KVM exit %u at RIP %#" PRIx64,
			       v->index, run->exit_reason, rip);
	}
}

static enum vcpu_next dispatch(struct vcpu *v)
{
	uint32_t reason = v->run->exit_reason;

	bump(&v->stats.exits[reason < VCPU_EXIT_REASONS ? reason : KVM_EXIT_UNKNOWN], 1);
	switch (reason) {
	case KVM_EXIT_IO:
		return exit_io(v);
	case KVM_EXIT_MMIO:
		return exit_mmio(v);
	case KVM_EXIT_SHUTDOWN:
		return vm_end(v->vm, OUTCOME_TRIPLE_FAULT, 0);
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
	case KVM_EXIT_IOAPIC_EOI: /* all our lines are edges: nothing waits for an EOI */
		return VCPU_RUN;
	default:
		return exit_fatal(v);
	}
}

/* KVM_RUN itself failed: EINTR is a kick, EAGAIN an AP that got a spurious wake-up. */
static enum vcpu_next run_failed(struct vcpu *v, int error)
{
	if (error == EINTR || error == EAGAIN) {
		bump(&v->stats.exits[KVM_EXIT_INTR], 1);
		return VCPU_RUN;
	}
	return vm_fail(v->vm, -error, "running vCPU %d failed: %s, at RIP %#" PRIx64, v->index,
		       strerror(error), rip_of(v));
}

void vcpu_park_if_pausing(struct vcpu *v)
{
	if (!atomic_load(&v->vm->pausing) || atomic_load(&v->vm->stopping))
		return;
	atomic_store(&v->parked, true);
	vm_wake_io(v->vm);
	while (sem_wait(&v->resume))
		;
}

/*
 * The loop. Whoever wants the vCPU out of it sets stopping or pausing, then immediate_exit, then
 * sends the signal (vcpus_stop, vcpus_pause): before KVM_RUN the field ends it at once, inside it
 * the signal does. Only vcpus_resume clears the field, while this thread is parked: a store of ours
 * could pass the stopper's, and the signal be spent.
 */
static void loop(struct vcpu *v)
{
	enum vcpu_next next = VCPU_RUN;

	while (next == VCPU_RUN && !atomic_load(&v->vm->stopping)) {
		if (atomic_load(&v->vm->pausing)) {
			vcpu_park_if_pausing(v);
			continue;
		}
		int ret = ioctl(v->fd, KVM_RUN, 0);
		int error = errno;
		uint64_t out_ns = clock_now_ns();

		next = ret < 0 ? run_failed(v, error) : dispatch(v);
		account_user(v, clock_now_ns() - out_ns);
	}
}

static int prepare(struct vcpu *v)
{
	char name[16];
	sigset_t kick;
	int ret;

	snprintf(name, sizeof(name), "vcpu%d", v->index);
	pthread_setname_np(pthread_self(), name);
	sigemptyset(&kick);
	sigaddset(&kick, KICK_SIGNAL);
	pthread_sigmask(SIG_UNBLOCK, &kick, NULL);
	v->tid = syscall(SYS_gettid);
	ret = place_vcpu(&v->vm->opts, v->index, v->host_cpu, &v->placed, &v->err);
	return ret < 0 ? ret : sandbox_enter(v->vm->opts.sandbox, SANDBOX_VCPU, &v->err);
}

static void *thread(void *arg)
{
	struct vcpu *v = arg;
	int ret = prepare(v);

	sem_post(&v->vm->ready);
	while (sem_wait(&v->vm->go))
		;
	if (!ret)
		loop(v);
	/* stay until everyone is stopped: the kernel's counters of a thread go with it */
	while (sem_wait(&v->vm->leave))
		;
	return NULL;
}

static void on_kick(int sig)
{
	(void)sig; /* its arrival is what ends KVM_RUN */
}

/*
 * KVM's NX recovery worker is a copy of the thread that first enters KVM_RUN, with its CPUs and
 * policy (6.13 and later): enter once from here, an ordinary thread on a housekeeping CPU.
 */
static int first_run(struct vm *vm, struct err *e)
{
	struct vcpu *v = &vm->vcpus[0];

	v->run->immediate_exit = 1;
	if (!ioctl(v->fd, KVM_RUN, 0) || errno != EINTR)
		return err_set(e, -EIO, "KVM did not honour immediate_exit");
	v->run->immediate_exit = 0;
	return 0;
}

static int start_one(struct vcpu *v, const pthread_attr_t *attr, struct err *e)
{
	int ret;

	sem_init(&v->resume, 0, 0);
	ret = pthread_create(&v->thread, attr, thread, v);
	if (ret)
		return err_set(e, -ret, "starting the thread of vCPU %d failed: %s", v->index,
			       strerror(ret));
	v->started = true;
	while (sem_wait(&v->vm->ready))
		;
	return v->err.code ? err_set(e, v->err.code, "%s", v->err.text) : 0;
}

int vcpus_start(struct vm *vm, struct err *e)
{
	struct sigaction sa = { .sa_handler = on_kick };
	pthread_attr_t attr;
	int ret;

	sigaction(KICK_SIGNAL, &sa, NULL);
	ret = first_run(vm, e);
	if (ret < 0)
		return ret;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	for (int i = 0; !ret && i < vm->n_vcpus; i++)
		ret = start_one(&vm->vcpus[i], &attr, e);
	pthread_attr_destroy(&attr);
	return ret;
}

int vcpus_realtime(struct vm *vm, bool on, struct err *e)
{
	int ret = 0;

	for (int i = 0; !ret && i < vm->n_vcpus; i++)
		ret = place_policy(vm->vcpus[i].tid, on ? place_priority(&vm->opts, i) : 0,
				   &vm->vcpus[i].placed, e);
	return ret;
}

/*
 * As an MSI with delivery mode NMI: KVM_NMI is an ioctl of the vCPU and would wait until its thread
 * comes out of KVM_RUN.
 */
int vcpus_nmi(struct vm *vm, struct err *e)
{
	enum { MSI_WINDOW = 0xfee00000u, DESTINATION_SHIFT = 12, DELIVERY_NMI = 4 << 8 };

	for (int i = 0; i < vm->n_vcpus; i++) {
		struct kvm_msi msi = {
			.address_lo = MSI_WINDOW | (uint32_t)i << DESTINATION_SHIFT,
			.data = DELIVERY_NMI,
		};

		if (ioctl(vm->fd, KVM_SIGNAL_MSI, &msi) < 0)
			return err_sys(e, "sending vCPU %d an NMI failed", i);
	}
	return 0;
}

static void kick(struct vcpu *v)
{
	v->run->immediate_exit = 1;
	pthread_kill(v->thread, KICK_SIGNAL);
}

void vcpus_pause(struct vm *vm)
{
	atomic_store(&vm->pausing, true);
	for (int i = 0; i < vm->n_vcpus; i++)
		kick(&vm->vcpus[i]);
}

bool vcpus_parked(const struct vm *vm)
{
	for (int i = 0; i < vm->n_vcpus; i++)
		if (!atomic_load(&vm->vcpus[i].parked))
			return false;
	return true;
}

void vcpus_resume(struct vm *vm)
{
	atomic_store(&vm->pausing, false);
	for (int i = 0; i < vm->n_vcpus; i++) {
		struct vcpu *v = &vm->vcpus[i];

		/* a guest with a kvmclock learns of it: no soft lockup is reported. Others: EINVAL */
		ioctl(v->fd, KVM_KVMCLOCK_CTRL, 0);
		v->run->immediate_exit = 0;
		atomic_store(&v->parked, false);
		sem_post(&v->resume);
	}
}

void vcpus_go(struct vm *vm)
{
	for (int i = 0; i < vm->n_vcpus; i++)
		sem_post(&vm->go);
}

void vcpus_stop(struct vm *vm)
{
	atomic_store(&vm->stopping, true);
	vcpus_go(vm);
	for (int i = 0; i < vm->n_vcpus; i++)
		sem_post(&vm->leave);
	for (int i = 0; i < vm->n_vcpus; i++) {
		struct vcpu *v = &vm->vcpus[i];

		if (!v->started)
			continue;
		kick(v);
		sem_post(&v->resume); /* it may be parked */
		pthread_join(v->thread, NULL);
		v->started = false;
	}
}

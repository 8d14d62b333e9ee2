// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "vmm/cpuid.h"
#include "vmm/haltpoll.h"
#include "vmm/place.h"
#include "vmm/vmtsc.h"

enum {
	CONSOLE_RING_BYTES = 16384,
	DATA_RING_BYTES = 65536,
	MARK_RING_BYTES = 4096,
	IOAPIC_PINS = 24,
};

/* Three pages that Intel needs somewhere without RAM; above them the local APICs' window. */
#define TSS_ADDR      0xfffbd000ull
#define IDENTITY_ADDR 0xfeffc000ull

static const struct {
	int cap;
	const char *name;
} required[] = {
	{ KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY" },
	{ KVM_CAP_SET_TSS_ADDR, "KVM_CAP_SET_TSS_ADDR" },
	{ KVM_CAP_SET_IDENTITY_MAP_ADDR, "KVM_CAP_SET_IDENTITY_MAP_ADDR" },
	{ KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID" },
	{ KVM_CAP_MP_STATE, "KVM_CAP_MP_STATE" },
	{ KVM_CAP_SIGNAL_MSI, "KVM_CAP_SIGNAL_MSI" },
	{ KVM_CAP_SPLIT_IRQCHIP, "KVM_CAP_SPLIT_IRQCHIP" }, /* local APICs in the kernel, no PIT */
	{ KVM_CAP_TSC_DEADLINE_TIMER, "KVM_CAP_TSC_DEADLINE_TIMER" },
	{ KVM_CAP_GET_TSC_KHZ, "KVM_CAP_GET_TSC_KHZ" },
	{ KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT" }, /* kicks without a lost-wakeup race */
};

int vm_open_kvm(struct err *e)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	if (errno == EMFILE)
		return err_sys(e, "opening /dev/kvm failed");
	return err_set(e, -errno,
		       "opening /dev/kvm failed: %s; load kvm_intel or kvm_amd and check its "
		       "permissions, or use rtkvm lab",
		       strerror(errno));
}

static int open_kvm(struct vm *vm, struct err *e)
{
	int version;

	vm->kvm = vm_open_kvm(e);
	if (vm->kvm < 0)
		return vm->kvm;
	version = ioctl(vm->kvm, KVM_GET_API_VERSION, 0);
	if (version != KVM_API_VERSION)
		return err_set(e, -ENOTSUP, "/dev/kvm speaks API version %d, not %d", version,
			       KVM_API_VERSION);
	for (size_t i = 0; i < ARRAY_SIZE(required); i++)
		if (ioctl(vm->kvm, KVM_CHECK_EXTENSION, required[i].cap) <= 0)
			return err_set(e, -ENOTSUP,
				       "this kernel's KVM lacks %s; run a kernel of 5.14 or later",
				       required[i].name);
	return 0;
}

static int enable(struct vm *vm, int cap, uint64_t arg, const char *name, struct err *e)
{
	struct kvm_enable_cap c = { .cap = cap, .args = { arg } };

	if (ioctl(vm->fd, KVM_ENABLE_CAP, &c))
		return err_sys(e, "enabling %s failed", name);
	return 0;
}

const char *vm_no_exit_name(uint32_t bit)
{
	switch (bit) {
	case KVM_X86_DISABLE_EXITS_MWAIT:
		return "mwait";
	case KVM_X86_DISABLE_EXITS_HLT:
		return "hlt";
	case KVM_X86_DISABLE_EXITS_PAUSE:
		return "pause";
	case KVM_X86_DISABLE_EXITS_CSTATE:
		return "cstate";
	case KVM_X86_DISABLE_EXITS_APERFMPERF:
		return "aperfmperf";
	default:
		return NULL;
	}
}

static int disable_exits(struct vm *vm, struct err *e)
{
	uint32_t want = vm->opts.no_exit, bit;
	int allowed;

	if (!want)
		return 0;
	allowed = ioctl(vm->kvm, KVM_CHECK_EXTENSION, KVM_CAP_X86_DISABLE_EXITS);
	bit = want & ~(allowed > 0 ? (uint32_t)allowed : 0);
	bit &= -bit; /* name one of them */
	if (bit)
		return err_set(
			e, -ENOTSUP,
			"--no-exit: wanted %s, which KVM does not allow on this machine; leave "
			"it out",
			vm_no_exit_name(bit));
	return enable(vm, KVM_CAP_X86_DISABLE_EXITS, want, "--no-exit", e);
}

/* Neither has a PIT: nothing asks for one, and its thread would be one more to keep off the vCPUs. */
static int create_irqchip(struct vm *vm, struct err *e)
{
	if (!vm->opts.irqchip_full)
		return enable(vm, KVM_CAP_SPLIT_IRQCHIP, IOAPIC_PINS, "the split irqchip", e);
	if (ioctl(vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_IRQCHIP) <= 0)
		return err_set(
			e, -ENOTSUP,
			"--irqchip full: this kernel's KVM has none (CONFIG_KVM_IOAPIC); use "
			"split");
	return ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0) ? err_sys(e, "--irqchip full failed") : 0;
}

static int set_halt_poll(struct vm *vm, struct err *e)
{
	struct haltpoll_facts f = {
		.given = vm->opts.halt_poll_given,
		.given_ns = vm->opts.halt_poll_ns,
		.realtime = place_highest(&vm->opts),
		.hlt_stays = vm->opts.no_exit & KVM_X86_DISABLE_EXITS_HLT,
		.rt_runtime_us = vm->opts.rt_runtime_us,
		.module_ns = haltpoll_module_ns("/sys"),
	};

	return haltpoll_set(vm->fd, &f, &vm->halt_poll_ns, e);
}

/* With the PMU off KVM saves and restores no counters on the way in and out of the guest. */
static int set_pmu(struct vm *vm, struct err *e)
{
	char line[8];

	if (!vm->opts.pmu)
		return ioctl(vm->kvm, KVM_CHECK_EXTENSION, KVM_CAP_PMU_CAPABILITY) > 0
			       ? enable(vm, KVM_CAP_PMU_CAPABILITY, KVM_PMU_CAP_DISABLE, "PMU off",
					e)
			       : 0;
	if (!strcmp(file_read_line("/sys/module/kvm/parameters/enable_pmu", line, sizeof(line)),
		    "N"))
		return err_set(
			e, -ENOTSUP,
			"--pmu: wanted on, KVM has no PMU to give (kvm.enable_pmu is N, or the "
			"host has none); leave it out, or load kvm with enable_pmu=1");
	return 0;
}

static int create_vm(struct vm *vm, struct err *e)
{
	uint64_t identity = IDENTITY_ADDR;
	int ret, size;

	do
		vm->fd = ioctl(vm->kvm, KVM_CREATE_VM, 0);
	while (vm->fd < 0 && errno == EINTR);
	if (vm->fd < 0)
		return err_sys(e, "creating a virtual machine failed");
	size = ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (size < (int)sizeof(struct kvm_run))
		return err_set(e, -EIO, "KVM_GET_VCPU_MMAP_SIZE gave %d", size);
	vm->run_bytes = size;
	if (ioctl(vm->fd, KVM_SET_TSS_ADDR, TSS_ADDR) ||
	    ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity))
		return err_sys(e, "placing KVM's own pages failed");
	ret = create_irqchip(vm, e);
	if (!ret)
		ret = enable(vm, KVM_CAP_X2APIC_API,
			     KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK,
			     "x2APIC ids", e);
	if (!ret)
		ret = disable_exits(vm, e);
	if (!ret)
		ret = nxpages_set(&vm->nx_pages, vm->opts.nx_pages, "/sys", vm->fd, e);
	if (!ret)
		ret = set_halt_poll(vm, e);
	return ret ? ret : set_pmu(vm, e);
}

static int slot(struct vm *vm, uint32_t number, uint64_t gpa, void *host, uint64_t bytes,
		struct err *e)
{
	struct kvm_userspace_memory_region r = {
		.slot = number,
		.guest_phys_addr = gpa,
		.memory_size = bytes,
		.userspace_addr = (uintptr_t)host,
	};

	if (bytes && ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &r))
		return err_sys(e, "giving the guest its memory failed");
	return 0;
}

static int create_memory(struct vm *vm, struct err *e)
{
	struct memory *m = &vm->mem;
	int ret = mem_map(m, &vm->opts.mem, e);

	if (!ret)
		ret = slot(vm, 0, 0, m->host, m->low_bytes, e);
	if (!ret)
		ret = slot(vm, 1, MEM_HIGH_START, m->host + m->low_bytes, m->bytes - m->low_bytes,
			   e);
	return ret;
}

static int create_vcpu(struct vm *vm, struct vcpu *v, struct err *e)
{
	v->fd = ioctl(vm->fd, KVM_CREATE_VCPU, (unsigned long)v->index);
	if (v->fd < 0)
		return err_sys(e, "creating vCPU %d failed", v->index);
	v->run = mmap(NULL, vm->run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
	if (v->run == MAP_FAILED) {
		v->run = NULL;
		return err_sys(e, "mapping vCPU %d's run block failed", v->index);
	}
	return kvmstats_open(&v->kvm, v->fd, e);
}

static int create_vcpus(struct vm *vm, struct err *e)
{
	int max = ioctl(vm->kvm, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS), ret;

	if (vm->opts.map.n > max)
		return err_set(e, -EINVAL, "--cpus: %d vCPUs asked, KVM gives at most %d",
			       vm->opts.map.n, max);
	vm->vcpus = aligned_alloc(64, vm->opts.map.n * sizeof(*vm->vcpus));
	if (!vm->vcpus)
		return err_set(e, -ENOMEM, "no memory for vCPUs");
	memset(vm->vcpus, 0, vm->opts.map.n * sizeof(*vm->vcpus));
	for (int i = 0; i < vm->opts.map.n; i++) {
		struct vcpu *v = &vm->vcpus[i];

		v->vm = vm;
		v->index = i;
		v->fd = v->kvm.fd = -1;
		v->host_cpu = vm->opts.map.host[i];
		vm->n_vcpus++;
		ret = create_vcpu(vm, v, e);
		if (ret < 0)
			return ret;
	}
	return vmtsc_set(vm, e);
}

/* A vCPU copies the timer's advance when it is created: the host's value is ours for that long. */
static int create_vcpus_advanced(struct vm *vm, struct err *e)
{
	struct advance a;
	int ret = advance_begin(&a, &vm->opts.advance, "/", VM_STATE_DIR, e), undone;

	if (ret < 0)
		return ret;
	ret = create_vcpus(vm, e);
	undone = advance_end(&a, e);
	return ret < 0 ? ret : undone;
}

static int create_channels(struct vm *vm, struct err *e)
{
	int ret = ring_init(&vm->console, CONSOLE_RING_BYTES, e);

	if (!ret)
		ret = ring_init(&vm->data, DATA_RING_BYTES, e);
	if (!ret)
		ret = ring_init(&vm->marks, MARK_RING_BYTES, e);
	if (ret < 0)
		return ret;
	vm->io_wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vm->io_wake < 0)
		return err_sys(e, "creating an event descriptor failed");
	for (int i = 0; i < WINDOW_EDGES; i++) {
		size_t bytes = vm->opts.map.n * sizeof(*vm->window[i]);

		vm->window[i] = aligned_alloc(_Alignof(struct vcpu_stats), bytes);
		if (!vm->window[i])
			return err_set(e, -ENOMEM, "no memory for statistics");
		memset(vm->window[i], 0, bytes);
	}
	return 0;
}

int vm_create(struct vm *vm, const struct vm_opts *o, struct err *e)
{
	int ret;

	memset(vm, 0, sizeof(*vm));
	vm->opts = *o;
	vm->kvm = vm->fd = vm->io_wake = -1;
	sem_init(&vm->ready, 0, 0);
	sem_init(&vm->go, 0, 0);
	sem_init(&vm->leave, 0, 0);
	ret = open_kvm(vm, e);
	if (!ret)
		ret = create_channels(vm, e);
	if (!ret)
		ret = create_vm(vm, e);
	if (!ret) /* before memory, which takes its time: what they name may not be there */
		ret = vm_devices_init(vm, e);
	if (!ret)
		ret = create_memory(vm, e);
	if (!ret)
		ret = vfio_map_memory(&vm->vfio, &vm->mem, e);
	if (!ret)
		ret = create_vcpus_advanced(vm, e);
	for (int i = 0; !ret && i < vm->n_vcpus; i++)
		ret = cpuid_set(&vm->vcpus[i], e);
	if (ret < 0)
		vm_destroy(vm);
	return ret;
}

void vm_destroy(struct vm *vm)
{
	for (int i = 0; i < vm->n_vcpus; i++) {
		if (vm->vcpus[i].run)
			munmap(vm->vcpus[i].run, vm->run_bytes);
		kvmstats_close(&vm->vcpus[i].kvm);
		if (vm->vcpus[i].fd >= 0)
			close(vm->vcpus[i].fd);
	}
	vm_devices_destroy(vm);
	free(vm->vcpus);
	for (int i = 0; i < WINDOW_EDGES; i++)
		free(vm->window[i]);
	ring_free(&vm->console);
	ring_free(&vm->data);
	ring_free(&vm->marks);
	mem_unmap(&vm->mem);
	if (vm->io_wake >= 0)
		close(vm->io_wake);
	if (vm->fd >= 0)
		close(vm->fd);
	if (vm->kvm >= 0)
		close(vm->kvm);
	sem_destroy(&vm->ready);
	sem_destroy(&vm->go);
	sem_destroy(&vm->leave);
	memset(vm, 0, sizeof(*vm));
	vm->kvm = vm->fd = vm->io_wake = -1;
}

void vm_wake_io(struct vm *vm)
{
	uint64_t one = 1;
	ssize_t n = write(vm->io_wake, &one, sizeof(one));

	(void)n; /* EAGAIN: a wake-up is pending already */
}

void vm_nudge_io(struct vm *vm)
{
	atomic_thread_fence(memory_order_seq_cst); /* pairs with the one before io.c sleeps */
	if (atomic_load_explicit(&vm->io_sleeping, memory_order_relaxed) &&
	    atomic_exchange(&vm->io_sleeping, false))
		vm_wake_io(vm);
}

enum vcpu_next vm_end(struct vm *vm, enum outcome outcome, int status)
{
	int none = OUTCOME_NONE;

	if (atomic_compare_exchange_strong(&vm->outcome, &none, (int)outcome))
		vm->status = status;
	vm_wake_io(vm);
	return VCPU_STOP;
}

enum vcpu_next vm_fail(struct vm *vm, int code, const char *fmt, ...)
{
	int none = OUTCOME_NONE;
	char text[sizeof(vm->err.text)];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (atomic_compare_exchange_strong(&vm->outcome, &none, OUTCOME_ERROR))
		err_set(&vm->err, code, "%s", text);
	vm_wake_io(vm);
	return VCPU_STOP;
}

const char *vm_state_name(enum vm_state s)
{
	static const char *const names[] = {
		[VM_HELD] = "held",
		[VM_RUNNING] = "running",
		[VM_PAUSING] = "pausing",
		[VM_PAUSED] = "paused",
	};

	return names[s];
}

const char *outcome_name(enum outcome o)
{
	static const char *const names[] = {
		[OUTCOME_NONE] = "none",	 [OUTCOME_EXIT] = "exit",
		[OUTCOME_POWEROFF] = "poweroff", [OUTCOME_RESET] = "reset",
		[OUTCOME_PANIC] = "panic",	 [OUTCOME_TRIPLE_FAULT] = "triple-fault",
		[OUTCOME_TIMEOUT] = "timeout",	 [OUTCOME_INTERRUPTED] = "interrupted",
		[OUTCOME_ERROR] = "error",
	};

	return names[o];
}

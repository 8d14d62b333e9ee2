// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/sandbox.h"

#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <linux/vfio.h>
#include <linux/vhost.h>
#include <malloc.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/stop.h"

enum {
	MAIN = 1 << SANDBOX_MAIN,
	VCPU = 1 << SANDBOX_VCPU,
	DEVICE = 1 << SANDBOX_DEVICE,
	BOTH = MAIN | VCPU,
	ALL = MAIN | VCPU | DEVICE,
	VFIO = 1 << (SANDBOX_ROLES +
		     1), /* vCPU threads, where the guest has a function of the host */
	TRACES = 1 << (SANDBOX_ROLES + 2), /* main, where it has a trace instance */
	UNDO = 1 << SANDBOX_ROLES, /* main, where something is to be undone at the end */
};

/* What must hold of an argument: (argument & mask) == value; mask 0: nothing. */
struct condition {
	unsigned int argument;
	uint64_t mask, value;
};

#define ANY       \
	{         \
		0 \
	}
#define IOCTL_TYPE(type)                          \
	{                                         \
		1, 0xff00, (uint64_t)(type) << 8, \
	}
#define IOCTL(number)                   \
	{                               \
		1, 0xffffffff, (number) \
	}

static const struct row {
	int call;
	unsigned int roles;
	struct condition when;
	const char *why;
} rows[] = {
	/* first what a running guest causes: libseccomp checks it in this order */
	{ SCMP_SYS(ioctl), BOTH, IOCTL_TYPE(KVMIO), "KVM_RUN, interrupts, registers" },
	{ SCMP_SYS(futex), ALL, ANY, "semaphores between the threads, joining" },
	{ SCMP_SYS(write), ALL, ANY, "wake-ups, the freeze file, output" },
	{ SCMP_SYS(ppoll), MAIN, ANY, "the event loop" },
	{ SCMP_SYS(read), ALL, ANY, "wake-ups, the terminal, kernel files" },
	{ SCMP_SYS(rt_sigreturn), ALL, ANY, "kicks" },
	{ SCMP_SYS(restart_syscall), ALL, ANY, "sleeps that a signal interrupts" },
	{ SCMP_SYS(clock_gettime), ALL, ANY, "where the vDSO has no clock" },
	{ SCMP_SYS(clock_nanosleep), BOTH, ANY, "a full data ring" },
	{ SCMP_SYS(poll), ALL, ANY, "is this file writable? a device's kicks; pending interrupts" },
	{ SCMP_SYS(writev), MAIN | DEVICE, ANY, "output" },
	{ SCMP_SYS(pwrite64), BOTH, ANY, "the freeze file" },
	{ SCMP_SYS(pread64), MAIN, ANY, "KVM's counters" },
	/* devices, straight to and from the guest's pages */
	{ SCMP_SYS(readv), DEVICE, ANY, "input" },
	{ SCMP_SYS(preadv), DEVICE, ANY, "a disk is read" },
	{ SCMP_SYS(pwritev), DEVICE, ANY, "a disk is written" },
	{ SCMP_SYS(ioctl), DEVICE, IOCTL_TYPE(VHOST_VIRTIO), "vhost: queues begin and end" },
	{ SCMP_SYS(fdatasync), DEVICE, ANY, "a disk is flushed" },
	{ SCMP_SYS(ioctl), VFIO, IOCTL_TYPE(VFIO_TYPE), "vfio: interrupts on and off" },
	{ SCMP_SYS(pread64), VFIO, ANY, "vfio: configuration space, registers" },
	/* threads end */
	{ SCMP_SYS(madvise), ALL, ANY, "a thread's stack when it ends" },
	{ SCMP_SYS(munmap), ALL, ANY, "a thread's stack when it ends, memory" },
	{ SCMP_SYS(rt_sigprocmask), ALL, ANY, "a thread's end" },
	{ SCMP_SYS(exit), ALL, ANY, "a thread's end" },
	{ SCMP_SYS(exit_group), ALL, ANY, "the process's end" },
	{ SCMP_SYS(getpid), ALL, ANY, "kicks" },
	{ SCMP_SYS(gettid), ALL, ANY, "kicks" },
	/* the control socket */
	{ SCMP_SYS(accept4), MAIN, ANY, "control: a client" },
	{ SCMP_SYS(recvfrom), MAIN, ANY, "control: requests" },
	{ SCMP_SYS(sendto), MAIN, ANY, "control: answers" },
	{ SCMP_SYS(getsockopt), MAIN, ANY, "control: who asks" },
	{ SCMP_SYS(geteuid), MAIN, ANY, "control: who asks" },
	{ SCMP_SYS(unlink), MAIN, ANY, "control: the socket at the end" },
	/* what was read back, statistics */
	{ SCMP_SYS(openat), MAIN, { 2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY }, "/proc, /sys" },
	{ SCMP_SYS(close), MAIN, ANY, "files" },
	{ SCMP_SYS(fstat), MAIN, ANY, "files" },
	{ SCMP_SYS(newfstatat), MAIN, ANY, "files" },
	{ SCMP_SYS(lseek), MAIN, ANY, "files" },
	{ SCMP_SYS(fcntl), MAIN, ANY, "files" },
	{ SCMP_SYS(access), MAIN, ANY, "files" },
	{ SCMP_SYS(faccessat2), MAIN, ANY, "files" },
	{ SCMP_SYS(readlink), MAIN, ANY, "files" },
	{ SCMP_SYS(getdents64), MAIN, ANY, "threads, KVM's debugfs" },
	{ SCMP_SYS(mincore), MAIN, ANY, "resident memory" },
	{ SCMP_SYS(sched_getaffinity), MAIN, ANY, "placement, read back" },
	{ SCMP_SYS(sched_getscheduler), MAIN, ANY, "placement, read back" },
	{ SCMP_SYS(sched_getparam), MAIN, ANY, "placement, read back" },
	{ SCMP_SYS(sched_getattr), MAIN, ANY, "placement, read back" },
	{ SCMP_SYS(sched_setscheduler), MAIN, ANY, "rt on and off, --rt-delay" },
	{ SCMP_SYS(prlimit64), MAIN, { 2, UINT64_MAX, 0 }, "limits for messages: to read only" },
	/* memory, the terminal */
	{ SCMP_SYS(mmap), MAIN, { 2, PROT_EXEC, 0 }, "memory that is no code" },
	{ SCMP_SYS(mprotect), MAIN, { 2, PROT_EXEC, 0 }, "memory that is no code" },
	{ SCMP_SYS(mremap), MAIN, ANY, "growing buffers" },
	{ SCMP_SYS(brk), MAIN, ANY, "growing buffers" },
	{ SCMP_SYS(sysinfo), MAIN, ANY, "libc's qsort asks how much memory there is" },
	{ SCMP_SYS(getrandom), MAIN, ANY, "seeds of json-c and malloc" },
	{ SCMP_SYS(rt_sigaction), MAIN, ANY, "signals at the end" },
	{ SCMP_SYS(ioctl), MAIN, IOCTL(TCGETS), "the terminal; not TIOCSTI, which types" },
	{ SCMP_SYS(ioctl), MAIN, IOCTL(TCSETS), "the terminal" },
	{ SCMP_SYS(ioctl), MAIN, IOCTL(TCSETSW), "the terminal" },
	{ SCMP_SYS(ioctl), MAIN, IOCTL(TCSETSF), "the terminal" },
	{ SCMP_SYS(ioctl), MAIN, IOCTL(TCGETS2), "the terminal, by a glibc of 2.42 or later" },
	{ SCMP_SYS(ioctl), MAIN, IOCTL(TCSETS2), "the terminal" },
	{ SCMP_SYS(ioctl), MAIN, IOCTL(TCSETSW2), "the terminal" },
	{ SCMP_SYS(ioctl), MAIN, IOCTL(TCSETSF2), "the terminal" },
	{ SCMP_SYS(ioctl), MAIN, IOCTL(FIONREAD), "the terminal" },
	/* what was changed for this run is put back */
	{ SCMP_SYS(openat), UNDO, ANY, "kernel files are written" },
	{ SCMP_SYS(fsync), UNDO, ANY, "the journal" },
	{ SCMP_SYS(flock), UNDO, ANY, "the journal" },
	{ SCMP_SYS(ftruncate), UNDO, ANY, "the journal" },
	{ SCMP_SYS(rename), UNDO, ANY, "the journal" },
	{ SCMP_SYS(unlinkat), UNDO, ANY, "the journal" },
	{ SCMP_SYS(mkdir), UNDO, ANY, "the journal" },
	{ SCMP_SYS(umask), UNDO, ANY, "the journal" },
	{ SCMP_SYS(fchmod), UNDO, ANY, "the journal" },
	{ SCMP_SYS(rmdir), UNDO | TRACES, ANY, "cgroups, the trace instance" },
	{ SCMP_SYS(sched_setaffinity), UNDO, ANY, "CPUs of threads" },
#ifdef __SANITIZE_ADDRESS__
	/* the sanitizers' own business: reports, and at the end a look at all threads for leaks */
	{ SCMP_SYS(mmap), ALL, ANY, "sanitizer" },
	{ SCMP_SYS(mprotect), ALL, ANY, "sanitizer" },
	{ SCMP_SYS(sigaltstack), ALL, ANY, "sanitizer" },
	{ SCMP_SYS(sched_yield), ALL, ANY, "sanitizer" },
	{ SCMP_SYS(openat), ALL, ANY, "sanitizer" },
	{ SCMP_SYS(open), ALL, ANY, "sanitizer" },
	{ SCMP_SYS(getdents), ALL, ANY, "sanitizer" },
	{ SCMP_SYS(close), ALL, ANY, "sanitizer" },
	{ SCMP_SYS(readlink), ALL, ANY, "sanitizer" },
	{ SCMP_SYS(rt_sigaction), ALL, ANY, "sanitizer" },
	{ SCMP_SYS(clone), ALL, ANY, "sanitizer" },
	{ SCMP_SYS(ptrace), ALL, ANY, "sanitizer" },
	{ SCMP_SYS(prctl), ALL, ANY, "sanitizer" },
	{ SCMP_SYS(wait4), ALL, ANY, "sanitizer" },
	{ SCMP_SYS(kill), ALL, ANY, "sanitizer" },
	{ SCMP_SYS(getppid), ALL, ANY, "sanitizer" },
	{ SCMP_SYS(process_vm_readv), ALL, ANY, "sanitizer" },
	{ SCMP_SYS(dup2), ALL, ANY, "sanitizer" },
	{ SCMP_SYS(prlimit64), ALL, ANY, "sanitizer" },
#endif
};

/* How the handler's finding is told through lib/stop.h: above every signal number. */
enum { VIOLATION = 1 << 16, BY_OTHER = 1 << 15, CALL_MASK = BY_OTHER - 1 };

const char *sandbox_mode_name(enum sandbox_mode m)
{
	static const char *const names[] = {
		[SANDBOX_ON] = "on",
		[SANDBOX_OFF] = "off",
		[SANDBOX_LOG] = "log",
	};

	return names[m];
}

/*
 * The call has not happened. The main thread is told that it is not permitted and comes to its end
 * by itself; a vCPU's or device's thread does nothing any more. Only system calls that a filter allows.
 */
static void on_violation(int sig, siginfo_t *info, void *context)
{
	ucontext_t *c = context;
	pid_t pid = getpid();
	bool other = syscall(SYS_gettid) != pid;

	(void)sig;
	stop_set(VIOLATION | (other ? BY_OTHER : 0) | (info->si_syscall & CALL_MASK));
	c->uc_mcontext.gregs[REG_RAX] = -EPERM;
	if (!other)
		return;
	syscall(SYS_tgkill, pid, pid, SIGTERM); /* wakes it; the flag keeps what came first */
	syscall(SYS_exit, 1);
}

int sandbox_violation(struct err *e)
{
	int code = stop_signal();
	char *name;

	if (!(code & VIOLATION))
		return 0;
	name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, code & CALL_MASK);
	err_set(e, -EACCES,
		"the sandbox stopped a %s thread at system call %s (%d): a mistake in this program, or "
		"a guest that got into it; --sandbox log lets such calls pass and logs them",
		code & BY_OTHER ? "vCPU or device" : "main", name ? name : "without a name",
		code & CALL_MASK);
	free(name);
	return e->code;
}

static int add_row(scmp_filter_ctx ctx, const struct row *r, struct err *e)
{
	struct scmp_arg_cmp when = {
		.arg = r->when.argument,
		.op = SCMP_CMP_MASKED_EQ,
		.datum_a = r->when.mask,
		.datum_b = r->when.value,
	};
	int ret = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, r->call, r->when.mask ? 1 : 0, &when);

	return ret < 0 ? err_set(e, ret, "--sandbox: system call %d cannot be filtered: %s",
				 r->call, strerror(-ret))
		       : 0;
}

/* Signals to this process and no other. */
static int add_kicks(scmp_filter_ctx ctx, struct err *e)
{
	const struct row own = { SCMP_SYS(tgkill), ALL, { 0, UINT32_MAX, getpid() }, "kicks" };

	return add_row(ctx, &own, e);
}

static int export(scmp_filter_ctx ctx, struct sock_fprog *p, struct err *e)
{
	_cleanup_close_ int fd = memfd_create("rtkvm-filter", MFD_CLOEXEC);
	struct stat st;

	if (fd < 0 || seccomp_export_bpf(ctx, fd) < 0 || fstat(fd, &st))
		return err_set(e, -ENOMEM, "--sandbox: making a filter failed");
	p->filter = malloc(st.st_size);
	if (!p->filter)
		return err_set(e, -ENOMEM, "--sandbox: no memory");
	if (pread(fd, p->filter, st.st_size, 0) != st.st_size)
		return err_set(e, -EIO, "--sandbox: reading a filter back failed");
	p->len = st.st_size / sizeof(*p->filter);
	return 0;
}

static int build(struct sandbox *s, enum sandbox_role role, struct err *e)
{
	uint32_t otherwise = s->opts.mode == SANDBOX_LOG ? SCMP_ACT_LOG : SCMP_ACT_TRAP;
	unsigned int wanted = 1u << role;
	scmp_filter_ctx ctx = seccomp_init(otherwise);
	int ret = ctx ? 0 : err_set(e, -ENOMEM, "--sandbox: no memory");

	if (role == SANDBOX_MAIN && s->opts.restores)
		wanted |= UNDO;
	if (role == SANDBOX_MAIN && s->opts.traces)
		wanted |= TRACES;
	if (role == SANDBOX_VCPU && s->opts.vfio)
		wanted |= VFIO;
	if (!ret)
		seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	for (size_t i = 0; !ret && i < ARRAY_SIZE(rows); i++)
		if (rows[i].roles & wanted)
			ret = add_row(ctx, &rows[i], e);
	if (!ret)
		ret = add_kicks(ctx, e);
	if (!ret)
		ret = export(ctx, &s->filter[role], e);
	seccomp_release(ctx);
	return ret;
}

/* SCHED_FIFO later on by the limit, which costs no capability; raising it may need one now. */
static void raise_rtprio(struct sandbox *s)
{
	struct rlimit now = { 0 }, want;

	getrlimit(RLIMIT_RTPRIO, &now);
	want = now;
	if (now.rlim_cur >= (rlim_t)s->opts.fifo)
		return;
	want.rlim_cur = s->opts.fifo;
	if (want.rlim_max < want.rlim_cur)
		want.rlim_max = want.rlim_cur;
	s->keep_nice = setrlimit(RLIMIT_RTPRIO, &want) != 0;
}

int sandbox_prepare(struct sandbox *s, const struct sandbox_opts *o, struct err *e)
{
	struct sigaction sa = { .sa_sigaction = on_violation, .sa_flags = SA_SIGINFO };
	int ret = 0;

	s->opts = *o;
	if (o->mode == SANDBOX_OFF)
		return 0;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return err_sys(e, "--sandbox: refusing new privileges failed");
	raise_rtprio(s);
	sigaction(SIGSYS, &sa, NULL);
	for (int role = 0; !ret && role < SANDBOX_ROLES; role++)
		if (role != SANDBOX_DEVICE || o->devices)
			ret = build(s, role, e);
	malloc_trim(0); /* what libseccomp took to make them would be locked with the heap */
	return ret;
}

void sandbox_free(struct sandbox *s)
{
	for (int role = 0; role < SANDBOX_ROLES; role++)
		free(s->filter[role].filter);
	memset(s, 0, sizeof(*s));
}

/*
 * What the main thread keeps, as a mask: priorities where the rlimit does not do; for what is to be
 * undone the removal of a cgroup, whose parent, the root cgroup, is writable by no mode (0555), and
 * giving the cpuset controller back, which moves other processes' threads
 * (security_task_setscheduler); and the removal of a control socket that lies where root has no more
 * rights than others.
 */
static uint64_t keep(const struct sandbox *s)
{
	uint64_t nice = 1ull << CAP_SYS_NICE, access = 1ull << CAP_DAC_OVERRIDE;

	if (s->opts.restores)
		return nice | access;
	return (s->keep_nice ? nice : 0) | (s->opts.unlinks ? access : 0);
}

/* capset(2): of the calling thread alone; what it did not have it does not get. */
static int drop_capabilities(const struct sandbox *s, enum sandbox_role role, struct err *e)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct want[_LINUX_CAPABILITY_U32S_3], got[_LINUX_CAPABILITY_U32S_3];
	uint64_t kept = role == SANDBOX_MAIN ? keep(s) : 0;

	if (syscall(SYS_capget, &head, want))
		return err_sys(e, "--sandbox: reading capabilities failed");
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		want[i].permitted &= (uint32_t)(kept >> 32 * i);
		want[i].effective = want[i].permitted;
		want[i].inheritable = 0;
	}
	if (syscall(SYS_capset, &head, want) || syscall(SYS_capget, &head, got))
		return err_sys(e, "--sandbox: dropping capabilities failed");
	if (memcmp(want, got, sizeof(got)) != 0)
		return err_set(e, -EPERM, "--sandbox: wanted no capabilities, got some");
	return 0;
}

int sandbox_enter(const struct sandbox *s, enum sandbox_role role, struct err *e)
{
	int ret;

	if (s->opts.mode == SANDBOX_OFF)
		return 0;
	ret = drop_capabilities(s, role, e);
	if (ret < 0)
		return ret;
	/*
	 * SPEC_ALLOW: before Linux 5.16 a filter turns on mitigations for the whole thread, the guest
	 * in it included, that cost every load after a store.
	 */
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW,
		    &s->filter[role]))
		return err_sys(e,
			       "--sandbox: the kernel takes no system call filter; --sandbox off "
			       "runs without");
	return 0;
}

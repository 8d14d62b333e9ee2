/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * machine - a live machine or a saved tree of one: what it is, its CPUs, its tasks, its files
 */
#ifndef RTKVM_PROFILES_MACHINE_H
#define RTKVM_PROFILES_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/cpulist.h"
#include "lib/err.h"

enum vendor { VENDOR_ANY, VENDOR_INTEL, VENDOR_AMD };

/* Kernel versions as one number that compares. */
#define KVER(major, minor) ((major)*1000 + (minor))

enum { MACHINE_WORD = 8192, MACHINE_FILE = 8 << 20 };

/* A thread, from /proc/PID/task/TID/{stat,status} (proc(5)). */
struct task {
	pid_t pid, tid;
	char comm[32];
	unsigned int flags; /* PF_* of the kernel's sched.h */
	int cpu; /* ran there last */
	int policy, rt_priority; /* SCHED_*; 1..99 for FIFO and RR */
	struct cpulist allowed;
};

struct machine {
	int root;
	bool live; /* the root is "/": devices may be asked, not only files */
	enum vendor vendor;
	char model[96];
	char release[65];
	int kernel; /* KVER(6, 12) */
	bool rt; /* PREEMPT_RT */
	char *flags; /* of /proc/cpuinfo, with a space at both ends */
	char *cmdline;
	struct cpulist online;
	struct cpulist isolated; /* what the checks are about; may be empty */
	struct cpulist housekeeping; /* online, not isolated */
	struct task *tasks;
	size_t n_tasks;
	struct err tasks_err; /* why the tasks could not be read; code 0 when they were */
};

/* A growing list of path names. */
struct paths {
	char **v;
	size_t n;
};

/*
 * machine_open - look at the tree root ("/": this machine). cpus is the list of CPUs to be
 * isolated, NULL: what the kernel says is. -ENOTSUP when it is no x86-64 machine; machine_close
 * also takes what a failed machine_open left
 */
int machine_open(struct machine *m, const char *root, const char *cpus, struct err *e);
void machine_close(struct machine *m);

/* machine_flag - is a flag in /proc/cpuinfo? */
bool machine_flag(const struct machine *m, const char *flag);

/* machine_param - the value of the last KEY=VALUE (or KEY: "") on the command line, NULL without */
const char *machine_param(const struct machine *m, const char *key, char *buf, size_t size);

/* machine_running - a thread with that name (the kernel's 15 characters), NULL when none runs */
const struct task *machine_running(const struct machine *m, const char *comm);

/* machine_is_vcpu - is this the thread of a virtual CPU, by the names that VMMs give it? */
bool machine_is_vcpu(const struct task *t);

/* machine_load - a whole text file of at most MACHINE_FILE bytes; *text is the caller's to free */
ssize_t machine_load(const struct machine *m, const char *path, char **text, struct err *e);

/* machine_cpus - a file that holds a CPU list ("2-3"; empty and "(null)" are no CPU) */
int machine_cpus(const struct machine *m, const char *path, struct cpulist *l, struct err *e);

/* machine_mask - a file that holds a CPU mask ("00000000,0000000c") */
int machine_mask(const struct machine *m, const char *path, struct cpulist *l, struct err *e);

/* machine_number - a file that holds one integer; false when it cannot be read or holds none */
bool machine_number(const struct machine *m, const char *path, int64_t *out);

/* has_word - does a line such as a kernel command line hold this word, whole? */
bool has_word(const char *line, const char *word);

/* mask_parse - the same from text; -EINVAL when it is no mask */
int mask_parse(struct cpulist *l, const char *text, struct err *e);

/* machine_has - is there such a path below the root? */
bool machine_has(const struct machine *m, const char *path);

/*
 * machine_glob - existing paths that match a pattern of fnmatch(3) in each component, in the order
 * of their numbers ("cpu2" before "cpu10"); -E2BIG above 65536. A directory that cannot be read
 * is -errno, one that is not there matches nothing
 */
int machine_glob(const struct machine *m, const char *pattern, struct paths *out, struct err *e);
void paths_free(struct paths *p);

#endif

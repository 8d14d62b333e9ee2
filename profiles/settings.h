/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * settings - what a profile wants, from the file "settings" beside its tuned.conf, made out for
 * one machine and one choice of isolated CPUs
 *
 * A line is KEYWORD[@CONDITION...] ARGUMENTS; "#" starts a comment:
 *
 *	default NAME VALUE		a variable's value where the user gives none
 *	boot WORD...			kernel parameters
 *	set PATH VALUE			a kernel file; PATH may be a pattern, VALUE "=NAME" is the
 *					content of the file NAME in the same directory, "A|B" is A, and B is
 *					left alone
 *	module NAME OPTION VALUE	a module's option, from its next load on
 *	priority NAME PRIORITY		SCHED_FIFO priority of the kernel threads NAME/N
 *	queues NUMBER			queues of a network card, at most
 *	l3_ways NUMBER			cache ways for the isolated CPUs alone (resctrl)
 *	mb_others PERCENT		memory bandwidth of the other CPUs (resctrl)
 *	irqs | kthreads | irqbalance	keep them off the isolated CPUs
 *	off UNIT			a systemd unit that is stopped and disabled
 *
 * {isolated}, {housekeeping} are CPU lists, {isolated_mask}, {housekeeping_mask} masks; {cpu}
 * repeats the line for each isolated CPU; {NAME} is the user's variable NAME, and the line is left
 * out when that is empty. A condition is intel, amd, or a variable that must be yes; "!" negates.
 */
#ifndef RTKVM_PROFILES_SETTINGS_H
#define RTKVM_PROFILES_SETTINGS_H

#include "lib/knob.h"
#include "profiles/machine.h"

struct module_option {
	char *module, *option, *value;
};

struct kthread_priority {
	char *name;
	int priority;
};

struct settings {
	struct paths boot; /* words of the kernel command line */
	struct knob *knobs;
	size_t n_knobs;
	struct module_option *modules;
	size_t n_modules;
	struct kthread_priority *priorities;
	size_t n_priorities;
	struct paths units_off;
	unsigned int queues, l3_ways, mb_percent; /* 0: not asked for */
	bool irqs, kthreads, irqbalance;
};

/* settings_variable - the user's value of a variable, "" when there is none */
typedef const char *settings_variable(void *arg, const char *name);

/*
 * settings_load - read the file for this machine and its m->isolated; -EINVAL names the line.
 * A kernel file that this machine does not have is left out. settings_free also takes what a
 * failed load left
 */
int settings_load(struct settings *s, const struct machine *m, const char *file,
		  settings_variable *variable, void *arg, struct err *e);
void settings_free(struct settings *s);

/* mask_format - a set as the kernel writes masks ("c", "1,00000000"); returns buf */
char *mask_format(const struct cpulist *l, char *buf, size_t size);

#endif

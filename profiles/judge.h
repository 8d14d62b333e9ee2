/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * judge - the judges that most checks share, and what the others are made of
 */
#ifndef RTKVM_PROFILES_JUDGE_H
#define RTKVM_PROFILES_JUDGE_H

#include "profiles/check.h"

/*
 * look - read a check's file; false when the finding is settled: absent ("not applicable", or a
 * failure with ABSENT_FAILS) or unreadable
 */
bool look(const struct machine *m, const struct check *c, const char *path, char *buf, size_t size,
	  struct finding *f);

/* look_all - glob and require at least one match; false settles the finding as look does */
bool look_all(const struct machine *m, const struct check *c, struct paths *paths,
	      struct finding *f);

/* settle_absent, settle_unread - the two ways a file is not there for a judge */
void settle_read_error(const struct check *c, const char *path, int code, const char *why,
		       struct finding *f);

/* wanted - is the value of a kernel file's text one of the alternatives of want? */
bool wanted(const char *text, const char *want);

/* tasks_known - could the tasks be listed? false settles the finding as not known */
bool tasks_known(const struct machine *m, const struct check *c, struct finding *f);

/* task_touches_isolated - is an isolated CPU among those the task may run on? */
bool task_touches_isolated(const struct machine *m, const struct task *t);

/* kthread_of_cpu - the kernel thread NAME/CPU, NULL when there is none */
const struct task *kthread_of_cpu(const struct machine *m, const char *name, int cpu);

/* The file c->path holds one of c->want. */
judge_fn judge_word;
/* The integer in c->path is at least, or at most, c->want. */
judge_fn judge_least, judge_most;
/* Every file that matches c->path holds one of c->want. */
judge_fn judge_each;
/* The file c->path of each isolated CPU (%d) holds one of c->want. */
judge_fn judge_per_cpu;
/* The CPU list in c->path holds every isolated CPU. */
judge_fn judge_holds_isolated;
/* The CPU mask in each file that matches c->path holds no isolated CPU. */
judge_fn judge_masks_spare_isolated;
/* None of the programs of c->want ("a|b") runs. */
judge_fn judge_not_running;
/* The kernel command line holds the word c->want. */
judge_fn judge_on_cmdline;
/* The kernel command line does not hold the parameter c->want. */
judge_fn judge_not_on_cmdline;
/* No file matches c->path. */
judge_fn judge_nothing_there;

#endif

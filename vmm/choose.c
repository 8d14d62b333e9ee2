// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/choose.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/claim.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/threads.h"
#include "vmm/nodes.h"

/* As text, those of the largest guest: "4095," each at worst. */
enum { CPUS_BYTES = CPUMAP_VCPUS * 5 + 1 };

#define PF_KTHREAD 0x00200000 /* include/linux/sched.h, field 9 of /proc/PID/stat */

/* One NUMA node, its isolated CPUs sorted by what speaks against each. */
struct place {
	int node; /* -1: a kernel without NUMA */
	struct cpulist isolated, no_nohz, kept, taken, claimed, beside, good, housekeeping;
	struct cpulist shared; /* of the good ones: another has claimed them */
	int fit; /* of memory: 2 in huge pages, 1 in small ones, 0 not at all */
};

static int memory_fit(const char *sysfs, int node, const struct mem_opts *m)
{
	static const struct {
		enum mem_pages id;
		uint64_t bytes;
	} huge[] = { { MEM_PAGES_1G, 1ull << 30 }, { MEM_PAGES_2M, 2ull << 20 } };
	struct cpulist nodes = { 0 };

	if (node >= 0)
		cpulist_add(&nodes, node);
	for (size_t i = 0; i < ARRAY_SIZE(huge); i++)
		if ((m->pages == MEM_PAGES_AUTO || m->pages == huge[i].id) &&
		    m->bytes % huge[i].bytes == 0 &&
		    nodes_free_bytes(sysfs, &nodes, huge[i].bytes) >= m->bytes)
			return 2;
	if (m->pages == MEM_PAGES_1G || m->pages == MEM_PAGES_2M)
		return 0;
	return node < 0 || nodes_free_bytes(sysfs, &nodes, 4096) >= m->bytes;
}

/* Is another thread of this core busy: not isolated, taken, or chosen a moment ago? */
static int core_is_busy(const struct place *p, const struct hostcpus *h, const char *sysfs, int cpu,
			struct err *e)
{
	struct cpulist core, idle;
	int ret = hostcpus_siblings(&core, sysfs, cpu, e);

	if (ret < 0)
		return ret;
	core = cpulist_and(&core, &h->online);
	cpulist_remove(&core, cpu);
	idle = cpulist_minus(&h->isolated, &p->kept);
	idle = cpulist_minus(&idle, &p->taken);
	idle = cpulist_minus(&idle, &p->claimed);
	idle = cpulist_minus(&idle, &p->good);
	core = cpulist_minus(&core, &idle);
	return !cpulist_empty(&core);
}

static int look_at(struct place *p, const struct hostcpus *h, const char *sysfs,
		   const struct cpulist *cpus, const struct choose_opts *o, struct err *e)
{
	struct cpulist rest = cpulist_and(cpus, &h->online);

	p->isolated = cpulist_and(&rest, &h->isolated);
	p->housekeeping = cpulist_minus(&rest, &h->isolated);
	p->kept = cpulist_and(&p->isolated, o->kept);
	p->taken = cpulist_and(&p->isolated, o->taken);
	p->taken = cpulist_minus(&p->taken, &p->kept); /* one reason each */
	p->claimed = cpulist_and(&p->isolated, o->claimed);
	p->claimed = cpulist_minus(&p->claimed, &p->kept);
	p->claimed = cpulist_minus(&p->claimed, &p->taken);
	if (!o->allow_tick && !o->allow_shared)
		p->no_nohz = cpulist_minus(&p->isolated, &h->nohz_full);
	rest = cpulist_minus(&p->isolated, &p->kept);
	rest = cpulist_minus(&rest, &p->taken);
	rest = cpulist_minus(&rest, &p->claimed);
	rest = cpulist_minus(&rest, &p->no_nohz);
	cpulist_for_each(cpu, &rest) {
		int busy = core_is_busy(p, h, sysfs, cpu, e);

		if (busy < 0)
			return busy;
		cpulist_add(busy ? &p->beside : &p->good, cpu);
	}
	if (o->share_claimed)
		p->shared = cpulist_minus(&p->claimed, &p->no_nohz);
	p->good = cpulist_or(&p->good, &p->shared);
	p->fit = memory_fit(sysfs, p->node, o->mem);
	return 0;
}

/* What a node has to have: house, that vCPU 0 takes one of its housekeeping CPUs. */
struct need {
	int cpus;
	bool house;
};

/* Huge pages that were asked for by name have to be there; others are a preference. */
static bool may_hold(const struct place *p, const struct choose_opts *o)
{
	return p->fit == 2 || o->mem->pages == MEM_PAGES_AUTO || o->mem->pages == MEM_PAGES_4K;
}

static bool fits(const struct place *p, const struct need *need, const struct choose_opts *o)
{
	return cpulist_count(&p->good) >= need->cpus && may_hold(p, o) &&
	       (!need->house || !cpulist_empty(&p->housekeeping));
}

static bool better(const struct place *a, const struct place *b, const struct need *need,
		   const struct choose_opts *o)
{
	int have_a = cpulist_count(&a->good), have_b = cpulist_count(&b->good);
	int own_a = have_a - cpulist_count(&a->shared), own_b = have_b - cpulist_count(&b->shared);
	bool fits_a = fits(a, need, o), fits_b = fits(b, need, o);

	if (fits_a != fits_b)
		return fits_a;
	if (fits_a && (own_a < need->cpus || own_b < need->cpus) && own_a != own_b)
		return own_a > own_b;
	if (fits_a && a->fit != b->fit)
		return a->fit > b->fit;
	if (have_a != have_b)
		return have_a > have_b;
	return cpulist_count(&a->isolated) >
	       cpulist_count(&b->isolated); /* where to look for why */
}

static int best_place(struct place *best, const struct hostcpus *h, const char *sysfs,
		      const struct need *need, const struct choose_opts *o, struct err *e)
{
	struct cpulist nodes;
	int ret = hostcpus_nodes(&nodes, sysfs, e);
	bool any = false;

	*best = (struct place){ .node = -1 };
	if (ret < 0)
		return ret;
	if (cpulist_empty(&nodes))
		return look_at(best, h, sysfs, &h->online, o, e);
	cpulist_for_each(node, &nodes) {
		struct place p = { .node = node };
		struct cpulist cpus;

		ret = hostcpus_node_cpus(&cpus, sysfs, node, e);
		if (!ret)
			ret = look_at(&p, h, sysfs, &cpus, o, e);
		if (ret < 0)
			return ret;
		if (!any || better(&p, best, need, o))
			*best = p;
		any = true;
	}
	return 0;
}

static void against(char *text, size_t size, const struct cpulist *l, const char *what)
{
	size_t used = strlen(text);
	char cpus[CPUS_BYTES];

	if (!cpulist_empty(l) && used < size)
		snprintf(text + used, size - used, "%s%s %s", used ? ", " : "",
			 cpulist_format(l, cpus, sizeof(cpus)), what);
}

/* "2-3 claimed, CPU 3 by process 71 (rtkvm run --cpus 3)": of several holders one was looked for last. */
static void against_claimed(char *text, size_t size, const struct cpulist *l,
			    const struct choose_opts *o)
{
	char what[CLAIM_WHO_BYTES + 32], which[16] = "";

	if (cpulist_count(l) > 1)
		snprintf(which, sizeof(which), ", CPU %d", o->claimed_last);
	if (cpulist_has(l, o->claimed_last))
		snprintf(what, sizeof(what), "claimed%s by %s", which, o->claimed_by);
	against(text, size, l, cpulist_has(l, o->claimed_last) ? what : "claimed by others");
}

static int refuse(const struct place *p, int need, const struct choose_opts *o, struct err *e)
{
	char no[CPUS_BYTES] = "", isolated[CPUS_BYTES], good[CPUS_BYTES], node[32] = "this machine",
	     end[32] = "";
	const char *command;

	if (p->node >= 0)
		snprintf(node, sizeof(node), "NUMA node %d", p->node);
	if (cpulist_count(&p->good) >= need)
		return err_set(e, -EBUSY,
			       "--placement auto: no NUMA node has both %d CPUs for vCPUs and "
			       "%" PRIu64 " MiB in free huge pages of the size asked for; reserve "
			       "them on %s, or use --hugepages auto",
			       need, o->mem->bytes >> 20, node);
	if (cpulist_empty(&p->isolated))
		return err_set(
			e, -EBUSY,
			"--placement auto: no CPU of this machine is isolated; boot it with "
			"isolcpus=managed_irq,domain,LIST nohz_full=LIST (rtkvm doctor tells "
			"how), or name CPUs with --cpus");
	against(no, sizeof(no), &p->no_nohz, "not nohz_full");
	against(no, sizeof(no), &p->kept, "kept for other threads (--housekeeping, cpu=)");
	against(no, sizeof(no), &p->taken, "taken by a pinned thread");
	against_claimed(no, sizeof(no), &p->claimed, o);
	command = cpulist_has(&p->claimed, o->claimed_last) ? strstr(o->claimed_by, " (") : NULL;
	if (command)
		snprintf(end, sizeof(end), "end %.*s, ", (int)(command - o->claimed_by),
			 o->claimed_by);
	against(no, sizeof(no), &p->beside, "beside a busy thread of their core");
	return err_set(
		e, -EBUSY,
		"--placement auto: CPUs for %d vCPUs wanted, %s has %d at best (CPU %s), isolated there "
		"are %s%s%s; %sisolate more, or give the guest fewer vCPUs",
		need, node, cpulist_count(&p->good),
		cpulist_empty(&p->good) ? "none" : cpulist_format(&p->good, good, sizeof(good)),
		cpulist_format(&p->isolated, isolated, sizeof(isolated)), no[0] ? ": " : "", no,
		end);
}

static void explain(struct choice *c, const struct place *p, const struct hostcpus *h,
		    const struct cpulist *used, bool house, const struct choose_opts *o)
{
	struct cpulist ticking = cpulist_minus(used, &h->nohz_full);
	struct cpulist shared = cpulist_and(used, &p->shared);
	char list[CPUS_BYTES], cpus[CPUS_BYTES + 64], node[80] = "", whose[CPUS_BYTES] = "";

	if (p->node >= 0)
		snprintf(node, sizeof(node), ", NUMA node %d%s", p->node,
			 p->fit == 2 ? " with free huge pages for its memory" : "");
	if (cpulist_empty(used))
		snprintf(cpus, sizeof(cpus), "no %s",
			 cpulist_empty(&h->isolated) ? "CPU is isolated" : "isolated CPU is free");
	else
		snprintf(cpus, sizeof(cpus), "CPU %s: isolated%s%s",
			 cpulist_format(used, list, sizeof(list)),
			 cpulist_empty(&ticking) ? " and nohz_full" : ", not nohz_full",
			 cpulist_empty(&shared) ? ", no busy SMT sibling" : "");
	against_claimed(whose, sizeof(whose), &shared, o);
	snprintf(c->why, sizeof(c->why), "%s%s%s%s%s", cpus, node,
		 house ? "; vCPU 0 shares a housekeeping CPU" : "",
		 whose[0] ? "; shared, as too few are nobody's: CPU " : "", whose);
}

/* The last one: CPU 0 is where most of a host's own work ends up. */
static int last_of(const struct cpulist *l)
{
	int last = -1;

	cpulist_for_each(cpu, l)
		last = cpu;
	return last;
}

/* N of the good ones, those first that nobody else has. */
static struct cpulist first_of(const struct place *p, int n)
{
	struct cpulist own = cpulist_minus(&p->good, &p->shared), used = { 0 };

	cpulist_for_each(cpu, &own)
		if (cpulist_count(&used) < n)
			cpulist_add(&used, cpu);
	cpulist_for_each(cpu, &p->shared)
		if (cpulist_count(&used) < n)
			cpulist_add(&used, cpu);
	return used;
}

int choose_cpus(struct choice *c, const struct hostcpus *h, const char *sysfs,
		const struct choose_opts *o, struct err *e)
{
	struct need need = { .cpus = o->vcpus };
	struct cpulist used;
	struct place p;
	int ret = best_place(&p, h, sysfs, &need, o, e);

	*c = (struct choice){ 0 };
	if (!ret && cpulist_count(&p.good) < need.cpus && o->allow_shared) {
		need = (struct need){ .cpus = o->vcpus - 1, .house = true };
		ret = best_place(&p, h, sysfs, &need, o, e);
	}
	if (ret < 0)
		return ret;
	if (!fits(&p, &need, o))
		return refuse(&p, cpulist_empty(&p.housekeeping) ? o->vcpus : need.cpus, o, e);
	if (need.house)
		c->map.host[c->map.n++] = last_of(&p.housekeeping);
	used = first_of(&p, need.cpus);
	cpulist_for_each(cpu, &used)
		c->map.host[c->map.n++] = cpu;
	explain(c, &p, h, &used, need.house, o);
	return 0;
}

/* --- who else is there --- */

static bool is_kernel_thread(const char *dir)
{
	char path[PATH_MAX], line[1024];
	struct thread_stat s;

	return file_path(path, sizeof(path), "%s/stat", dir) &&
	       !thread_stat_parse(file_read_line(path, line, sizeof(line)), &s) &&
	       s.flags & PF_KTHREAD;
}

/* The CPU that the thread is pinned to; -1 when it has a choice, or is gone. */
static int only_cpu(const char *dir)
{
	static const char key[] = "\nCpus_allowed_list:\t";
	char path[PATH_MAX], text[8192], *at;
	struct err ignored = { 0 };
	struct cpulist l;

	if (!file_path(path, sizeof(path), "%s/status", dir) ||
	    file_read(path, text, sizeof(text), &ignored) < 0 || !(at = strstr(text, key)))
		return -1;
	at += strlen(key);
	at[strcspn(at, "\n")] = '\0';
	if (!isdigit((unsigned char)*at) || strpbrk(at, "-,") || cpulist_parse(&l, at, &ignored))
		return -1;
	return cpulist_next(&l, 0);
}

static void look_at_threads(struct cpulist *taken, const char *tasks)
{
	_cleanup_closedir_ DIR *dir = opendir(tasks);
	char path[PATH_MAX];
	struct dirent *d;

	while (dir && (d = readdir(dir))) {
		int cpu;

		if (!isdigit((unsigned char)d->d_name[0]) ||
		    !file_path(path, sizeof(path), "%s/%s", tasks, d->d_name))
			continue;
		cpu = only_cpu(path);
		if (cpu >= 0 && !is_kernel_thread(path))
			cpulist_add(taken, cpu);
	}
}

int choose_taken(struct cpulist *taken, const char *proc, pid_t self, struct err *e)
{
	_cleanup_closedir_ DIR *dir = opendir(proc);
	char path[PATH_MAX];
	struct dirent *d;

	memset(taken, 0, sizeof(*taken));
	if (!dir)
		return err_sys(e, "looking for pinned threads in %s failed", proc);
	while ((d = readdir(dir)))
		if (isdigit((unsigned char)d->d_name[0]) && atoi(d->d_name) != self &&
		    file_path(path, sizeof(path), "%s/%s/task", proc, d->d_name))
			look_at_threads(taken, path);
	return 0;
}

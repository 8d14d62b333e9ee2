// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/optvalues.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/opt.h"
#include "vmm/ctlplace.h"
#include "vmm/dmalatency.h"
#include "vmm/partition.h"

#define FIFO_MAX 98 /* 99 is the kernel's own migration and watchdog threads */

static int choice(const char *what, const char *text, const char *const *names, size_t n,
		  struct err *e)
{
	char list[64];

	for (size_t i = 0; i < n; i++)
		if (!strcmp(text, names[i]))
			return i;
	list[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		strncat(list, i ? ", " : "", sizeof(list) - strlen(list) - 1);
		strncat(list, names[i], sizeof(list) - strlen(list) - 1);
	}
	return err_set(e, -EINVAL, "%s: \"%s\" is not one of the choices: %s", what, text, list);
}

/* Of two words the second means yes. */
static int choice_bool(const char *what, const char *text, const char *no, const char *yes,
		       bool *out, struct err *e)
{
	const char *const names[] = { no, yes };
	int i = choice(what, text, names, ARRAY_SIZE(names), e);

	if (i < 0)
		return i;
	*out = i == 1;
	return 0;
}

int optvalue_memory(struct run_opts *o, const char *text, struct err *e)
{
	return opt_size("--memory", text, &o->mem.bytes, e);
}

int optvalue_hugepages(struct run_opts *o, const char *text, struct err *e)
{
	static const char *const names[] = { "auto", "off", "2M", "1G" };
	static const enum mem_pages pages[] = { MEM_PAGES_AUTO, MEM_PAGES_4K, MEM_PAGES_2M,
						MEM_PAGES_1G };
	int i = choice("--hugepages", text, names, ARRAY_SIZE(names), e);

	if (i < 0)
		return i;
	o->mem.pages = pages[i];
	return 0;
}

int optvalue_exit_code(struct run_opts *o, const char *text, struct err *e)
{
	return choice_bool("--exit-code", text, "plain", "qemu", &o->qemu_exit_code, e);
}

int optvalue_prefault(struct run_opts *o, const char *text, struct err *e)
{
	return choice_bool("--prefault", text, "off", "on", &o->mem.populate, e);
}

int optvalue_cpus(struct run_opts *o, const char *text, struct err *e)
{
	return opt_cpumap("--cpus", text, &o->map, e);
}

int optvalue_placement(struct run_opts *o, const char *text, struct err *e)
{
	static const char *const names[] = { "auto" };
	int i = choice("--placement", text, names, ARRAY_SIZE(names), e);

	o->placement_auto = !i;
	return i;
}

int optvalue_vcpus(struct run_opts *o, const char *text, struct err *e)
{
	return opt_int("--vcpus", text, 1, CPUMAP_VCPUS, &o->vcpus, e);
}

int optvalue_housekeeping(struct run_opts *o, const char *text, struct err *e)
{
	o->housekeeping_given = true;
	return opt_cpulist("--housekeeping", text, &o->housekeeping, e);
}

/* "1-2:5": of these vCPUs that one */
static int set_fifo_of(struct run_opts *o, char *text, struct err *e)
{
	char *colon = strchr(text, ':');
	struct cpulist vcpus;
	int prio, ret;

	if (!colon)
		return err_set(
			e, -EINVAL,
			"--fifo: \"%s\" is not VCPU:PRIO; give one priority, or a pair for each",
			text);
	*colon = '\0';
	ret = opt_cpulist("--fifo", text, &vcpus, e);
	if (!ret)
		ret = opt_int("--fifo", colon + 1, 1, FIFO_MAX, &prio, e);
	if (ret < 0)
		return ret;
	cpulist_for_each(i, &vcpus) {
		if (i >= CPUMAP_VCPUS)
			return err_set(e, -EINVAL, "--fifo: there is no vCPU %d", i);
		if (o->fifo_of[i])
			return err_set(e, -EINVAL, "--fifo: vCPU %d is given twice", i);
		o->fifo_of[i] = prio;
	}
	return 0;
}

int optvalue_fifo(struct run_opts *o, const char *text, struct err *e)
{
	_cleanup_free_ char *copy = NULL;
	char *rest, *word;
	int ret = 0;

	if (!strchr(text, ':'))
		return opt_int("--fifo", text, 0, FIFO_MAX, &o->fifo, e);
	rest = copy = strdup(text);
	if (!copy)
		return err_set(e, -ENOMEM, "no memory");
	while (!ret && (word = strsep(&rest, ",")))
		ret = set_fifo_of(o, word, e);
	return ret;
}

int optvalue_ordinary(struct run_opts *o, const char *text, struct err *e)
{
	return opt_cpulist("--ordinary", text, &o->ordinary, e);
}

int optvalue_dma_latency(struct run_opts *o, const char *text, struct err *e)
{
	return opt_int("--cpu-dma-latency", text, 0, DMALATENCY_MAX_US, &o->cpu_dma_latency_us, e);
}

int optvalue_pmu(struct run_opts *o, const char *text, struct err *e)
{
	return choice_bool("--pmu", text, "off", "on", &o->pmu, e);
}

int optvalue_slow_exit(struct run_opts *o, const char *text, struct err *e)
{
	int ret = opt_latency("--slow-exit", text, &o->slow_exit_ns, e);

	if (!ret && o->slow_exit_ns > NSEC_PER_SEC)
		ret = err_set(e, -ERANGE, "--slow-exit: \"%s\" is more than 1s", text);
	return ret;
}

int optvalue_no_exit(struct run_opts *o, const char *text, struct err *e)
{
	static const char *const names[] = { "mwait", "hlt", "pause", "cstate",
					     "aperfmperf" }; /* bits 0 to 4 */

	for (const char *at = text;;) {
		size_t len = strcspn(at, ",");
		size_t i = 0;

		while (i < ARRAY_SIZE(names) &&
		       (strlen(names[i]) != len || strncmp(names[i], at, len) != 0))
			i++;
		if (i == ARRAY_SIZE(names))
			return err_set(
				e, -EINVAL,
				"--no-exit: \"%s\" is not a list of hlt, mwait, pause, cstate, aperfmperf",
				text);
		if (o->no_exit & 1u << i)
			return err_set(e, -EINVAL, "--no-exit: \"%s\" names %s twice", text,
				       names[i]);
		o->no_exit |= 1u << i;
		if (!at[len])
			return 0;
		at += len + 1;
	}
}

int optvalue_halt_poll(struct run_opts *o, const char *text, struct err *e)
{
	int ret = opt_latency("--halt-poll", text, &o->halt_poll_ns, e);

	if (!ret && o->halt_poll_ns > UINT32_MAX)
		ret = err_set(e, -EINVAL, "--halt-poll: \"%s\" is over 4 seconds", text);
	o->halt_poll_given = true;
	return ret;
}

int optvalue_advance(struct run_opts *o, const char *text, struct err *e)
{
	uint64_t ns = 0;
	int ret = 0;

	if (!strcmp(text, "auto") || !strcmp(text, "off")) {
		o->advance.mode = text[0] == 'a' ? ADVANCE_AUTO : ADVANCE_OFF;
		return 0;
	}
	if (!text[0] || text[strspn(text, "0123456789")])
		return err_set(e, -EINVAL,
			       "--lapic-timer-advance: \"%s\" is not auto, off or a number of ns",
			       text);
	if (!text[strspn(text, "0")])
		return err_set(e, -EINVAL,
			       "--lapic-timer-advance: %s ns is no advance; off turns it off",
			       text);
	ret = opt_u64("--lapic-timer-advance", text, 1, ADVANCE_MAX_NS, &ns, e);
	o->advance = (struct advance_opts){ ADVANCE_NS, ns };
	return ret;
}

int optvalue_partition(struct run_opts *o, const char *text, struct err *e)
{
	if (!partition_name_ok(text))
		return err_set(
			e, -EINVAL,
			"--cpuset-partition: \"%.80s\" is no name for a cgroup; use at most 64 "
			"letters, digits, _, - and .",
			text);
	o->partition = text;
	return 0;
}

int optvalue_nx_pages(struct run_opts *o, const char *text, struct err *e)
{
	static const char *const names[] = { [NXPAGES_KEEP] = "keep", [NXPAGES_OFF] = "off" };
	int i = choice("--nx-huge-pages", text, names, ARRAY_SIZE(names), e);

	if (i < 0)
		return i;
	o->nx_pages = i;
	return 0;
}

int optvalue_irqchip(struct run_opts *o, const char *text, struct err *e)
{
	return choice_bool("--irqchip", text, "split", "full", &o->irqchip_full, e);
}

int optvalue_name(struct run_opts *o, const char *text, struct err *e)
{
	o->name = text;
	return ctlplace_check_name(text, e);
}

int optvalue_sandbox(struct run_opts *o, const char *text, struct err *e)
{
	static const char *const names[] = { "on", "off", "log" };
	static const enum sandbox_mode modes[] = { SANDBOX_ON, SANDBOX_OFF, SANDBOX_LOG };
	int i = choice("--sandbox", text, names, ARRAY_SIZE(names), e);

	if (i < 0)
		return i;
	o->sandbox = modes[i];
	return 0;
}

int optvalue_timeout(struct run_opts *o, const char *text, struct err *e)
{
	int ret = opt_duration("--timeout", text, &o->timeout_ns, e);

	if (!ret && !o->timeout_ns)
		ret = err_set(e, -EINVAL, "--timeout: 0 leaves the guest no time");
	return ret;
}

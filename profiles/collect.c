// SPDX-License-Identifier: GPL-2.0-only
#include "profiles/collect.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/knob.h"
#include "profiles/kconfig.h"
#include "profiles/tar.h"
#include "profiles/tasks.h"

/* A filter makes of the file's text what may be saved, in place. */
typedef void filter_fn(char *text, const char *words);

static filter_fn keep_lines, keep_cmdline, keep_bootline, keep_grub_default, keep_grub;
static filter_fn keep_nothing, keep_shape, keep_no_address;

#define CPU   "/sys/devices/system/cpu/"
#define KVM   "/sys/module/kvm*/parameters/"
#define CPUN  CPU "cpu[0-9]*/"
#define NODES "/sys/devices/system/node/node[0-9]*/"

static const struct item {
	const char *pattern;
	filter_fn *filter; /* NULL: numbers and words of the kernel, as they are */
	const char *words; /* for keep_lines: how a line that is kept begins */
} items[] = {
	{ "/proc/cpuinfo", keep_lines,
	  "processor\t|vendor_id\t|cpu family\t|model\t|model name\t|stepping\t|microcode\t|flags\t" },
	{ "/proc/cmdline", keep_cmdline },
	{ "/proc/sys/kernel/osrelease" },
	{ "/proc/sys/kernel/version" },
	{ "/proc/self/status", keep_lines, "CapEff:" },
	{ "/proc/self/limits", keep_lines, "Max locked memory|Max realtime priority" },
	{ "/proc/swaps" },
	{ CPU "online" },
	{ CPU "isolated" },
	{ CPU "nohz_full" },
	{ CPU "vulnerabilities/*" },
	{ CPU "cpuidle/current_driver" },
	{ CPU "intel_uncore_frequency/*/m??_freq_khz" },
	{ CPUN "topology/thread_siblings_list" },
	{ CPUN "cache/index3/shared_cpu_list" },
	{ CPUN "cpufreq/scaling_governor" },
	{ CPUN "cpufreq/scaling_m??_freq" },
	{ CPUN "cpufreq/energy_performance_preference" },
	{ CPUN "power/energy_perf_bias" },
	{ CPUN "power/pm_qos_resume_latency_us" },
	{ CPUN "cpuidle/state[0-9]*/latency" },
	{ CPUN "cpuidle/state[0-9]*/disable" },
	{ CPUN "cpuidle/state[0-9]*/name" },
	{ CPUN "thermal_throttle/core_throttle_count" },
	{ "/sys/devices/cpu_core/cpus" },
	{ NODES "cpulist" },
	{ NODES "hugepages/hugepages-*/nr_hugepages" },
	{ "/sys/devices/system/clocksource/clocksource0/current_clocksource" },
	{ "/sys/devices/system/machinecheck/machinecheck0/ignore_ce" },
	{ "/sys/devices/system/machinecheck/machinecheck0/check_interval" },
	{ "/sys/devices/virtual/workqueue/cpumask" },
	{ "/sys/devices/virtual/workqueue/writeback/cpumask" },
	{ "/sys/class/misc/kvm/dev" },
	{ KVM "[a-z]*" },
	{ "/sys/module/rcu*/parameters/nohz_full_patience_delay" },
	{ "/sys/module/rcu*/parameters/rcu_normal_after_boot" },
	{ "/sys/module/pcie_aspm/parameters/policy" },
	{ "/sys/module/edac_core/parameters/edac_mc_poll_msec" },
	{ "/sys/bus/acpi/drivers/power_meter/ACPI000D:*", keep_nothing },
	{ "/sys/devices/virtual/dmi/id/bios_date" },
	{ "/sys/bus/pci/drivers/i915/0000:*/power/control" },
	{ "/sys/bus/virtio/drivers/virtio_balloon/virtio*", keep_nothing },
	{ "/sys/bus/virtio/drivers/virtio_rng/virtio*", keep_nothing },
	{ "/sys/bus/event_source/devices/cpu", keep_nothing },
	{ "/sys/fs/cgroup/cpuset.cpus.isolated" },
	{ "/sys/fs/cgroup/*.slice/cpuset.cpus.partition" },
	{ "/sys/fs/cgroup/machine.slice/cpuset.cpus.effective" },
	{ "/sys/fs/resctrl/cpus_list" },
	{ "/sys/fs/resctrl/*/cpus_list" },
	{ "/sys/fs/resctrl/*/mode" },
	{ "/sys/kernel/debug/sched/fair_server/cpu[0-9]*/runtime" },
	{ "/sys/kernel/mm/transparent_hugepage/enabled" },
	{ "/sys/kernel/mm/ksm/run" },
	{ "/sys/kernel/security/lockdown" },
	{ "/sys/kernel/tracing/current_tracer" },
	{ "/sys/kernel/tracing/events/enable" },
	{ "/sys/kernel/debug/kprobes/list", keep_no_address },
	{ "/sys/kernel/irq/[0-9]*/actions" },
	{ "/proc/irq/[0-9]*/effective_affinity_list" },
	{ "/proc/irq/[0-9]*/smp_affinity" },
	{ "/proc/irq/default_smp_affinity" },
	{ "/run/rtkvm/tune.fixed-irqs" },
	{ "/proc/sys/kernel/sched_rt_runtime_us" },
	{ "/proc/sys/kernel/timer_migration" },
	{ "/proc/sys/kernel/numa_balancing" },
	{ "/proc/sys/kernel/*watchdog*" },
	{ "/proc/sys/vm/stat_interval" },
	{ "/proc/pressure/cpu" },
	{ "/proc/sys/vm/compaction_proactiveness" },
	{ "/etc/default/irqbalance", keep_lines, "IRQBALANCE_BANNED_CPU" },
	{ "/etc/sysconfig/irqbalance", keep_lines, "IRQBALANCE_BANNED_CPU" },
	{ "/etc/default/grub", keep_grub_default },
	{ "/etc/default/grub.d/*.cfg", keep_grub_default },
	{ "/boot/grub/grub.cfg", keep_grub },
	{ "/boot/grub2/grub.cfg", keep_grub },
	{ "/boot/grub/grubenv", keep_shape },
	{ "/etc/tuned/active_profile" },
	{ "/etc/tuned/realtime-virtual-*/settings", keep_nothing },
	{ "/etc/tuned/profiles/realtime-virtual-*/settings", keep_nothing },
	{ "/usr/lib/tuned/profiles/balanced/tuned.conf", keep_nothing },
	{ "/etc/tuned/bootcmdline", keep_bootline },
	{ "/etc/sysctl.conf", keep_lines, "kernel.|kernel/|vm." },
	{ "/etc/sysctl.d/*.conf", keep_lines, "kernel.|kernel/|vm." },
	{ "/run/sysctl.d/*.conf", keep_lines, "kernel.|kernel/|vm." },
	{ "/usr/local/lib/sysctl.d/*.conf", keep_lines, "kernel.|kernel/|vm." },
	{ "/usr/lib/sysctl.d/*.conf", keep_lines, "kernel.|kernel/|vm." },
	{ "/etc/systemd/system/multi-user.target.wants/tlp.service", keep_nothing },
	{ "/etc/systemd/system/multi-user.target.wants/cpupower.service", keep_nothing },
	{ "/etc/systemd/system/timers.target.wants/fwupd-refresh.timer", keep_nothing },
};

/* Programs whose names the checks ask for; every other program is "task". */
static const char *const known_programs[] = {
	"tuned",     "irqbalance",   "stalld",	 "power-profiles-daemon",
	"tuned-ppd", "auto-cpufreq", "cpufreqd", "numad",
	"ksmtuned",  "smartd",	     "fwupd",	 "rasdaemon",
	"thermald",  "sensord",
};

static bool starts_with_one_of(const char *line, const char *words)
{
	for (const char *p = words; *p; p += *p == '|') {
		size_t len = strcspn(p, "|");

		if (!strncmp(line, p, len))
			return true;
		p += len;
	}
	return false;
}

static void keep_lines(char *text, const char *words)
{
	char *out = text;

	for (char *line = text; *line;) {
		size_t len = strcspn(line, "\n");
		char *next = line + len + (line[len] == '\n');

		if (starts_with_one_of(line, words)) {
			memmove(out, line, len);
			out += len;
			*out++ = '\n';
		}
		line = next;
	}
	*out = '\0';
}

static void keep_options(char *text)
{
	char *out = text;

	for (char *line = text; *line;) {
		size_t len = strcspn(line, "\n");
		char *next = line + len + (line[len] == '\n');

		if (!strncmp(line, "CONFIG_", 7) && len > 2 && line[len - 2] == '=' &&
		    strchr("ym", line[len - 1])) {
			memmove(out, line, len);
			out += len;
			*out++ = '\n';
		}
		line = next;
	}
	*out = '\0';
}

void scrub_cmdline(char *line)
{
	static const char latency[] =
		"isolcpus=|nohz_full=|nohz=|rcu_nocbs=|rcu_nocb_poll|irqaffinity=|skew_tick=|tsc=|"
		"nosoftlockup|nowatchdog|nmi_watchdog=|idle=|intel_pstate=|amd_pstate=|"
		"intel_idle.|processor.|mce=|efi=|kthread_cpus=|default_hugepagesz=|hugepagesz=|"
		"hugepages=|nosmt|mitigations=|no-kvmapf|cpuidle|rcupdate.|rcutree.|kvm.|"
		"kvm_intel.|kvm_amd.|pcie_aspm|threadirqs|rt_group_sched=";

	for (char *p = line; *p;) {
		size_t len;

		p += strspn(p, " \n\"");
		len = strcspn(p, " \n\"");
		if (!starts_with_one_of(p, latency))
			memset(p, 'x', len);
		p += len;
	}
}

static void keep_cmdline(char *text, const char *words)
{
	(void)words;
	scrub_cmdline(text);
}

static void keep_bootline(char *text, const char *words)
{
	(void)words;
	keep_lines(text, "TUNED_BOOT_CMDLINE=");
	for (char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		char *value = p + strcspn(p, "=\n"), *end = p + strcspn(p, "\n"), was = *end;

		*end = '\0';
		if (*value == '=')
			scrub_cmdline(value + 1);
		*end = was;
	}
}

static void keep_grub_default(char *text, const char *words)
{
	static const char name[] = "GRUB_CMDLINE_LINUX_DEFAULT=";
	char *out = text;

	(void)words;
	for (char *line = text; *line;) {
		char *end = line + strcspn(line, "\n"), was = *end;
		size_t room = end - line;
		bool extends;

		*end = '\0';
		extends = strstr(line + 1, "GRUB_CMDLINE_LINUX_DEFAULT") != NULL;
		if (!strncmp(line, name, sizeof(name) - 1)) {
			/* never longer than the line was: the name stands in it twice then */
			out += sprintf(out, "%s%s\n", name,
				       extends && room >= sizeof(name) + 26
					       ? "$GRUB_CMDLINE_LINUX_DEFAULT"
					       : "");
		}
		line = end + (was == '\n');
	}
	*out = '\0';
}

static void keep_grub(char *text, const char *words)
{
	static const char *const kept[] = { "set tuned_params=", "submenu ",
					    "export tuned_params" };
	static const char uses[] = "linux $tuned_params\n";
	char *out = text;

	(void)words;
	for (char *line = text; *line;) {
		char *end = line + strcspn(line, "\n");
		char *start = line + strspn(line, " \t");

		line = end + (*end == '\n');
		for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
			if (!strncmp(start, kept[i], strlen(kept[i]))) {
				memcpy(out, kept[i], strlen(kept[i]));
				out += strlen(kept[i]);
				*out++ = '\n';
				break;
			}
		if (!strncmp(start, "linux", 5) &&
		    memmem(start, end - start, "$tuned_params", 13)) {
			memcpy(out, uses, sizeof(uses) - 1); /* no longer than the line was */
			out += sizeof(uses) - 1;
		}
	}
	*out = '\0';
}

static void keep_nothing(char *text, const char *words)
{
	(void)words;
	*text = '\0';
}

/* Comments, lines, length and the padding at the end as they are, all else an x. */
static void keep_shape(char *text, const char *words)
{
	char *end = text + strlen(text);

	(void)words;
	while (end > text && (end[-1] == '#' || end[-1] == '\n'))
		end--;
	for (char *p = text; p < end; p++) {
		if (*p == '#' && (p == text || p[-1] == '\n')) {
			p += strcspn(p, "\n");
			if (p >= end)
				break;
		}
		if (*p != '\n')
			*p = 'x';
	}
}

/* What each line begins with is where the kernel lies in memory. */
static void keep_no_address(char *text, const char *words)
{
	(void)words;
	for (char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n')
		memset(line, '0', strcspn(line, " \n"));
}

struct totals {
	size_t saved, unread;
};

static int save_file(const struct machine *m, struct tar *t, const struct item *item,
		     const char *path, struct totals *n, struct err *e)
{
	_cleanup_free_ char *text = NULL, *lined = NULL;
	struct err why = { 0 };
	ssize_t len = 0;
	int ret;

	if (item->filter != keep_nothing)
		len = machine_load(m, path, &text, &why);
	if (len < 0) {
		n->unread += len != -ENOENT;
		return 0;
	}
	/* with the newline that reading took, for the filters and the next reader */
	if (asprintf(&lined, "%s\n", text ? text : "") < 0) {
		lined = NULL;
		return err_set(e, -ENOMEM, "saving %s failed: no memory", path);
	}
	if (item->filter)
		item->filter(lined, item->words);
	ret = tar_add(t, path, lined, strlen(lined), e);
	n->saved += ret == 0;
	return ret;
}

static int save_files(const struct machine *m, struct tar *t, struct totals *n, struct err *e)
{
	int ret = 0;

	for (size_t i = 0; i < ARRAY_SIZE(items) && ret >= 0; i++) {
		struct err why = { 0 };
		struct paths paths;

		if (machine_glob(m, items[i].pattern, &paths, &why) < 0)
			n->unread++;
		for (size_t k = 0; k < paths.n && ret >= 0; k++)
			ret = save_file(m, t, &items[i], paths.v[k], n, e);
		paths_free(&paths);
	}
	return ret;
}

static bool program_known(const struct task *t)
{
	for (size_t i = 0; i < ARRAY_SIZE(known_programs); i++)
		if (!strncmp(t->comm, known_programs[i], 15))
			return true;
	return false;
}

/*
 * Kernel threads, vCPUs, the known daemons, and without its name what ran on an isolated CPU; the
 * first in any case, or the tree would look as if /proc could not be read.
 */
static int save_task(const struct machine *m, struct tar *t, const struct task *task, struct err *e)
{
	bool named = (task->flags & TASK_KTHREAD) || machine_is_vcpu(task) || program_known(task);
	char path[96], text[1200], cpus[1024];
	int len, ret;

	if (!named && task != m->tasks && !cpulist_has(&m->isolated, task->cpu))
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", task->pid, task->tid);
	len = snprintf(text, sizeof(text),
		       "%d (%s) S 0 0 0 0 0 %u 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 "
		       "0 0 0 %d %d %d\n",
		       task->tid, named ? task->comm : "task", task->flags, task->cpu,
		       task->rt_priority, task->policy);
	ret = tar_add(t, path, text, len, e);
	if (ret < 0)
		return ret;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", task->pid, task->tid);
	len = snprintf(text, sizeof(text), "Cpus_allowed_list:\t%s\n",
		       cpulist_format(&task->allowed, cpus, sizeof(cpus)));
	ret = tar_add(t, path, text, len, e);
	return ret < 0 ? ret : 2;
}

/* In the place that distributions have for it, also when the kernel carries it with it. */
static int save_config(const struct machine *m, struct tar *t, struct totals *n, struct err *e)
{
	_cleanup_free_ char *text = NULL, *lined = NULL;
	char path[128];
	int ret;

	if (!kconfig_path(m, path, sizeof(path)) || kconfig_load(m, &text) < 0)
		return 0;
	if (asprintf(&lined, "%s\n", text) < 0) {
		lined = NULL;
		return err_set(e, -ENOMEM, "saving %s failed: no memory", path);
	}
	keep_options(lined);
	ret = tar_add(t, path, lined, strlen(lined), e);
	n->saved += ret == 0;
	return ret;
}

/* Two things a tree of text files cannot hold as they are. */
static int save_translated(const struct machine *m, struct tar *t, struct totals *n, struct err *e)
{
	struct item as_is = { 0 };
	char text[32];
	int32_t us;
	int len;

	if (!m->live)
		return save_file(m, t, &as_is, "/dev/cpu_dma_latency", n, e);
	_cleanup_close_ int fd = open("/dev/cpu_dma_latency", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, &us, sizeof(us)) != sizeof(us)) {
		n->unread++;
		return 0;
	}
	len = snprintf(text, sizeof(text), "%d\n", us);
	n->saved++;
	return tar_add(t, "/dev/cpu_dma_latency", text, len, e);
}

int collect(const struct machine *m, const char *file, struct err *e)
{
	struct totals n = { 0 };
	struct tar t;
	int ret = tar_open(&t, file, e);

	if (ret < 0)
		return ret;
	ret = save_files(m, &t, &n, e);
	if (ret >= 0)
		ret = save_config(m, &t, &n, e);
	if (ret >= 0)
		ret = save_translated(m, &t, &n, e);
	for (size_t i = 0; i < m->n_tasks && ret >= 0; i++) {
		ret = save_task(m, &t, &m->tasks[i], e);
		n.saved += ret > 0 ? ret : 0;
	}
	n.unread += m->tasks_err.code != 0;
	if (ret < 0) {
		tar_abort(&t);
		return ret;
	}
	ret = tar_close(&t, e);
	if (ret < 0)
		return ret;
	printf("%s: %zu files saved, %zu could not be read%s\n", file, n.saved, n.unread,
	       n.unread && geteuid() ? " (run as root for all)" : "");
	return VERDICT_PASS;
}

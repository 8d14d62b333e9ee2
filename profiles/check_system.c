// SPDX-License-Identifier: GPL-2.0-only
/* Checks of tuned, the boot loader and the services around them. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/cleanup.h"
#include "lib/knob.h"
#include "profiles/grub.h"
#include "profiles/judge.h"

static void judge_active_profile(const struct machine *m, const struct check *c, struct finding *f,
				 const char *profile)
{
	char text[256];

	if (!look(m, c, c->path, text, sizeof(text), f))
		return;
	if (strstr(text, profile))
		found_pass(f, "%.64s", text);
	else
		found_bad(c, f, "%.64s", *text ? text : "none");
}

static void judge_host_profile(const struct machine *m, const struct check *c, struct finding *f)
{
	judge_active_profile(m, c, f, "realtime-virtual-host");
}

static void judge_guest_profile(const struct machine *m, const struct check *c, struct finding *f)
{
	judge_active_profile(m, c, f, "realtime-virtual-guest");
}

/* Only rtkvm's profiles have a file "settings"; from 2.23 on tuned looks in another directory. */
static void judge_tuned_ours(const struct machine *m, const struct check *c, struct finding *f)
{
	static const char *const dirs[] = { "/etc/tuned", "/etc/tuned/profiles" };
	static const char *const names[] = { "realtime-virtual-host", "realtime-virtual-guest" };
	bool newer = machine_has(m, "/usr/lib/tuned/profiles");
	char text[256], path[2][128];

	if (!look(m, c, "/etc/tuned/active_profile", text, sizeof(text), f))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!strstr(text, names[i]))
			continue;
		for (int d = 0; d < 2; d++)
			snprintf(path[d], sizeof(path[d]), "%s/%s/settings", dirs[d], names[i]);
		if (machine_has(m, path[newer]))
			found_pass(f, "in %s", dirs[newer]);
		else if (machine_has(m, path[!newer]))
			found_bad(c, f, "it lies in %s, where this tuned does not look",
				  dirs[!newer]);
		else
			found_bad(c, f, "%s is the distribution's", names[i]);
		return;
	}
	found_na(f, "another profile is active");
}

static void judge_tuned_runs(const struct machine *m, const struct check *c, struct finding *f)
{
	char text[256];

	if (!look(m, c, "/etc/tuned/active_profile", text, sizeof(text), f))
		return;
	if (machine_running(m, "tuned"))
		found_pass(f, "it runs");
	else if (tasks_known(m, c, f))
		found_bad(c, f, "it does not run");
}

/* TUNED_BOOT_CMDLINE="a b c" of /etc/tuned/bootcmdline */
static char *boot_line(const char *text)
{
	const char *name = "TUNED_BOOT_CMDLINE=", *last = NULL;

	for (const char *p = text; (p = strstr(p, name)); p++)
		if (p == text || p[-1] == '\n')
			last = p + strlen(name);
	if (!last)
		return strdup("");
	last += *last == '"';
	return strndup(last, strcspn(last, "\"\n"));
}

static void judge_boot_pending(const struct machine *m, const struct check *c, struct finding *f)
{
	_cleanup_free_ char *line = NULL;
	char text[MACHINE_WORD], *rest = NULL;

	if (!look(m, c, c->path, text, sizeof(text), f))
		return;
	line = boot_line(text);
	for (char *word = line ? strtok_r(line, " ", &rest) : NULL; word;
	     word = strtok_r(NULL, " ", &rest))
		if (!has_word(m->cmdline, word)) {
			found_bad(c, f, "%.64s is not on the command line", word);
			return;
		}
	found_pass(f, "all on the command line");
}

/*
 * grub-mkconfig reads the drop-ins in the order of their names, after /etc/default/grub. One that
 * assigns anew drops what came before: what tuned added there, and our drop-in's words. One that comes
 * before ours in some shells only counts as after it.
 */
static void judge_grub_dropin(const struct machine *m, const struct check *c, struct finding *f)
{
	static const char name[] = "GRUB_CMDLINE_LINUX_DEFAULT=";
	static const char ours[] = "/etc/default/grub.d/zz-rtkvm-tune.cfg";
	bool there = machine_has(m, ours);
	char text[MACHINE_WORD];
	struct err e = { 0 };
	struct paths paths;

	if (!look(m, c, "/etc/default/grub", text, sizeof(text), f))
		return;
	if (machine_glob(m, c->path, &paths, &e) < 0) {
		found_unread(c, f, e.text);
		return;
	}
	for (size_t i = 0; i < paths.n; i++) {
		const char *p;
		int order = there ? grub_dropin_order(paths.v[i], ours) : 1;

		if (order < 0)
			continue;
		if (!look(m, c, paths.v[i], text, sizeof(text), f))
			goto out;
		for (p = strstr(text, name); p; p = strstr(p + 1, name)) {
			size_t len = strcspn(p, "\n");
			const char *own = memmem(p + sizeof(name) - 1, len - (sizeof(name) - 1),
						 "GRUB_CMDLINE_LINUX_DEFAULT", sizeof(name) - 2);

			if ((p != text && p[-1] != '\n') || own)
				continue;
			found_bad(c, f, "%s assigns it anew%s", paths.v[i],
				  order ? "" : ", before ours or after it: shells differ");
			goto out;
		}
	}
	found_pass(f, there ? "none after ours assigns it anew" : "none assigns it anew");
out:
	paths_free(&paths);
}

/* Does any entry of a kernel use tuned's variable? */
static bool uses_variable(const char *grub)
{
	for (const char *p = strstr(grub, "$tuned_params"); p; p = strstr(p + 1, "$tuned_params")) {
		const char *line = p;

		while (line > grub && line[-1] != '\n')
			line--;
		line += strspn(line, " \t");
		if (!strncmp(line, "linux", 5))
			return true;
	}
	return false;
}

/* GRUB hands only exported variables down to an entry in a submenu. */
static void judge_grub_submenu(const struct machine *m, const struct check *c, struct finding *f)
{
	_cleanup_free_ char *text = NULL;
	struct err e = { 0 };
	ssize_t n = machine_load(m, c->path, &text, &e);

	if (n < 0)
		settle_read_error(c, c->path, n, e.text, f);
	else if (!uses_variable(text))
		found_pass(f, "no entry depends on tuned's variable");
	else if (!strstr(text, "submenu "))
		found_pass(f, "there is no submenu");
	else if (strstr(text, "export tuned_params"))
		found_pass(f, "exported");
	else
		found_bad(c, f, "entries in submenus boot without tuned's parameters");
}

/* What may decide the boot: at most one of them should be in use. */
static void judge_one_grub(const struct machine *m, const struct check *c, struct finding *f)
{
	static const char *const configs[] = { "/boot/grub/grub.cfg", "/boot/grub2/grub.cfg" };
	int n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(configs); i++)
		n += machine_has(m, configs[i]);
	if (!n)
		found_na(f, "there is no GRUB configuration");
	else if (n == 1)
		found_pass(f, "one");
	else
		found_bad(c, f, "both %s and %s", configs[0], configs[1]);
}

/*
 * A head, lines, and "#" to the end. GRUB takes none with another head, and writes to none whose last
 * line has no end (grub-core/lib/envblk.c).
 */
static void judge_grubenv(const struct machine *m, const struct check *c, struct finding *f)
{
	static const char head[] = "# GRUB Environment Block\n";
	_cleanup_free_ char *text = NULL;
	struct err e = { 0 };
	ssize_t n = machine_load(m, c->path, &text, &e);
	size_t room = 0, len;

	if (n < 0) {
		settle_read_error(c, c->path, n, e.text, f);
		return;
	}
	len = strlen(text);
	while (room < len && text[len - 1 - room] == '#')
		room++;
	if (strncmp(text, head, strlen(head)))
		found_bad(c, f, "it does not begin as one");
	else if (room && text[len - 1 - room] != '\n')
		found_bad(c, f, "the line before its padding has no end");
	else
		found_pass(f, "%zu bytes left", room);
}

/* These are no daemons: they set at boot, TLP also when the power source changes. */
static void judge_conflicts(const struct machine *m, const struct check *c, struct finding *f)
{
	static const char *const units[] = { "tlp.service", "cpupower.service" };
	char path[128];

	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		snprintf(path, sizeof(path), "/etc/systemd/system/multi-user.target.wants/%s",
			 units[i]);
		if (machine_has(m, path)) {
			found_bad(c, f, "%s is enabled", units[i]);
			return;
		}
	}
	judge_not_running(m, c, f);
}

/* Where sysctl --system looks, and systemd: a name in one hides it in those after (sysctl.d(5)). */
static const char *const sysctl_dirs[] = { "/etc/sysctl.d/", "/run/sysctl.d/",
					   "/usr/local/lib/sysctl.d/", "/usr/lib/sysctl.d/" };

/* Hidden by the same name in a directory before it, be it a link to nowhere; or one to /dev/null. */
static bool masked(const struct machine *m, const char *file, size_t dir)
{
	_cleanup_close_ int fd = knob_open(m->root, file, O_PATH);
	struct stat st;

	for (size_t i = 0; i < dir; i++) {
		char path[PATH_MAX];

		snprintf(path, sizeof(path), "%s%s", sysctl_dirs[i], strrchr(file, '/') + 1);
		_cleanup_close_ int other = knob_open(m->root, path, O_PATH | O_NOFOLLOW);

		if (other >= 0)
			return true;
	}
	return fd >= 0 && !fstat(fd, &st) && S_ISCHR(st.st_mode);
}

/* Does it set what the profile sets, to something else? Then, or if it cannot be read: true. */
static bool sysctl_file(const struct machine *m, const struct check *c, const char *path,
			struct finding *f)
{
	static const struct {
		const char *key, *want;
	} ours[] = {
		{ "kernel.sched_rt_runtime_us", "-1" },
		{ "kernel.timer_migration", "0" },
		{ "kernel.nmi_watchdog", "0" },
		{ "kernel.soft_watchdog", "0" },
		{ "kernel.watchdog", "0" },
		{ "kernel.numa_balancing", "0" },
		{ "vm.compaction_proactiveness", "0" },
	};
	char text[MACHINE_WORD], key[96], value[32];
	struct err e = { 0 };

	if (knob_read(m->root, path, text, sizeof(text), &e) < 0) {
		found_unread(c, f, e.text);
		return true;
	}
	for (char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		if (sscanf(line, " %95[^#;=\n ] = %31[^\n ]", key, value) != 2)
			continue;
		for (char *s = key; *s; s++) /* both spellings are allowed */
			if (*s == '/')
				*s = '.';
		for (size_t k = 0; k < ARRAY_SIZE(ours); k++) {
			if (strcmp(key, ours[k].key) || knob_same(value, ours[k].want))
				continue;
			found_bad(c, f, "%s=%s in %s", key, value, path);
			return true;
		}
	}
	return false;
}

static bool sysctl_dir(const struct machine *m, const struct check *c, size_t dir,
		       struct finding *f)
{
	struct err e = { 0 };
	struct paths paths;
	char pattern[64];
	bool settled = false;

	snprintf(pattern, sizeof(pattern), "%s*.conf", sysctl_dirs[dir]);
	if (machine_glob(m, pattern, &paths, &e) < 0) {
		found_unread(c, f, e.text);
		return true;
	}
	for (size_t i = 0; i < paths.n && !settled; i++)
		settled = !masked(m, paths.v[i], dir) && sysctl_file(m, c, paths.v[i], f);
	paths_free(&paths);
	return settled;
}

/* Files that sysctl applies at boot, and again with each "sysctl --system". */
static void judge_sysctl(const struct machine *m, const struct check *c, struct finding *f)
{
	static const char first[] = "/etc/sysctl.conf";

	if (machine_has(m, first) && sysctl_file(m, c, first, f))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(sysctl_dirs); i++)
		if (sysctl_dir(m, c, i, f))
			return;
	found_pass(f, "none");
}

static const struct check rows[] = {
	{
		.id = "tuned.profile",
		.scope = HOST,
		.severity = SEV_MEDIUM,
		.flags = ABSENT_FAILS,
		.what = "the profile is active",
		.path = "/etc/tuned/active_profile",
		.want = "realtime-virtual-host",
		.why = "What is set by hand is gone after the next boot.",
		.remedy = "tuned-adm profile realtime-virtual-host",
		.judge = judge_host_profile,
	},
	{
		.id = "tuned.guest-profile",
		.scope = GUEST,
		.severity = SEV_MEDIUM,
		.flags = ABSENT_FAILS,
		.what = "the profile is active",
		.path = "/etc/tuned/active_profile",
		.want = "realtime-virtual-guest",
		.why = "What is set by hand is gone after the next boot.",
		.remedy = "tuned-adm profile realtime-virtual-guest",
		.judge = judge_guest_profile,
	},
	{
		.id = "tuned.ours",
		.scope = BOTH,
		.severity = SEV_MEDIUM,
		.what = "the active profile is rtkvm's, where this tuned looks",
		.path = "/etc/tuned/PROFILE/settings, /etc/tuned/profiles/PROFILE/settings",
		.expected = "in /etc/tuned, from tuned 2.23 on in /etc/tuned/profiles",
		.why = "The distribution's profile of that name does other things; it is the one "
		       "that is found after an upgrade of tuned across 2.23.",
		.remedy = "rtkvm tune install, then activate the profile again",
		.judge = judge_tuned_ours,
	},
	{
		.id = "tuned.daemon",
		.scope = BOTH,
		.severity = SEV_MEDIUM,
		.what = "tuned runs",
		.path = "/proc/*/stat",
		.expected = "a process tuned",
		.why = "Settings that hang on an open file end with the daemon.",
		.remedy = "systemctl enable --now tuned",
		.judge = judge_tuned_runs,
	},
	{
		.id = "boot.pending",
		.scope = BOTH,
		.severity = SEV_HIGH,
		.what = "the machine has booted with what the profile wants",
		.path = "/etc/tuned/bootcmdline",
		.expected = "each parameter in /proc/cmdline",
		.why = "Half of the isolation exists only from the boot on.",
		.remedy = "boot; if it was done, the boot loader did not take the parameters: see "
			  "boot.grub-submenu and boot.grub-drop-in",
		.judge = judge_boot_pending,
	},
	{
		.id = "boot.grub-submenu",
		.scope = BOTH,
		.severity = SEV_HIGH,
		.what = "GRUB entries in submenus get the parameters too",
		.path = "/boot/grub/grub.cfg",
		.expected = "no $tuned_params, or export tuned_params",
		.why = "\"Advanced options\", the usual way to a real-time kernel, is a submenu; "
		       "variables that are not exported are empty there.",
		.remedy = "activate the profile again (it writes them on each entry's line)",
		.judge = judge_grub_submenu,
	},
	{
		.id = "boot.grub-drop-in",
		.scope = BOTH,
		.severity = SEV_HIGH,
		.what = "no drop-in overrides GRUB's command line",
		.path = "/etc/default/grub.d/*.cfg",
		.expected = "GRUB_CMDLINE_LINUX_DEFAULT extended, not assigned anew",
		.why = "The next update-grub would drop tuned's parameters.",
		.remedy = "write GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT ...\" "
			  "there",
		.judge = judge_grub_dropin,
	},
	{
		.id = "boot.one-grub",
		.scope = BOTH,
		.severity = SEV_MEDIUM,
		.what = "there is one GRUB configuration",
		.path = "/boot/grub/grub.cfg, /boot/grub2/grub.cfg",
		.expected = "one of them",
		.why = "tuned patches both, the firmware boots one.",
		.remedy = "remove the one that is not used",
		.judge = judge_one_grub,
	},
	{
		.id = "boot.grubenv",
		.scope = BOTH,
		.severity = SEV_MEDIUM,
		.what = "GRUB's environment is whole",
		.path = "/boot/grub/grubenv",
		.expected = "its head, lines and padding",
		.why = "GRUB ignores one with another head, and cannot write to one whose padding "
		       "is spoilt: the entry that was chosen is lost.",
		.remedy = "grub-editenv /boot/grub/grubenv create",
		.judge = judge_grubenv,
	},
	{
		.id = "services.conflicts",
		.scope = BOTH,
		.severity = SEV_MEDIUM,
		.what = "no other daemon turns the same knobs",
		.path = "/proc/*/stat",
		.want = "power-profiles-daemon|tuned-ppd|auto-cpufreq|cpufreqd|numad|ksmtuned",
		.expected = "no power-profiles-daemon, tuned-ppd, auto-cpufreq, cpufreqd, "
			    "numad, ksmtuned, tlp, cpupower",
		.why = "Whoever writes last wins, at a time of its own.",
		.remedy = "systemctl disable --now that one",
		.judge = judge_conflicts,
	},
	{
		.id = "services.sysctl",
		.scope = BOTH,
		.severity = SEV_MEDIUM,
		.what = "no sysctl file contradicts the profile",
		.path = "/etc/sysctl.conf, and *.conf in /etc, /run and /usr/lib/sysctl.d",
		.expected = "none of the profile's settings with another value",
		.why = "Each sysctl --system, or restart of systemd-sysctl, undoes the profile's "
		       "setting.",
		.remedy = "remove that line; for a file in /usr/lib, put one of the same name into "
			  "/etc/sysctl.d",
		.judge = judge_sysctl,
	},
};

const struct check_table system_checks = { rows, ARRAY_SIZE(rows) };

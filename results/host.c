// SPDX-License-Identifier: GPL-2.0-only
#include "results/host.h"

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "lib/cleanup.h"
#include "lib/cpulist.h"
#include "lib/file.h"
#include "lib/json.h"

enum { TEXT_BYTES = 4096 };

/* One file, one key: the plain facts. */
static const struct fact {
	const char *key, *path;
} facts[] = {
	{ "kernel", "/proc/sys/kernel/osrelease" },
	{ "kernel_version", "/proc/sys/kernel/version" },
	{ "hostname", "/proc/sys/kernel/hostname" },
	{ "cmdline", "/proc/cmdline" },
	{ "isolated", "/sys/devices/system/cpu/isolated" },
	{ "nohz_full", "/sys/devices/system/cpu/nohz_full" },
	{ "online", "/sys/devices/system/cpu/online" },
	{ "smt", "/sys/devices/system/cpu/smt/control" },
	{ "clocksource", "/sys/devices/system/clocksource/clocksource0/current_clocksource" },
	{ "cpuidle_driver", "/sys/devices/system/cpu/cpuidle/current_driver" },
	{ "cpufreq_governor", "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor" },
	{ "realtime", "/sys/kernel/realtime" },
	{ "vendor", "/sys/class/dmi/id/sys_vendor" },
	{ "product", "/sys/class/dmi/id/product_name" },
	{ "bios", "/sys/class/dmi/id/bios_version" },
	{ "tuned_profile", "/etc/tuned/active_profile" },
};

/* The first line of root/path without trailing blanks; false when there is none to read. */
static bool read_fact(const char *root, const char *path, char *buf, size_t size)
{
	char full[PATH_MAX];

	if (!file_path(full, sizeof(full), "%s%s", root, path) || !file_exists(full))
		return false;
	file_read_line(full, buf, size);
	for (size_t n = strlen(buf); n && (buf[n - 1] == ' ' || buf[n - 1] == '\t'); n--)
		buf[n - 1] = '\0';
	return true;
}

/* The value of the first "key : value" line of cpuinfo, "" when absent. */
static void cpuinfo_value(const char *cpuinfo, const char *key, char *buf, size_t size)
{
	size_t n = strlen(key);

	buf[0] = '\0';
	for (const char *p = cpuinfo; p && *p; p = strchr(p, '\n'), p += p != NULL) {
		const char *colon = p + strcspn(p, ":\n");

		if (strncmp(p, key, n) || *colon != ':' || (p[n] != '\t' && p[n] != ' '))
			continue;
		colon += strspn(colon, ": ");
		snprintf(buf, size, "%.*s", (int)strcspn(colon, "\n"), colon);
		return;
	}
}

static void read_cpuinfo(const char *root, char *buf, size_t size)
{
	char path[PATH_MAX];
	struct err ignored = { 0 };

	if (!file_path(path, sizeof(path), "%s/proc/cpuinfo", root) ||
	    file_read(path, buf, size, &ignored) < 0)
		buf[0] = '\0';
}

static json_object *mitigations(const char *root)
{
	json_object *o = json_object_new_object();
	char path[PATH_MAX], text[TEXT_BYTES];
	struct dirent *entry;
	DIR *dir;

	if (!o || !file_path(path, sizeof(path), "%s/sys/devices/system/cpu/vulnerabilities", root))
		return o;
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' ||
		    !file_path(path, sizeof(path), "/sys/devices/system/cpu/vulnerabilities/%s",
			       entry->d_name) ||
		    !read_fact(root, path, text, sizeof(text)))
			continue;
		json_set_str(o, entry->d_name, text);
	}
	if (dir)
		closedir(dir);
	return o;
}

static int read_number(const char *root, const char *path)
{
	char text[64];

	return read_fact(root, path, text, sizeof(text)) ? atoi(text) : -1;
}

/* Each online CPU's place: {"cpu":2,"package":0,"core":1,"siblings":"2,6"} */
static json_object *topology(const char *root)
{
	json_object *all = json_object_new_array();
	char path[PATH_MAX], text[TEXT_BYTES];
	struct err ignored = { 0 };
	struct cpulist online;

	if (!all || !file_path(path, sizeof(path), "%s/sys/devices/system/cpu/online", root) ||
	    cpulist_read(&online, path, &ignored))
		return all;
	cpulist_for_each(cpu, &online) {
		json_object *o = json_object_new_object();

		json_set_int(o, "cpu", cpu);
		file_path(path, sizeof(path),
			  "/sys/devices/system/cpu/cpu%d/topology/physical_package_id", cpu);
		json_set_int(o, "package", read_number(root, path));
		file_path(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/topology/core_id",
			  cpu);
		json_set_int(o, "core", read_number(root, path));
		file_path(path, sizeof(path),
			  "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
		if (read_fact(root, path, text, sizeof(text)))
			json_set_str(o, "siblings", text);
		json_object_array_add(all, o);
	}
	return all;
}

json_object *host_facts(const char *root)
{
	json_object *o = json_object_new_object();
	char text[TEXT_BYTES], cpuinfo[16384];

	if (!o)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++)
		if (read_fact(root, facts[i].path, text, sizeof(text)))
			json_set_str(o, facts[i].key, text);
	read_cpuinfo(root, cpuinfo, sizeof(cpuinfo));
	cpuinfo_value(cpuinfo, "model name", text, sizeof(text));
	json_set_str(o, "cpu_model", text);
	cpuinfo_value(cpuinfo, "microcode", text, sizeof(text));
	json_set_str(o, "microcode", text);
	json_object_object_add(o, "mitigations", mitigations(root));
	json_object_object_add(o, "topology", topology(root));
	return o;
}

const char *conditions_name(enum conditions c)
{
	static const char *const names[] = {
		[CONDITIONS_HARDWARE] = "hardware",
		[CONDITIONS_NESTED] = "nested",
		[CONDITIONS_EMULATED] = "emulated",
	};

	return names[c];
}

static const char *const hypervisors[] = {
	"TCGTCGTCGTCG", "KVMKVMKVM",	"VMwareVMware", "Microsoft Hv", "XenVMMXenVMM",
	"bhyve bhyve ", "ACRNACRNACRN", "prl hyperv  ", "QNXQVMBSQG",	"Jailhouse",
};

char *cpuid_signature(char buf[static CPUID_SIGNATURE_BYTES])
{
	memset(buf, 0, CPUID_SIGNATURE_BYTES);
#if defined(__x86_64__)
	unsigned int eax, ebx, ecx, edx;

	/* Without a hypervisor, Intel CPUs answer an unknown leaf with data of the last basic one. */
	__cpuid(0x40000000, eax, ebx, ecx, edx);
	memcpy(buf, &ebx, 4);
	memcpy(buf + 4, &ecx, 4);
	memcpy(buf + 8, &edx, 4);
	for (size_t i = 0; i < ARRAY_SIZE(hypervisors); i++)
		if (!strncmp(buf, hypervisors[i], strlen(hypervisors[i])))
			return buf;
	buf[0] = '\0';
#endif
	return buf;
}

static bool qemu_in_dmi(const char *root)
{
	char text[256];

	if (read_fact(root, "/sys/class/dmi/id/sys_vendor", text, sizeof(text)) &&
	    !strcmp(text, "QEMU"))
		return true;
	return read_fact(root, "/sys/class/dmi/id/product_name", text, sizeof(text)) &&
	       !strncmp(text, "Standard PC (", 13);
}

bool host_interprets_guests(const char *root)
{
	char path[PATH_MAX];

	return file_path(path, sizeof(path), "%s/sys/module/kvm_pvm", root) && file_exists(path);
}

enum conditions conditions_detect(const char *root, const char *signature, const char **why)
{
	char cpuinfo[16384], flags[TEXT_BYTES];

	if (!strcmp(signature, "TCGTCGTCGTCG")) {
		*why = "QEMU emulates this machine's CPUs in software (TCG)";
		return CONDITIONS_EMULATED;
	}
	if (host_interprets_guests(root)) {
		*why = "this machine's KVM (kvm_pvm) interprets privileged guest code in software";
		return CONDITIONS_EMULATED;
	}
	read_cpuinfo(root, cpuinfo, sizeof(cpuinfo));
	cpuinfo_value(cpuinfo, "flags", flags, sizeof(flags));
	if (signature[0] || strstr(flags, " hypervisor") || qemu_in_dmi(root)) {
		*why = "this machine is itself a virtual machine";
		return CONDITIONS_NESTED;
	}
	*why = "no hypervisor below this machine was found";
	return CONDITIONS_HARDWARE;
}

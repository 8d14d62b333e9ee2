/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * host - the facts of the machine a run was made on, read back from the kernel
 *
 * Files read below a root ("" for the running system, a directory in tests): /proc/sys/kernel,
 * /proc/cmdline, /proc/cpuinfo, /sys/devices/system/{cpu,node,clocksource}, /sys/class/dmi/id,
 * /sys/module/kvm_*, /etc/tuned/active_profile. What cannot be read is absent, never guessed.
 */
#ifndef RTKVM_RESULTS_HOST_H
#define RTKVM_RESULTS_HOST_H

#include <json-c/json.h>
#include <stdbool.h>

/* host_facts - a new object for run.json's host{}; the caller puts it; NULL: no memory */
json_object *host_facts(const char *root);

/* The conditions of every figure: DESIGN.md, "Emulated, nested, hardware". */
enum conditions {
	CONDITIONS_HARDWARE, /* no hypervisor below */
	CONDITIONS_NESTED, /* below a hypervisor that runs on hardware virtualization */
	CONDITIONS_EMULATED, /* CPU or privileged guest code is emulated in software */
};

/* conditions_name - the word in run.json */
const char *conditions_name(enum conditions c);

enum { CPUID_SIGNATURE_BYTES = 13 };

/* cpuid_signature - CPUID leaf 0x40000000's twelve letters, "" when it has none we know */
char *cpuid_signature(char buf[static CPUID_SIGNATURE_BYTES]);

/*
 * host_interprets_guests - is this machine's KVM kvm_pvm, which interprets what privileged guest
 * code does? Stock Linux kernels have not been seen to boot in it
 */
bool host_interprets_guests(const char *root);

/*
 * conditions_detect - judge the machine, with the reason in one clause; in this order:
 *	CPUID signature TCGTCGTCGTCG       emulated (QEMU shows it also where the hypervisor flag is
 *	                                   hidden, as in the lab)
 *	module kvm_pvm                     emulated (guests' privileged code is interpreted)
 *	another hypervisor's signature,    nested
 *	the hypervisor flag in cpuinfo,
 *	or QEMU's name in the DMI table
 *	else                               hardware
 * signature: what cpuid_signature() gave (tests give their own).
 */
enum conditions conditions_detect(const char *root, const char *signature, const char **why);

#endif

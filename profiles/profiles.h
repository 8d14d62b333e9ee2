/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * profiles - is this machine a real-time KVM host (or guest), and what makes it one
 *
 * Verbs: doctor (checks, and says why), tune (what the tuned profiles' script calls).
 * Threads: doctor --measure spins one per isolated CPU; otherwise one.
 * Files written: doctor --collect FILE; tune: kernel files through lib/knob.h, with journals in
 * /run/rtkvm and /var/lib/rtkvm.
 * Must not know: guests, VMMs and run directories; what a check means to a campaign is the
 * campaign's business.
 */
#ifndef RTKVM_PROFILES_PROFILES_H
#define RTKVM_PROFILES_PROFILES_H

#include "lib/err.h"

/* profiles_doctor - check the machine or a saved tree; pass, fail (a check failed) or -errno */
int profiles_doctor(int argc, char **argv, struct err *e);

/* profiles_tune - what the profiles' script calls: start, stop, verify; and their installation */
int profiles_tune(int argc, char **argv, struct err *e);

#endif

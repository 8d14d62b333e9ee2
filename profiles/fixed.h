/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fixed - the interrupts that the kernel does not let us move, in /run/rtkvm/tune.fixed-irqs
 *
 * A line "NUMBER ACTION" each: numbers are given again to other devices, so both must match. Such an
 * interrupt is a driver's own spread over its queues (irq_can_set_affinity_usr() in kernel/irq). It does
 * no harm only while all CPUs that it serves are isolated: then it comes for what these ask for.
 */
#ifndef RTKVM_PROFILES_FIXED_H
#define RTKVM_PROFILES_FIXED_H

#include "profiles/machine.h"

#define FIXED_IRQS "/run/rtkvm/tune.fixed-irqs"

enum { FIXED_BYTES = 32768 };

/* fixed_load - the list; "" when there is none */
void fixed_load(const struct machine *m, char list[static FIXED_BYTES]);

/* fixed_action - what waits for the interrupt, as the kernel names it; "?" when it does not say */
void fixed_action(const struct machine *m, int irq, char *buf, size_t size);

/* fixed_has - is the interrupt with this action in the list? */
bool fixed_has(const char *list, int irq, const char *action);

/* fixed_harmless - in the list, and for isolated CPUs alone (smp_affinity)? */
bool fixed_harmless(const struct machine *m, const char *list, int irq, const char *action);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sim_step - what a simulated wake-up is put together from; for tests/gen/sim*.c alone
 *
 * A step emits the events that kernels would and lets time pass for a known cause. The files:
 * sim_machine.c the CPUs' events, their time and what may come in between, sim_timer.c the deadline,
 * from the guest's timer to its thread, sim_halted.c, sim_busy.c and sim_late.c the cases. Every one
 * takes its random numbers in a fixed order: a seed gives the same bytes for ever.
 */
#ifndef RTKVM_TESTS_GEN_SIM_STEP_H
#define RTKVM_TESTS_GEN_SIM_STEP_H

#include "tests/gen/sim.h"

enum {
	EXIT_MSR = 32,
	EXIT_HLT = 12,
	EXIT_EXTINT = 1,
	EXIT_WINDOW = 7,
	EXIT_NPF = 48,
	EXIT_IO = 30,
	EXIT_PREEMPTION_TIMER = 52,
	VECTOR = 0xec,
	HOST_HOG = 500,
	GUEST_HOG = 90,
	GUEST_LOW = 91,
	OTHER_GUEST = 2000,
	KVM_TIMER = 0x10000,
	GUEST_TIMER = 0x20000,
	TICK_TIMER = 0x30000,
	VMM_TIMER = 0x40000,
	PREEMPTED = 0x100, /* prev_state: TASK_REPORT_MAX of Linux 4.14 and later */
	SOFTIRQ_NET_RX = 3,
	SOFTIRQ_RCU = 9,
};

/* The values of an event; a comm among them. */
#define V(...)	((const uint64_t[]){ __VA_ARGS__ })
#define S(text) ((uint64_t)(uintptr_t)(text))

/* sim_draw - a random number below; sim_span - ticks of low to high nanoseconds, 1 at least */
uint64_t sim_draw(struct sim *s, uint64_t below);
uint64_t sim_span(struct sim *s, uint64_t low_ns, uint64_t high_ns);

/* sim_injected - ticks of what a case injects */
uint64_t sim_injected(struct sim *s);

/* sim_pass - time passes, for this reason: what of it is after the deadline is the truth */
void sim_pass(struct sim *s, struct sim_vcpu *v, uint64_t ticks, enum cause cause, uint32_t detail);

/* sim_spend - low to high nanoseconds pass; sim_stall - the machine stands still: longer than any
 * idle state takes to leave; sim_handle_exit - the host is at work on an exit */
void sim_spend(struct sim *s, struct sim_vcpu *v, uint64_t low_ns, uint64_t high_ns,
	       enum cause cause, uint32_t detail);
void sim_stall(struct sim *s, struct sim_vcpu *v);
void sim_handle_exit(struct sim *s, struct sim_vcpu *v, uint64_t low_ns, uint64_t high_ns,
		     uint32_t reason);

/* sim_exit_detail - the detail of the causes that belong to an exit */
uint32_t sim_exit_detail(uint32_t reason);

/* The vCPU's number in the guest, KVM's number of it, its thread on the host, the thread that it
 * wakes in the guest, that one's priority, and a CPU of the host that no vCPU runs on. */
unsigned int sim_index(const struct sim *s, const struct sim_vcpu *v);
uint32_t sim_id(const struct sim *s, const struct sim_vcpu *v);
uint32_t sim_tid(const struct sim *s, const struct sim_vcpu *v);
uint32_t sim_thread(const struct sim *s, const struct sim_vcpu *v);
uint32_t sim_prio(const struct sim *s);
unsigned int sim_elsewhere(const struct sim *s, const struct sim_vcpu *v);

/* sim_host_as - an event of the host, on any CPU; sim_host - now, on the vCPU's; sim_guest - of the
 * guest. pid: what runs there. */
void sim_host_as(struct sim *s, unsigned int cpu, uint64_t ts, uint32_t pid, uint8_t flags,
		 enum gen_event ev, const uint64_t *values);
void sim_host(struct sim *s, struct sim_vcpu *v, uint32_t pid, uint8_t flags, enum gen_event ev,
	      const uint64_t *values);
void sim_guest(struct sim *s, struct sim_vcpu *v, uint8_t flags, enum gen_event ev,
	       const uint64_t *values);

/* sim_enter, sim_leave - the guest; reason: of the exit */
void sim_enter(struct sim *s, struct sim_vcpu *v);
void sim_leave(struct sim *s, struct sim_vcpu *v, uint32_t reason);

/* sim_host_switch, sim_guest_switch - state: in which the thread leaves its CPU, 1 asleep */
void sim_host_switch(struct sim *s, struct sim_vcpu *v, const char *from, uint32_t from_pid,
		     uint64_t state, const char *to, uint32_t to_pid, uint32_t to_prio);
void sim_guest_switch(struct sim *s, struct sim_vcpu *v, const char *from, uint32_t from_pid,
		      uint64_t state, const char *to, uint32_t to_pid, uint32_t to_prio);

/* sim_hog_comes, sim_hog_goes - a more urgent thread of the host takes the vCPU's CPU; gives it back */
void sim_hog_comes(struct sim *s, struct sim_vcpu *v, uint64_t state);
void sim_hog_goes(struct sim *s, struct sim_vcpu *v);

/* sim_device_irq, sim_softirq - of the host, this long; pid: what it interrupts */
void sim_device_irq(struct sim *s, struct sim_vcpu *v, uint32_t pid, uint64_t ticks);
void sim_softirq(struct sim *s, struct sim_vcpu *v, uint32_t pid, uint64_t ticks);

/* sim_nested_interrupts - a host interrupt with another one inside it, perhaps a softirq behind */
void sim_nested_interrupts(struct sim *s, struct sim_vcpu *v, uint32_t pid);

/* sim_guest_time - time in the guest, with exits at random in it where there is noise */
void sim_guest_time(struct sim *s, struct sim_vcpu *v, uint64_t ticks, enum cause cause,
		    uint32_t detail);

/* sim_arm - the guest's timer, KVM's with it; begins and ends in the guest. Its pieces: */
void sim_arm(struct sim *s, struct sim_vcpu *v);
/* sim_guest_starts_timer - in the guest's kernel; sim_program - KVM is told of the deadline;
 * sim_start_sw_timer - KVM keeps it by a timer of the host */
void sim_guest_starts_timer(struct sim *s, struct sim_vcpu *v);
void sim_program(struct sim *s, struct sim_vcpu *v);
void sim_start_sw_timer(struct sim *s, struct sim_vcpu *v);

/* sim_fire - the host's timer interrupt that fires KVM's timer; pid: what it interrupts; wakes: the
 * vCPU's thread sleeps */
void sim_fire(struct sim *s, struct sim_vcpu *v, uint32_t pid, bool wakes);

/* sim_accept - KVM has the interrupt for the guest; sim_inject - it enters the guest with it */
void sim_accept(struct sim *s, struct sim_vcpu *v);
void sim_inject(struct sim *s, struct sim_vcpu *v);

/* sim_guest_tail - from the guest's timer interrupt to the thread: cases of the guest happen here;
 * idle: the guest was. Its first and its last piece: */
void sim_guest_tail(struct sim *s, struct sim_vcpu *v, enum sim_case kind, bool idle);
void sim_timer_interrupt(struct sim *s, struct sim_vcpu *v);
void sim_wake_up_returns(struct sim *s, struct sim_vcpu *v);

/* sim_halted - the vCPU halts until its timer: the cases in which it sleeps on the host */
void sim_halted(struct sim *s, struct sim_vcpu *v, enum sim_case kind);

/* sim_busy - the vCPU is busy at the deadline: a less urgent guest thread computes */
void sim_busy(struct sim *s, struct sim_vcpu *v, enum sim_case kind);

/* sim_late - the thread asks for a moment that has passed: its timer fires at once, it never leaves
 * the CPU */
void sim_late(struct sim *s, struct sim_vcpu *v, enum sim_case kind);

/* sim_irq_arming - the guest has started its timer, but KVM hears of it when it is over and the
 * thread asleep */
void sim_irq_arming(struct sim *s, struct sim_vcpu *v);

/*
 * sim_wake_race - the vCPU is about to sleep when its timer wakes it: the scheduler tells of the
 * wake-up before it tells that the thread has left its CPU, "sleeping", for another one that is more
 * urgent
 */
void sim_wake_race(struct sim *s, struct sim_vcpu *v);

#endif

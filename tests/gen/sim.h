/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sim - a host and a guest whose every late wake-up has a known cause
 *
 * Each vCPU v of the guest runs as host thread 1000 + v on host CPU 1 + v and wakes its cyclictest
 * thread (200 + v) again and again. A cycle is told as a chain of phases, each with its cause and
 * length; the phases emit the events that kernels would, and their sum is the truth. Anything that
 * can happen in between (exits, nested interrupts, preemption, migration) happens at random.
 */
#ifndef RTKVM_TESTS_GEN_SIM_H
#define RTKVM_TESTS_GEN_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/gen/ring.h"
#include "tracing/cause.h"
#include "tracing/clocks.h"

enum sim_case {
	SIM_PLAIN,
	SIM_STALL_IDLE, /* the machine stands still while the CPU is idle */
	SIM_STALL_GUEST, /* while the vCPU is in the guest */
	SIM_STALL_WAKE, /* between the vCPU thread's wake-up and its switch */
	SIM_STALL_KICK, /* KVM's timer fires elsewhere, the kick of the vCPU's CPU takes long */
	SIM_STALL_SWITCH, /* between the guest thread's wake-up and its switch */
	SIM_HOST_IRQ,
	SIM_HOST_SOFTIRQ,
	SIM_HOST_HOG,
	SIM_HOST_THROTTLED,
	SIM_HOST_IRQS_OFF,
	SIM_EXIT,
	SIM_VMM_USER,
	SIM_GUEST_IRQ,
	SIM_GUEST_SOFTIRQ,
	SIM_GUEST_HOG,
	SIM_GUEST_THROTTLED,
	SIM_GUEST_IRQS_OFF,
	SIM_GUEST_PREEMPT_OFF,
	SIM_ARMED_LATE,
	SIM_HOG_ARMING, /* the vCPU is preempted before the guest has armed its timer */
	SIM_IRQ_ARMING, /* interrupted when it has, and before KVM knows */
	SIM_WAKE_RACE, /* woken and preempted on its way to sleep */
	SIM_HOG_BUSY, /* the vCPU is preempted, but does not sleep */
	SIM_IDLE_ELSEWHERE, /* KVM's timer fires elsewhere, the vCPU's CPU has to leave an idle state */
	SIM_POSTED_OFF, /* the interrupt is left to the CPU, the guest keeps interrupts off */
	SIM_POSTED_EXITS, /* and is left and entered meanwhile */
	SIM_GUEST_PREEMPTED, /* the guest's thread has run, and is preempted on its way back */
	SIM_COMPANY, /* the cases from here on are what they are only while no other vCPU runs */
	SIM_IRQS_OFF_QUIET = SIM_COMPANY, /* interrupts off, and nothing happens elsewhere */
	SIM_CASES,
};

/* Details of interrupts in the truth: names are numbered by whoever reads the trace. */
enum { SIM_LOCAL_TIMER, SIM_DEVICE, SIM_RESCHEDULE, SIM_IRQS };

/* sim_irq - the name of such an interrupt: "eth0" is the host's device, "virtio0" the guest's */
const char *sim_irq(uint32_t which, bool guest);

extern const char *const sim_case_name[SIM_CASES];
extern const enum cause sim_case_cause[SIM_CASES];

struct sim_opts {
	uint64_t seed;
	unsigned int vcpus;
	double hz; /* of the host's clock; 1e9: a tick is a nanosecond */
	struct clock_map map; /* of the guest's */
	bool noise; /* random exits, interrupts, preemption and migration within phases */
	bool rt_guest, rt_host;
	bool hv_timer; /* a running vCPU's deadline is kept by the CPU: VMX's preemption timer */
	unsigned int hole; /* KVM has no vCPU of this number; 0: it has those of the guest */
	bool told; /* the host's file tells which threads run the vCPUs, ... */
	uint64_t untold; /* ... with 0 for those of these bits */
	uint32_t prio; /* of the guest's thread; 0: 4 */
	bool other_guest; /* a vCPU 0 of another guest on CPU 0 */
	bool absolute; /* absolute stamps instead of time extends */
	uint64_t start; /* host ticks */
	uint64_t without_host, without_guest; /* bits of gen_event */
	uint64_t inject_ns; /* length of what a case injects; 0: random, 0.2 to 20 ms */
	unsigned int chatter; /* events that nobody follows, for each cycle and CPU */
};

/* The truth about one wake-up. */
struct sim_spike {
	uint64_t due, ran; /* host ticks */
	unsigned int vcpu;
	enum sim_case kind;
	struct budget truth;
};

struct sim {
	struct sim_opts o;
	struct gen_kernel host, guest;
	struct clock_rate rate;
	uint64_t rng;
	struct sim_vcpu {
		uint64_t t;
		unsigned int cpu; /* of the host */
		uint64_t last_guest;
		uint64_t entry;
		bool in_guest, any;
		uint32_t pid; /* running in the guest */
		uint8_t preempt;
	} vcpu[8];
	int64_t low, high; /* oracle: the offset's error lies in here, given the events */
	struct sim_spike cur;
	bool due_known;
	void (*on_spike)(void *arg, const struct sim_spike *s);
	void *arg;
};

void sim_init(struct sim *s, const struct sim_opts *o);
void sim_free(struct sim *s);

/* sim_cycle - one wake-up of one vCPU's thread; the truth goes to on_spike */
void sim_cycle(struct sim *s, unsigned int vcpu, enum sim_case kind);

/* sim_tick - CPU 0 of the host ticks from one time to another, which are host ticks */
void sim_tick(struct sim *s, uint64_t from, uint64_t to);

/* sim_end - a last exit of every vCPU, so that the host's trace does not end before the guest's */
void sim_end(struct sim *s);

/* sim_save - host and guest as trace.dat files */
int sim_save(const struct sim *s, const char *host, const char *guest, struct err *e);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * flat - what a payload without an operating system has: ports, a console, a timer, other CPUs
 */
#ifndef RTKVM_GUESTS_FLAT_FLAT_H
#define RTKVM_GUESTS_FLAT_FLAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* payload_main - the payload; info is what EBX held: the hvm_start_info of PVH. payload_ap: every other CPU */
void payload_main(const void *info);
void payload_ap(void);

/* start_magic - EAX at the entry: multiboot says there that it was it */
extern uint32_t start_magic;

/* flat_cmdline - the command line the VMM was given */
const char *flat_cmdline(const void *info);

/* flat_words - call for the start of each of its words; a word ends with a space or the text */
void flat_words(const void *info, void (*call)(const char *word));

static inline void outl(uint16_t port, uint32_t v)
{
	__asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static inline void outb(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline void outsb(uint16_t port, const void *data, size_t n)
{
	__asm__ volatile("rep outsb" : "+S"(data), "+c"(n) : "d"(port) : "memory");
}

static inline uint64_t rdtsc(void)
{
	uint32_t lo, hi;

	__asm__ volatile("lfence\n\trdtsc" : "=a"(lo), "=d"(hi));
	return (uint64_t)hi << 32 | lo;
}

/* irqs_on, irqs_off - interrupts that came meanwhile are taken between the two */
static inline void irqs_on(void)
{
	__asm__ volatile("sti" : : : "memory");
}

static inline void irqs_off(void)
{
	__asm__ volatile("cli" : : : "memory");
}

static inline void wrmsr(uint32_t msr, uint64_t v)
{
	__asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)));
}

static inline uint64_t rdmsr(uint32_t msr)
{
	uint32_t lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (uint64_t)hi << 32 | lo;
}

static inline void cpuid(uint32_t leaf, uint32_t out[4])
{
	__asm__ volatile("cpuid"
			 : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
			 : "a"(leaf), "c"(0));
}

/* Console: COM1, polled. */
void flat_putc(char c);
void flat_puts(const char *s);
void flat_put_u64(uint64_t v);

/* flat_exit - end the run with this code; does not return */
_Noreturn void flat_exit(uint8_t code);

/* flat_is_amd - does a hypercall take vmmcall? */
bool flat_is_amd(void);

/* flat_tsc_khz - from the hypervisor's timing leaf 0x40000010; 0 when there is none */
uint32_t flat_tsc_khz(void);

enum { FLAT_TIMER_VECTOR = 0x40 }; /* the one vector with a handler */

/* flat_idle - interrupts on, halt, interrupts off: back after one was taken */
void flat_idle(void);

/* flat_apic_init - x2APIC on, IDT loaded: interrupts work; flat_eoi ends one */
void flat_apic_init(void (*on_timer)(void));
void flat_timer_at(uint64_t tsc_deadline);
void flat_eoi(void);

/* flat_start_aps - INIT and start-up IPIs to all others; returns how many have come */
uint32_t flat_start_aps(uint32_t expected, uint64_t patience_tsc);

#endif

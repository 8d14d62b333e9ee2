// SPDX-License-Identifier: GPL-2.0-only
/* The registers a vCPU starts with. Documentation/arch/x86/boot.rst "64-bit Boot Protocol"; PVH:
 * xen/docs/misc/pvh.pandoc; multiboot-1 specification 3.2. */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "lib/cleanup.h"
#include "vmm/vcpu.h"

#define CR0_PE		  (1ull << 0)
#define CR0_ET		  (1ull << 4)
#define CR0_PG		  (1ull << 31)
#define CR4_PAE		  (1ull << 5)
#define EFER_LME	  (1ull << 8)
#define EFER_LMA	  (1ull << 10)
#define PTE_PRESENT_RW	  0x3ull
#define PTE_LARGE	  0x80ull

#define MSR_TSC		  0x10
#define MSR_MISC_ENABLE	  0x1a0
#define MSR_MTRR_DEF_TYPE 0x2ff
#define MISC_FAST_STRING  1
#define MTRR_ENABLED_WB	  (1u << 11 | 6)

#define APIC_LVT_LINT0	  0x350
#define APIC_LVT_LINT1	  0x360
#define APIC_DM_EXTINT	  (7u << 8)
#define APIC_DM_NMI	  (4u << 8)

/* GDT: null, null, code at 0x10, data at 0x18: what both boot protocols call for */
static const uint64_t gdt[2][4] = {
	[VCPU_LONG_MODE] = { 0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff },
	[VCPU_PROTECTED] = { 0, 0, 0x00cf9b000000ffff, 0x00cf93000000ffff },
};

static const struct kvm_segment flat = {
	.limit = 0xffffffff, .present = 1, .s = 1, .g = 1, .selector = 0x18, .type = 3, .db = 1
};

static int set_msrs(struct vcpu *v, struct err *e)
{
	static const struct kvm_msr_entry entries[] = {
		{ .index = MSR_MISC_ENABLE, .data = MISC_FAST_STRING },
		{ .index = MSR_MTRR_DEF_TYPE, .data = MTRR_ENABLED_WB },
	};
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entries[ARRAY_SIZE(entries)];
	} msrs = { .head.nmsrs = ARRAY_SIZE(entries) };
	int n;

	memcpy(msrs.entries, entries, sizeof(entries));
	n = ioctl(v->fd, KVM_SET_MSRS, &msrs);
	if (n != (int)ARRAY_SIZE(entries))
		return err_set(e, -EIO, "setting vCPU %d's MSR %#x failed", v->index,
			       entries[n < 0 ? 0 : n].index);
	return 0;
}

static int set_lapic(struct vcpu *v, struct err *e)
{
	struct kvm_lapic_state apic;
	uint32_t lint0 = APIC_DM_EXTINT, lint1 = APIC_DM_NMI;

	if (ioctl(v->fd, KVM_GET_LAPIC, &apic))
		return err_sys(e, "reading vCPU %d's local APIC failed", v->index);
	memcpy(apic.regs + APIC_LVT_LINT0, &lint0, sizeof(lint0));
	memcpy(apic.regs + APIC_LVT_LINT1, &lint1, sizeof(lint1));
	if (ioctl(v->fd, KVM_SET_LAPIC, &apic))
		return err_sys(e, "setting vCPU %d's local APIC failed", v->index);
	return 0;
}

static int write_tables(struct vcpu *v, enum vcpu_mode mode, struct err *e)
{
	struct memory *m = &v->vm->mem;
	uint64_t *table = mem_ptr(m, GPA(VCPU_GDT), sizeof(gdt[mode]));
	uint64_t *pml4 = mem_ptr(m, GPA(VCPU_PML4), 6 * 4096);

	if (!table || !pml4)
		return err_set(e, -EINVAL, "guest memory is too small for a boot state");
	memcpy(table, gdt[mode], sizeof(gdt[mode]));
	if (mode == VCPU_PROTECTED)
		return 0;
	memset(pml4, 0, 6 * 4096);
	pml4[0] = VCPU_PDPT | PTE_PRESENT_RW;
	for (uint64_t i = 0; i < 4; i++)
		pml4[512 + i] = (VCPU_PD + i * 4096) | PTE_PRESENT_RW;
	for (uint64_t i = 0; i < 4 * 512; i++)
		pml4[1024 + i] = i << 21 | PTE_PRESENT_RW | PTE_LARGE;
	return 0;
}

static int set_sregs(struct vcpu *v, enum vcpu_mode mode, struct err *e)
{
	struct kvm_sregs s;

	if (ioctl(v->fd, KVM_GET_SREGS, &s))
		return err_sys(e, "reading vCPU %d's registers failed", v->index);
	s.cs = s.ds = flat;
	s.cs.selector = 0x10;
	s.cs.type = 11;
	s.es = s.fs = s.gs = s.ss = s.ds;
	s.gdt.base = VCPU_GDT;
	s.gdt.limit = sizeof(gdt[mode]) - 1;
	s.idt.limit = 0;
	s.cr0 = CR0_PE | CR0_ET;
	if (mode == VCPU_LONG_MODE) {
		s.cs.l = 1;
		s.cs.db = 0;
		s.cr0 |= CR0_PG;
		s.cr3 = VCPU_PML4;
		s.cr4 = CR4_PAE;
		s.efer = EFER_LME | EFER_LMA;
	}
	if (ioctl(v->fd, KVM_SET_SREGS, &s))
		return err_sys(e, "setting vCPU %d's registers failed", v->index);
	return 0;
}

static int set_entry(struct vcpu *v, const struct vcpu_entry *entry, struct err *e)
{
	struct kvm_regs r = { .rip = entry->rip, .rflags = 2, .rsp = VCPU_STACK };
	struct kvm_fpu fpu = { .fcw = 0x37f, .mxcsr = 0x1f80 };
	int ret = write_tables(v, entry->mode, e);

	if (!ret)
		ret = set_sregs(v, entry->mode, e);
	if (ret < 0)
		return ret;
	if (entry->mode == VCPU_LONG_MODE) {
		r.rsi = entry->arg;
		r.rbp = VCPU_STACK;
	} else {
		r.rbx = entry->arg;
		r.rax = entry->magic;
	}
	if (ioctl(v->fd, KVM_SET_REGS, &r) || ioctl(v->fd, KVM_SET_FPU, &fpu))
		return err_sys(e, "setting vCPU %d's registers failed", v->index);
	return 0;
}

int vcpu_init(struct vcpu *v, const struct vcpu_entry *entry, struct err *e)
{
	int ret = set_msrs(v, e);

	if (!ret)
		ret = set_lapic(v, e);
	if (!ret && v->index == 0)
		ret = set_entry(v, entry, e);
	return ret;
}

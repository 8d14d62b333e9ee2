/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * start - from a VMM's PVH or multiboot entry (32-bit, paging off, EBX = start info) to payload_main() in
 * 64-bit mode, and from a start-up IPI to payload_ap() on the other CPUs
 */
#define NOTE_PHYS32_ENTRY 18

	.section .note.pvh, "a"
	.align 4
	.long 4, 4, NOTE_PHYS32_ENTRY
	.asciz "Xen"
	.long start

	.text
	.code32
	.globl start
start:
	cld
	movl %ebx, start_info
	movl %eax, start_magic
	movl $stack_top, %esp

	/* 5 GiB mapped one to one by 2 MiB pages: a machine's memory goes on at 4 GiB */
	movl $pdpt + 3, pml4
	movl $pd + 3, pdpt
	movl $pd + 0x1000 + 3, pdpt + 8
	movl $pd + 0x2000 + 3, pdpt + 16
	movl $pd + 0x3000 + 3, pdpt + 24
	movl $pd + 0x4000 + 3, pdpt + 32
	xorl %ecx, %ecx
	movl $0x83, %eax
1:	movl %eax, pd(, %ecx, 8)
	addl $0x200000, %eax
	incl %ecx
	cmpl $2048, %ecx
	jb 1b
	movl $0x83, %eax
2:	movl %eax, pd(, %ecx, 8)
	movl $1, pd + 4(, %ecx, 8)
	addl $0x200000, %eax
	incl %ecx
	cmpl $2560, %ecx
	jb 2b

	lgdt gdt_ptr
	call enter_long_mode_32
	ljmp $0x08, $long_mode_bsp

/* CR4.PAE, EFER.LME, CR3, CR0.PG: the order of Intel SDM vol. 3A 10.8.5 */
enter_long_mode_32:
	movl %cr4, %eax
	orl $0x20, %eax
	movl %eax, %cr4
	movl $pml4, %eax
	movl %eax, %cr3
	movl $0xc0000080, %ecx
	rdmsr
	orl $0x100, %eax
	wrmsr
	movl %cr0, %eax
	orl $0x80000000, %eax
	movl %eax, %cr0
	ret

	.code64
long_mode_bsp:
	movl $0x10, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl $stack_top, %esp
	movl start_info, %edi
	call payload_main
1:	cli
	hlt
	jmp 1b

/* Copied to AP_PAGE (below 1 MiB) by lib.c: a start-up IPI begins in real mode at its first byte. */
	.globl ap_start, ap_end
	.code16
ap_start:
	cli
	xorw %ax, %ax
	movw %ax, %ds
	lgdtl (0x8000 + ap_gdt_ptr - ap_start)
	movl %cr0, %eax
	orl $1, %eax
	movl %eax, %cr0
	ljmpl $0x18, $ap_protected
ap_gdt_ptr:
	.word gdt_end - gdt - 1
	.long gdt
ap_end:

	.code32
ap_protected:
	movl $0x10, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl $1, %eax
	lock xaddl %eax, ap_count
	cmpl $AP_MAX, %eax
	jae park
	incl %eax
	shll $12, %eax
	leal ap_stacks(%eax), %esp
	call enter_long_mode_32
	ljmp $0x08, $long_mode_ap
park:
	cli
	hlt
	jmp park

	.code64
long_mode_ap:
	call payload_ap
1:	cli
	hlt
	jmp 1b

/*
 * flat_idle - sleep until an interrupt has been taken. No interrupt can come between sti and hlt on a
 * processor; where an emulated one forgets that (an exit between the two), its handler returns
 * behind hlt, which would wait for an interrupt that has already been.
 */
	.globl flat_idle
flat_idle:
	sti
idle_hlt:
	hlt
	cli
	ret

/* Vector stubs: the C handler gets the vector; an error code is dropped when there is one. */
	.globl irq_stub
irq_stub:
	push %rax
	push %rcx
	push %rdx
	push %rsi
	push %rdi
	push %r8
	push %r9
	push %r10
	push %r11
	/* 9 registers above it lies the return address: see flat_idle */
	cmpq $idle_hlt, 72(%rsp)
	jne 1f
	incq 72(%rsp)
1:	cld
	call irq_handler
	pop %r11
	pop %r10
	pop %r9
	pop %r8
	pop %rdi
	pop %rsi
	pop %rdx
	pop %rcx
	pop %rax
	iretq

	.data
	.align 8
	.globl gdt
gdt:
	.quad 0
	.quad 0x00af9b000000ffff	/* 0x08: 64-bit code */
	.quad 0x00cf93000000ffff	/* 0x10: data */
	.quad 0x00cf9b000000ffff	/* 0x18: 32-bit code */
gdt_end:
gdt_ptr:
	.word gdt_end - gdt - 1
	.long gdt
	.globl ap_count
ap_count:
	.long 0
start_info:
	.long 0
	.globl start_magic
start_magic:
	.long 0

	.bss
	.equ AP_MAX, 7
	.align 4096
pml4:	.skip 4096
pdpt:	.skip 4096
pd:	.skip 5 * 4096
stack:	.skip 16384
stack_top:
ap_stacks:
	.skip (AP_MAX + 1) * 4096

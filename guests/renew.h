/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * renew - make QEMU translate anew the code that its CPUs are at
 *
 * A kernel that turns a tracepoint on or off patches its text by way of a breakpoint. QEMU 7.2 with a
 * thread per CPU may translate that breakpoint while another CPU overwrites it, and then keeps the
 * translation: to the CPU that executes it the breakpoint is there for ever, to the kernel it never
 * was, and the CPU takes the trap again and again with interrupts off. Writing the bytes that are
 * there once more drops the translation. What to write is what a CPU's stack tells: the address that
 * its trap returns to is on it.
 */
#ifndef RTKVM_GUESTS_RENEW_H
#define RTKVM_GUESTS_RENEW_H

#include "lib/err.h"

/*
 * renew_code - through QEMU's gdb stub at the other end of fd: stop the machine, write to each place
 * of kernel text that a CPU or the top of its stack points at what is there, and let it go on, which
 * takes some ms; the number of places. The machine goes on also where it fails: -ETIMEDOUT when
 * there is no answer, -EPROTO when there is a wrong one
 */
int renew_code(int fd, struct err *e);

#endif

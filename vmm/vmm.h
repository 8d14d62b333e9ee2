/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmm - a virtual machine monitor for real-time guests, on /dev/kvm
 *
 * Verbs: run (boot one guest, end with its job's exit code), ctl (ask a running one, tell it what to
 * do), bench (measure with a flat payload).
 * Threads: main (the I/O thread: console, data, events, control, time limit; housekeeping CPUs) and one
 * vcpuN per vCPU (one host CPU each, SCHED_FIFO); one per virtio device that the user asks for (disk0,
 * console0, ...: ordinary, housekeeping CPUs). Nothing else runs.
 * Files written: what --console, --data, --events, --disk and --virtio-console name; bench: the run directory of --out;
 * control sockets in /run/rtkvm/vm.
 * Must not know: guest images, the lab, reports, other parts' structs.
 *
 * A guest runs in a program of its own, rtkvm-run (run/main.c), which `rtkvm run` becomes (start.c).
 * It holds what a running guest needs and no report's library: its few pages can all be locked, it
 * starts in a few ms, and who breaks out of a guest finds no parser or database there.
 *
 * Inside: run.c sets up and tears down; vm.[ch] is the machine, vcpu.c its threads and the one
 * exit switch; devices implement struct vdev_ops (vdev.h) and stand in devices.c; io.[ch] is the
 * main thread's loop; everything guest-written is checked where it is read. virtio devices
 * implement struct virtio_ops (virtio.h), behind pci.c and virtiopci.c.
 * bench*.c starts run as a child, so that what is measured is what users run.
 */
#ifndef RTKVM_VMM_VMM_H
#define RTKVM_VMM_VMM_H

#include "lib/err.h"

/* vmm_run - `rtkvm run`: this process becomes rtkvm-run; returns only when it cannot, -errno */
int vmm_run(int argc, char **argv, struct err *e);

/* vmm_guest - all that rtkvm-run does: a guest on isolated CPUs; returns its job's exit code */
int vmm_guest(int argc, char **argv, struct err *e);

/* vmm_ctl - `rtkvm ctl`: one command to a running VM's control socket */
int vmm_ctl(int argc, char **argv, struct err *e);

/* vmm_bench - `rtkvm bench`: a measuring payload and its figures; a verdict or -errno */
int vmm_bench(int argc, char **argv, struct err *e);

#endif

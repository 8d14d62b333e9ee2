/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * grub - what a grub.cfg says about this system's kernels
 *
 * grub-mkconfig frames what each of its scripts prints: "### BEGIN /etc/grub.d/10_linux ###". Only the
 * entries of 10_linux (or 10_linux_zfs) boot this system's kernels with GRUB_CMDLINE_LINUX_DEFAULT; memory testers, other
 * systems (os-prober) and the user's own entries have theirs. A file without any frame was written by
 * hand, and counts as a whole.
 */
#ifndef RTKVM_PROFILES_GRUB_H
#define RTKVM_PROFILES_GRUB_H

#include <stdbool.h>

/* grub_entries_without - entries but recovery that lack the words; *entries: of how many */
int grub_entries_without(const char *grub, const char *words, int *entries);

/* grub_same_kernels - do two files differ in nothing but the words after the kernels' names? */
bool grub_same_kernels(const char *a, const char *b);

/*
 * grub_dropin_order - is the drop-in a read before b (< 0), or after it (> 0)? 0: that depends on the
 * shell. grub-mkconfig is a script of sh and takes *.cfg as the shell sorts them: dash, which is sh on
 * Debian, by bytes; bash as the language does, which is by letters and digits first, in either case
 */
int grub_dropin_order(const char *a, const char *b);

#endif

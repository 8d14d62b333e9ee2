/* SPDX-License-Identifier: GPL-2.0-only */
/* stack - of the VMM's threads: locked with everything else, so kept small */
#ifndef RTKVM_VMM_STACK_H
#define RTKVM_VMM_STACK_H

#ifdef __SANITIZE_ADDRESS__
enum { STACK_BYTES = 1 << 20 }; /* the sanitizers' frames are larger */
#else
enum { STACK_BYTES = 64 << 10 };
#endif

#endif

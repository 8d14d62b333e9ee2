/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ctlshow - the answers of a VM as text for people; it reads the same JSON as everybody else
 */
#ifndef RTKVM_VMM_CTLSHOW_H
#define RTKVM_VMM_CTLSHOW_H

#include <stdio.h>

#include "lib/ctl.h"

/* ctlshow - print what command was answered; unknown and missing keys are left out */
void ctlshow(enum ctl_command command, json_object *reply, FILE *out);

#endif

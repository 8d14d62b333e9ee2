/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * campaign_reasons - the sentences that a phase's verdict comes with, each of them once
 */
#ifndef RTKVM_CYCLIC_CAMPAIGN_REASONS_H
#define RTKVM_CYCLIC_CAMPAIGN_REASONS_H

#include <json-c/json.h>

/* reasons_add - append text to an array, unless it is in it: several attempts, one finding */
void reasons_add(json_object *reasons, const char *text);

/* reasons_add_all - append each of another array (NULL: none) */
void reasons_add_all(json_object *reasons, json_object *from);

/* reasons_addf - append a sentence of at most 511 bytes */
void reasons_addf(json_object *reasons, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif

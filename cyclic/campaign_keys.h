/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * campaign_keys - the table of keys of a campaign file, shared by the reader and the checks
 */
#ifndef RTKVM_CYCLIC_CAMPAIGN_KEYS_H
#define RTKVM_CYCLIC_CAMPAIGN_KEYS_H

#include <stddef.h>

#include "lib/err.h"

enum campaign_section {
	SECTION_NONE,
	SECTION_CAMPAIGN,
	SECTION_GUEST,
	SECTION_LOAD,
	SECTION_PHASE,
};

enum { KEY_REQUIRED = 1 };

struct campaign_key {
	const char *name;
	enum campaign_section section;
	size_t offset; /* of the field in the section's struct */
	int (*set)(void *field, const char *key, const char *value, struct err *e);
	unsigned int flags;
	unsigned int instruments; /* phases: bit (1 << enum instrument) where the key applies */
};

/* campaign_keys - ended by a row without a name; a row's number is its place in entry.lines[] */
extern const struct campaign_key campaign_keys[];

struct entry;

/* campaign_line_of - the line of a key in a section, or the section's own when the key is absent */
int campaign_line_of(const struct entry *entry, enum campaign_section s, const char *name);

/* campaign_set_name - a setter, also of the names in section headers; field has CAMPAIGN_NAME_BYTES */
int campaign_set_name(void *field, const char *key, const char *value, struct err *e);

#endif

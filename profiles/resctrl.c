// SPDX-License-Identifier: GPL-2.0-only
#include "profiles/resctrl.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int resctrl_ways(uint64_t full, unsigned int ways, unsigned int min, uint64_t *ours,
		 uint64_t *others, struct err *e)
{
	unsigned int all = __builtin_popcountll(full);

	if (!all || ways < min || ways < 1 || all < ways + (min ? min : 1))
		return err_set(
			e, -ERANGE,
			"resctrl_l3_ways=%u is out of range: the cache has %u ways, each side "
			"needs at least %u",
			ways, all, min ? min : 1);
	*others = full >> ways & full; /* full is contiguous and starts at bit 0 */
	*ours = full & ~*others;
	return 0;
}

/* Where a resource's domains begin, NULL when it is not there; lines may be indented. */
static const char *domains_of(const char *schemata, const char *resource, size_t len)
{
	for (const char *p = schemata; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		p += strspn(p, " \t");
		if (!strncmp(p, resource, len) && p[len] == ':')
			return p + len + 1;
	}
	return NULL;
}

char *resctrl_line(const char *schemata, const char *resource, uint64_t value, int hex, char *buf,
		   size_t size)
{
	const char *p = domains_of(schemata, resource, strlen(resource));
	size_t used = snprintf(buf, size, "%s:", resource);
	int n = 0;

	while (p && isdigit((unsigned char)*p)) {
		char *end;
		unsigned long domain = strtoul(p, &end, 10);

		if (*end != '=' || used >= size)
			return NULL;
		used += snprintf(buf + used, size - used, hex ? "%s%lu=%llx" : "%s%lu=%llu",
				 n++ ? ";" : "", domain, (unsigned long long)value);
		p = end + strcspn(end, ";\n");
		p += *p == ';';
	}
	return n && used < size ? buf : NULL;
}

int resctrl_holds(const char *schemata, const char *line)
{
	size_t len = strcspn(line, ":");
	const char *have = domains_of(schemata, line, len), *want = line + len;
	int base = line[0] == 'L' ? 16 : 10;

	if (!have || !*want)
		return 0;
	for (want++; *want && *want != '\n';) {
		char *have_end, *want_end;

		if (strtoul(have, &have_end, 10) != strtoul(want, &want_end, 10) ||
		    *have_end != '=' || *want_end != '=' ||
		    strtoull(have_end + 1, &have_end, base) !=
			    strtoull(want_end + 1, &want_end, base))
			return 0;
		have = have_end + (*have_end == ';');
		want = want_end + (*want_end == ';');
	}
	return !isdigit((unsigned char)*have);
}

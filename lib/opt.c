// SPDX-License-Identifier: GPL-2.0-only
#include "lib/opt.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/clock.h"

int opt_parse(const struct argp *argp, int argc, char **argv, bool in_order, void *input,
	      struct err *e)
{
	unsigned int flags = ARGP_NO_ERRS | (in_order ? ARGP_IN_ORDER : 0);
	int index = 0;
	int ret = argp_parse(argp, argc, argv, flags, &index, input);

	if (!ret)
		return e->code;
	if (e->code)
		return e->code;
	if (index > 0 && index <= argc && argv[index - 1][0] == '-')
		return err_set(e, -EINVAL,
			       "option \"%s\" is unknown or lacks its argument; "
			       "see %s --help",
			       argv[index - 1], argv[0]);
	return err_set(e, -EINVAL, "arguments are wrong: %s; see %s --help", strerror(ret),
		       argv[0]);
}

int opt_u64(const char *what, const char *text, uint64_t min, uint64_t max, uint64_t *out,
	    struct err *e)
{
	unsigned long long v;
	char *end;

	errno = 0;
	v = strtoull(text, &end, text[0] == '0' && (text[1] | 32) == 'x' ? 16 : 10);
	if (!isdigit((unsigned char)text[0]) || *end || errno)
		return err_set(e, -EINVAL, "%s: \"%s\" is not a number", what, text);
	if (v < min || v > max)
		return err_set(e, -EINVAL, "%s: %llu is out of range (%ju to %ju)", what, v,
			       (uintmax_t)min, (uintmax_t)max);
	*out = v;
	return 0;
}

struct unit {
	const char *suffix;
	uint64_t factor;
};

/* Whole number times the factor of its suffix; overflow is an error, not a wrap. */
static int with_unit(const char *what, const char *text, const struct unit *units, size_t n,
		     const char *hint, uint64_t *out, struct err *e)
{
	unsigned long long v;
	char *end;

	errno = 0;
	v = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)text[0]) || errno)
		return err_set(e, -EINVAL, "%s: \"%s\" is not %s", what, text, hint);
	for (size_t i = 0; i < n; i++) {
		if (strcasecmp(end, units[i].suffix))
			continue;
		if (__builtin_mul_overflow(v, units[i].factor, out))
			return err_set(e, -EINVAL, "%s: \"%s\" is too large", what, text);
		return 0;
	}
	return err_set(e, -EINVAL, "%s: \"%s\" is not %s", what, text, hint);
}

int opt_size(const char *what, const char *text, uint64_t *bytes, struct err *e)
{
	static const struct unit units[] = {
		{ "", 1 },	     { "K", 1ull << 10 }, { "M", 1ull << 20 },
		{ "G", 1ull << 30 }, { "T", 1ull << 40 },
	};

	return with_unit(what, text, units, ARRAY_SIZE(units), "a size such as 512M or 1G", bytes,
			 e);
}

int opt_duration(const char *what, const char *text, uint64_t *ns, struct err *e)
{
	static const struct unit units[] = {
		{ "", NSEC_PER_SEC },
		{ "ns", 1 },
		{ "us", 1000 },
		{ "ms", 1000000 },
		{ "s", NSEC_PER_SEC },
		{ "m", 60 * NSEC_PER_SEC },
		{ "h", 3600 * NSEC_PER_SEC },
		{ "d", 86400 * NSEC_PER_SEC },
	};

	return with_unit(what, text, units, ARRAY_SIZE(units), "a duration such as 90s, 10m or 24h",
			 ns, e);
}

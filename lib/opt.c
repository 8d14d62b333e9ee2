// SPDX-License-Identifier: GPL-2.0-only
#include "lib/opt.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/clock.h"

static const struct argp_option *by_key(const struct argp *argp, int key)
{
	for (const struct argp_option *o = argp->options; o && (o->name || o->key || o->doc); o++)
		if (o->key == key)
			return o;
	return NULL;
}

/* As getopt_long does: an exact name, or the only one that starts so. */
static const struct argp_option *by_name(const struct argp *argp, const char *name, size_t n)
{
	const struct argp_option *found = NULL;
	int hits = 0;

	for (const struct argp_option *o = argp->options; o && (o->name || o->key || o->doc); o++) {
		if (!o->name || strncmp(o->name, name, n))
			continue;
		if (!o->name[n])
			return o;
		found = o;
		hits++;
	}
	return hits == 1 ? found : NULL;
}

static bool needs_arg(const struct argp_option *o)
{
	return o->arg && !(o->flags & OPTION_ARG_OPTIONAL);
}

/* What is wrong with this option? NULL when nothing is; *uses_next when it takes the next word. */
static const char *complaint(const struct argp *argp, const char *word, bool last, bool *uses_next)
{
	const struct argp_option *o;
	size_t n;

	*uses_next = false;
	if (word[1] == '-') {
		n = strcspn(word + 2, "=");
		o = by_name(argp, word + 2, n);
		if (!o)
			return "is not one of its options";
		if (word[2 + n] && !o->arg)
			return "takes no argument";
		*uses_next = needs_arg(o) && !word[2 + n];
		return *uses_next && last ? "lacks its argument" : NULL;
	}
	for (const char *c = word + 1; *c; c++) {
		o = by_key(argp, (unsigned char)*c);
		if (!o)
			return "is not one of its options";
		if (o->arg) {
			*uses_next = needs_arg(o) && !c[1];
			return *uses_next && last ? "lacks its argument" : NULL;
		}
	}
	return NULL;
}

/*
 * argp keeps to itself which word it refused (it would print it, in two lines), so look for it.
 */
static int explain(const struct argp *argp, int argc, char **argv, int why, struct err *e)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		const char *what;
		bool uses_next;

		if (argv[i][0] != '-' || !argv[i][1])
			continue;
		what = complaint(argp, argv[i], i + 1 == argc, &uses_next);
		if (what)
			return err_set(e, -EINVAL, "option \"%s\" %s; see %s --help", argv[i], what,
				       argv[0]);
		i += uses_next;
	}
	return err_set(e, -EINVAL, "arguments are wrong: %s; see %s --help", strerror(why),
		       argv[0]);
}

/* argp's own --help prints nothing under ARGP_NO_ERRS, so this one stands in for it. */
static error_t parse_help(int key, char *arg, struct argp_state *state)
{
	(void)arg;
	if (key != '?')
		return ARGP_ERR_UNKNOWN;
	argp_help(state->root_argp, stdout, ARGP_HELP_STD_HELP, state->name);
	exit(0); /* argp_help, unlike argp_state_help, returns */
}

static const struct argp_option help_options[] = {
	{ "help", '?', NULL, 0, "Give this help list", -1 },
	{ 0 },
};

static const struct argp help_argp = { .options = help_options, .parser = parse_help };

int opt_parse(const struct argp *argp, int argc, char **argv, bool in_order, void *input,
	      struct err *e)
{
	unsigned int flags = ARGP_NO_ERRS | ARGP_NO_HELP | (in_order ? ARGP_IN_ORDER : 0);
	const struct argp_child children[] = { { .argp = &help_argp }, { 0 } };
	struct argp with_help = *argp;
	int ret;

	with_help.children = children;
	ret = argp_parse(&with_help, argc, argv, flags, NULL, input);

	if (ret && !e->code)
		return explain(argp, argc, argv, ret, e);
	return e->code;
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

int opt_int(const char *what, const char *text, int min, int max, int *out, struct err *e)
{
	uint64_t n;
	int ret = opt_u64(what, text, min, max, &n, e);

	if (!ret)
		*out = n;
	return ret;
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

/* 146 years: added to a clock's reading, it stays within 64 bits, with a sign or without. */
#define DURATION_MAX_NS (INT64_MAX / 2)

/* Those with a name from the smallest to the largest. */
static const struct unit times[] = {
	{ "", NSEC_PER_SEC },
	{ "ns", 1 },
	{ "us", 1000 },
	{ "ms", 1000000 },
	{ "s", NSEC_PER_SEC },
	{ "m", 60 * NSEC_PER_SEC },
	{ "h", 3600 * NSEC_PER_SEC },
	{ "d", 86400 * NSEC_PER_SEC },
};

int opt_duration(const char *what, const char *text, uint64_t *ns, struct err *e)
{
	int ret = with_unit(what, text, times, ARRAY_SIZE(times),
			    "a duration such as 90s, 10m or 24h", ns, e);

	if (!ret && *ns > DURATION_MAX_NS)
		ret = err_set(e, -EINVAL, "%s: \"%s\" is too large", what, text);
	return ret;
}

int opt_latency(const char *what, const char *text, uint64_t *ns, struct err *e)
{
	size_t digits = strspn(text, "0123456789");

	if (digits && !text[digits] && strcmp(text, "0") != 0)
		return err_set(e, -EINVAL, "%s: \"%s\" has no unit; is it %sus, %sms or %ss?", what,
			       text, text, text, text);
	return opt_duration(what, text, ns, e);
}

/* In the largest unit that it is a whole number of. */
static const char *in_unit(uint64_t ns, char *buf, size_t size)
{
	size_t i = ARRAY_SIZE(times) - 1;

	if (!ns)
		return "0";
	while (ns % times[i].factor)
		i--;
	snprintf(buf, size, "%" PRIu64 "%s", ns / times[i].factor, times[i].suffix);
	return buf;
}

static int check_range(const char *what, const char *text, uint64_t min, uint64_t max, uint64_t ns,
		       struct err *e)
{
	char from[32], to[32];

	if (ns >= min && ns <= max)
		return 0;
	return err_set(e, -EINVAL, "%s: \"%s\" is out of range (%s to %s)", what, text,
		       in_unit(min, from, sizeof(from)), in_unit(max, to, sizeof(to)));
}

int opt_duration_in(const char *what, const char *text, uint64_t min, uint64_t max, uint64_t *ns,
		    struct err *e)
{
	int ret = opt_duration(what, text, ns, e);

	return ret < 0 ? ret : check_range(what, text, min, max, *ns, e);
}

int opt_latency_in(const char *what, const char *text, uint64_t min, uint64_t max, uint64_t *ns,
		   struct err *e)
{
	int ret = opt_latency(what, text, ns, e);

	return ret < 0 ? ret : check_range(what, text, min, max, *ns, e);
}

int opt_cpulist(const char *what, const char *text, struct cpulist *l, struct err *e)
{
	struct err why = { 0 };
	int ret = cpulist_parse(l, text, &why);

	return ret < 0 ? err_set(e, ret, "%s: %s", what, why.text) : 0;
}

int opt_cpumap(const char *what, const char *text, struct cpumap *m, struct err *e)
{
	struct err why = { 0 };
	int ret = cpumap_parse(m, text, &why);

	return ret < 0 ? err_set(e, ret, "%s: %s", what, why.text) : 0;
}

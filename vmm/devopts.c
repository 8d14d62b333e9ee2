// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/devopts.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/cpulist.h"
#include "lib/opt.h"

enum { PORT_NAME_MAX = 31, VALUE_MAX = 64, CID_FIRST = 3 };

static const struct kind {
	const char *option, *shape; /* for messages */
	unsigned int settings; /* which of settings[] it takes: a bit each */
	bool path_first;
} kinds[DEV_KINDS];

const char *devopts_name(enum dev_kind kind)
{
	return kinds[kind].option;
}

static int bad(const struct dev_opt *o, struct span s, const char *why, struct err *e)
{
	return err_set(e, -EINVAL, "%s: \"%.*s\" %s; it is %s", kinds[o->kind].option, s.len, s.at,
		       why, kinds[o->kind].shape);
}

static int number(const struct dev_opt *o, struct span s, uint64_t min, uint64_t max, uint64_t *out,
		  struct err *e)
{
	char text[VALUE_MAX];

	if (s.len >= VALUE_MAX)
		return bad(o, s, "is no number", e);
	snprintf(text, sizeof(text), "%.*s", s.len, s.at);
	return opt_u64(kinds[o->kind].option, text, min, max, out, e);
}

static int set_ro(struct dev_opt *o, struct span s, struct err *e)
{
	if (s.at)
		return bad(o, s, "follows ro, which takes nothing", e);
	o->read_only = true;
	return 0;
}

static int set_cpu(struct dev_opt *o, struct span s, struct err *e)
{
	uint64_t cpu = 0;
	int ret = number(o, s, 0, CPULIST_CPUS - 1, &cpu, e);

	o->cpu = cpu;
	return ret;
}

static int set_tap(struct dev_opt *o, struct span s, struct err *e)
{
	if (!s.len || s.len >= IFNAMSIZ)
		return bad(o, s, "is no name of an interface", e);
	o->path = s;
	return 0;
}

static int set_mac(struct dev_opt *o, struct span s, struct err *e)
{
	unsigned int b[DEVOPTS_MAC_BYTES];
	char text[VALUE_MAX], rest;

	snprintf(text, sizeof(text), "%.*s", s.len, s.at);
	if (s.len != 17 || sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%c", b, b + 1, b + 2, b + 3, b + 4,
				  b + 5, &rest) != DEVOPTS_MAC_BYTES)
		return bad(o, s, "is no MAC address", e);
	if (b[0] & 1)
		return bad(o, s, "is a MAC address of many", e);
	for (int i = 0; i < DEVOPTS_MAC_BYTES; i++)
		o->mac[i] = b[i];
	o->mac_given = true;
	return 0;
}

/* 0 to 2 are the hypervisor, the machine itself and the host (vsock(7)) */
static int set_cid(struct dev_opt *o, struct span s, struct err *e)
{
	return number(o, s, CID_FIRST, UINT32_MAX - 1, &o->cid, e);
}

static int set_port(struct dev_opt *o, struct span s, struct err *e)
{
	const char *colon = s.len ? memchr(s.at, ':', s.len) : NULL;
	struct dev_port *p = &o->ports[o->n_ports];

	if (o->n_ports == DEVOPTS_PORTS)
		return err_set(e, -EINVAL, "%s: more than %d ports", kinds[o->kind].option,
			       DEVOPTS_PORTS);
	if (!colon || colon == s.at || colon - s.at > PORT_NAME_MAX || colon == s.at + s.len - 1)
		return bad(o, s, "is not NAME:PATH", e);
	p->name = (struct span){ s.at, colon - s.at };
	p->path = (struct span){ colon + 1, s.at + s.len - colon - 1 };
	for (int i = 0; i < o->n_ports; i++)
		if (o->ports[i].name.len == p->name.len &&
		    !memcmp(o->ports[i].name.at, p->name.at, p->name.len))
			return bad(o, p->name, "names two ports", e);
	o->n_ports++;
	return 0;
}

enum { RO = 1, CPU = 2, TAP = 4, MAC = 8, PORT = 16, CID = 32 };

static const struct {
	const char *key;
	int (*set)(struct dev_opt *o, struct span value, struct err *e);
	unsigned int bit;
} settings[] = {
	{ "ro", set_ro, RO },	 { "cpu", set_cpu, CPU },    { "tap", set_tap, TAP },
	{ "mac", set_mac, MAC }, { "port", set_port, PORT }, { "cid", set_cid, CID },
};

static const struct kind kinds[DEV_KINDS] = {
	[DEV_DISK] = { "--disk", "FILE[,ro][,cpu=N]", RO | CPU, true },
	[DEV_CONSOLE] = { "--virtio-console", "FILE[,port=NAME:FILE]...[,cpu=N]", PORT | CPU,
			  true },
	[DEV_NET] = { "--net", "tap=NAME[,mac=XX:XX:XX:XX:XX:XX][,cpu=N]", TAP | MAC | CPU, false },
	[DEV_RNG] = { "--rng", "--rng, without more", 0, false },
	[DEV_VSOCK] = { "--vsock", "cid=N", CID, false },
	[DEV_VFIO] = { "--vfio", "DOMAIN:BUS:DEVICE.FUNCTION, as 0000:01:00.0", 0, true },
};

/* "key=value" or "key": of those that this kind takes, none but port twice */
static int apply(struct dev_opt *o, struct span word, unsigned int *seen, struct err *e)
{
	const char *equals = word.len ? memchr(word.at, '=', word.len) : NULL;
	struct span key = { word.at, equals ? equals - word.at : word.len };
	struct span value = { equals ? equals + 1 : NULL,
			      equals ? word.at + word.len - equals - 1 : 0 };

	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		unsigned int bit = settings[i].bit;

		if (!(kinds[o->kind].settings & bit) ||
		    strlen(settings[i].key) != (size_t)key.len ||
		    memcmp(settings[i].key, key.at, key.len) != 0)
			continue;
		if (*seen & bit && bit != PORT)
			return bad(o, key, "is given twice", e);
		*seen |= bit;
		if (bit != RO && !value.len)
			return bad(o, word, "lacks a value", e);
		return settings[i].set(o, value, e);
	}
	return bad(o, word, "is none of its settings", e);
}

static struct span next_word(const char **text)
{
	struct span s = { *text, strcspn(*text, ",") };

	*text += s.len;
	if (**text)
		(*text)++;
	return s;
}

/* "0000:01:00.0" */
static bool is_address(struct span s)
{
	static const char shape[] = "xxxx:xx:xx.7";

	if (s.len != sizeof(shape) - 1)
		return false;
	for (int i = 0; i < s.len; i++)
		if (shape[i] == 'x'
			    ? !isxdigit((unsigned char)s.at[i]) || isupper((unsigned char)s.at[i])
		    : shape[i] == '7' ? s.at[i] < '0' || s.at[i] > '7'
				      : s.at[i] != shape[i])
			return false;
	return true;
}

static int parse(struct dev_opt *o, const char *text, struct err *e)
{
	unsigned int seen = 0;
	int ret = 0;

	if (kinds[o->kind].path_first) {
		o->path = next_word(&text);
		if (!o->path.len || o->path.len >= PATH_MAX)
			return bad(o, o->path, "is no file name", e);
	}
	if (o->kind == DEV_VFIO && !is_address(o->path))
		return bad(o, o->path, "is no PCI address", e);
	while (!ret && *text)
		ret = apply(o, next_word(&text), &seen, e);
	if (!ret && o->kind == DEV_NET && !o->path.len)
		ret = err_set(e, -EINVAL, "--net: tap=NAME is missing: an interface to use");
	if (!ret && o->kind == DEV_VSOCK && !o->cid)
		ret = err_set(e, -EINVAL, "--vsock: cid=N is missing: the guest's address");
	return ret;
}

static bool same_path(const struct dev_opt *a, const struct dev_opt *b)
{
	return a->path.len && a->path.len == b->path.len &&
	       !memcmp(a->path.at, b->path.at, a->path.len);
}

int devopts_add(struct dev_opts *d, enum dev_kind kind, const char *text, struct err *e)
{
	struct dev_opt *o = &d->at[d->n];
	bool once = kind == DEV_RNG || kind == DEV_CONSOLE || kind == DEV_VSOCK;
	int ret;

	if (d->n == DEVOPTS_MAX)
		return err_set(e, -EINVAL, "%s: more than %d devices in all", kinds[kind].option,
			       DEVOPTS_MAX);
	*o = (struct dev_opt){ .kind = kind, .cpu = -1 };
	ret = parse(o, text ? text : "", e);
	for (int i = 0; !ret && i < d->n; i++) {
		if (d->at[i].kind != kind)
			continue;
		if (once)
			ret = err_set(e, -EINVAL, "%s is given twice", kinds[kind].option);
		else if (same_path(&d->at[i], o))
			ret = bad(o, o->path, "is given twice", e);
	}
	d->n += !ret;
	return ret;
}

struct cpulist devopts_cpus(const struct dev_opts *d)
{
	struct cpulist cpus = { 0 };

	for (int i = 0; i < d->n; i++)
		if (d->at[i].cpu >= 0)
			cpulist_add(&cpus, d->at[i].cpu);
	return cpus;
}

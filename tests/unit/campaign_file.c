// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cyclic/campaign.h"
#include "cyclic/campaign_init.h"
#include "lib/cleanup.h"

#define HEAD	 "[campaign]\nname = t\n"
#define IN_GUEST HEAD "[guest g]\nimage = i\ncpus = 0-1\n[phase p]\nguests = g\n"

static struct mistakes *read_on(struct campaign **c, const char *text, const char *online)
{
	struct campaign_machine machine = { .images = false };
	struct mistakes *m = calloc(1, sizeof(*m));
	struct err e = { 0 };

	assert_int_equal(cpulist_parse(&machine.online, online, &e), 0);
	*c = campaign_new(&e);
	assert_non_null(m);
	assert_non_null(*c);
	campaign_parse(*c, text, m);
	campaign_check(*c, &machine, m);
	return m;
}

static struct mistakes *read_text(struct campaign **c, const char *text)
{
	return read_on(c, text, "0-3");
}

static void whole_file(void **state)
{
	static const char text[] =
		"# a comment\r\n[campaign]\nname = night-1\nsmoke = yes\nslice=5s\non-stall = end\n"
		"[guest g0] ; first\nimage = /img\ncpus = 0:0,1:2\nmemory = 1G\nvmm = qemu\n"
		"allow-shared = yes\n[guest g1]\nimage = /img\ncpus = 1,3\n"
		"[load f]\nkind = fork\ncpus = 0-1\nfloor = 100\n"
		"[phase one]\n  run = sample\n\tcpus = 2-3\nduration = 24h\ninterval = 200us\n"
		"loads = f\nlimit = 40us, p99.999=20us\non-spike = stop\nsegment = 1h\n"
		"[phase two]\nrun = cyclictest\nguests = g0, g1\nduration = 10s\nlimit = 40us\n"
		"gate = yes\nhistogram = 41us\n"
		"[phase three]\nrun = doctor";
	_cleanup_free_ struct campaign *c = NULL;
	_cleanup_free_ struct mistakes *m = read_text(&c, text);
	struct cpulist cpus;
	char list[32];

	(void)state;
	if (m->n)
		fail_msg("line %d: %s", m->v[0].line, m->v[0].text);
	assert_string_equal(c->name, "night-1");
	assert_true(c->smoke && c->end_on_stall);
	assert_int_equal(c->slice_ns, 5000000000);
	assert_int_equal(c->n_guests, 2);
	assert_int_equal(c->guests[0].memory_bytes, 1 << 30);
	assert_string_equal(c->guests[0].vmm, "qemu");
	assert_string_equal(c->guests[1].vmm, "rtkvm");
	assert_int_equal(c->loads[0].floor, 100);
	assert_int_equal(c->n_phases, 3);
	assert_int_equal(c->phases[0].run, RUN_SAMPLE);
	assert_int_equal(c->phases[0].n_limits, 2);
	assert_string_equal(c->phases[0].limits[1].what, "p99.999_ns");
	assert_true(c->phases[0].on_spike == SPIKE_STOP);
	assert_ptr_equal(c->phases[0].loads[0], &c->loads[0]);
	assert_int_equal(c->phases[1].n_guests, 2);
	assert_true(c->phases[1].gate);
	assert_int_equal(c->phases[1].histogram_ns, 41000);
	cpus = phase_cpus(&c->phases[1]);
	assert_string_equal(cpulist_format(&cpus, list, sizeof(list)), "2-3");
	assert_int_equal(campaign_total_ns(c), 86410000000000);
}

/* What an instrument would hold itself to is the phase's limit, and in its tables; smoke has none. */
static void default_limits(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns; /* 0: none */
	} phases[] = {
		{ HEAD "[phase p]\nrun = hwlat\ncpus = 1\nduration = 1s\n", 10000 },
		{ HEAD "[phase p]\nrun = hwlat\ncpus = 1\nduration = 1s\nthreshold = 7us\n", 7000 },
		{ HEAD "smoke = yes\n[phase p]\nrun = hwlat\ncpus = 1\nduration = 1s\n", 0 },
		{ IN_GUEST "run = hwlat\nduration = 2s\n", 10000 },
		{ HEAD "[phase p]\nrun = oslat\ncpus = 1\nduration = 2s\n", 20000 },
		{ HEAD "[phase p]\nrun = sample\ncpus = 1\nduration = 2s\n", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(phases); i++) {
		_cleanup_free_ struct campaign *c = NULL;
		_cleanup_free_ struct mistakes *m = read_on(&c, phases[i].text, "0-3");
		const struct phase_entry *p = c->phases;

		if (m->n || p->n_limits != !!phases[i].ns ||
		    (p->n_limits &&
		     (p->limits[0].ns != phases[i].ns || strcmp(p->limits[0].what, "max_ns") != 0)))
			fail_msg("%s: %s, %zu limits, %ju ns", phases[i].text, m->v[0].text,
				 p->n_limits, (uintmax_t)p->limits[0].ns);
	}
}

static const struct {
	const char *text;
	int line;
	const char *why;
} rows[] = {
	{ "", 0, "no section [campaign]" },
	{ HEAD, 0, "nothing would be measured" },
	{ HEAD "[phase p]\n", 3, "\"run\" is missing" },
	{ HEAD "[phase p]\nrun = doctor\nrun = doctor\n", 5, "already, in line 4" },
	{ HEAD "[phase p]\nrun = doctor\n[phase p]\nrun = doctor\n", 5, "already" },
	{ HEAD "[phase p q]\nrun = doctor\n[phase r]\nrun=doctor\n", 3, "is no name" },
	{ HEAD "[phase]\n[phase r]\nrun=doctor\n", 3, "is no name" },
	{ HEAD "[phase r\n[phase r]\nrun=doctor\n", 3, "a section is" },
	{ HEAD "[phase r] x\n[phase r]\nrun=doctor\n", 3, "a section is" },
	{ HEAD "[phase aaaaaaaaaaaaaaaa]\n[phase r]\nrun=doctor\n", 3, "is no name" },
	{ HEAD "[phase p]\nrun = sample\ncpus = 1\nduration = 1s\nspike = 1ms\non-spike = trace\n"
	       "simulate = 1\n",
	  8, "goes with neither" },
	{ HEAD "[phase p]\nrun = sample\ncpus = 1\nduration = 1s\ntraces = 3\n", 7,
	  "needs on-spike = trace" },
	{ HEAD "[phase p]\nrun = sample\ncpus = 1\nduration = 1s\nspike = 40\n", 7,
	  "spike: \"40\" has no unit" },
	{ HEAD "[phase p]\nrun = sample\ncpus = 1\nduration = 1s\non-spike = dance\n", 7,
	  "none of record, trace, stop" },
	{ HEAD "[phase p]\nrun = cyclictest\ncpus = 1\nduration = 5s\nspike = 1ms\n", 7,
	  "needs on-spike = trace or stop" },
	{ HEAD "smoke = yes\n[phase p]\nrun = cyclictest\ncpus = 1\nduration = 5s\n"
	       "on-spike = trace\n",
	  8, "needs spike, or a limit" },
	{ HEAD "[phase p]\nrun = cyclictest\ncpus = 1\nduration = 5s\nspike = 1us\n"
	       "on-spike = stop\n",
	  7, "can break off at 2 us" },
	{ HEAD "[phase p]\nrun = oslat\ncpus = 1\nduration = 5s\non-spike = trace\n", 7,
	  "does not apply to run = oslat" },
	{ HEAD "[guest g]\nimage = i\ncpus = 0-1\n[guest h]\nimage = i\ncpus = 2-3\n"
	       "[phase p]\nrun = cyclictest\nduration = 5s\nguests = g h\non-spike = trace\n",
	  13, "in several guests needs segment" },
	{ HEAD "[phase p]\nrun = music\n", 4, "none of doctor" },
	{ HEAD "[phase p]\nrun = oslat\nduration = 5s\n", 3, "\"cpus\" or \"guests\" is missing" },
	{ HEAD "[phase p]\nrun = oslat\nduration = 5s\ninterval = 1ms\nguests = g\n[guest g]\n"
	       "image = i\ncpus = 0-1\n",
	  6, "does not apply to run = oslat" },
	{ HEAD "[phase p]\nrun = doctor\ncpus = 1\n", 5, "does not apply to run = doctor" },
	{ HEAD "[phase p]\nrun = sample\nduration = 1s\n", 3, "\"cpus\" or \"guests\" is missing" },
	{ HEAD "[phase p]\nrun = hwlat\nduration = 1s\n", 3, "\"cpus\" or \"guests\" is missing" },
	{ HEAD "[phase p]\nrun = hwlat\ncpus = 1\nduration = 10s\nsegment = 2s\n", 7,
	  "\"segment\" of run = hwlat needs guests" },
	{ HEAD "[phase p]\nrun = hwlat\ncpus = 1\nduration = 10s\nguest-load = fork\n", 7,
	  "needs guests" },
	{ HEAD "[phase p]\nrun = cyclictest\nduration = 5s\n", 3,
	  "\"cpus\" or \"guests\" is missing" },
	{ HEAD "[phase p]\nrun = cyclictest\ncpus = 1\nduration = 5s\nhistogram = 0\n", 7,
	  "0 is no duration" },
	{ HEAD "[phase p]\nrun = cyclictest\ncpus = 1\nduration = 5s\nhistogram = 100500ns\n", 7,
	  "is not whole microseconds between 1 and 1000000" },
	{ HEAD "[phase p]\nrun = cyclictest\ncpus = 1\nduration = 5s\nhistogram = 2s\n", 7,
	  "is not whole microseconds between 1 and 1000000" },
	{ HEAD "[phase p]\nrun = cyclictest\ncpus = 1\nduration = 5s\nhistogram = 40us\n", 7,
	  "40 us do not reach beyond the limit of 40.000 us" },
	{ HEAD "[phase p]\nrun = cyclictest\ncpus = 1\nduration = 5s\nhistogram = 1ms\n"
	       "limit = 2ms\n",
	  7, "1000 us do not reach beyond the limit of 2000.000 us" },
	{ HEAD "[phase p]\nrun = sample\ncpus = 1\nduration = 5s\nhistogram = 1ms\n", 7,
	  "does not apply to run = sample" },
	{ HEAD "[phase p]\nrun = gap\nduration = 5s\n", 3, "\"cpus\" is missing" },
	{ HEAD "[phase p]\nrun = gap\nduration = 5s\ncpus = 1-2\n", 6, "takes one CPU" },
	{ HEAD "[phase p]\nrun = gap\nduration = 5s\ncpus = 1\nsegment = 1s\n", 7,
	  "does not apply to run = gap" },
	{ HEAD "[phase p]\nrun = sample\ncpus = 1\nduration = 1s\nguest-load = fork\n", 7,
	  "needs guests" },
	{ HEAD "[guest g]\nimage = i\ncpus = 0-1\n[phase p]\nrun = sample\nduration = 1s\n"
	       "cpus = 1\nguests = g\n",
	  10, "cpus or guests, not both" },
	{ HEAD "[guest g]\nimage = i\ncpus = 0-1\n[phase p]\nrun = sample\nduration = 1s\n"
	       "guests = g\nsimulate = 1\n",
	  10, "does not apply in guests" },
	{ HEAD "[guest g]\nimage = i\ncpus = 0-1\n[phase p]\nrun = sample\nduration = 1s\n"
	       "guests = g\ninterval = 5us\n",
	  10, "whole microseconds" },
	{ HEAD "[phase p]\nrun = sample\ncpus = 1\n", 3, "\"duration\" is missing" },
	{ HEAD "[phase p]\nrun = sample\ncpus = 4\nduration = 1s\n", 5, "CPU 4 is not" },
	{ HEAD "[phase p]\nrun = sample\ncpus = 1\nduration = 0\n", 6, "no duration" },
	{ HEAD "[phase p]\nrun = sample\ncpus = 1\nduration = 500d\n", 6, "366 days" },
	{ HEAD "[phase p]\nrun = sample\ncpus = 1\nduration = 1s\ninterval = 1us\n", 7,
	  "out of range" },
	{ HEAD "[phase p]\nrun = sample\ncpus = 1\nduration = 1m\ninterval = 11s\n", 7,
	  "out of range" },
	{ HEAD "slice = 100ms\n[phase p]\nrun = sample\ncpus = 1\nduration = 1m\n"
	       "interval = 200ms\n",
	  4, "--slice is shorter than --interval" },
	{ HEAD "[phase p]\nrun = sample\ncpus = 1\nduration = 1m\nsegment = 1us\n", 7,
	  "out of range" },
	{ HEAD "[phase p]\nrun = gap\ncpus = 1\nduration = 2d\n", 6, "100ms to 24h" },
	{ HEAD "[phase p]\nrun = gap\ncpus = 1\nduration = 50ms\n", 6, "100ms to 24h" },
	{ HEAD "[phase p]\nrun = gap\ncpus = 1\nduration = 1s\nthreshold = 2s\n", 7,
	  "100ns to 1s" },
	{ IN_GUEST "run = cyclictest\nduration = 60d\n", 9, "between 2 and 2592000" },
	{ IN_GUEST "run = cyclictest\nduration = 1s\n", 9, "between 2 and" },
	{ IN_GUEST "run = oslat\nduration = 10s\nsegment = 1s\n", 10, "between 2 and" },
	{ IN_GUEST "run = oslat\nduration = 31s\nsegment = 10s\n", 10, "the last piece" },
	{ IN_GUEST "run = oslat\nduration = 31s\nsegment = 1500ms\n", 10, "whole seconds" },
	{ IN_GUEST "run = hwlat\nduration = 2500ms\n", 9, "whole seconds" },
	{ IN_GUEST "run = hwlat\nduration = 10s\nthreshold = 20ms\nwidth = 10ms\n", 10,
	  "longer than the --width" },
	{ IN_GUEST "run = sample\nduration = 1m\ninterval = 11s\n", 10, "whole microseconds" },
	{ IN_GUEST "run = sample\nduration = 1m\ninterval = 100500ns\n", 10, "whole microseconds" },
	{ HEAD "[phase p]\nrun = sample\ncpus = 1\nduration = 1s\nsegment = 2s\n", 7,
	  "segment is longer" },
	{ HEAD "[phase p]\nrun = sample\ncpus = 1\nduration = 1s\nloads = x\n", 7, "no [load x]" },
	{ HEAD "[phase p]\nrun = sample\ncpus = 1\nduration = 1s\non-spike = stop\n", 7,
	  "needs spike" },
	{ HEAD "[phase p]\nrun = sample\ncpus = 1\nduration = 1s\nlimit = ,\n", 7, "empty" },
	{ HEAD "[load l]\nkind = fork\ncpus = 1\n[phase p]\nrun = sample\ncpus = 1\n"
	       "duration = 1s\nloads = l\n",
	  10, "which this phase measures" },
	{ HEAD "[load l]\nkind = ipi\ncpus = 1\n[phase p]\nrun = doctor\n", 5, "at least 2 CPUs" },
	{ HEAD "[load l]\nkind = disk\ncpus = 1\n[phase p]\nrun = doctor\n", 3, "needs dir" },
	{ HEAD "[guest g]\nimage = i\ncpus = 1\n[phase p]\nrun = doctor\n", 5, "needs two vCPUs" },
	{ HEAD "[guest eightltr]\nimage = i\ncpus = 0,1\n[phase p]\nrun = doctor\n", 3,
	  "at most 7" },
	{ HEAD "[guest g]\nimage = i\ncpus = 0-1\n[guest h]\nimage = i\ncpus = 1-2\n"
	       "[phase p]\nrun = cyclictest\nduration = 5s\nguests = g h\n",
	  12, "overlap on CPU 1" },
	{ HEAD "[guest g]\nimage = i\ncpus = 0-1\n[phase p]\nrun = cyclictest\n"
	       "duration = 1500ms\nguests = g\n",
	  8, "whole seconds" },
	{ HEAD "[guest g]\nimage = i\ncpus = 0-1\nmemory = 1500000\n[phase p]\nrun = doctor\n", 6,
	  "whole number of MiB" },
	{ HEAD "noise\n[phase p]\nrun = doctor\n", 3, "neither a section nor" },
	{ HEAD "slice = 1ms\n[phase p]\nrun = doctor\n", 3, "out of range" },
	{ HEAD "smoke = maybe\n[phase p]\nrun = doctor\n", 3, "neither yes nor no" },
	{ "[campaign x]\nname = t\n[campaign]\nname = t\n[phase p]\nrun = doctor\n", 1,
	  "takes no name" },
	{ "x = 1\n" HEAD "[phase p]\nrun = doctor\n", 1, "before the first section" },
};

static void one_mistake_each(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ struct campaign *c = NULL;
		_cleanup_free_ struct mistakes *m = read_text(&c, rows[i].text);
		bool found = false;

		for (size_t k = 0; k < m->n; k++)
			found |= m->v[k].line == rows[i].line && strstr(m->v[k].text, rows[i].why);
		/* the empty file has two: no campaign, no phase */
		if (!found || m->n != (i ? 1u : 2u))
			fail_msg("row %zu: %zu mistakes, first: line %d: %s", i, m->n,
				 m->n ? m->v[0].line : 0, m->n ? m->v[0].text : "none");
	}
}

static void long_line(void **state)
{
	static char text[1000] = HEAD "[phase p]\nrun = doctor\n; ";
	_cleanup_free_ struct campaign *c = NULL;
	_cleanup_free_ struct mistakes *m = NULL;

	(void)state;
	memset(text + strlen(text), 'x', 500);
	m = read_text(&c, text);
	assert_int_equal(m->n, 1);
	assert_int_equal(m->v[0].line, 5);
	assert_non_null(strstr(m->v[0].text, "longer than"));
}

static void too_many(void **state)
{
	static char text[65536] = HEAD;
	_cleanup_free_ struct campaign *c = NULL;
	_cleanup_free_ struct mistakes *m = NULL;

	(void)state;
	for (int i = 0; i < CAMPAIGN_PHASES + 200; i++)
		snprintf(text + strlen(text), 64, "[phase p%d]\nrun = doctor\n", i);
	m = read_text(&c, text);
	assert_int_equal(c->n_phases, CAMPAIGN_PHASES);
	assert_int_equal(m->n, 200);
}

static void presets_have_no_mistakes(void **state)
{
	struct cpulist measured, house;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(cpulist_parse(&measured, "2-3", &e), 0);
	assert_int_equal(cpulist_parse(&house, "0-1", &e), 0);
	for (const struct campaign_preset *p = campaign_presets; p->name; p++) {
		_cleanup_free_ char *text = NULL;
		_cleanup_free_ struct campaign *c = NULL;
		_cleanup_free_ struct mistakes *m = NULL;
		size_t size;
		FILE *f = open_memstream(&text, &size);

		assert_int_equal(campaign_init(f, p, &measured, &house, "/img", &e), 0);
		fclose(f);
		assert_null(strchr(text, '@'));
		m = read_text(&c, text);
		if (m->n)
			fail_msg("%s: line %d: %s", p->name, m->v[0].line, m->v[0].text);
		assert_int_equal(c->smoke, p->smoke);
		assert_int_equal(c->n_guests, p->smoke ? 2 : 1);
	}
}

/* Of a machine with that many CPUs all but some at its beginning or end are measured. */
static void init_for(const struct campaign_preset *p, int cpus, int house_cpus, bool at_end)
{
	_cleanup_free_ struct campaign *c = NULL;
	_cleanup_free_ struct mistakes *m = NULL;
	_cleanup_free_ char *text = NULL;
	struct cpulist measured = { 0 }, house = { 0 }, in_guests = { 0 };
	int guests = p->smoke && house_cpus > 1 && cpus - house_cpus > 1 ? 2 : house_cpus;
	int most = guests * (guests == 2 && p->smoke ? 1 : CPUMAP_VCPUS - 1);
	struct err e = { 0 };
	char online[16];
	size_t size;
	FILE *f = open_memstream(&text, &size);

	for (int i = 0; i < cpus; i++)
		cpulist_add((at_end ? i >= cpus - house_cpus : i < house_cpus) ? &house : &measured,
			    i);
	if (campaign_init(f, p, &measured, &house, "/img", &e) < 0)
		fail_msg("%s, %d CPUs: %s", p->name, cpus, e.text);
	fclose(f);
	snprintf(online, sizeof(online), "0-%d", cpus - 1);
	m = read_on(&c, text, online);
	if (m->n)
		fail_msg("%s, %d CPUs: line %d: %s", p->name, cpus, m->v[0].line, m->v[0].text);
	for (size_t i = 0; i < c->n_guests; i++)
		for (int v = 1; v < c->guests[i].cpus.n; v++)
			cpulist_add(&in_guests, c->guests[i].cpus.host[v]);
	if (cpulist_count(&in_guests) != (cpus - house_cpus < most ? cpus - house_cpus : most))
		fail_msg("%s, %d CPUs: %d in guests", p->name, cpus, cpulist_count(&in_guests));
}

static void init_on_any_machine(void **state)
{
	(void)state;
	for (int cpus = 2; cpus <= 512; cpus++)
		init_for(&campaign_presets[cpus % 4], cpus, 1, cpus % 8 > 3);
	for (const struct campaign_preset *p = campaign_presets; p->name; p++) {
		init_for(p, 512, 5, true);
		init_for(p, 24, 2, false);
	}
}

/* One that cannot be read must not be written. */
static void init_refuses(void **state)
{
	struct cpulist measured = { 0 }, house = { 0 };
	char image[300] = "/";
	struct err e = { 0 };

	(void)state;
	for (int i = 0; i < 200; i++)
		cpulist_add(i % 2 ? &measured : &house, i);
	assert_int_equal(campaign_init(stdout, campaign_presets, &measured, &house, "/i", &e),
			 -E2BIG);
	assert_non_null(strstr(e.text, "give CPUs in ranges"));
	err_clear(&e);
	memset(image, 'i', sizeof(image) - 1);
	measured = house = (struct cpulist){ 0 };
	cpulist_add(&measured, 1);
	cpulist_add(&house, 0);
	assert_int_equal(campaign_init(stdout, campaign_presets, &measured, &house, image, &e),
			 -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_file),
		cmocka_unit_test(default_limits),
		cmocka_unit_test(one_mistake_each),
		cmocka_unit_test(long_line),
		cmocka_unit_test(too_many),
		cmocka_unit_test(presets_have_no_mistakes),
		cmocka_unit_test(init_on_any_machine),
		cmocka_unit_test(init_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

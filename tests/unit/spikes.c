// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "results/spikes.h"

static char path[] = "/tmp/rtkvm-spikes-XXXXXX";

static int make_file(void **state)
{
	int fd;

	(void)state;
	strcpy(path, "/tmp/rtkvm-spikes-XXXXXX");
	fd = mkstemp(path);
	return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

static void load(struct spikes *s, const char *text)
{
	struct err e = { 0 };

	assert_int_equal(file_replace(path, text, strlen(text), &e), 0);
	assert_int_equal(spikes_load(s, path, &e), 0);
}

/* Two events on several CPUs, one of a single CPU: what one tool prints as nine numbers. */
static void events_across_cpus(void **state)
{
	struct spikes s;

	(void)state;
	load(&s,
	     "{\"wall_ns\":2000050000,\"cpu\":1,\"latency_ns\":90}\n"
	     "{\"wall_ns\":1000000000,\"cpu\":3,\"latency_ns\":71}\n"
	     "{\"wall_ns\":1000050000,\"cpu\":2,\"latency_ns\":73}\n" /* 50 us: still together */
	     "{\"wall_ns\":1000000007,\"cpu\":3,\"latency_ns\":72}\n" /* same CPU again */
	     "{\"wall_ns\":1000050001,\"cpu\":1,\"latency_ns\":60}\n" /* too late */
	     "{\"wall_ns\":2000000000,\"cpu\":2,\"latency_ns\":91}\n");
	assert_int_equal(s.n, 6);
	assert_int_equal(s.n_events, 3);
	assert_int_equal(s.platform, 2);
	assert_int_equal(s.events[0].n, 3);
	assert_int_equal(s.events[0].cpus, 2);
	assert_int_equal(s.events[0].latency_ns, 73);
	assert_int_equal(s.events[1].cpus, 1);
	assert_int_equal(s.events[2].latency_ns, 91);
	spikes_free(&s);
}

/* A guest's vCPU and its host's instrument see one CPU; two guests' vCPUs 1 are two. */
static void cpus_are_the_hosts(void **state)
{
	struct spikes s;

	(void)state;
	load(&s,
	     "{\"wall_ns\":1000,\"cpu\":1,\"host_cpu\":5,\"latency_ns\":9,\"instrument\":\"a\"}\n"
	     "{\"wall_ns\":1001,\"cpu\":5,\"host_cpu\":5,\"latency_ns\":9,\"instrument\":\"b\"}\n"
	     "{\"wall_ns\":100000,\"cpu\":1,\"host_cpu\":5,\"latency_ns\":9,\"instrument\":\"a\"}\n"
	     "{\"wall_ns\":100001,\"cpu\":1,\"host_cpu\":6,\"latency_ns\":9,\"instrument\":\"a\"}\n");
	assert_int_equal(s.n_events, 2);
	assert_int_equal(s.events[0].cpus, 1);
	assert_int_equal(s.events[1].cpus, 2);
	assert_int_equal(s.platform, 1);
	spikes_free(&s);
}

#define SPIKE "{\"wall_ns\":7000,\"cpu\":1,\"latency_ns\":90,\"instrument\":\"sample\"}\n"
#define EXPLANATION                                                               \
	"{\"wall_ns\":7001,\"cpu\":1,\"latency_ns\":89,\"instrument\":\"trace\"," \
	"\"cause\":\"host-irq\",\"detail\":\"eth0\"}\n"                           \
	"{\"wall_ns\":9000,\"cpu\":1,\"latency_ns\":60,\"instrument\":\"trace\"," \
	"\"cause\":\"smi\"}\n"

/* Beside the sampler's lines those of rtkvm trace explain are causes; alone they are the spikes. */
static void explanations_are_no_spikes(void **state)
{
	struct spikes s;

	(void)state;
	load(&s, SPIKE EXPLANATION);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.platform, 0);
	assert_int_equal(s.bad_lines, 0);
	assert_string_equal(s.v[0].instrument, "sample");
	assert_string_equal(s.v[0].cause->name, "host-irq");
	assert_string_equal(s.v[0].detail, "eth0");
	assert_int_equal(s.v[0].latency_ns, 90);
	spikes_free(&s);
	load(&s, EXPLANATION);
	assert_int_equal(s.n, 2);
	spikes_free(&s);
}

static void unknown_times_are_not_grouped(void **state)
{
	struct spikes s;

	(void)state;
	load(&s, "{\"wall_ns\":0,\"cpu\":1,\"latency_ns\":90,\"cycle\":7}\n"
		 "{\"wall_ns\":0,\"cpu\":2,\"latency_ns\":91,\"cycle\":7}\n");
	assert_int_equal(s.n_events, 2);
	assert_int_equal(s.platform, 0);
	spikes_free(&s);
}

static void bad_lines_are_counted(void **state)
{
	struct spikes s;

	(void)state;
	load(&s,
	     "\n{\n[]\nnull\n{\"wall_ns\":1,\"cpu\":2}\n{\"wall_ns\":-1,\"cpu\":2,\"latency_ns\":3}\n"
	     "{\"wall_ns\":1,\"cpu\":99999999,\"latency_ns\":3}\n"
	     "{\"wall_ns\":1,\"cpu\":2,\"latency_ns\":3,\"cause\":\"witchcraft\","
	     "\"detail\":\"a\\u0001\\u001bb\"}");
	assert_int_equal(s.n, 1);
	assert_int_equal(s.bad_lines, 6);
	assert_string_equal(s.v[0].cause->name, "unexplained");
	assert_string_equal(s.v[0].detail, "ab");
	spikes_free(&s);
}

static void round_trip(void **state)
{
	static const char line[] = "{\"wall_ns\":17,\"cpu\":2,\"latency_ns\":61000,"
				   "\"instrument\":\"cyclictest\",\"host_cpu\":5,\"cycle\":48112,"
				   "\"cause\":\"host-irq\",\"detail\":\"nvme0q3\"}\n";
	_cleanup_free_ char *text = NULL;
	struct err e = { 0 };
	struct spikes s;

	(void)state;
	load(&s, line);
	assert_int_equal(spikes_save(&s, path, &e), 0);
	assert_true(file_load(path, 4096, &text, &e) > 0);
	assert_string_equal(text, line);
	spikes_free(&s);
}

static void no_file_is_no_spikes(void **state)
{
	struct spikes s;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(spikes_load(&s, "/nonexistent/spikes.jsonl", &e), 0);
	assert_int_equal(s.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_across_cpus),
		cmocka_unit_test(cpus_are_the_hosts),
		cmocka_unit_test(explanations_are_no_spikes),
		cmocka_unit_test(unknown_times_are_not_grouped),
		cmocka_unit_test(bad_lines_are_counted),
		cmocka_unit_test(round_trip),
		cmocka_unit_test(no_file_is_no_spikes),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}

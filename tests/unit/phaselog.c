// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "cyclic/phaselog.h"
#include "lib/cleanup.h"
#include "lib/file.h"

#define SEC 1000000000ull

static char dir[] = "/tmp/rtkvm-phaselog.XXXXXX";

static const char *in_dir(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

/* n slices of 10 s on each CPU, one sample of ns each and the given missed; cut: bytes to lose */
static void make_log(const char *name, int cpus, int n, uint64_t ns, int missed, int cut)
{
	struct log_writer w;
	struct err e = { 0 };
	struct hist h;

	assert_int_equal(log_create(&w, in_dir(name), 0, &e), 0);
	for (int i = 0; i < n; i++)
		for (int cpu = 0; cpu < cpus; cpu++) {
			struct log_slice s = { .instrument = "sample",
					       .cpu = cpu,
					       .host_cpu = cpu + 4,
					       .duration_ns = 10 * SEC,
					       .period_ns = 10 * SEC,
					       .start_wall_ns = i * 10 * SEC,
					       .max_wall_ns = i * 10 * SEC + cpu };

			hist_init(&h);
			hist_add(&h, ns + i);
			if (missed >= 0) {
				log_count(&s, LOG_EXPECTED, 1 + missed);
				log_count(&s, LOG_MISSED, missed);
			}
			assert_int_equal(log_write(&w, &s, &h, &e), 0);
		}
	if (cut) {
		off_t size = lseek(w.fd, 0, SEEK_END);

		assert_int_equal(ftruncate(w.fd, size - cut), 0);
		close(w.fd);
		free(w.buf);
		return;
	}
	assert_int_equal(log_close(&w, &e), 0);
}

static void attempts_add_up(void **state)
{
	struct phaselog g = { 0 };
	struct err e = { 0 };

	(void)state;
	make_log("a", 2, 3, 1000, 1, 0);
	make_log("b", 2, 5, 9000, 0, 0);
	assert_int_equal(phaselog_add(&g, in_dir("a"), "p", &e), 0);
	assert_int_equal(phaselog_add(&g, in_dir("b"), "p", &e), 0);
	assert_int_equal(phaselog_add(&g, in_dir("absent"), "p", &e), 0);
	assert_int_equal(g.n, 2);
	assert_int_equal(g.cpus[1]->hist.count, 8);
	assert_int_equal(g.cpus[1]->hist.max_ns, 9004);
	assert_int_equal(g.cpus[1]->max_wall_ns, 40 * SEC + 1);
	assert_int_equal(g.cpus[1]->expected, 11);
	assert_int_equal(g.cpus[1]->missed, 3);
	assert_int_equal(g.cpus[1]->host_cpu, 5);
	assert_int_equal(phaselog_measured(&g, "p", 2), 80 * SEC);
	assert_int_equal(phaselog_measured(&g, "p", 3), 0);
	assert_int_equal(phaselog_measured(&g, "q", 1), 0);
	phaselog_free(&g);
}

static void a_torn_slice_costs_itself(void **state)
{
	struct phaselog g = { 0 };
	struct err e = { 0 };

	(void)state;
	make_log("torn", 2, 3, 1000, 0, 7);
	assert_int_equal(phaselog_add(&g, in_dir("torn"), "p", &e), 0);
	assert_int_equal(g.cpus[0]->hist.count, 3);
	assert_int_equal(g.cpus[1]->hist.count, 2);
	assert_true(g.damaged > 0);
	assert_int_equal(phaselog_measured(&g, "p", 2), 20 * SEC);
	phaselog_free(&g);
}

static void unknown_stays_unknown(void **state)
{
	struct phaselog g = { 0 };
	struct err e = { 0 };

	(void)state;
	make_log("known", 1, 2, 1000, 0, 0);
	make_log("unknown", 1, 2, 1000, -1, 0);
	assert_int_equal(phaselog_add(&g, in_dir("unknown"), "p", &e), 0);
	assert_int_equal(phaselog_add(&g, in_dir("known"), "p", &e), 0);
	assert_int_equal(g.cpus[0]->missed, -1);
	assert_int_equal(g.cpus[0]->expected, -1);
	phaselog_free(&g);
}

static void the_campaigns_log_is_coarser_and_the_same(void **state)
{
	struct log_writer w;
	struct phaselog g = { .log = &w, .slice_ns = 60 * SEC }, again = { 0 };
	struct err e = { 0 };
	struct log_reader r;
	int slices = 0;

	(void)state;
	make_log("fine", 2, 20, 1000, 2, 0);
	assert_int_equal(log_create(&w, in_dir("coarse"), 0, &e), 0);
	assert_int_equal(phaselog_add(&g, in_dir("fine"), "phase", &e), 0);
	assert_int_equal(phaselog_flush(&g, &e), 0);
	assert_int_equal(log_close(&w, &e), 0);
	assert_int_equal(log_open(&r, in_dir("coarse"), &e), 0);
	for (int ev; (ev = log_next(&r, &e)) > 0;)
		if (ev == LOG_SLICE) {
			slices++;
			assert_string_equal(r.slice.instrument, "phase");
		}
	log_reader_close(&r);
	assert_int_equal(slices, 2 * 4); /* 60, 60, 60 and 20 s */
	assert_int_equal(phaselog_add(&again, in_dir("coarse"), "x", &e), 0);
	for (int cpu = 0; cpu < 2; cpu++) {
		assert_memory_equal(&again.cpus[cpu]->hist, &g.cpus[cpu]->hist,
				    sizeof(struct hist));
		assert_int_equal(again.cpus[cpu]->missed, 40);
		assert_int_equal(again.cpus[cpu]->expected, 60);
		assert_int_equal(again.cpus[cpu]->max_wall_ns, 190 * SEC + cpu);
	}
	phaselog_free(&again);
	phaselog_free(&g);
}

static void spikes_take_the_phases_name(void **state)
{
	static const char lines[] = "{\"cpu\":1,\"instrument\":\"sample\"}\nnonsense\n{\"cpu\":2}\n"
				    "{\"cpu\":3}\n{\"cp";
	_cleanup_free_ char *text = NULL;
	struct err e = { 0 };
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	assert_int_equal(file_replace(in_dir("spikes"), lines, strlen(lines), &e), 0);
	assert_int_equal(phaselog_spikes(in_dir("spikes"), "p", out, 10, &e), 3);
	assert_int_equal(phaselog_spikes(in_dir("spikes"), "p", out, 1, &e), 1);
	assert_int_equal(phaselog_spikes(in_dir("absent"), "p", out, 1, &e), 0);
	fclose(out);
	assert_non_null(strstr(text, "{\"cpu\":1,\"instrument\":\"p\"}\n"));
}

/* Three spikes of one CPU within a second, two of them alike; one is explained, and one of no spike. */
static void spikes_take_their_causes(void **state)
{
	static const char lines[] =
		"{\"cpu\":1,\"latency_ns\":50000,\"wall_ns\":7000000000,\"instrument\":\"sample\"}\n"
		"{\"cpu\":1,\"latency_ns\":90000,\"wall_ns\":7500000000,\"instrument\":\"sample\"}\n"
		"{\"cpu\":1,\"latency_ns\":50000,\"wall_ns\":7600000000,\"instrument\":\"sample\"}\n"
		"{\"cpu\":2,\"latency_ns\":48000,\"wall_ns\":7000000000,\"instrument\":\"trace\","
		"\"cause\":\"host-irq\"}\n"
		"{\"cpu\":1,\"latency_ns\":48000,\"wall_ns\":7000100000,\"instrument\":\"trace\","
		"\"cause\":\"host-thread\",\"detail\":\"x 7\"}\n";
	_cleanup_free_ char *text = NULL;
	struct err e = { 0 };
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	assert_int_equal(file_replace(in_dir("spikes"), lines, strlen(lines), &e), 0);
	assert_int_equal(phaselog_spikes(in_dir("spikes"), "p", out, 10, &e), 3);
	fclose(out);
	assert_string_equal(
		text,
		"{\"cpu\":1,\"latency_ns\":50000,\"wall_ns\":7000000000,\"instrument\":\"p\","
		"\"cause\":\"host-thread\",\"detail\":\"x 7\",\"explained_ns\":48000}\n"
		"{\"cpu\":1,\"latency_ns\":90000,\"wall_ns\":7500000000,\"instrument\":\"p\"}\n"
		"{\"cpu\":1,\"latency_ns\":50000,\"wall_ns\":7600000000,\"instrument\":\"p\"}\n");
}

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	struct err e = { 0 };

	(void)state;
	return file_remove_tree(dir, &e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(attempts_add_up),
		cmocka_unit_test(a_torn_slice_costs_itself),
		cmocka_unit_test(unknown_stays_unknown),
		cmocka_unit_test(the_campaigns_log_is_coarser_and_the_same),
		cmocka_unit_test(spikes_take_the_phases_name),
		cmocka_unit_test(spikes_take_their_causes),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}

// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "cyclic/guestjob.h"
#include "lib/cleanup.h"
#include "tracing/tracing.h"

static const struct ctopts options = {
	.interval_us = 200,
	.duration_s = 45,
	.slice_ns = 10000000000,
	.histogram_us = 1000,
	.priority = 95,
};

static const char *line(const struct ctopts *o, int vcpus, char text[static CTOPTS_APPEND_BYTES])
{
	char command[512];
	struct err e = { 0 };
	const char *exec;

	assert_int_equal(guestjob_command(o, vcpus, command, sizeof(command), &e), 0);
	assert_int_equal(guestjob_append(o, vcpus, command, text, CTOPTS_APPEND_BYTES, &e), 0);
	/* the job is the last parameter, in one pair of quotes: nothing can escape one there */
	exec = strstr(text, "rtkvm.exec=\"");
	assert_non_null(exec);
	exec += strlen("rtkvm.exec=\"");
	assert_ptr_equal(strchr(exec, '"'), text + strlen(text) - 1);
	return exec;
}

static void instruments(void **state)
{
	char text[CTOPTS_APPEND_BYTES];
	struct ctopts o = options;
	const char *exec = line(&o, 3, text);

	(void)state;
	assert_non_null(
		strstr(text, "isolcpus=managed_irq,domain,1-2 nohz_full=1-2 rcu_nocbs=1-2"));
	/* attended until both have what was asked; Ctrl-C ends cyclictest, not the shell */
	assert_non_null(strstr(
		exec,
		"(trap : INT; rtkvm-sample attend 95 2 "
		"cyclictest -m -q -p95 --policy=fifo -a 1-2 -t 2 -i 200 "
		"-h 1000 -D 45 --json=/out/cyclictest.json); r=$?; trap '' INT; kill $b; wait $b; "
		"exit $r\""));
	assert_memory_equal(exec, "trap : INT; ", 12);
	assert_null(strstr(exec, "rtkvm-sample load"));
	/* signs of life, as long as the job runs */
	assert_memory_equal(exec + 12, "rtkvm-sample beat 10000000000 & b=$!; ", 38);
	line(&o, 2, text);
	assert_non_null(strstr(text, "isolcpus=managed_irq,domain,1 nohz_full=1 "));
	o.instrument = GUEST_OSLAT;
	o.priority = 1;
	assert_non_null(strstr(line(&o, 3, text),
			       "sched_rt_runtime_us; rtkvm-sample attend 1 2 "
			       "oslat -q -z -c 1-2 -C 0 -f 1 -D 45 -w memmove -m 4K -b 1024 "
			       "--json=/out/oslat.json); r=$?; trap '' INT; "));
	o.instrument = GUEST_HWLAT;
	o.threshold_ns = 10000;
	o.width_ns = 500000000;
	exec = line(&o, 3, text);
	assert_non_null(strstr(exec, "(trap : INT; rtkvm-hwlat --guest --cpus 1-2 --duration 45s "
				     "--threshold 10000ns --width 500000000ns --rt-limit lift "));
	/* a run with gaps is one that worked */
	assert_non_null(strstr(exec, "; r=$?; trap '' INT; cd /tmp/hwlat && "));
	assert_non_null(strstr(
		exec,
		"[ $r = 2 ] || r=0; exit $r); r=$?; trap '' INT; kill $b; wait $b; exit $r\""));
	o.instrument = GUEST_SAMPLE;
	o.on_spike = SPIKE_STOP;
	assert_null(strstr(line(&o, 3, text), "beat")); /* its slices are that */
	assert_non_null(strstr(
		line(&o, 3, text),
		"(trap : INT; rtkvm-sample 1-2 200000 0 10000000000 1 0 stop); r=$?; trap '' INT; "));
}

static void loads(void **state)
{
	char text[CTOPTS_APPEND_BYTES];
	struct ctopts o = options;
	const char *exec;

	(void)state;
	o.load = guest_load_find("hackbench");
	exec = line(&o, 3, text);
	assert_non_null(strstr(exec, "rtkvm-sample load 10000000000 hackbench -g 1 -l 100 >"));
	assert_non_null(strstr(exec, "kill $l; wait $l; kill $b; wait $b; exit $r\""));
	assert_null(guest_load_find("music"));
}

/* What rtkvm trace job prints, which spiketrace_job asks its own program for. */
static void record(const char *command, char *line, size_t size)
{
	char *argv[] = { (char *)"job", (char *)"--buffer", (char *)"2M",
			 (char *)"--",	(char *)command,    NULL };
	int memory = memfd_create("line", 0), out = dup(STDOUT_FILENO);
	struct err e = { 0 };
	ssize_t n;

	fflush(stdout);
	assert_int_equal(dup2(memory, STDOUT_FILENO), STDOUT_FILENO);
	tracing_job(ARRAY_SIZE(argv) - 1, argv, &e);
	fflush(stdout);
	assert_int_equal(dup2(out, STDOUT_FILENO), STDOUT_FILENO);
	n = pread(memory, line, size - 1, 0);
	assert_true(n > 1 && (size_t)n < size - 1);
	line[n - 1] = '\0';
	close(out);
	close(memory);
}

/* Recorded by the longest line there is, it is as much as a guest's kernel takes. */
static void recorded(void **state)
{
	char text[CTOPTS_APPEND_BYTES], command[1024], run[CTOPTS_APPEND_BYTES];
	struct ctopts o = options;
	struct err e = { 0 };

	(void)state;
	o.on_spike = SPIKE_TRACE;
	o.spike_ns = 40001;
	assert_int_equal(guestjob_command(&o, 3, command, sizeof(command), &e), 0);
	assert_non_null(strstr(command, " -D 45 -b 40 --json=/out/cyclictest.json"));
	assert_int_equal(guestjob_append(&o, 3, "RECORD", text, sizeof(text), &e), 0);
	assert_non_null(strstr(text, "(trap : INT; RECORD); r=$?; trap '' INT; kill $b; "));
	o.on_spike = SPIKE_STOP; /* nobody records */
	assert_non_null(strstr(line(&o, 3, text),
			       " -D 45 -b 40 --json=/out/cyclictest.json); r=$?; trap '' INT; "
			       "kill $b; "));

	o = (struct ctopts){ .on_spike = SPIKE_TRACE,
			     .interval_us = 10000000,
			     .duration_s = 30 * 86400,
			     .histogram_us = 1000000,
			     .slice_ns = 3600000000000,
			     .spike_ns = 1000000000000,
			     .priority = 95,
			     .load = guest_load_find("memory") };
	assert_int_equal(guestjob_command(&o, 128, command, sizeof(command), &e), 0);
	record(command, run, sizeof(run));
	if (guestjob_append(&o, 128, run, text, sizeof(text), &e) < 0)
		fail_msg("%s: %zu for the recording", e.text, strlen(run));
}

static void too_long(void **state)
{
	struct err e = { 0 };
	char tiny[64];

	(void)state;
	assert_int_equal(guestjob_command(&options, 3, tiny, sizeof(tiny), &e), -E2BIG);
	assert_int_equal(guestjob_append(&options, 3, "true", tiny, sizeof(tiny), &e), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(instruments),
		cmocka_unit_test(loads),
		cmocka_unit_test(recorded),
		cmocka_unit_test(too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

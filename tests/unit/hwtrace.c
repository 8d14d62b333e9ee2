// SPDX-License-Identifier: GPL-2.0-only
/* Events as a kernel 6.1 records them: its formats, and their bytes. */
#include "hwlat/hwtrace.h"

#include <event-parse.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"

#define HZ 1000000000ull /* a cycle is a nanosecond */
#define COMMON                                                                         \
	"format:\n"                                                                    \
	"\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"         \
	"\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"         \
	"\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n" \
	"\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"

enum { SWITCH = 310, IRQ_ENTRY, IRQ_EXIT, SOFTIRQ, NMI, FREQUENCY, OUR_TID = 4711 };

static const struct {
	const char *system, *format;
} formats[] = {
	{ "sched", "name: sched_switch\nID: 310\n" COMMON
		   "\tfield:char prev_comm[16];\toffset:8;\tsize:16;\tsigned:0;\n"
		   "\tfield:pid_t prev_pid;\toffset:24;\tsize:4;\tsigned:1;\n"
		   "\tfield:int prev_prio;\toffset:28;\tsize:4;\tsigned:1;\n"
		   "\tfield:long prev_state;\toffset:32;\tsize:8;\tsigned:1;\n"
		   "\tfield:char next_comm[16];\toffset:40;\tsize:16;\tsigned:0;\n"
		   "\tfield:pid_t next_pid;\toffset:56;\tsize:4;\tsigned:1;\n"
		   "\tfield:int next_prio;\toffset:60;\tsize:4;\tsigned:1;\n\nprint fmt: \"\"\n" },
	{ "irq",
	  "name: irq_handler_entry\nID: 311\n" COMMON
	  "\tfield:int irq;\toffset:8;\tsize:4;\tsigned:1;\n"
	  "\tfield:__data_loc char[] name;\toffset:12;\tsize:4;\tsigned:0;\n\nprint fmt: \"\"\n" },
	{ "irq", "name: irq_handler_exit\nID: 312\n" COMMON
		 "\tfield:int irq;\toffset:8;\tsize:4;\tsigned:1;\n"
		 "\tfield:int ret;\toffset:12;\tsize:4;\tsigned:1;\n\nprint fmt: \"\"\n" },
	{ "irq", "name: softirq_entry\nID: 313\n" COMMON
		 "\tfield:unsigned int vec;\toffset:8;\tsize:4;\tsigned:0;\n\nprint fmt: \"\"\n" },
	{ "nmi", "name: nmi_handler\nID: 314\n" COMMON
		 "\tfield:void * handler;\toffset:8;\tsize:8;\tsigned:0;\n"
		 "\tfield:s64 delta_ns;\toffset:16;\tsize:8;\tsigned:1;\n"
		 "\tfield:int handled;\toffset:24;\tsize:4;\tsigned:1;\n\nprint fmt: \"\"\n" },
	{ "power", "name: cpu_frequency\nID: 315\n" COMMON
		   "\tfield:u32 state;\toffset:8;\tsize:4;\tsigned:0;\n"
		   "\tfield:u32 cpu_id;\toffset:12;\tsize:4;\tsigned:0;\n\nprint fmt: \"\"\n" },
};

static struct tep_handle *tep;

static int learn(void **state)
{
	(void)state;
	tep = tep_alloc();
	for (size_t i = 0; tep && i < ARRAY_SIZE(formats); i++)
		if (tep_parse_event(tep, formats[i].format, strlen(formats[i].format),
				    formats[i].system))
			return -1;
	return tep ? 0 : -1;
}

static int forget(void **state)
{
	(void)state;
	tep_free(tep);
	return 0;
}

struct bytes {
	unsigned char at[80];
	unsigned int n;
};

static void put(struct bytes *b, unsigned int offset, const void *data, unsigned int n)
{
	memcpy(b->at + offset, data, n);
	b->n = b->n < offset + n ? offset + n : b->n;
}

static void put_int(struct bytes *b, unsigned int offset, int32_t v)
{
	put(b, offset, &v, sizeof(v));
}

static int decode(int id, struct bytes *b, struct hwtrace_thread *us, bool fair_server,
		  struct activity_event *ev)
{
	struct tep_record r = { .ts = 5000, .size = b->n, .data = b->at };
	uint16_t type = id;

	put(b, 0, &type, sizeof(type));
	return hwtrace_decode(tep_find_event(tep, id), &r, us, fair_server, HZ, ev);
}

static struct activity_event switched(struct hwtrace_thread *us, bool fair_server, int prev,
				      int64_t prev_state, const char *comm, int next, int prio)
{
	struct activity_event ev = { 0 };
	struct bytes b = { 0 };

	put_int(&b, 24, prev);
	put(&b, 32, &prev_state, sizeof(prev_state));
	put(&b, 40, comm, strlen(comm));
	put_int(&b, 56, next);
	put_int(&b, 60, prio);
	assert_int_equal(decode(SWITCH, &b, us, fair_server, &ev), 1);
	assert_int_equal(ev.type, ACTIVITY_SWITCH);
	assert_int_equal(ev.tsc, 5000);
	return ev;
}

/* prev_state: 0x100 is runnable, and preempted; 1 sleeps. No such pid: the policy cannot be asked. */
static void switches(void **state)
{
	enum { HOG = 4194303, PREEMPTED = 0x100, ASLEEP = 1 };
	static const struct {
		bool fair_server;
		int64_t our_state;
		const char *comm;
		int pid, prio;
		enum culprit_kind kind;
		const char *name;
	} rows[] = {
		{ true, PREEMPTED, "hog", HOG, 49, CULPRIT_THREAD, "hog:4194303 real-time 50" },
		{ true, PREEMPTED, "dl", HOG, -1, CULPRIT_THREAD, "dl:4194303 deadline" },
		{ true, ASLEEP, "sh", HOG, 120, CULPRIT_THREAD, "sh:4194303 other" },
		{ true, PREEMPTED, "sh", HOG, 120, CULPRIT_THREAD,
		  "sh:4194303 other, let in by the fair server" },
		{ false, PREEMPTED, "0123456789abcdef", HOG, 120, CULPRIT_THROTTLED,
		  "0123456789abcdef:4194303 other, let in by the real-time limit" },
		{ false, PREEMPTED, "swapper/3", 0, 120, CULPRIT_THROTTLED,
		  "by sched_rt_runtime_us" },
		{ true, PREEMPTED, "swapper/3", 0, 120, CULPRIT_THROTTLED,
		  "by sched_rt_runtime_us" },
		{ true, ASLEEP, "swapper/3", 0, 120, CULPRIT_THREAD, "swapper/3:0 other" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct hwtrace_thread us = { .tid = OUR_TID };
		struct activity_event ev = switched(&us, rows[i].fair_server, OUR_TID,
						    rows[i].our_state, rows[i].comm, rows[i].pid,
						    rows[i].prio);

		assert_int_equal(ev.kind, rows[i].kind);
		assert_string_equal(ev.name, rows[i].name);
		assert_false(ev.ours);
	}
}

/* The limit holds until the detector runs again, whoever follows whom. */
static void limit_lasts(void **state)
{
	struct hwtrace_thread us = { .tid = OUR_TID };

	(void)state;
	assert_int_equal(switched(&us, false, OUR_TID, 0, "a", 4194301, 120).kind,
			 CULPRIT_THROTTLED);
	assert_int_equal(switched(&us, false, 4194301, 1, "b", 4194302, 120).kind,
			 CULPRIT_THROTTLED);
	assert_int_equal(switched(&us, false, 4194302, 1, "swapper/3", 0, 120).kind,
			 CULPRIT_THROTTLED);
	assert_true(switched(&us, false, 0, 0, "rtkvm", OUR_TID, 89).ours);
	assert_int_equal(switched(&us, false, OUR_TID, 1, "a", 4194301, 120).kind, CULPRIT_THREAD);
}

static void interrupts(void **state)
{
	struct hwtrace_thread us = { .tid = OUR_TID };
	struct activity_event ev = { 0 };
	struct bytes b = { 0 };
	int64_t delta_ns = 3000;

	(void)state;
	put_int(&b, 8, 31);
	put_int(&b, 12, 9 << 16 | 16); /* so many bytes from there */
	put(&b, 16, "nvme0q3\0", 9);
	assert_int_equal(decode(IRQ_ENTRY, &b, &us, true, &ev), 1);
	assert_int_equal(ev.type, ACTIVITY_ENTER);
	assert_int_equal(ev.kind, CULPRIT_IRQ);
	assert_string_equal(ev.name, "31 nvme0q3");
	b = (struct bytes){ 0 };
	put_int(&b, 8, 31);
	put_int(&b, 12, 1);
	assert_int_equal(decode(IRQ_EXIT, &b, &us, true, &ev), 1);
	assert_int_equal(ev.type, ACTIVITY_LEAVE);
	assert_string_equal(ev.name, "31 ");
	b = (struct bytes){ 0 };
	put_int(&b, 8, 3);
	assert_int_equal(decode(SOFTIRQ, &b, &us, true, &ev), 1);
	assert_string_equal(ev.name, "NET_RX");
	put_int(&b, 8, 99);
	assert_int_equal(decode(SOFTIRQ, &b, &us, true, &ev), 1);
	assert_string_equal(ev.name, "softirq 99");
	b = (struct bytes){ 0 };
	put(&b, 16, &delta_ns, sizeof(delta_ns));
	put_int(&b, 24, 1);
	assert_int_equal(decode(NMI, &b, &us, true, &ev), 1);
	assert_int_equal(ev.type, ACTIVITY_SPAN);
	assert_int_equal(ev.length_tsc, 3000);
}

/* A frequency is that of the CPU the event names, not of the one that set it. */
static void frequency_of_another(void **state)
{
	struct bytes b = { 0 };
	struct tep_record r = { .data = b.at };
	uint16_t type = FREQUENCY;

	(void)state;
	put(&b, 0, &type, sizeof(type));
	put_int(&b, 8, 2400000);
	put_int(&b, 12, 5);
	r.size = b.n;
	assert_int_equal(hwtrace_cpu(tep_find_event(tep, FREQUENCY), &r, 2), 5);
	b = (struct bytes){ 0 };
	put_int(&b, 12, 5);
	r.size = b.n;
	assert_int_equal(hwtrace_cpu(tep_find_event(tep, IRQ_EXIT), &r, 2), 2);
}

static void fair_servers(void **state)
{
	static const struct {
		const char *release;
		bool has;
	} rows[] = {
		{ "6.1.0-32-rt-amd64", false },
		{ "6.11.9", false },
		{ "6.12.0-rc1", true },
		{ "6.12", true },
		{ "7.0.0", true },
		{ "5.15.0", false },
		{ "", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(hwtrace_has_fair_server(rows[i].release), rows[i].has);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(switches),	cmocka_unit_test(limit_lasts),
		cmocka_unit_test(interrupts),	cmocka_unit_test(frequency_of_another),
		cmocka_unit_test(fair_servers),
	};

	return cmocka_run_group_tests(tests, learn, forget);
}

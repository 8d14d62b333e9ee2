// SPDX-License-Identifier: GPL-2.0-only
/* doctor --timer: start the bench on each CPU, read along, and print. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/knob.h"
#include "lib/paths.h"
#include "lib/proc.h"
#include "lib/threads.h"
#include "profiles/install.h"
#include "profiles/timer.h"

enum { RESULT_BYTES = 1 << 20, SAMPLE_NS = 50 * 1000 * 1000, GRACE_MS = 2000 };

static const char param[] = "/sys/module/kvm/parameters/lapic_timer_advance_ns";

/* The advance of the bench's vCPU, as debugfs has it now. */
static void sample(const struct machine *m, struct timer_cpu *t, pid_t bench)
{
	struct err ignored = { 0 };
	struct paths paths;

	if (machine_glob(m, "/sys/kernel/debug/kvm/*-*/vcpu*/lapic_timer_advance_ns", &paths,
			 &ignored) < 0)
		return;
	for (size_t i = 0; i < paths.n; i++) {
		int64_t value;

		if (!process_descends(atoi(paths.v[i] + strlen("/sys/kernel/debug/kvm/")), bench) ||
		    !machine_number(m, paths.v[i], &value))
			continue;
		if (t->n_advance == TIMER_SAMPLES) /* a long run: what is late counts */
			memmove(t->advance_ns, t->advance_ns + 1,
				--t->n_advance * sizeof(*t->advance_ns));
		t->advance_ns[t->n_advance++] = value;
	}
	paths_free(&paths);
}

/* All that a descriptor of memfd_create(2) holds. */
static int load(int fd, char *buf, size_t size)
{
	ssize_t n = pread(fd, buf, size - 1, 0);

	buf[n > 0 ? n : 0] = '\0';
	return n;
}

static int result(struct timer_cpu *t, const struct proc *p, int out, int said, struct err *e)
{
	_cleanup_free_ char *text = calloc(1, RESULT_BYTES);
	_cleanup_json_ json_object *o = NULL;
	struct err why = { 0 };
	char sentence[512];

	if (!text)
		return err_set(e, -ENOMEM, "rtkvm bench timer on CPU %d failed: no memory", t->cpu);
	load(said, sentence, sizeof(sentence));
	sentence[strcspn(sentence, "\n")] = '\0';
	if (proc_code(p))
		return err_set(e, -EIO, "rtkvm bench timer on CPU %d failed (code %d): %s", t->cpu,
			       proc_code(p), sentence);
	load(out, text, RESULT_BYTES);
	o = json_tokener_parse(text);
	if (timer_parse(t, o, &why) < 0)
		return err_set(e, -EINVAL, "rtkvm bench timer on CPU %d failed: %s", t->cpu,
			       why.text);
	return 0;
}

static int measure_cpu(const struct machine *m, struct timer_cpu *t, uint64_t duration_ns,
		       bool allow_shared, struct err *e)
{
	char self[PATH_MAX], cpu[16], duration[32];
	char *argv[] = { self, "bench",	     "timer",  "--json", "--cpu",
			 cpu,  "--duration", duration, NULL,	 NULL };
	_cleanup_close_ int out = memfd_create("rtkvm-timer", MFD_CLOEXEC);
	_cleanup_close_ int said = memfd_create("rtkvm-timer-errors", MFD_CLOEXEC);
	struct proc_opts o = PROC_OPTS_INIT;
	struct proc p;
	int ret = paths_self(self, sizeof(self), e);

	if (ret < 0)
		return ret;
	if (out < 0 || said < 0)
		return err_sys(e, "starting rtkvm bench failed");
	snprintf(cpu, sizeof(cpu), "%d", t->cpu);
	snprintf(duration, sizeof(duration), "%llums", (unsigned long long)(duration_ns / 1000000));
	if (allow_shared)
		argv[ARRAY_SIZE(argv) - 2] = "--allow-shared";
	o.argv = argv;
	o.out = out;
	o.err = said;
	ret = proc_start(&p, &o, e);
	if (ret < 0)
		return ret;
	do {
		ret = proc_wait(&p, clock_now_ns() + SAMPLE_NS);
		sample(m, t, p.pid);
	} while (ret == -ETIMEDOUT);
	if (ret < 0) {
		proc_stop(&p, GRACE_MS);
		return err_set(e, ret, "interrupted");
	}
	return result(t, &p, out, said, e);
}

/* Where the profile is installed, and old habits look for the value; NULL when it is not. */
static const char *kept_dir(char *buf, size_t size)
{
	struct err ignored = { 0 };

	return install_dir("", "realtime-virtual-host", buf, size, &ignored) < 0 ||
			       !file_exists(buf)
		       ? NULL
		       : buf;
}

struct verdicts {
	bool takes_fixed; /* this kernel has the parameter */
	int64_t offer_ns, kept_ns; /* -1: none */
	char dir[PATH_MAX];
	bool has_dir;
	bool hardware; /* measured on it, on each CPU */
	size_t remarks;
};

static void print_cpu(const struct timer_cpu *cpus, size_t n, size_t i)
{
	const struct timer_cpu *t = &cpus[i];
	struct advance a = timer_advance(t);
	const char *remark = timer_remark(cpus, n, i);

	if (a.known)
		printf("CPU %d: advance %lld ns (%lld to %lld), %s; %s\n", t->cpu,
		       (long long)a.median_ns, (long long)a.min_ns, (long long)a.max_ns,
		       a.settled ? "settled" : "not settled", t->conditions);
	else
		printf("CPU %d: advance not known: no lapic_timer_advance_ns of its vCPU in "
		       "/sys/kernel/debug/kvm (is debugfs mounted?); %s\n",
		       t->cpu, t->conditions);
	for (size_t k = 0; k < t->n_rows; k++) {
		const struct timer_row *r = &t->rows[k];

		printf("  %-4s every %6.0f us: %8lld timers, after the deadline", r->mode,
		       r->period_ns / 1e3, (long long)r->n);
		printf(r->p50_ns < 0 ? " p50 -" : " p50 %lld", (long long)r->p50_ns);
		printf(r->p99_ns < 0 ? ", p99 -" : ", p99 %lld", (long long)r->p99_ns);
		printf(r->max_ns < 0 ? ", max - ns\n" : ", max %lld ns\n", (long long)r->max_ns);
	}
	if (remark)
		printf("  %s\n", remark);
}

static void print_offer(const struct verdicts *v)
{
	if (!v->takes_fixed) {
		printf("this kernel takes no fixed advance (%s is not there): nothing to set\n",
		       param);
		return;
	}
	if (v->kept_ns >= 0)
		printf("kept from an earlier run on the same CPU model, microcode, kernel and "
		       "C-state cap: %lld ns\n",
		       (long long)v->kept_ns);
	if (v->offer_ns < 0 && !v->hardware)
		printf("no fixed advance to offer: not measured on hardware\n");
	else if (v->offer_ns < 0)
		printf("no fixed advance to offer: see above\n");
	else
		printf("a fixed advance that this kernel would take: lapic_timer_adv_ns=%lld in "
		       "/etc/tuned/realtime-virtual-host-variables.conf, for guests started "
		       "afterwards\n",
		       (long long)v->offer_ns);
	if (v->offer_ns >= 0 && v->has_dir)
		printf("kept in %s/lapic_timer_adv_ns\n", v->dir);
	else if (v->offer_ns >= 0)
		printf("not kept: the profile is not installed (rtkvm tune install)\n");
}

static json_object *cpu_json(const struct timer_cpu *cpus, size_t n, size_t i)
{
	struct advance a = timer_advance(&cpus[i]);
	const char *remark = timer_remark(cpus, n, i);
	json_object *o = json_object_new_object(), *rows = json_object_new_array();

	json_set_int(o, "cpu", cpus[i].cpu);
	json_set_str(o, "conditions", cpus[i].conditions);
	if (a.known) {
		json_set_int(o, "advance_ns", a.median_ns);
		json_set_int(o, "advance_min_ns", a.min_ns);
		json_set_int(o, "advance_max_ns", a.max_ns);
		json_set_bool(o, "settled", a.settled);
	}
	if (remark)
		json_set_str(o, "remark", remark);
	for (size_t k = 0; k < cpus[i].n_rows; k++) {
		const struct timer_row *r = &cpus[i].rows[k];
		json_object *row = json_object_new_object();

		json_set_str(row, "mode", r->mode);
		json_set_int(row, "period_ns", r->period_ns);
		json_set_int(row, "n", r->n);
		json_set_int(row, "p50_ns", r->p50_ns);
		json_set_int(row, "p99_ns", r->p99_ns);
		json_set_int(row, "max_ns", r->max_ns);
		json_object_array_add(rows, row);
	}
	json_object_object_add(o, "rows", rows);
	return o;
}

static void print_json(const struct timer_cpu *cpus, size_t n, const struct verdicts *v)
{
	_cleanup_json_ json_object *o = json_object_new_object();
	json_object *list = json_object_new_array();

	json_set_int(o, "schema", 1);
	json_set_str(o, "verdict", verdict_name(v->remarks ? VERDICT_FAIL : VERDICT_PASS));
	for (size_t i = 0; i < n; i++)
		json_object_array_add(list, cpu_json(cpus, n, i));
	json_object_object_add(o, "cpus", list);
	json_set_bool(o, "takes_fixed", v->takes_fixed);
	if (v->offer_ns >= 0)
		json_set_int(o, "lapic_timer_adv_ns", v->offer_ns);
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY |
						       JSON_C_TO_STRING_NOSLASHESCAPE));
}

static int judge(const struct machine *m, const struct timer_cpu *cpus, size_t n,
		 struct verdicts *v, struct err *e)
{
	char key[1024];

	v->takes_fixed = file_exists(param);
	v->has_dir = kept_dir(v->dir, sizeof(v->dir));
	v->offer_ns = v->takes_fixed ? timer_offer(cpus, n) : -1;
	v->kept_ns = v->has_dir ? timer_kept(v->dir, timer_key(m, key, sizeof(key))) : -1;
	v->hardware = true;
	for (size_t i = 0; i < n; i++) {
		v->remarks += timer_remark(cpus, n, i) != NULL;
		v->hardware = v->hardware && !strcmp(cpus[i].conditions, "hardware");
	}
	return v->offer_ns >= 0 && v->has_dir ? timer_keep(v->dir, v->offer_ns, key, e) : 0;
}

int timer_report(const struct machine *m, uint64_t duration_ns, bool allow_shared, bool json,
		 struct err *e)
{
	size_t n = 0, most = cpulist_count(&m->isolated);
	_cleanup_free_ struct timer_cpu *cpus = calloc(most + 1, sizeof(*cpus));
	struct verdicts v = { 0 };
	int ret = 0;

	if (!most)
		return err_set(e, -EINVAL,
			       "--timer needs isolated CPUs: isolate some, or name them (--cpus)");
	if (!cpus)
		return err_set(e, -ENOMEM, "measuring timers failed: no memory");
	cpulist_for_each(cpu, &m->isolated) {
		cpus[n].cpu = cpu;
		ret = measure_cpu(m, &cpus[n++], duration_ns, allow_shared, e);
		if (ret < 0)
			return ret;
	}
	ret = judge(m, cpus, n, &v, e);
	if (ret < 0)
		return ret;
	if (json) {
		print_json(cpus, n, &v);
	} else {
		for (size_t i = 0; i < n; i++)
			print_cpu(cpus, n, i);
		print_offer(&v);
	}
	return v.remarks ? VERDICT_FAIL : VERDICT_PASS;
}

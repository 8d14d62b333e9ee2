// SPDX-License-Identifier: GPL-2.0-only
/* bench - the verb: a payload's command line, its run, its result */
#include "vmm/bench.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/hostcpus.h"
#include "lib/stop.h"
#include "vmm/vm.h"
#include "vmm/vmm.h"

enum { APPEND_BYTES = 512 };

/* The guest's TSC as KVM runs it, from a machine that is made for this question only. */
static int read_tsc_khz(uint64_t *khz, struct err *e)
{
	_cleanup_close_ int kvm = vm_open_kvm(e), vm = -1, vcpu = -1;
	int n;

	if (kvm < 0)
		return kvm;
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	vcpu = vm < 0 ? -1 : ioctl(vm, KVM_CREATE_VCPU, 0ul);
	if (vcpu < 0)
		return err_sys(e, "asking KVM for the TSC frequency failed");
	n = ioctl(vcpu, KVM_GET_TSC_KHZ, 0);
	*khz = n;
	return n > 0 ? 0 : err_set(e, -EIO, "KVM does not know the TSC frequency: not stable");
}

/* The first isolated CPU, unless one was named. */
static int choose_cpu(struct bench_opts *o, struct err *e)
{
	struct hostcpus host;
	struct cpulist usable;
	int ret;

	if (o->cpu >= 0)
		return 0;
	ret = hostcpus_read(&host, "/sys", e);
	if (ret < 0)
		return ret;
	usable = cpulist_and(&host.isolated, &host.online);
	o->cpu = cpulist_next(&usable, 0);
	if (o->cpu < 0)
		return err_set(e, -EINVAL,
			       "--cpu is missing and this host has no isolated CPU; name one, with "
			       "--allow-shared");
	return 0;
}

static uint64_t to_cycles(const struct bench *b, uint64_t ns)
{
	return (unsigned __int128)ns * b->tsc_khz / 1000000;
}

/* The payload knows cycles only: what they are worth is settled here, in one place. */
static void write_append(const struct bench *b, char text[static APPEND_BYTES])
{
	const struct bench_opts *o = &b->opts;
	int at;

	if (o->payload == BENCH_GAP) {
		snprintf(text, APPEND_BYTES, "cycles=%" PRIu64 " threshold=%" PRIu64,
			 to_cycles(b, o->duration_ns), to_cycles(b, o->threshold_ns));
		return;
	}
	at = snprintf(text, APPEND_BYTES, "cycles=%" PRIu64 " skip=%d",
		      to_cycles(b, o->duration_ns) / bench_rows(o),
		      b->no_hypercall ? ABI_BENCH_HYPERCALL : 0);
	for (size_t i = 0; o->payload == BENCH_TIMER && i < o->n_periods; i++)
		at += snprintf(text + at, APPEND_BYTES - at, " period=%" PRIu64,
			       to_cycles(b, o->period_ns[i]));
}

/* Does what came belong to what was asked? */
static int check_rows(const struct bench *b, struct err *e)
{
	const struct bench_result *r = &b->result;

	for (size_t i = 0; i < r->n; i++)
		if (r->n != bench_rows(&b->opts) || r->row[i].head.kind != bench_kind(&b->opts, i))
			return err_set(e, -EPROTO,
				       "the payload's result is damaged: other rows than asked");
	if (b->opts.payload == BENCH_GAP && !r->row[0].head.n)
		return err_set(e, -EINVAL,
			       "--threshold: one turn of the loop takes at least %" PRIu64
			       " ns here, so every turn is a gap; give a longer one",
			       bench_ns(r->row[1].head.min, b->tsc_khz));
	return 0;
}

static int take_result(struct bench *b, struct err *e)
{
	struct frames f;
	int ret = frames_parse(&f, b->vm.data, b->vm.len, e);

	if (ret < 0)
		return ret;
	ret = bench_result_parse(&b->result, &f, e);
	frames_free(&f);
	return ret < 0 ? ret : check_rows(b, e);
}

static void take_moment(struct bench_moment *m)
{
	m->mono_ns = clock_now_ns();
	m->tsc = __builtin_ia32_rdtsc();
	m->wall_ns = clock_wall_ns();
}

static int measure(struct bench *b, struct err *e)
{
	char append[APPEND_BYTES];
	int ret = choose_cpu(&b->opts, e);

	if (!ret)
		ret = read_tsc_khz(&b->tsc_khz, e);
	if (ret < 0)
		return ret;
	b->no_hypercall = file_exists("/sys/module/kvm_pvm"); /* patches it without end */
	write_append(b, append);
	take_moment(&b->span.start);
	ret = bench_vm_run(&b->vm, &b->opts, append, e);
	take_moment(&b->span.end);
	return ret < 0 ? ret : take_result(b, e);
}

static void show(const struct bench *b)
{
	json_object *o;

	if (!b->opts.json) {
		bench_print(b);
		return;
	}
	o = bench_json(b);
	printf("%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY));
	json_object_put(o);
}

/* A directory that cannot be had is known before it measures; one without a result is not kept. */
static int measure_and_save(struct bench *b, struct err *e)
{
	int ret = run_create(&b->run, b->opts.out, bench_payload_name(b->opts.payload), e);

	if (ret < 0)
		return ret;
	ret = measure(b, e);
	if (ret < 0)
		run_discard(&b->run);
	else
		ret = bench_save(b, e);
	run_close(&b->run);
	return ret;
}

int vmm_bench(int argc, char **argv, struct err *e)
{
	struct bench *b = calloc(1, sizeof(*b));
	int ret;

	if (!b)
		return err_set(e, -ENOMEM, "no memory");
	ret = bench_opts_parse(&b->opts, argc, argv, e);
	if (!ret) {
		stop_install();
		ret = b->opts.out ? measure_and_save(b, e) : measure(b, e);
	}
	if (ret >= 0)
		show(b);
	bench_vm_free(&b->vm);
	free(b);
	return ret;
}

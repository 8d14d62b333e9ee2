// SPDX-License-Identifier: GPL-2.0-only
#include "tests/gen/ring.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "tracing/datwrite.h"

enum kind { U8, U16, U32, S32, U64, S64, COMM, LOC };

struct gen_field {
	const char *decl;
	enum kind kind;
};

struct gen_layout {
	const char *system, *name;
	struct gen_field fields[9];
	const char *print; /* as Linux has it, so that printing costs what it costs there */
};

static const struct gen_layout layouts[G_EVENTS] = {
	[G_KVM_ENTRY] = { "kvm",
			  "kvm_entry",
			  { { "unsigned int vcpu_id", U32 }, { "unsigned long rip", U64 } },
			  "\"vcpu %u, rip 0x%lx\", REC->vcpu_id, REC->rip" },
	[G_KVM_EXIT] = { "kvm",
			 "kvm_exit",
			 { { "unsigned int exit_reason", U32 },
			   { "unsigned long guest_rip", U64 },
			   { "u32 isa", U32 },
			   { "u64 info1", U64 },
			   { "u64 info2", U64 },
			   { "unsigned int vcpu_id", U32 } },
			 "\"vcpu %u reason %s rip 0x%lx info1 0x%016llx info2 0x%016llx\", REC->vcpu_id, __print_symbolic(REC->exit_reason, { 1, \"EXTERNAL_INTERRUPT\" }, { 7, \"INTERRUPT_WINDOW\" }, { 12, \"HLT\" }, { 30, \"IO_INSTRUCTION\" }, { 32, \"MSR_WRITE\" }, { 48, \"EPT_VIOLATION\" }), REC->guest_rip, REC->info1, REC->info2" },
	[G_KVM_MSR] = { "kvm",
			"kvm_msr",
			{ { "unsigned write", U32 },
			  { "u32 ecx", U32 },
			  { "u64 data", U64 },
			  { "u8 exception", U8 } },
			"\"msr_%s %x = 0x%llx%s\", REC->write ? \"write\" : \"read\", REC->ecx, REC->data, REC->exception ? \" (#GP)\" : \"\"" },
	[G_KVM_ACCEPT] = { "kvm",
			   "kvm_apic_accept_irq",
			   { { "__u32 apicid", U32 },
			     { "__u16 dm", U16 },
			     { "__u16 tm", U16 },
			     { "__u8 vec", U8 } },
			   "\"apicid %x vec %u (%s|%s)\", REC->apicid, REC->vec, __print_symbolic(REC->dm, { 0, \"Fixed\" }, { 1, \"LowPrio\" }), REC->tm ? \"level\" : \"edge\"" },
	[G_KVM_POSTED] = { "kvm",
			   "kvm_apicv_accept_irq",
			   { { "__u32 apicid", U32 },
			     { "__u16 dm", U16 },
			     { "__u16 tm", U16 },
			     { "__u8 vec", U8 } },
			   "\"apicid %x vec %u (%s|%s)\", REC->apicid, REC->vec, __print_symbolic(REC->dm, { 0, \"Fixed\" }, { 1, \"LowPrio\" }), REC->tm ? \"level\" : \"edge\"" },
	[G_HV_STATE] = { "kvm",
			 "kvm_hv_timer_state",
			 { { "unsigned int vcpu_id", U32 },
			   { "unsigned int hv_timer_in_use", U32 } },
			 "\"vcpu_id %x hv_timer %x\", REC->vcpu_id, REC->hv_timer_in_use" },
	[G_KVM_INJ] = { "kvm",
			"kvm_inj_virq",
			{ { "unsigned int vector", U32 }, { "bool soft", U8 } },
			"\"IRQ 0x%x%s\", REC->vector, REC->soft ? \" [soft]\" : \"\"" },
	[G_KVM_USER] = { "kvm",
			 "kvm_userspace_exit",
			 { { "__u32 reason", U32 }, { "int errno", S32 } },
			 "\"reason %u errno %d\", REC->reason, REC->errno" },
	[G_HRTIMER_START] = { "timer",
			      "hrtimer_start",
			      { { "void * hrtimer", U64 },
				{ "void * function", U64 },
				{ "s64 expires", S64 },
				{ "s64 softexpires", S64 },
				{ "enum hrtimer_mode mode", U32 } },
			      "\"hrtimer=%p function=%p expires=%llu softexpires=%llu mode=%u\", REC->hrtimer, REC->function, (unsigned long long) REC->expires, (unsigned long long) REC->softexpires, REC->mode" },
	[G_HRTIMER_EXPIRE] = { "timer",
			       "hrtimer_expire_entry",
			       { { "void * hrtimer", U64 },
				 { "s64 now", S64 },
				 { "void * function", U64 } },
			       "\"hrtimer=%p function=%p now=%llu\", REC->hrtimer, REC->function, (unsigned long long) REC->now" },
	[G_HRTIMER_DONE] = { "timer",
			     "hrtimer_expire_exit",
			     { { "void * hrtimer", U64 } },
			     "\"hrtimer=%p\", REC->hrtimer" },
	[G_SWITCH] = { "sched",
		       "sched_switch",
		       { { "char prev_comm[16]", COMM },
			 { "pid_t prev_pid", S32 },
			 { "int prev_prio", S32 },
			 { "long prev_state", S64 },
			 { "char next_comm[16]", COMM },
			 { "pid_t next_pid", S32 },
			 { "int next_prio", S32 } },
		       "\"prev_comm=%s prev_pid=%d prev_prio=%d prev_state=%s%s ==> next_comm=%s next_pid=%d next_prio=%d\", REC->prev_comm, REC->prev_pid, REC->prev_prio, (REC->prev_state & 0xff) ? __print_flags(REC->prev_state & 0xff, \"|\", { 0x1, \"S\" }, { 0x2, \"D\" }, { 0x4, \"T\" }) : \"R\", REC->prev_state & 0x100 ? \"+\" : \"\", REC->next_comm, REC->next_pid, REC->next_prio" },
	[G_WAKING] = { "sched",
		       "sched_waking",
		       { { "char comm[16]", COMM },
			 { "pid_t pid", S32 },
			 { "int prio", S32 },
			 { "int target_cpu", S32 } },
		       "\"comm=%s pid=%d prio=%d target_cpu=%03d\", REC->comm, REC->pid, REC->prio, REC->target_cpu" },
	[G_MIGRATE] = { "sched",
			"sched_migrate_task",
			{ { "char comm[16]", COMM },
			  { "pid_t pid", S32 },
			  { "int prio", S32 },
			  { "int orig_cpu", S32 },
			  { "int dest_cpu", S32 } },
			"\"comm=%s pid=%d prio=%d orig_cpu=%d dest_cpu=%d\", REC->comm, REC->pid, REC->prio, REC->orig_cpu, REC->dest_cpu" },
	[G_IRQ_ENTRY] = { "irq",
			  "irq_handler_entry",
			  { { "int irq", S32 }, { "__data_loc char[] name", LOC } },
			  "\"irq=%d name=%s\", REC->irq, __get_str(name)" },
	[G_IRQ_EXIT] = { "irq",
			 "irq_handler_exit",
			 { { "int irq", S32 }, { "int ret", S32 } },
			 "\"irq=%d ret=%s\", REC->irq, REC->ret ? \"handled\" : \"unhandled\"" },
	[G_SOFTIRQ_ENTRY] = { "irq",
			      "softirq_entry",
			      { { "unsigned int vec", U32 } },
			      "\"vec=%u [action=%s]\", REC->vec, __print_symbolic(REC->vec, { 3, \"NET_RX\" }, { 9, \"RCU\" })" },
	[G_SOFTIRQ_EXIT] = { "irq",
			     "softirq_exit",
			     { { "unsigned int vec", U32 } },
			     "\"vec=%u [action=%s]\", REC->vec, __print_symbolic(REC->vec, { 3, \"NET_RX\" }, { 9, \"RCU\" })" },
	[G_TIMER_ENTRY] = { "irq_vectors",
			    "local_timer_entry",
			    { { "int vector", S32 } },
			    "\"vector=%d\", REC->vector" },
	[G_TIMER_EXIT] = { "irq_vectors",
			   "local_timer_exit",
			   { { "int vector", S32 } },
			   "\"vector=%d\", REC->vector" },
	[G_RESCHED_ENTRY] = { "irq_vectors",
			      "reschedule_entry",
			      { { "int vector", S32 } },
			      "\"vector=%d\", REC->vector" },
	[G_RESCHED_EXIT] = { "irq_vectors",
			     "reschedule_exit",
			     { { "int vector", S32 } },
			     "\"vector=%d\", REC->vector" },
	[G_IDLE] = { "power",
		     "cpu_idle",
		     { { "u32 state", U32 }, { "u32 cpu_id", U32 } },
		     "\"state=%lu cpu_id=%lu\", (unsigned long)REC->state, (unsigned long)REC->cpu_id" },
	[G_NMI] = { "nmi",
		    "nmi_handler",
		    { { "void * handler", U64 }, { "s64 delta_ns", S64 }, { "int handled", S32 } },
		    "\"%ps() delta_ns: %lld handled: %d\", REC->handler, REC->delta_ns, REC->handled" },
	[G_NANOSLEEP_EXIT] = { "syscalls",
			       "sys_exit_clock_nanosleep",
			       { { "int __syscall_nr", S32 }, { "long ret", S64 } },
			       "\"0x%lx\", REC->ret" },
	[G_OTHER] = { "raw_syscalls",
		      "sys_enter",
		      { { "long id", S64 }, { "u64 arg", U64 } },
		      "\"NR %ld (%llx)\", REC->id, REC->arg" },
};

static const size_t kind_bytes[] = { 1, 2, 4, 4, 8, 8, 16, 4 };
static const size_t kind_align[] = { 1, 2, 4, 4, 8, 8, 1, 4 };

static size_t place(size_t at, enum kind kind)
{
	return (at + kind_align[kind] - 1) / kind_align[kind] * kind_align[kind];
}

static size_t common_bytes(const struct gen_kernel *k)
{
	return k->rt ? 12 : 8;
}

void gen_kernel_init(struct gen_kernel *k, unsigned int n_cpus, bool rt, uint16_t first_id)
{
	*k = (struct gen_kernel){ .rt = rt, .first_id = first_id, .n_cpus = n_cpus };
	k->rings = calloc(n_cpus, sizeof(*k->rings));
	if (!k->rings)
		abort();
}

void gen_kernel_free(struct gen_kernel *k)
{
	for (unsigned int i = 0; i < k->n_cpus; i++)
		free(k->rings[i].pages);
	free(k->rings);
	*k = (struct gen_kernel){ 0 };
}

static uint8_t *last_page(struct gen_ring *r)
{
	return r->pages + (r->n_pages - 1) * GEN_PAGE;
}

static void set_commit(struct gen_ring *r, uint64_t flags)
{
	uint64_t old, commit = r->used;

	memcpy(&old, last_page(r) + 8, 8);
	commit |= (old & (3u << 30)) | flags;
	memcpy(last_page(r) + 8, &commit, 8);
}

static void new_page(struct gen_ring *r, uint64_t ts)
{
	if (r->n_pages == r->room) {
		r->room = r->room ? r->room * 2 : 16;
		r->pages = realloc(r->pages, r->room * GEN_PAGE);
		if (!r->pages)
			abort();
	}
	r->n_pages++;
	memset(last_page(r), 0, GEN_PAGE);
	memcpy(last_page(r), &ts, 8);
	r->used = 0;
	r->ts = ts;
	if (r->lost) {
		set_commit(r, 1u << 31);
		r->lost = false;
	}
}

void gen_lose(struct gen_kernel *k, unsigned int cpu)
{
	k->rings[cpu].lost = true;
	k->rings[cpu].used = GEN_PAGE; /* full: the next event opens a page */
}

static void put32(struct gen_ring *r, uint32_t v)
{
	memcpy(last_page(r) + 16 + r->used, &v, 4);
	r->used += 4;
}

/* Record a raw event; len is padded to words. */
static void put_record(struct gen_kernel *k, unsigned int cpu, uint64_t ts, const uint8_t *rec,
		       size_t len)
{
	struct gen_ring *r = &k->rings[cpu];
	size_t words = (len + 3) / 4, need = 8 + 8 + words * 4;
	uint64_t delta;

	if (!r->n_pages || r->used + need > GEN_PAGE - 16)
		new_page(r, ts);
	delta = ts - r->ts;
	if (delta >> 27 && k->absolute) {
		put32(r, 31 | (uint32_t)(ts & ((1u << 27) - 1)) << 5);
		put32(r, (ts & ~(0xf8ull << 56)) >> 27);
		delta = 0;
	} else if (delta >> 27) {
		put32(r, 30 | (uint32_t)(delta & ((1u << 27) - 1)) << 5);
		put32(r, delta >> 27);
		delta = 0;
	}
	if (words <= 28) {
		put32(r, (uint32_t)words | (uint32_t)delta << 5);
	} else {
		put32(r, (uint32_t)delta << 5);
		put32(r, words * 4 + 4);
	}
	memset(last_page(r) + 16 + r->used, 0, words * 4);
	memcpy(last_page(r) + 16 + r->used, rec, len);
	r->used += words * 4;
	r->ts = ts;
	r->events++;
	set_commit(r, 0);
}

void gen_put(struct gen_kernel *k, unsigned int cpu, uint64_t ts, struct gen_common c,
	     enum gen_event ev, const uint64_t *values)
{
	const struct gen_layout *l = &layouts[ev];
	uint8_t rec[256] = { 0 };
	uint16_t id = k->first_id + ev;
	size_t at = common_bytes(k), end;

	if (k->without >> ev & 1)
		return;
	memcpy(rec, &id, 2);
	rec[2] = c.flags;
	rec[3] = c.preempt;
	memcpy(rec + 4, &c.pid, 4);
	for (size_t i = 0; i < ARRAY_SIZE(l->fields) && l->fields[i].decl; i++) {
		at = place(at, l->fields[i].kind);
		at += kind_bytes[l->fields[i].kind];
	}
	end = at;
	at = common_bytes(k);
	for (size_t i = 0; i < ARRAY_SIZE(l->fields) && l->fields[i].decl; i++) {
		enum kind kind = l->fields[i].kind;
		const char *text = (const char *)(uintptr_t)values[i];
		uint32_t loc;

		at = place(at, kind);
		if (kind == COMM) {
			strncpy((char *)rec + at, text, 15);
		} else if (kind == LOC) {
			loc = end | (uint32_t)(strlen(text) + 1) << 16;
			memcpy(rec + at, &loc, 4);
			strcpy((char *)rec + end, text);
			end += strlen(text) + 1;
		} else {
			memcpy(rec + at, &values[i], kind_bytes[kind]);
		}
		at += kind_bytes[kind];
	}
	put_record(k, cpu, ts, rec, end);
}

const char *gen_system(enum gen_event ev)
{
	return layouts[ev].system;
}

static void field_line(FILE *f, const char *decl, size_t at, size_t bytes, bool sign)
{
	fprintf(f, "\tfield:%s;\toffset:%zu;\tsize:%zu;\tsigned:%d;\n", decl, at, bytes, sign);
}

size_t gen_format(const struct gen_kernel *k, enum gen_event ev, char *text, size_t size)
{
	const struct gen_layout *l = &layouts[ev];
	FILE *f = fmemopen(text, size, "w");
	size_t at = common_bytes(k), len;

	fprintf(f, "name: %s\nID: %d\nformat:\n", l->name, k->first_id + ev);
	field_line(f, "unsigned short common_type", 0, 2, 0);
	field_line(f, "unsigned char common_flags", 2, 1, 0);
	field_line(f, "unsigned char common_preempt_count", 3, 1, 0);
	field_line(f, "int common_pid", 4, 4, 1);
	if (k->rt)
		field_line(f, "unsigned char common_preempt_lazy_count", 8, 1, 0);
	fprintf(f, "\n");
	for (size_t i = 0; i < ARRAY_SIZE(l->fields) && l->fields[i].decl; i++) {
		enum kind kind = l->fields[i].kind;

		at = place(at, kind);
		field_line(f, l->fields[i].decl, at, kind_bytes[kind], kind == S32 || kind == S64);
		at += kind_bytes[kind];
	}
	fprintf(f, "\nprint fmt: %s\n", l->print);
	fflush(f);
	len = ftell(f);
	fclose(f);
	return len;
}

size_t gen_header_page(char *text, size_t size)
{
	return snprintf(text, size,
			"\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n"
			"\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n"
			"\tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;\n"
			"\tfield: char data;\toffset:16;\tsize:%d;\tsigned:0;\n",
			GEN_PAGE - 16);
}

int gen_save(const struct gen_kernel *k, const struct gen_save *s, const char *path, struct err *e)
{
	static char texts[G_EVENTS][2048], page[1024];
	struct datw_format formats[G_EVENTS];
	struct datw_head h = { .page_bytes = GEN_PAGE,
			       .header_page = { page, gen_header_page(page, sizeof(page)) },
			       .header_event = datw_header_event,
			       .formats = formats,
			       .n_cpus = k->n_cpus,
			       .clock = s->clock,
			       .trace_id = s->trace_id,
			       .tsc_mult = s->tsc_mult,
			       .tsc_shift = s->tsc_shift,
			       .shifted = s->shifted,
			       .peer_id = s->peer_id,
			       .ratio = s->ratio,
			       .offset = s->offset,
			       .frac = s->frac,
			       .guest = s->n_vcpus ? "guest" : NULL,
			       .guest_id = s->guest_id,
			       .vcpus = s->vcpus,
			       .n_vcpus = s->n_vcpus };
	struct datw w;
	int ret;

	for (int i = 0; i < G_EVENTS; i++)
		if (!(k->without >> i & 1))
			formats[h.n_formats++] = (struct datw_format){
				layouts[i].system,
				{ texts[i], gen_format(k, i, texts[i], sizeof(texts[i])) }
			};
	ret = datw_open(&w, path, &h, e);
	if (ret < 0)
		return ret;
	for (unsigned int i = 0; i < k->n_cpus && !ret; i++) {
		ret = datw_cpu(&w, i, e);
		if (!ret)
			ret = datw_pages(&w, k->rings[i].pages, k->rings[i].n_pages * GEN_PAGE, e);
	}
	return datw_close(&w, !ret, e) < 0 ? e->code : ret;
}

static int raw_file(const char *dir, const char *name, const void *data, size_t len, struct err *e)
{
	char path[4096];

	file_path(path, sizeof(path), "%s/%s", dir, name);
	return file_replace(path, data, len, e);
}

int gen_save_raw(const struct gen_kernel *k, const char *clock, const char *dir, struct err *e)
{
	static char text[G_EVENTS * 2048];
	char page[1024], name[32];
	size_t len = 0;
	int ret = file_mkdirs(dir, e);

	for (int i = 0; i < G_EVENTS; i++) {
		if (k->without >> i & 1)
			continue;
		len += sprintf(text + len, "# %s/%s\n", layouts[i].system, layouts[i].name);
		len += gen_format(k, i, text + len, sizeof(text) - len);
	}
	if (!ret)
		ret = raw_file(dir, "formats", text, len, e);
	if (!ret)
		ret = raw_file(dir, "header_page", page, gen_header_page(page, sizeof(page)), e);
	if (!ret)
		ret = raw_file(dir, "clock", clock, strlen(clock), e);
	for (unsigned int i = 0; i < k->n_cpus && !ret; i++) {
		snprintf(name, sizeof(name), "cpu%u", i);
		ret = raw_file(dir, name, k->rings[i].pages, k->rings[i].n_pages * GEN_PAGE, e);
	}
	return ret;
}

uint64_t gen_events(const struct gen_kernel *k)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < k->n_cpus; i++)
		n += k->rings[i].events;
	return n;
}

// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "vmm/nodes.h"
#include "vmm/populate.h"

#ifndef MAP_HUGE_SHIFT
#define MAP_HUGE_SHIFT 26
#endif

#define GIB		   ((uint64_t)1 << 30)
#define MIB		   ((uint64_t)1 << 20)
#define HOST_RESERVE_BYTES (64 * MIB) /* what the host keeps when a guest takes all the rest */

static const struct page_size {
	enum mem_pages id;
	uint64_t bytes;
	const char *name;
} page_sizes[] = {
	{ MEM_PAGES_1G, GIB, "1G" },
	{ MEM_PAGES_2M, 2 * MIB, "2M" },
	{ MEM_PAGES_4K, 4096, "4K" },
};

static const struct page_size *page_size(enum mem_pages id)
{
	for (size_t i = 0; i < ARRAY_SIZE(page_sizes); i++)
		if (page_sizes[i].id == id)
			return &page_sizes[i];
	return NULL;
}

static uint64_t huge_free_bytes(const struct mem_opts *o, uint64_t page_bytes)
{
	return nodes_free_bytes("/sys", &o->nodes, page_bytes);
}

static uint64_t available_bytes(const struct mem_opts *o)
{
	uint64_t machine = 0, nodes = UINT64_MAX;
	char text[4096];
	struct err e = { 0 };
	const char *at;

	if (file_read("/proc/meminfo", text, sizeof(text), &e) < 0)
		return 0;
	at = strstr(text, "MemAvailable:");
	if (at)
		machine = strtoull(at + strlen("MemAvailable:"), NULL, 10) * 1024;
	if (!cpulist_empty(&o->nodes))
		nodes = nodes_free_bytes("/sys", &o->nodes, 4096);
	return machine < nodes ? machine : nodes;
}

/* The largest pages of which enough are free; 4 KiB pages always are. */
static const struct page_size *choose_pages(const struct mem_opts *o)
{
	if (o->pages != MEM_PAGES_AUTO)
		return page_size(o->pages);
	for (size_t i = 0; i < ARRAY_SIZE(page_sizes); i++)
		if (page_sizes[i].bytes > 4096 && o->bytes % page_sizes[i].bytes == 0 &&
		    huge_free_bytes(o, page_sizes[i].bytes) >= o->bytes)
			return &page_sizes[i];
	return page_size(MEM_PAGES_4K);
}

uint64_t mem_page_bytes(const struct mem_opts *o)
{
	return choose_pages(o)->bytes;
}

/* " on NUMA node 1", where memory is to come from the vCPUs' nodes */
static const char *on_nodes(const struct mem_opts *o, char *buf, size_t size)
{
	char list[40];

	buf[0] = '\0';
	if (!cpulist_empty(&o->nodes))
		snprintf(buf, size, " on NUMA node %s",
			 cpulist_format(&o->nodes, list, sizeof(list)));
	return buf;
}

int mem_check(const struct mem_opts *o, struct err *e)
{
	const struct page_size *p = choose_pages(o);
	char where[64];
	uint64_t have;

	if (o->bytes < MEM_MIN_BYTES)
		return err_set(e, -EINVAL,
			       "--memory: a guest needs at least 2M, got %" PRIu64 " bytes",
			       o->bytes);
	if (o->bytes % 4096)
		return err_set(e, -EINVAL,
			       "--memory: %" PRIu64 " bytes is no multiple of 4096 (a page)",
			       o->bytes);
	if (o->bytes % p->bytes)
		return err_set(e, -EINVAL,
			       "--memory: %" PRIu64
			       " bytes is no multiple of the %s pages asked for",
			       o->bytes, p->name);
	if (p->bytes > 4096) {
		have = huge_free_bytes(o, p->bytes);
		if (have < o->bytes)
			return err_set(
				e, -ENOMEM,
				"huge pages: wanted %" PRIu64 " of %s, %" PRIu64
				" are free%s; reserve more (hugepagesz=%s hugepages=N on the "
				"host's command line) or use --hugepages off",
				o->bytes / p->bytes, p->name, have / p->bytes,
				on_nodes(o, where, sizeof(where)), p->name);
		return 0;
	}
	have = available_bytes(o);
	have = have > HOST_RESERVE_BYTES ? have - HOST_RESERVE_BYTES : 0;
	if (have < o->bytes)
		return err_set(e, -ENOMEM,
			       "--memory: %" PRIu64 " MiB asked, this machine has %" PRIu64
			       " MiB to give%s; ask for less",
			       o->bytes / MIB, have / MIB, on_nodes(o, where, sizeof(where)));
	return 0;
}

/* An area whose address is a multiple of 1 GiB, as guest address 0 is. */
static uint8_t *map_aligned(uint64_t bytes, const struct page_size *p)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
	uint8_t *area, *at;

	area = mmap(NULL, bytes + GIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		    0);
	if (area == MAP_FAILED)
		return NULL;
	at = (uint8_t *)(((uintptr_t)area + GIB - 1) & ~(GIB - 1));
	if (at > area)
		munmap(area, at - area);
	munmap(at + bytes, area + GIB - at);
	if (p->bytes >
	    4096) /* a huge page must be reserved now: a later SIGBUS is no error message */
		flags = (flags & ~MAP_NORESERVE) | MAP_HUGETLB |
			(__builtin_ctzll(p->bytes) << MAP_HUGE_SHIFT);
	return mmap(at, bytes, PROT_READ | PROT_WRITE, flags, -1, 0) == at ? at : NULL;
}

static const char *memlock_limit(void)
{
	struct rlimit lim;

	if (!getrlimit(RLIMIT_MEMLOCK, &lim) && lim.rlim_cur != RLIM_INFINITY)
		return "raise RLIMIT_MEMLOCK (ulimit -l) or run as root";
	return "give the guest less memory";
}

/*
 * What is there stays as it is: khugepaged, which would copy small pages into a huge one at any time
 * later, holds up every vCPU that touches them meanwhile. EINVAL: a kernel without THP.
 */
static int keep_khugepaged_off(const struct memory *m, struct err *e)
{
	if (m->page_bytes == 4096 && madvise(m->host, m->bytes, MADV_NOHUGEPAGE) && errno != EINVAL)
		return err_sys(e, "guest memory: keeping khugepaged off failed");
	return 0;
}

static int populate(struct memory *m, const struct mem_opts *o, struct err *e)
{
	if (o->populate && populate_range(m->host, m->bytes, m->page_bytes, e) < 0)
		return e->code;
	if (o->populate && keep_khugepaged_off(m, e) < 0)
		return e->code;
	if (m->page_bytes > 4096 && o->populate)
		return 0; /* hugetlb pages stay; the kernel would count them against RLIMIT_MEMLOCK */
	if (mlock2(m->host, m->bytes, o->populate ? 0 : MLOCK_ONFAULT))
		return err_set(e, -errno, "locking %" PRIu64 " MiB of guest memory failed: %s; %s",
			       m->bytes / MIB, strerror(errno), memlock_limit());
	return 0;
}

/* Small pages are asked for one in 2 MiB: the policy is the kernel's, this is to see it kept. */
static int verify_nodes(struct memory *m, const struct mem_opts *o, struct err *e)
{
	uint64_t step = m->page_bytes > 4096 ? m->page_bytes : 2 * MIB;
	struct cpulist elsewhere;
	char want[40], got[40];
	uint64_t unseen;
	int ret;

	if (cpulist_empty(&o->nodes))
		return 0;
	ret = nodes_seen(&m->nodes, &unseen, m->host, m->bytes, step, e);
	if (!ret && o->populate && unseen)
		return err_set(
			e, -EIO,
			"guest memory: wanted on NUMA node %s, the kernel does not say where "
			"%" PRIu64 " of its pages are; use --prefault off",
			cpulist_format(&o->nodes, want, sizeof(want)), unseen);
	elsewhere = cpulist_minus(&m->nodes, &o->nodes);
	if (ret < 0 || cpulist_empty(&elsewhere))
		return ret;
	return err_set(e, -EIO, "guest memory: wanted on NUMA node %s, got pages on node %s",
		       cpulist_format(&o->nodes, want, sizeof(want)),
		       cpulist_format(&elsewhere, got, sizeof(got)));
}

/* What the kernel did is what counts: a page that is not resident would fault in the guest. */
static int verify(struct memory *m, const struct mem_opts *o, struct err *e)
{
	int ret = mem_read_back(m, e);

	if (ret < 0)
		return ret;
	if (m->page_bytes == 4096 && m->locked_bytes < m->bytes)
		return err_set(e, -ENOMEM,
			       "guest memory: wanted %" PRIu64 " bytes locked, got %" PRIu64 "; %s",
			       m->bytes, m->locked_bytes, memlock_limit());
	if (o->populate && m->resident_bytes < m->bytes)
		return err_set(e, -ENOMEM,
			       "guest memory: wanted %" PRIu64 " bytes resident, got %" PRIu64
			       "; free memory on the host",
			       m->bytes, m->resident_bytes);
	return verify_nodes(m, o, e);
}

/*
 * Not merged with equal pages of others (the write that parts them again is a fault in the guest),
 * not copied into children, not in core dumps. EINVAL: a kernel without THP or KSM.
 */
static int advise(const struct memory *m, struct err *e)
{
	static const struct {
		int advice;
		bool small_only, may_lack;
		const char *what;
	} rows[] = {
		{ MADV_HUGEPAGE, true, true, "transparent huge pages" }, /* until populated */
		{ MADV_UNMERGEABLE, true, true, "keeping KSM off" },
		{ MADV_DONTFORK, false, false, "keeping it out of forks" },
		{ MADV_DONTDUMP, false, false, "keeping it out of core dumps" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].small_only && m->page_bytes > 4096)
			continue;
		if (madvise(m->host, m->bytes, rows[i].advice) &&
		    !(rows[i].may_lack && errno == EINVAL))
			return err_sys(e, "guest memory: %s failed", rows[i].what);
	}
	return 0;
}

int mem_map(struct memory *m, const struct mem_opts *o, struct err *e)
{
	const struct page_size *p = choose_pages(o);
	int ret;

	*m = (struct memory){ .bytes = o->bytes, .page_bytes = p->bytes };
	m->low_bytes = o->bytes < MEM_HOLE_START ? o->bytes : MEM_HOLE_START;
	m->host = map_aligned(o->bytes, p);
	if (!m->host)
		return err_sys(e, "mapping %" PRIu64 " MiB of guest memory in %s pages failed",
			       o->bytes / MIB, p->name);
	ret = nodes_bind(m->host, m->bytes, &o->nodes, e); /* before the first touch */
	if (ret < 0)
		goto fail;
	ret = advise(m, e);
	if (!ret)
		ret = populate(m, o, e);
	if (!ret)
		ret = verify(m, o, e);
	if (!ret)
		return 0;
fail:
	mem_unmap(m);
	return ret;
}

void mem_unmap(struct memory *m)
{
	if (m->host)
		munmap(m->host, m->bytes);
	m->host = NULL;
}

/* "Name:   123 kB" in a /proc file, in bytes */
static int proc_kb(const char *path, const char *name, uint64_t *bytes, struct err *e)
{
	char text[8192], *at;
	int ret = file_read(path, text, sizeof(text), e);

	if (ret < 0)
		return ret;
	at = strstr(text, name);
	if (!at)
		return err_set(e, -ENODATA, "%s has no line %s", path, name);
	*bytes = strtoull(at + strlen(name), NULL, 10) * 1024;
	return 0;
}

static int resident(const struct memory *m, uint64_t *bytes, struct err *e)
{
	enum { CHUNK = 16384 };
	_cleanup_free_ unsigned char *vec = malloc(CHUNK);

	*bytes = 0;
	if (!vec)
		return err_set(e, -ENOMEM, "no memory for mincore");
	for (uint64_t at = 0; at < m->bytes; at += CHUNK * 4096ull) {
		uint64_t len = m->bytes - at < CHUNK * 4096ull ? m->bytes - at : CHUNK * 4096ull;

		if (mincore(m->host + at, len, vec))
			return err_sys(e, "reading back which guest pages are resident failed");
		for (uint64_t i = 0; i < len / 4096; i++)
			*bytes += (vec[i] & 1) * 4096ull;
	}
	return 0;
}

int mem_read_back(struct memory *m, struct err *e)
{
	int ret = proc_kb("/proc/self/status", "VmLck:", &m->locked_bytes, e);

	return ret < 0 ? ret : resident(m, &m->resident_bytes, e);
}

void *mem_ptr(const struct memory *m, gpa_t at, uint64_t len)
{
	uint64_t start, end;

	if (at.v < m->low_bytes) {
		start = at.v;
		end = m->low_bytes;
	} else if (at.v >= MEM_HIGH_START && at.v - MEM_HIGH_START < m->bytes - m->low_bytes) {
		start = at.v - MEM_HIGH_START + m->low_bytes;
		end = m->bytes;
	} else {
		return NULL;
	}
	return len <= end - start ? m->host + start : NULL;
}

/*
 * All of this process is locked, so that no thread of it can ever fault: a small program, made for
 * this (run/main.c). Under AddressSanitizer, whose shadow is readable, too, and terabytes long,
 * pages are locked as they are touched.
 */
#ifdef __SANITIZE_ADDRESS__
enum { LOCK_OWN = MLOCK_ONFAULT };
#else
enum { LOCK_OWN = 0 };
#endif

struct mapping {
	uint64_t from, to;
	char perms[5], path[512];
};

/*
 * The first stack is the main thread's and grows: as it is used. Guest memory follows its own
 * options (populate()); the kernel's [vdso] and [vvar] are always there.
 */
static int lock_mapping(const struct memory *m, const struct mapping *p, struct err *e)
{
	bool as_used = !strcmp(p->path, "[stack]");

	if (p->perms[0] != 'r' || (uint8_t *)p->from == m->host || !strncmp(p->path, "[v", 2))
		return 0;
	if (mlock2((void *)p->from, p->to - p->from, as_used ? MLOCK_ONFAULT : LOCK_OWN))
		return err_set(e, -errno, "locking %s of the VMM failed: %s; %s",
			       p->path[0] ? p->path : "anonymous memory", strerror(errno),
			       memlock_limit());
	return 0;
}

int mem_lock_self(const struct memory *m, struct err *e)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/maps", "re");
	char line[1024];
	int ret = 0;

	if (!f)
		return err_sys(e, "reading /proc/self/maps failed");
	while (!ret && fgets(line, sizeof(line), f)) {
		struct mapping p = { .path = "" };

		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %*s %*s %*s %511[^\n]", &p.from,
			   &p.to, p.perms, p.path) >= 3)
			ret = lock_mapping(m, &p, e);
	}
	return ret;
}

int mem_overhead(const struct memory *m, uint64_t *bytes, struct err *e)
{
	uint64_t guest = 0;
	int ret = proc_kb("/proc/self/smaps_rollup", "\nRss:", bytes, e);

	if (ret < 0)
		return ret;
	if (m->host && m->page_bytes == 4096) { /* hugetlb pages are not in Rss */
		ret = resident(m, &guest, e);
		if (ret < 0)
			return ret;
	}
	*bytes = *bytes > guest ? *bytes - guest : 0;
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/nodes.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/mempolicy.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/hostcpus.h"

int nodes_of(struct cpulist *nodes, const char *sysfs, const struct cpulist *cpus, struct err *e)
{
	struct cpulist with_memory;
	int ret = hostcpus_memory_nodes(&with_memory, sysfs, e);

	memset(nodes, 0, sizeof(*nodes));
	if (ret < 0)
		return ret;
	cpulist_for_each(node, &with_memory) {
		struct cpulist there;

		ret = hostcpus_node_cpus(&there, sysfs, node, e);
		if (ret < 0)
			return ret;
		there = cpulist_and(&there, cpus);
		if (!cpulist_empty(&there))
			cpulist_add(nodes, node);
	}
	return 0;
}

static uint64_t huge_bytes(const char *dir, uint64_t page_bytes)
{
	char path[PATH_MAX], line[32];

	if (!file_path(path, sizeof(path), "%s/hugepages/hugepages-%" PRIu64 "kB/free_hugepages",
		       dir, page_bytes / 1024))
		return 0;
	return strtoull(file_read_line(path, line, sizeof(line)), NULL, 10) * page_bytes;
}

/* What the node can give without swapping: "Node 0 MemFree:  123 kB", and its page cache */
static uint64_t small_bytes(const char *dir)
{
	static const char *const names[] = { " MemFree:", " Active(file):", " Inactive(file):" };
	char path[PATH_MAX], text[4096];
	struct err ignored = { 0 };
	uint64_t bytes = 0;

	if (!file_path(path, sizeof(path), "%s/meminfo", dir) ||
	    file_read(path, text, sizeof(text), &ignored) < 0)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *at = strstr(text, names[i]);

		if (at)
			bytes += strtoull(at + strlen(names[i]), NULL, 10) * 1024;
	}
	return bytes;
}

uint64_t nodes_free_bytes(const char *sysfs, const struct cpulist *nodes, uint64_t page_bytes)
{
	uint64_t bytes = 0;
	char dir[PATH_MAX];

	if (cpulist_empty(nodes) && page_bytes > 4096)
		return file_path(dir, sizeof(dir), "%s/kernel/mm", sysfs)
			       ? huge_bytes(dir, page_bytes)
			       : 0;
	cpulist_for_each(node, nodes)
		if (file_path(dir, sizeof(dir), "%s/devices/system/node/node%d", sysfs, node))
			bytes += page_bytes > 4096 ? huge_bytes(dir, page_bytes) : small_bytes(dir);
	return bytes;
}

int nodes_bind(void *at, uint64_t bytes, const struct cpulist *nodes, struct err *e)
{
	char text[64];

	if (cpulist_empty(nodes))
		return 0;
	/* the kernel takes one bit less than it is told (mm/mempolicy.c, get_nodes) */
	if (syscall(SYS_mbind, at, bytes, MPOL_BIND, nodes->bits, (unsigned long)CPULIST_CPUS, 0))
		return err_set(e, -errno,
			       "binding guest memory to NUMA node %s failed: %s; check that this "
			       "cgroup's cpuset.mems has it",
			       cpulist_format(nodes, text, sizeof(text)), strerror(errno));
	return 0;
}

int nodes_seen(struct cpulist *seen, uint64_t *unseen, uint8_t *at, uint64_t bytes, uint64_t step,
	       struct err *e)
{
	enum { CHUNK = 1024 };
	void *page[CHUNK];
	int status[CHUNK];

	memset(seen, 0, sizeof(*seen));
	*unseen = 0;
	for (uint64_t offset = 0; offset < bytes;) {
		unsigned long n = 0;

		for (; n < CHUNK && offset < bytes; offset += step)
			page[n++] = at + offset;
		if (syscall(SYS_move_pages, 0, n, page, NULL, status, 0) < 0)
			return err_sys(e, "reading back the NUMA node of guest memory failed");
		for (unsigned long i = 0; i < n; i++)
			if (status[i] >= 0)
				cpulist_add(seen, status[i]);
			else
				(*unseen)++;
	}
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
#include "lib/hostcpus.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/file.h"

/* 1 read, 0 absent and allowed to be */
static int read_set(struct cpulist *l, const char *root, const char *name, bool must, struct err *e)
{
	char path[PATH_MAX];
	int ret;

	memset(l, 0, sizeof(*l));
	if (!file_path(path, sizeof(path), "%s/%s", root, name))
		return err_set(e, -ENAMETOOLONG, "path of %s is too long", name);
	if (!must && !file_exists(path))
		return 0;
	ret = cpulist_read(l, path, e);
	return ret < 0 ? ret : 1;
}

/* The second place is that of a "hybrid" host, which mounts cgroup v2 below the v1 hierarchies. */
static int add_partitions(struct cpulist *isolated, const char *root, struct err *e)
{
	static const char *const names[] = { "fs/cgroup/cpuset.cpus.isolated",
					     "fs/cgroup/unified/cpuset.cpus.isolated" };
	struct cpulist l;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		int ret = read_set(&l, root, names[i], false, e);

		if (ret < 0)
			return ret;
		*isolated = cpulist_or(isolated, &l);
	}
	return 0;
}

int hostcpus_read(struct hostcpus *h, const char *root, struct err *e)
{
	int ret = read_set(&h->present, root, "devices/system/cpu/present", true, e);

	if (ret >= 0)
		ret = read_set(&h->online, root, "devices/system/cpu/online", true, e);
	if (ret >= 0)
		ret = read_set(&h->isolated, root, "devices/system/cpu/isolated", false, e);
	if (ret >= 0)
		ret = add_partitions(&h->isolated, root, e);
	if (ret >= 0)
		ret = read_set(&h->nohz_full, root, "devices/system/cpu/nohz_full", false, e);
	h->has_nohz_full = ret == 1;
	return ret < 0 ? ret : 0;
}

int hostcpus_siblings(struct cpulist *l, const char *root, int cpu, struct err *e)
{
	char name[96];
	int ret;

	snprintf(name, sizeof(name), "devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
	ret = read_set(l, root, name, false, e);
	cpulist_add(l, cpu);
	return ret < 0 ? ret : 0;
}

int hostcpus_nodes(struct cpulist *nodes, const char *root, struct err *e)
{
	int ret = read_set(nodes, root, "devices/system/node/online", false, e);

	return ret < 0 ? ret : 0;
}

int hostcpus_node_cpus(struct cpulist *l, const char *root, int node, struct err *e)
{
	char name[64];
	int ret;

	snprintf(name, sizeof(name), "devices/system/node/node%d/cpulist", node);
	ret = read_set(l, root, name, false, e);
	return ret < 0 ? ret : 0;
}

int hostcpus_memory_nodes(struct cpulist *nodes, const char *root, struct err *e)
{
	int ret = read_set(nodes, root, "devices/system/node/has_memory", false, e);

	return ret < 0 ? ret : 0;
}

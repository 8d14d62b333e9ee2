// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/claim.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "lib/file.h"

/* One CPU; vcpu: nobody else may have it, else it may be shared with others that are no vCPU. */
static int claim_cpu(struct claim *c, const char *sysfs, int cpu, bool vcpu, struct err *e)
{
	char path[PATH_MAX];
	int fd, why;

	if (!file_path(path, sizeof(path), "%s/devices/system/cpu/cpu%d", sysfs, cpu))
		return err_sys(e, "claiming CPU %d failed", cpu);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "claiming CPU %d failed: %s", cpu, path);
	if (!flock(fd, (vcpu ? LOCK_EX : LOCK_SH) | LOCK_NB)) {
		c->fds[c->n++] = fd;
		return 0;
	}
	why = errno;
	close(fd);
	c->busy_cpu = cpu;
	if (why != EWOULDBLOCK)
		return err_set(e, -why, "claiming CPU %d failed: locking %s: %s", cpu, path,
			       strerror(why));
	if (vcpu)
		return err_set(
			e, -EBUSY,
			"--cpus: CPU %d wanted for a vCPU alone, another guest that runs has it; "
			"name a CPU of its own, or use --allow-shared",
			cpu);
	return err_set(e, -EBUSY,
		       "--housekeeping or a device's cpu=: CPU %d wanted, it carries a vCPU of "
		       "another guest that runs; name others, or use --allow-shared",
		       cpu);
}

static int claim_list(struct claim *c, const char *sysfs, const struct cpulist *l, bool vcpu,
		      bool allow_shared, struct err *e)
{
	cpulist_for_each(cpu, l) {
		struct err why = { 0 };
		int ret = claim_cpu(c, sysfs, cpu, vcpu, &why);

		if (ret < 0 && !(ret == -EBUSY && allow_shared))
			return err_set(e, ret, "%s", why.text);
	}
	return 0;
}

int claim_cpus(struct claim *c, const char *sysfs, const struct claim_opts *o, struct err *e)
{
	struct cpulist vcpus = cpulist_and(o->vcpus, o->isolated),
		       others = cpulist_and(o->others, o->isolated);
	int ret;

	/* one lock a CPU: two of our own would be in each other's way */
	others = cpulist_minus(&others, &vcpus);
	*c = (struct claim){ .busy_cpu = -1 };
	c->fds = calloc(cpulist_count(&vcpus) + cpulist_count(&others) + 1, sizeof(*c->fds));
	if (!c->fds)
		return err_set(e, -ENOMEM, "no memory to claim CPUs");
	ret = claim_list(c, sysfs, &vcpus, true, o->allow_shared, e);
	if (!ret)
		ret = claim_list(c, sysfs, &others, false, o->allow_shared, e);
	if (ret < 0)
		claim_drop(c);
	return ret;
}

void claim_drop(struct claim *c)
{
	for (size_t i = 0; i < c->n; i++)
		close(c->fds[i]);
	free(c->fds);
	*c = (struct claim){ .busy_cpu = c->busy_cpu };
}

// SPDX-License-Identifier: GPL-2.0-only
#include "tracing/kvmfs.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/threads.h"

static const char root[] = "/sys/kernel/debug/kvm";

static bool read_u64(const char *dir, const char *file, uint64_t *v)
{
	char path[PATH_MAX], text[64], *end;

	if (!file_path(path, sizeof(path), "%s/%s", dir, file) ||
	    !*file_read_line(path, text, sizeof(text)))
		return false;
	*v = text[0] == '-' ? (uint64_t)strtoll(text, &end, 10) : strtoull(text, &end, 10);
	return end != text;
}

static void look_at_vcpu(struct manifest *m, const char *dir, unsigned int n)
{
	struct manifest_vcpu *v;
	uint64_t offset, ratio, frac, tid = 0;

	if (n >= MANIFEST_VCPUS || !read_u64(dir, "tsc-offset", &offset))
		return;
	if (!m->vcpus)
		m->vcpus = calloc(MANIFEST_VCPUS, sizeof(*m->vcpus));
	if (!m->vcpus)
		return;
	read_u64(dir, "pid", &tid);
	v = &m->vcpus[n];
	*v = (struct manifest_vcpu){ .vcpu = n, .tid = tid, .map.offset = offset };
	if (read_u64(dir, "tsc-scaling-ratio", &ratio) &&
	    read_u64(dir, "tsc-scaling-ratio-frac-bits", &frac) && frac < 64 &&
	    ratio != 1ull << frac) {
		v->map.ratio = ratio;
		v->map.frac = frac;
	}
	if (m->n_vcpus <= n)
		m->n_vcpus = n + 1;
}

/* How well a guest of this VMM fits: 0 not at all. */
static int fits(pid_t vmm, const struct kvm_wanted *w)
{
	if (w->vmm)
		return vmm == w->vmm ? 3 : 0;
	return w->ancestor && process_descends(vmm, w->ancestor) ? 2 : 1;
}

/* KVM names a guest's directory PID-FD. Two that fit equally well: no telling which is meant. */
static bool find_guest(struct kvm_wanted *w, char found[PATH_MAX])
{
	_cleanup_closedir_ DIR *dir = opendir(root);
	struct dirent *de;
	int best = w->fit, n = 0;

	while (dir && (de = readdir(dir))) {
		char *end;
		long vmm = strtol(de->d_name, &end, 10);
		int fit = end > de->d_name && *end == '-' ? fits(vmm, w) : 0;

		if (!fit || fit < best || !file_path(found, PATH_MAX, "%s/%s", root, de->d_name))
			continue;
		n = fit > best ? 1 : n + 1;
		best = fit;
	}
	if (n == 1)
		w->fit = best;
	return n == 1;
}

void kvm_look(struct manifest *m, struct kvm_wanted *wanted)
{
	char guest[PATH_MAX], vcpu[PATH_MAX];

	if (!find_guest(wanted, guest))
		return;
	for (unsigned int i = 0; i < MANIFEST_VCPUS; i++) {
		if (!file_path(vcpu, sizeof(vcpu), "%s/vcpu%u", guest, i) || !file_exists(vcpu))
			break;
		look_at_vcpu(m, vcpu, i);
	}
}

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

static bool read_u64(const char *dir, const char *file, uint64_t *v)
{
	char path[PATH_MAX], text[64], *end;

	if (!file_path(path, sizeof(path), "%s/%s", dir, file) ||
	    !*file_read_line(path, text, sizeof(text)))
		return false;
	*v = text[0] == '-' ? (uint64_t)strtoll(text, &end, 10) : strtoull(text, &end, 10);
	return end != text;
}

/* The place of a vCPU in the list, which is in the order of KVM's numbers; NULL: no room. */
static struct manifest_vcpu *place(struct manifest *m, unsigned int kvm_id)
{
	size_t i = 0;

	if (!m->vcpus)
		m->vcpus = calloc(MANIFEST_VCPUS, sizeof(*m->vcpus));
	if (!m->vcpus)
		return NULL;
	while (i < m->n_vcpus && m->vcpus[i].kvm_id < kvm_id)
		i++;
	if (i < m->n_vcpus && m->vcpus[i].kvm_id == kvm_id)
		return &m->vcpus[i];
	if (m->n_vcpus == MANIFEST_VCPUS)
		return NULL;
	memmove(&m->vcpus[i + 1], &m->vcpus[i], (m->n_vcpus - i) * sizeof(*m->vcpus));
	m->n_vcpus++;
	for (size_t k = i; k < m->n_vcpus; k++)
		m->vcpus[k].vcpu = k;
	return &m->vcpus[i];
}

static void look_at_vcpu(struct manifest *m, const char *dir, unsigned int kvm_id)
{
	uint64_t offset, ratio, frac, tid = 0;
	struct manifest_vcpu *v;

	if (!read_u64(dir, "tsc-offset", &offset))
		return;
	v = place(m, kvm_id);
	if (!v)
		return;
	read_u64(dir, "pid", &tid);
	v->kvm_id = kvm_id;
	v->tid = tid;
	v->map = (struct clock_map){ .offset = offset };
	if (read_u64(dir, "tsc-scaling-ratio", &ratio) &&
	    read_u64(dir, "tsc-scaling-ratio-frac-bits", &frac) && frac < 64 &&
	    ratio != 1ull << frac) {
		v->map.ratio = ratio;
		v->map.frac = frac;
	}
}

/* How well a guest of this VMM fits: 0 not at all. */
static int fits(pid_t vmm, const struct kvm_wanted *w)
{
	if (w->vmm)
		return vmm == w->vmm ? 3 : 0;
	return w->ancestor && process_descends(vmm, w->ancestor) ? 2 : 1;
}

/* KVM names a guest's directory PID-FD. Two that fit equally well: no telling which is meant. */
static bool find_guest(struct kvm_wanted *w, const char *root, char found[static 64])
{
	_cleanup_closedir_ DIR *dir = opendir(root);
	struct dirent *de;
	int best = w->fit, n = 0;

	while (dir && (de = readdir(dir))) {
		char *end;
		long vmm = strtol(de->d_name, &end, 10);
		int fit = end > de->d_name && *end == '-' ? fits(vmm, w) : 0;

		if (!fit || fit < best || strlen(de->d_name) >= sizeof(w->noted))
			continue;
		strcpy(found, de->d_name);
		n = fit > best ? 1 : n + 1;
		best = fit;
	}
	if (n == 1)
		w->fit = best;
	return n == 1;
}

void kvm_look(struct manifest *m, struct kvm_wanted *wanted)
{
	const char *root = wanted->root ? wanted->root : "/sys/kernel/debug/kvm";
	_cleanup_closedir_ DIR *dir = NULL;
	char guest[PATH_MAX], vcpu[PATH_MAX], name[sizeof(wanted->noted)], tail;
	struct dirent *de;
	unsigned int id;

	if (!find_guest(wanted, root, name) ||
	    !file_path(guest, sizeof(guest), "%s/%s", root, name))
		return;
	if (strcmp(name, wanted->noted) != 0) {
		m->n_vcpus = 0;
		strcpy(wanted->noted, name);
	}
	dir = opendir(guest);
	while (dir && (de = readdir(dir)))
		if (sscanf(de->d_name, "vcpu%u%c", &id, &tail) == 1 &&
		    file_path(vcpu, sizeof(vcpu), "%s/%s", guest, de->d_name))
			look_at_vcpu(m, vcpu, id);
}

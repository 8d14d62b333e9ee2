// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/kvmstats.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/json.h"

enum { BLOCK_MAX = 64 << 10, NAME_MAX_BYTES = 256, DESCRIPTORS_MAX = 1024 };

static int add(struct kvmstats *s, const struct kvm_stats_desc *d, const char *name, uint64_t at)
{
	uint32_t type = d->flags & KVM_STATS_TYPE_MASK;

	if (type != KVM_STATS_TYPE_CUMULATIVE && type != KVM_STATS_TYPE_INSTANT &&
	    type != KVM_STATS_TYPE_PEAK)
		return 0;
	if (s->n == KVMSTATS_MAX)
		return -E2BIG;
	snprintf(s->counters[s->n].name, sizeof(s->counters[0].name), "%s", name);
	s->counters[s->n++].offset = at;
	return 0;
}

int kvmstats_parse(struct kvmstats *s, const uint8_t *data, size_t len, struct err *e)
{
	struct kvm_stats_header h;
	size_t each;

	s->n = 0;
	if (len < sizeof(h))
		return err_set(e, -EINVAL, "KVM's statistics have no header");
	memcpy(&h, data, sizeof(h));
	each = sizeof(struct kvm_stats_desc) + h.name_size;
	if (!h.name_size || h.name_size > NAME_MAX_BYTES || h.num_desc > DESCRIPTORS_MAX ||
	    h.desc_offset > len || (len - h.desc_offset) / each < h.num_desc)
		return err_set(e, -EINVAL, "KVM's statistics have descriptors beyond their end");
	for (uint32_t i = 0; i < h.num_desc; i++) {
		const uint8_t *at = data + h.desc_offset + i * each;
		char name[NAME_MAX_BYTES + 1] = "";
		struct kvm_stats_desc d;

		memcpy(&d, at, sizeof(d));
		memcpy(name, at + sizeof(d), h.name_size);
		if (add(s, &d, name, (uint64_t)h.data_offset + d.offset))
			return err_set(e, -E2BIG, "KVM has more than %d statistics", KVMSTATS_MAX);
	}
	return 0;
}

int kvmstats_open(struct kvmstats *s, int vcpu_fd, struct err *e)
{
	_cleanup_free_ uint8_t *block = NULL;
	ssize_t len;

	s->n = 0;
	s->fd = ioctl(vcpu_fd, KVM_GET_STATS_FD, NULL);
	if (s->fd < 0)
		return 0;
	block = malloc(BLOCK_MAX);
	if (!block)
		return err_set(e, -ENOMEM, "no memory for KVM's statistics");
	len = pread(s->fd, block, BLOCK_MAX, 0);
	if (len < 0)
		return err_sys(e, "reading KVM's statistics failed");
	return kvmstats_parse(s, block, len, e);
}

void kvmstats_close(struct kvmstats *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

int kvmstats_read(const struct kvmstats *s, uint64_t *values, struct err *e)
{
	for (size_t i = 0; i < s->n; i++)
		if (pread(s->fd, &values[i], sizeof(values[i]), s->counters[i].offset) !=
		    sizeof(values[i]))
			return err_set(e, -EIO, "reading KVM's counter %s failed",
				       s->counters[i].name);
	return 0;
}

json_object *kvmstats_json(const struct kvmstats *s, const uint64_t *from, const uint64_t *to)
{
	json_object *o = json_object_new_object();

	for (size_t i = 0; i < s->n; i++) {
		uint64_t n = to[i] - (from ? from[i] : 0);

		if (n)
			json_set_int(o, s->counters[i].name, n);
	}
	return o;
}

/*
 * pf_taken (5.19 and later) counts each fault once, however it was dealt with; pf_fixed, its nearest
 * of before, those that led to a mapping. Neither has the faults that are the guest's own.
 */
bool kvmstats_value(const struct kvmstats *s, const char *name, const uint64_t *values, uint64_t *n)
{
	for (size_t i = 0; i < s->n; i++) {
		if (strcmp(s->counters[i].name, name) != 0)
			continue;
		*n = values[i];
		return true;
	}
	return false;
}

json_object *kvmstats_faults(const struct kvmstats *s, const uint64_t *from, const uint64_t *to)
{
	static const char *const names[] = { "pf_taken", "pf_fixed" };

	for (size_t k = 0; k < ARRAY_SIZE(names); k++) {
		uint64_t first, last;

		if (kvmstats_value(s, names[k], from, &first) &&
		    kvmstats_value(s, names[k], to, &last))
			return json_object_new_int64(last - first);
	}
	return NULL;
}

// SPDX-License-Identifier: GPL-2.0-only
#include "tracing/manifest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/file.h"
#include "lib/json.h"

enum { MANIFEST_BYTES_MAX = 1 << 20 };

int manifest_path(const char *trace, char *buf, size_t size, struct err *e)
{
	size_t n = strlen(trace);

	if (n > 4 && !strcmp(trace + n - 4, ".dat"))
		n -= 4;
	if (!file_path(buf, size, "%.*s.json", (int)n, trace))
		return err_sys(e, "reading %s failed", trace);
	return 0;
}

static void set_moment(json_object *o, const char *key, const struct moment *m)
{
	json_object *at = json_object_new_object();

	json_set_int(at, "ticks", m->ticks);
	json_set_int(at, "mono_ns", m->mono_ns);
	json_set_int(at, "wall_ns", m->wall_ns);
	json_object_object_add(o, key, at);
}

int manifest_save(const struct manifest *m, const char *path, struct err *e)
{
	_cleanup_json_ json_object *o = json_object_new_object();
	json_object *list = json_object_new_array();

	json_set_int(o, "schema", MANIFEST_SCHEMA);
	json_set_str(o, "clock", "x86-tsc");
	json_set_double(o, "tsc_hz", m->tsc_hz);
	set_moment(o, "begin", &m->begin);
	set_moment(o, "end", &m->end);
	json_set_int(o, "lost", m->lost);
	json_set_int(o, "overwritten", m->overwritten);
	json_set_str(o, "missing_events", m->missing);
	for (size_t i = 0; i < m->n_vcpus; i++) {
		const struct manifest_vcpu *v = &m->vcpus[i];
		json_object *vcpu = json_object_new_object();

		json_set_int(vcpu, "vcpu", v->vcpu);
		json_set_int(vcpu, "kvm_id", v->kvm_id);
		json_set_int(vcpu, "tid", v->tid);
		json_set_int(vcpu, "tsc_offset", v->map.offset);
		json_set_int(vcpu, "tsc_ratio", v->map.ratio);
		json_set_int(vcpu, "tsc_ratio_frac_bits", v->map.frac);
		json_object_array_add(list, vcpu);
	}
	json_object_object_add(o, "vcpus", list);
	return json_save(path, o, e);
}

static struct moment get_moment(json_object *o, const char *key)
{
	json_object *at = json_at(o, key);

	return (struct moment){ .ticks = json_int(at, "ticks", 0),
				.mono_ns = json_int(at, "mono_ns", 0),
				.wall_ns = json_int(at, "wall_ns", 0) };
}

static int get_vcpus(struct manifest *m, json_object *list, const char *path, struct err *e)
{
	size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

	if (n > MANIFEST_VCPUS)
		return err_set(e, -EINVAL, "%s names %zu vCPUs", path, n);
	m->vcpus = calloc(n ? n : 1, sizeof(*m->vcpus));
	if (!m->vcpus)
		return err_set(e, -ENOMEM, "no memory for %zu vCPUs", n);
	for (size_t i = 0; i < n; i++) {
		json_object *o = json_object_array_get_idx(list, i);
		int64_t frac = json_int(o, "tsc_ratio_frac_bits", 0);
		int64_t vcpu = json_int(o, "vcpu", -1), tid = json_int(o, "tid", 0);
		int64_t kvm_id = json_int(o, "kvm_id", vcpu);

		if (vcpu < 0 || vcpu > UINT16_MAX || frac < 0 || frac > 63 || tid < 0 ||
		    tid > INT32_MAX || kvm_id < 0 || kvm_id > UINT32_MAX)
			return err_set(e, -EINVAL, "%s: its vCPU %zu is none", path, i);
		m->vcpus[i] = (struct manifest_vcpu){
			.vcpu = vcpu,
			.kvm_id = kvm_id,
			.tid = tid,
			.map = { json_int(o, "tsc_offset", 0), json_int(o, "tsc_ratio", 0), frac }
		};
	}
	m->n_vcpus = n;
	return 0;
}

int manifest_load(struct manifest *m, const char *path, struct err *e)
{
	_cleanup_json_ json_object *o = NULL;
	int ret;

	*m = (struct manifest){ 0 };
	if (!file_exists(path))
		return -ENOENT;
	ret = json_load(path, MANIFEST_BYTES_MAX, &o, e);
	if (ret < 0)
		return ret;
	if (json_int(o, "schema", 0) != MANIFEST_SCHEMA)
		return err_set(e, -EINVAL, "%s is not of schema %d", path, MANIFEST_SCHEMA);
	m->begin = get_moment(o, "begin");
	m->end = get_moment(o, "end");
	m->tsc_hz = json_double(o, "tsc_hz", 0);
	m->lost = json_int(o, "lost", 0);
	m->overwritten = json_int(o, "overwritten", 0);
	return get_vcpus(m, json_at(o, "vcpus"), path, e);
}

void manifest_free(struct manifest *m)
{
	free(m->vcpus);
	*m = (struct manifest){ 0 };
}

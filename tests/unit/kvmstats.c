// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <linux/kvm.h>

#include "lib/cleanup.h"
#include "vmm/kvmstats.h"

enum { NAME = 16, EACH = sizeof(struct kvm_stats_desc) + NAME };

struct row {
	uint32_t type;
	uint32_t offset;
	char name[NAME];
};

static const struct row rows[] = {
	{ KVM_STATS_TYPE_CUMULATIVE, 0, "exits" },
	{ KVM_STATS_TYPE_LOG_HIST, 8, "halt_wait_hist" },
	{ KVM_STATS_TYPE_CUMULATIVE, 264, "pf_taken" },
	{ KVM_STATS_TYPE_INSTANT, 272, "blocking" },
	{ KVM_STATS_TYPE_CUMULATIVE, 280, "pf_fixed" },
};

static size_t build(uint8_t *data, struct kvm_stats_header *h)
{
	*h = (struct kvm_stats_header){ .name_size = NAME,
					.num_desc = ARRAY_SIZE(rows),
					.desc_offset = sizeof(*h),
					.data_offset = 1000 };
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct kvm_stats_desc d = { .flags = rows[i].type,
					    .size = 1,
					    .offset = rows[i].offset };

		memcpy(data + sizeof(*h) + i * EACH, &d, sizeof(d));
		memcpy(data + sizeof(*h) + i * EACH + sizeof(d), rows[i].name, NAME);
	}
	return sizeof(*h) + ARRAY_SIZE(rows) * EACH;
}

static void reads_scalars_by_name(void **state)
{
	static const uint64_t from[] = { 10, 5, 0, 7 }, to[] = { 14, 6, 0, 9 };
	uint8_t data[4096] = { 0 };
	struct kvm_stats_header h;
	size_t len = build(data, &h);
	struct kvmstats s = { .fd = -1 };
	struct err e = { 0 };
	json_object *o;

	(void)state;
	memcpy(data, &h, sizeof(h));
	assert_int_equal(kvmstats_parse(&s, data, len, &e), 0);
	assert_int_equal(s.n, 4);
	assert_string_equal(s.counters[1].name, "pf_taken");
	assert_int_equal(s.counters[1].offset, 1264);
	o = kvmstats_faults(&s, from, to); /* those taken: one of the two that were fixed is old */
	assert_int_equal(json_object_get_int64(o), 1);
	json_object_put(o);
	strcpy(s.counters[1].name, "pf_guest"); /* before 5.19 */
	o = kvmstats_faults(&s, from, to);
	assert_int_equal(json_object_get_int64(o), 2);
	json_object_put(o);
	s.n = 3;
	assert_null(kvmstats_faults(&s, from, to));
	s.n = 4;
	o = kvmstats_json(&s, from, to);
	assert_int_equal(json_object_object_length(o), 3); /* "blocking" did not change */
	json_object_put(o);
}

static void refuses(void **state)
{
	static const struct kvm_stats_header bad[] = {
		{ .name_size = 0, .num_desc = 1, .desc_offset = sizeof(bad[0]) },
		{ .name_size = 4096, .num_desc = 1, .desc_offset = sizeof(bad[0]) },
		{ .name_size = NAME, .num_desc = 6, .desc_offset = sizeof(bad[0]) },
		{ .name_size = NAME, .num_desc = UINT32_MAX, .desc_offset = sizeof(bad[0]) },
		{ .name_size = NAME, .num_desc = 1, .desc_offset = UINT32_MAX },
	};
	uint8_t data[4096] = { 0 };
	struct kvm_stats_header h;
	size_t len = build(data, &h);
	struct kvmstats s = { .fd = -1 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err e = { 0 };

		memcpy(data, &bad[i], sizeof(bad[i]));
		assert_int_equal(kvmstats_parse(&s, data, len, &e), -EINVAL);
	}
	for (size_t cut = 0; cut < sizeof(h); cut++) {
		struct err e = { 0 };

		assert_int_equal(kvmstats_parse(&s, data, cut, &e), -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_scalars_by_name),
		cmocka_unit_test(refuses),
	};

	return cmocka_run_group_tests_name("kvmstats", tests, NULL, NULL);
}

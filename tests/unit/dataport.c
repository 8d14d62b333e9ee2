// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/abi.h"
#include "lib/clock.h"
#include "vmm/vcpu.h"

enum { RING = 16, BYTES = 24 };

static void *send_all(void *arg)
{
	static uint8_t data[BYTES];
	struct vcpu *v = arg;

	for (int i = 0; i < BYTES; i++) {
		struct pio io = { ABI_DATA_PORT, 1, true, 1, data + i };

		data[i] = i;
		dataport_ops.pio(NULL, v, &io);
	}
	return NULL;
}

static bool soon(struct vm *vm)
{
	for (int i = 0; i < 10000 && !vcpus_parked(vm); i++)
		clock_sleep_until(clock_now_ns() + 1000000);
	return vcpus_parked(vm);
}

static void drain(struct vm *vm, uint8_t *next)
{
	uint8_t byte;

	while (*next < BYTES)
		if (ring_pop(&vm->data, &byte, 1))
			assert_int_equal(byte, (*next)++);
}

/* A reader that takes nothing holds the guest back; a pause and what follows it do not wait for it. */
static void a_pause_takes_effect_while_nobody_reads(void **state)
{
	static struct kvm_run run;
	static struct vcpu vcpu;
	static struct vm vm = { .vcpus = &vcpu, .n_vcpus = 1, .io_wake = -1 };
	struct err e = { 0 };
	uint8_t next = 0;
	pthread_t t;

	(void)state;
	vcpu = (struct vcpu){ .vm = &vm, .fd = -1, .run = &run };
	sem_init(&vcpu.resume, 0, 0);
	assert_int_equal(ring_init(&vm.data, RING, &e), 0);
	atomic_store(&vm.pausing, true);
	assert_int_equal(pthread_create(&t, NULL, send_all, &vcpu), 0);
	assert_true(soon(&vm));
	vcpus_resume(&vm);
	drain(&vm, &next);
	pthread_join(t, NULL);
	ring_free(&vm.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pause_takes_effect_while_nobody_reads),
	};

	return cmocka_run_group_tests_name("dataport", tests, NULL, NULL);
}

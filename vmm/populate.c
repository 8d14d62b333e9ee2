// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/populate.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "vmm/stack.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

/* More than a few do not make memory any faster. */
enum { THREADS_MAX = 8 };
#define PIECE_BYTES ((uint64_t)32 << 20)

struct work {
	uint8_t *start;
	uint64_t bytes, piece_bytes;
	_Atomic uint64_t next; /* the first piece that nobody has taken */
	_Atomic int error;
};

static void *take_pieces(void *arg)
{
	struct work *w = arg;

	while (!atomic_load(&w->error)) {
		uint64_t at = atomic_fetch_add(&w->next, 1) * w->piece_bytes;
		uint64_t left = at < w->bytes ? w->bytes - at : 0;

		if (!left)
			break;
		if (madvise(w->start + at, left < w->piece_bytes ? left : w->piece_bytes,
			    MADV_POPULATE_WRITE))
			atomic_store(&w->error, errno);
	}
	return NULL;
}

static int threads_for(const struct work *w)
{
	uint64_t pieces = (w->bytes + w->piece_bytes - 1) / w->piece_bytes;
	cpu_set_t allowed;
	int cpus = 1; /* where there are more than the set holds, as well */

	if (!sched_getaffinity(0, sizeof(allowed), &allowed))
		cpus = CPU_COUNT(&allowed);
	if (cpus > THREADS_MAX)
		cpus = THREADS_MAX;
	return pieces < (uint64_t)cpus ? (int)pieces : cpus;
}

int populate_range(uint8_t *start, uint64_t bytes, uint64_t page_bytes, struct err *e)
{
	struct work w = {
		.start = start,
		.bytes = bytes,
		.piece_bytes = page_bytes > PIECE_BYTES ? page_bytes : PIECE_BYTES,
	};
	int wanted = threads_for(&w) - 1, n = 0; /* beside this one */
	pthread_t threads[THREADS_MAX];
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	while (n < wanted && !pthread_create(&threads[n], &attr, take_pieces, &w))
		n++;
	pthread_attr_destroy(&attr);
	take_pieces(&w); /* what they do not take, if it is all */
	while (n)
		pthread_join(threads[--n], NULL);
	if (w.error)
		return err_set(e, -w.error, "populating %" PRIu64 " MiB of guest memory failed: %s",
			       bytes >> 20, strerror(w.error));
	return 0;
}

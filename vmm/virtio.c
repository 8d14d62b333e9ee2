// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/virtio.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/cpulist.h"
#include "vmm/stack.h"
#include "vmm/vm.h"

bool span_copy(struct span s, char *to, size_t size)
{
	return snprintf(to, size, "%.*s", s.len, s.at) < (int)size;
}

/* --- what devices use --- */

bool virtio_has(const struct virtio *d, unsigned int bit)
{
	return d->driver_features >> bit & 1;
}

static void count(_Atomic uint64_t *n)
{
	atomic_fetch_add_explicit(n, 1, memory_order_relaxed);
}

void virtio_done(struct virtio *d, int q, const struct chain *c, uint32_t written)
{
	virtq_push(&d->queue[q].q, c, written);
	count(&d->stats.requests);
}

void virtio_interrupt(struct virtio *d, int q)
{
	uint16_t vector = atomic_load(&d->queue[q].vector);

	if (vector == MSIX_NO_VECTOR || !virtq_wants_interrupt(&d->queue[q].q))
		return;
	msix_raise(&d->msix, vector);
	count(&d->stats.interrupts);
}

/* --- the thread --- */

static void stop_serving(struct virtio *d)
{
	if (d->serving && d->ops->stop)
		d->ops->stop(d);
	for (int i = 0; i < d->n_queues; i++)
		virtq_close(&d->queue[i].q);
	d->serving = false;
}

/* 2.1.2: the driver learns of it by a configuration change interrupt. */
static void broken(struct virtio *d)
{
	stop_serving(d);
	atomic_store(&d->stats.broken, true);
	atomic_fetch_or(&d->status, VIRTIO_CONFIG_S_NEEDS_RESET);
	atomic_fetch_or(&d->isr, VIRTIO_PCI_ISR_CONFIG);
	msix_raise(&d->msix, atomic_load(&d->config_vector));
}

static int open_queues(struct virtio *d)
{
	for (int i = 0; i < d->n_queues; i++) {
		struct virtio_queue *q = &d->queue[i];
		struct virtq_place p = { q->desc, q->avail, q->used, q->size };

		if (q->enabled && virtq_open(&q->q, &d->vm->mem, &p) < 0)
			return -EINVAL;
	}
	return 0;
}

static void take_over(struct virtio *d)
{
	int ret = open_queues(d);

	d->serving = true;
	if (!ret && d->ops->start)
		ret = d->ops->start(d);
	for (int i = 0; !ret && i < d->n_queues; i++)
		if (virtq_more(&d->queue[i].q)) /* kicked before it was our time */
			ret = d->ops->serve(d, i);
	if (ret < 0)
		broken(d);
}

static void give_back(struct virtio *d)
{
	struct pci *p = pci_of(d->vm);

	stop_serving(d);
	count(&d->stats.resets);
	atomic_store(&d->stats.broken, false);
	pthread_mutex_lock(&p->lock);
	atomic_store(&d->handed_over, false);
	atomic_store(&d->reset_wanted, false);
	virtiopci_reset(d);
	pthread_mutex_unlock(&p->lock);
}

static int obey(struct virtio *d)
{
	uint8_t needs = VIRTIO_CONFIG_S_NEEDS_RESET;

	if (atomic_load(&d->reset_wanted))
		give_back(d);
	else if (atomic_load(&d->handed_over) && !d->serving && !(atomic_load(&d->status) & needs))
		take_over(d);
	else if (d->serving && d->ops->vectors)
		return d->ops->vectors(d);
	return 0;
}

static bool drained(int fd)
{
	eventfd_t n;

	return !eventfd_read(fd, &n);
}

static int serve_queue(struct virtio *d, int i)
{
	count(&d->stats.kicks);
	return d->queue[i].q.size ? d->ops->serve(d, i) : 0;
}

void virtio_turn(struct virtio *d, int timeout_ms)
{
	struct pollfd p[1 + VIRTIO_QUEUES_MAX + VIRTIO_FDS] = { { d->control, POLLIN, 0 } };
	int n = 1, fds, ret = 0;

	for (int i = 0; i < d->n_queues; i++)
		p[n++] = (struct pollfd){ d->in_kernel ? -1 : d->queue[i].kick, POLLIN, 0 };
	fds = n;
	for (int i = 0; i < d->n_fds; i++) {
		p[n] = d->fds[i];
		if (!d->serving)
			p[n].fd = -1;
		n++;
	}
	if (poll(p, n, timeout_ms) <= 0)
		return;
	if (p[0].revents && drained(d->control))
		ret = obey(d);
	for (int i = 0; i < d->n_queues; i++)
		if (p[1 + i].revents && drained(d->queue[i].kick) && d->serving && !ret)
			ret = serve_queue(d, i);
	for (int i = 0; i < d->n_fds && !ret && d->serving; i++)
		if (p[fds + i].revents)
			ret = d->ops->ready(d, i);
	if (ret < 0)
		broken(d);
}

static int prepare(struct virtio *d)
{
	struct cpulist one = { 0 };
	int ret = 0;

	pthread_setname_np(pthread_self(), d->name);
	d->tid = syscall(SYS_gettid);
	if (d->cpu >= 0) {
		cpulist_add(&one, d->cpu);
		ret = cpulist_pin(&one, 0, &d->err);
	}
	return ret < 0 ? ret : sandbox_enter(d->vm->opts.sandbox, SANDBOX_DEVICE, &d->err);
}

static void *thread(void *arg)
{
	struct virtio *d = arg;
	int ret = prepare(d);

	sem_post(&d->vm->ready);
	while (!ret && !atomic_load(&d->quit))
		virtio_turn(d, -1);
	if (!ret)
		stop_serving(d);
	return NULL;
}

static int start_one(struct virtio *d, const pthread_attr_t *attr, struct err *e)
{
	int ret = pthread_create(&d->thread, attr, thread, d);

	if (ret)
		return err_set(e, -ret, "starting the thread of %s failed: %s", d->name,
			       strerror(ret));
	d->started = true;
	while (sem_wait(&d->vm->ready))
		;
	return d->err.code ? err_set(e, d->err.code, "%s", d->err.text) : 0;
}

int virtio_start(struct virtio_set *set, struct err *e)
{
	pthread_attr_t attr;
	int ret = 0;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	for (int i = 0; !ret && i < set->n; i++)
		ret = start_one(set->at[i], &attr, e);
	pthread_attr_destroy(&attr);
	return ret;
}

void virtio_stop(struct virtio_set *set)
{
	for (int i = 0; i < set->n; i++) {
		struct virtio *d = set->at[i];

		if (!d->started)
			continue;
		atomic_store(&d->quit, true);
		eventfd_write(d->control, 1);
		pthread_join(d->thread, NULL);
		d->started = false;
	}
}

/* --- setting up --- */

static int open_channels(struct virtio *d, struct err *e)
{
	d->control = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (d->control < 0)
		return err_sys(e, "creating an event descriptor failed");
	for (int i = 0; i < d->n_queues; i++) {
		d->queue[i].kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (d->queue[i].kick < 0)
			return err_sys(e, "creating an event descriptor failed");
	}
	return 0;
}

static void destroy(struct virtio *d)
{
	msix_destroy(&d->msix);
	d->ops->close(d);
	for (int i = 0; i < VIRTIO_QUEUES_MAX; i++)
		if (d->queue[i].kick >= 0)
			close(d->queue[i].kick);
	if (d->control >= 0)
		close(d->control);
	free(d);
}

static void name_it(struct virtio *d, const struct virtio_set *set)
{
	int before = 0;

	for (int i = 0; i < set->n; i++)
		before += set->at[i]->ops == d->ops;
	snprintf(d->name, sizeof(d->name), "%s%d", d->ops->name, before);
}

int virtio_create(struct virtio_set *set, struct vm *vm, const struct virtio_ops *ops,
		  const struct dev_opt *o, struct err *e)
{
	struct virtio *d = calloc(1, ops->state_bytes);
	int ret;

	if (!d)
		return err_set(e, -ENOMEM, "no memory for device %s", ops->name);
	d->ops = ops;
	d->vm = vm;
	d->cpu = o->cpu;
	d->control = -1;
	for (int i = 0; i < VIRTIO_QUEUES_MAX; i++)
		d->queue[i].kick = -1;
	name_it(d, set);
	set->at[set->n++] = d;
	ret = ops->open(d, o, e);
	d->features |= 1ull << VIRTIO_F_VERSION_1;
	if (!ret)
		ret = open_channels(d, e);
	return ret < 0 ? ret : virtiopci_init(d, e);
}

void virtio_destroy(struct virtio_set *set)
{
	while (set->n)
		destroy(set->at[--set->n]);
}

// SPDX-License-Identifier: GPL-2.0-only
#include "tracing/people.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tracing/lane.h"

int threads_init(struct threads *t, struct err *e)
{
	*t = (struct threads){ .room = 256 };
	t->slot = calloc(t->room, sizeof(*t->slot));
	return t->slot ? 0 : err_set(e, -ENOMEM, "no memory for a table of threads");
}

void threads_free(struct threads *t)
{
	for (size_t i = 0; t->slot && i < t->room; i++)
		free(t->slot[i]);
	free(t->slot);
	*t = (struct threads){ 0 };
}

/* The slot of this tid, or the free one where it belongs. Thread numbers come in runs. */
static struct thread **slot_of(struct thread **slot, size_t room, uint32_t tid)
{
	size_t i = tid & (room - 1);

	while (slot[i] && slot[i]->tid != tid)
		i = (i + 1) & (room - 1);
	return &slot[i];
}

static int grow(struct threads *t)
{
	size_t room = t->room * 2;
	struct thread **slot = calloc(room, sizeof(*slot));

	if (!slot)
		return -ENOMEM;
	for (size_t i = 0; i < t->room; i++)
		if (t->slot[i])
			*slot_of(slot, room, t->slot[i]->tid) = t->slot[i];
	free(t->slot);
	t->slot = slot;
	t->room = room;
	return 0;
}

struct thread *threads_find(const struct threads *t, uint32_t tid)
{
	return *slot_of(t->slot, t->room, tid);
}

struct thread *threads_add(struct threads *t, uint32_t tid)
{
	struct thread **slot = slot_of(t->slot, t->room, tid);

	if (*slot || t->n >= THREADS_MAX)
		return *slot;
	if (t->n * 2 >= t->room) {
		if (grow(t))
			return NULL;
		slot = slot_of(t->slot, t->room, tid);
	}
	*slot = calloc(1, sizeof(**slot));
	if (!*slot)
		return NULL;
	**slot = (struct thread){ .tid = tid,
				  .prio = 120,
				  .softirq = NO_SOFTIRQ,
				  .vcpu = NO_INDEX,
				  .sampler = NO_INDEX };
	t->n++;
	return *slot;
}

static bool is_name(const char *name, const char *text, size_t len)
{
	return !strncmp(name, text, len) && !name[len];
}

uint16_t names_id(struct names *n, const char *text, size_t len)
{
	char **more, *copy;

	len = strnlen(text, len < NAME_BYTES - 1 ? len : NAME_BYTES - 1);
	if (n->last < n->n && is_name(n->text[n->last], text, len))
		return n->last + 1;
	for (n->last = 0; n->last < n->n; n->last++)
		if (is_name(n->text[n->last], text, len))
			return n->last + 1;
	if (n->n >= NAMES_MAX)
		return 0;
	copy = strndup(text, len);
	more = copy ? realloc(n->text, (n->n + 1) * sizeof(*more)) : NULL;
	if (!more) {
		free(copy);
		return 0;
	}
	n->text = more;
	n->text[n->n++] = copy;
	return n->n;
}

const char *names_text(const struct names *n, uint32_t id)
{
	return id && id <= n->n ? n->text[id - 1] : "?";
}

void names_free(struct names *n)
{
	for (size_t i = 0; i < n->n; i++)
		free(n->text[i]);
	free(n->text);
	*n = (struct names){ 0 };
}

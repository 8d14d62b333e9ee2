// SPDX-License-Identifier: GPL-2.0-only
/* bind - which of a file's events are followed, and where in its records their fields lie */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "tracing/model.h"

static struct number number_of(struct field f)
{
	struct number n = { UINT64_MAX, f.offset };

	if (f.bytes == 1 || f.bytes == 2 || f.bytes == 4)
		n.mask >>= 64 - 8 * f.bytes;
	return n;
}

static void bind_fields(const struct dat_format *f, const struct event_row *row, struct binding *b,
			char *missing, size_t size)
{
	size_t used;

	for (size_t i = 0; i < MODEL_FIELDS && row->fields[i]; i++) {
		const char *name = row->fields[i];
		bool optional = *name == '?';
		struct field *to = &b->field[i];

		/* a thread's name is looked at as a whole */
		if (format_field(f->text, f->len, name + optional, to) &&
		    (to->bytes == COMM_BYTES || !strstr(name, "comm"))) {
			b->number[i] = number_of(*to);
			if (b->min_bytes < (uint32_t)to->offset + to->bytes)
				b->min_bytes = to->offset + to->bytes;
		} else if (!optional) {
			used = strlen(missing);
			snprintf(missing + used, size - used, "%s%s/%s.%s", used ? ", " : "",
				 row->system, row->name, name);
		}
	}
}

static int add_binding(struct side *s, struct feed_file *file, const struct dat_format *f,
		       const struct event_row *row, uint16_t name, struct err *e)
{
	char missing[256] = "";
	struct binding *b, *more = realloc(s->bindings, (s->n_bindings + 1) * sizeof(*more));

	if (!more || s->n_bindings > UINT8_MAX)
		return err_set(e, -ENOMEM, "no room for the event %s", f->name);
	s->bindings = more;
	b = &s->bindings[s->n_bindings];
	*b = (struct binding){ .row = row, .name = name, .min_bytes = s->common_bytes };
	/* an NMI may come between kvm_entry and the guest, and no other kvm_entry follows it */
	b->proves_exit = strcmp(row->system, "kvm") != 0 && strcmp(row->system, "nmi") != 0;
	bind_fields(f, row, b, missing, sizeof(missing));
	if (*missing)
		return err_set(
			e, -EINVAL,
			"reading %s failed: an event lacks what it has in Linux 4.4 to 6.18: %s",
			file->dat->name, missing);
	file->want[f->id] = s->n_bindings++;
	return 0;
}

static int bind_rows(struct side *s, unsigned int which, struct feed_file *file,
		     const struct event_row *rows, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		const struct dat_format *f;
		int ret;

		if (!(rows[i].sides & 1 << which))
			continue;
		f = dat_format(file->dat, rows[i].system, rows[i].name);
		ret = f ? add_binding(s, file, f, &rows[i], 0, e) : 0;
		if (ret < 0)
			return ret;
	}
	return 0;
}

/* Every interrupt vector has its own pair of events; kernels differ in which there are. */
static int bind_vectors(struct side *s, struct feed_file *file, struct err *e)
{
	for (size_t i = 0; i < file->dat->n_formats; i++) {
		const struct dat_format *f = &file->dat->formats[i];

		for (size_t k = 0; k < n_vector_rows; k++) {
			size_t tail = strlen(vector_rows[k].name), n = strlen(f->name);
			int ret;

			if (strcmp(f->system, "irq_vectors") != 0 || n <= tail ||
			    strcmp(f->name + n - tail, vector_rows[k].name) != 0)
				continue;
			ret = add_binding(s, file, f, &vector_rows[k],
					  names_id(&s->names, f->name, n - tail), e);
			if (ret < 0)
				return ret;
		}
	}
	return 0;
}

static bool has(const struct side *s, const char *name)
{
	for (size_t i = 1; i < s->n_bindings; i++)
		if (!strcmp(s->bindings[i].row->name, name))
			return true;
	return false;
}

static int need(const struct side *s, const struct dat *d, const char *const *names, size_t n,
		const char *how, struct err *e)
{
	char missing[256] = "";

	for (size_t i = 0; i < n; i++) {
		size_t used = strlen(missing);

		if (!has(s, names[i]))
			snprintf(missing + used, sizeof(missing) - used, "%s%s", used ? ", " : "",
				 names[i]);
	}
	if (*missing)
		return err_set(e, -ENODATA, "%s lacks the events %s; record with %s", d->name,
			       missing, how);
	return 0;
}

static int common_fields(struct side *s, const struct feed_file *file, struct err *e)
{
	static const char *const names[] = { "common_pid", "common_flags", "common_preempt_count" };
	struct number *to[] = { &s->pid, &s->flags, &s->preempt };

	for (size_t i = 0; i < file->dat->n_formats; i++) {
		const struct dat_format *f = &file->dat->formats[i];
		struct field field;
		size_t k;

		for (k = 0; k < ARRAY_SIZE(names); k++) {
			if (!format_field(f->text, f->len, names[k], &field))
				break;
			*to[k] = number_of(field);
			if (s->common_bytes < (uint32_t)field.offset + field.bytes)
				s->common_bytes = field.offset + field.bytes;
		}
		if (k == ARRAY_SIZE(names))
			return 0;
	}
	return err_set(e, -EINVAL, "reading %s failed: no event format tells the common fields",
		       file->dat->name);
}

int bind_side(struct side *s, unsigned int which, struct feed_file *file, struct err *e)
{
	int ret = common_fields(s, file, e);

	if (!ret)
		ret = bind_rows(s, which, file, cpu_rows, n_cpu_rows, e);
	if (!ret)
		ret = bind_rows(s, which, file, kvm_rows, n_kvm_rows, e);
	if (!ret)
		ret = bind_rows(s, which, file, guest_rows, n_guest_rows, e);
	return ret ? ret : bind_vectors(s, file, e);
}

int bind_check(struct model *m, const struct dat *host, const struct dat *guest, struct err *e)
{
	static const char *const guest_needs[] = { "sched_switch", "sched_waking", "hrtimer_start",
						   "hrtimer_expire_entry" };
	static const char *const host_needs[] = { "sched_switch" };
	int ret;

	m->returns = has(&m->side[GUEST], "sys_exit_clock_nanosleep");
	ret = need(&m->side[GUEST], guest, guest_needs, ARRAY_SIZE(guest_needs),
		   "the line of rtkvm trace job", e);
	if (ret < 0 || !host)
		return ret;
	m->windows = has(&m->side[HOST], "kvm_entry") && has(&m->side[HOST], "kvm_exit");
	m->fires = has(&m->side[HOST], "kvm_msr") && has(&m->side[HOST], "hrtimer_start") &&
		   has(&m->side[HOST], "hrtimer_expire_entry");
	return need(&m->side[HOST], host, host_needs, ARRAY_SIZE(host_needs), "rtkvm trace record",
		    e);
}

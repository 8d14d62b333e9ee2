// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/campaign_slices.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "results/record.h"

int slices_init(struct slices *s, const struct cpulist *cpus, uint64_t asked_ns, struct err *e)
{
	*s = (struct slices){ .asked_ns = asked_ns };
	s->cpus = calloc(cpulist_count(cpus) + 1, sizeof(*s->cpus));
	if (!s->cpus)
		return err_set(e, -ENOMEM, "watching the slices failed: no memory");
	cpulist_for_each(cpu, cpus)
		s->cpus[s->n++].cpu = cpu;
	return 0;
}

static void take(struct slices *s, const struct log_slice *slice, uint64_t now_ns)
{
	if (!s->begun_ns)
		s->begun_ns = now_ns;
	for (size_t i = 0; i < s->n; i++)
		if (s->cpus[i].cpu == slice->cpu) {
			s->cpus[i].grown_ns = now_ns;
			s->cpus[i].measured_ns += slice->duration_ns;
		}
}

static void beat(struct slices *s, uint64_t now_ns)
{
	if (!s->begun_ns)
		s->begun_ns = now_ns;
	for (size_t i = 0; i < s->n; i++)
		s->cpus[i].grown_ns = now_ns;
}

/* A line without its end is being written. */
static void read_beats(struct slices *s, const char *path, uint64_t now_ns)
{
	_cleanup_fclose_ FILE *in = NULL;
	_cleanup_free_ char *line = NULL;
	struct err ignored = { 0 };
	size_t room = 0;
	ssize_t n;

	if (file_stream(path, &in, &ignored) < 0 || !in || fseeko(in, s->bytes, SEEK_SET))
		return;
	while ((n = getline(&line, &room, in)) > 0 && line[n - 1] == '\n') {
		s->bytes += n;
		if (strstr(line, "\"event\":\"beat\""))
			beat(s, now_ns);
	}
}

static void read_log(struct slices *s, const char *path, uint64_t now_ns)
{
	_cleanup_free_ struct log_reader *r = NULL;
	struct err ignored = { 0 };
	uint64_t end;
	struct stat st;
	int got;

	if (stat(path, &st) || (uint64_t)st.st_size <= s->bytes)
		return;
	r = malloc(sizeof(*r));
	if (!r || log_open(r, path, &ignored) < 0)
		return;
	lseek(r->fd, s->bytes, SEEK_SET);
	end = st.st_size;
	while ((got = log_next(r, &ignored)) > 0)
		if (got == LOG_SLICE)
			take(s, &r->slice, now_ns);
		else if (got == LOG_DAMAGE && r->damage_tail)
			break; /* a record that is being written */
	if (got >= 0)
		end = lseek(r->fd, 0, SEEK_CUR);
	s->bytes = got == LOG_DAMAGE ? s->bytes + r->damage_offset : end;
	log_reader_close(r);
}

void slices_read(struct slices *s, const char *dir, uint64_t now_ns)
{
	char path[PATH_MAX];

	if (!file_path(path, sizeof(path), "%s/%s", dir, s->beats ? "events.jsonl" : "latency.log"))
		return;
	if (s->beats)
		read_beats(s, path, now_ns);
	else
		read_log(s, path, now_ns);
}

static bool is_done(const struct slices *s, const struct slices_cpu *c)
{
	return c->measured_ns >= s->asked_ns;
}

uint64_t slices_silent(const struct slices *s, uint64_t since_ns, uint64_t now_ns, int *cpu)
{
	uint64_t longest = 0;

	for (size_t i = 0; i < s->n; i++) {
		const struct slices_cpu *c = &s->cpus[i];
		uint64_t silent = now_ns - (c->grown_ns ? c->grown_ns : since_ns);

		if (is_done(s, c) || silent <= longest)
			continue;
		longest = silent;
		*cpu = c->cpu;
	}
	return longest;
}

bool slices_done(const struct slices *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (!is_done(s, &s->cpus[i]))
			return false;
	return s->n > 0;
}

void slices_free(struct slices *s)
{
	free(s->cpus);
	*s = (struct slices){ 0 };
}

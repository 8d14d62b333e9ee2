// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/campaign_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "cyclic/lockfile.h"
#include "cyclic/qemu.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/paths.h"
#include "lib/proc.h"
#include "results/record.h"

enum { CHUNK_BYTES = 256 << 10, VERSION_S = 60 };

/* What must not change under a campaign, with what people call it. */
static const struct {
	const char *key, *label;
} watched[] = {
	{ "kernel", "the kernel" },
	{ "kernel_version", "the kernel's build" },
	{ "cmdline", "the kernel command line" },
	{ "microcode", "the microcode" },
	{ "config", "the campaign file" },
	{ "images", "a guest image" },
	{ "rtkvm", "rtkvm itself" },
	{ "qemu", "QEMU" },
};

static void set_crc(json_object *o, const char *key, uLong crc)
{
	char text[16];

	snprintf(text, sizeof(text), "%08lx", crc);
	json_set_str(o, key, text);
}

/* Piece by piece: a kernel and its initrd are larger than what a campaign should hold in memory. */
static uLong crc_file(uLong crc, const char *path)
{
	struct err ignored = { 0 };
	_cleanup_close_ int fd = file_open(path, &ignored);
	_cleanup_free_ unsigned char *chunk = malloc(CHUNK_BYTES);
	ssize_t n;

	while (fd >= 0 && chunk && (n = read(fd, chunk, CHUNK_BYTES)) > 0)
		crc = crc32(crc, chunk, n);
	return crc;
}

/* What the guests boot, not what their manifests say of it. */
static uLong crc_images(const struct campaign *c)
{
	static const char *const files[] = { "manifest.json", "vmlinuz", "initrd" };
	uLong crc = crc32(0, NULL, 0);

	for (size_t i = 0; i < c->n_guests; i++)
		for (size_t k = 0; k < ARRAY_SIZE(files); k++) {
			char path[PATH_MAX];

			if (file_path(path, sizeof(path), "%s/%s", c->guests[i].image, files[k]))
				crc = crc_file(crc, path);
		}
	return crc;
}

/* A development build keeps its version from one change to the next: the program's bytes tell. */
static void set_self(json_object *o)
{
	char path[PATH_MAX], text[64];
	struct err ignored = { 0 };
	uLong crc = crc32(0, NULL, 0);

	if (!paths_self(path, sizeof(path), &ignored))
		crc = crc_file(crc, path);
	snprintf(text, sizeof(text), "%s %08lx", RTKVM_VERSION, crc);
	json_set_str(o, "rtkvm", text);
}

/* Only where it is a guest's VMM: an update of what is not used changes nothing. */
static void set_qemu(json_object *o, const struct campaign *c)
{
	char *argv[] = { (char *)QEMU_PROGRAM, (char *)"--version", NULL };
	struct err ignored = { 0 };
	char text[256] = "";
	bool used = false;

	for (size_t i = 0; i < c->n_guests; i++)
		used |= !strcmp(c->guests[i].vmm, "qemu");
	if (used && proc_run(argv, VERSION_S, text, sizeof(text), &ignored) == 0)
		text[strcspn(text, "\n")] = '\0';
	else
		text[0] = '\0';
	json_set_str(o, "qemu", text);
}

/* The command line without what differs from boot to boot of one configuration: nothing, so far. */
static json_object *fingerprint(const struct campaign *c, const char *text)
{
	static const char *const facts[] = { "kernel", "kernel_version", "cmdline", "microcode" };
	json_object *o = json_object_new_object();
	_cleanup_json_ json_object *host = host_facts("");

	for (size_t i = 0; i < ARRAY_SIZE(facts); i++)
		json_set_str(o, facts[i], json_str(host, facts[i], ""));
	set_crc(o, "config", crc32(crc32(0, NULL, 0), (const Bytef *)text, strlen(text)));
	set_crc(o, "images", crc_images(c));
	set_self(o);
	set_qemu(o, c);
	return o;
}

int state_drift(const struct state *s, const struct campaign *c, const char *text,
		json_object *changes, struct err *e)
{
	_cleanup_json_ json_object *now = fingerprint(c, text);
	char all[256] = "";

	for (size_t i = 0; i < ARRAY_SIZE(watched); i++) {
		const char *was = json_str(json_at(s->doc, "machine"), watched[i].key, "");
		const char *is = json_str(now, watched[i].key, "");
		json_object *o;

		if (!strcmp(was, is))
			continue;
		o = json_object_new_object();
		json_set_str(o, "what", watched[i].key);
		json_set_str(o, "was", was);
		json_set_str(o, "is", is);
		json_object_array_add(changes, o);
		snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s", *all ? ", " : "",
			 watched[i].label);
	}
	if (!*all)
		return 0;
	return err_set(e, -ESTALE,
		       "since this campaign began changed: %s; what it measured then and now is "
		       "not one result (--allow-drift merges it all the same, and records that)",
		       all);
}

int state_phases(const struct state *s, const struct campaign *c, struct err *e)
{
	size_t n = json_object_array_length(json_at(s->doc, "phases"));

	for (size_t i = 0; i < n || i < c->n_phases; i++) {
		json_object *was = state_phase(s, i);
		const char *name = json_str(was, "name", "none");
		const char *is = i < c->n_phases ? c->phases[i].entry.name : "none";
		const char *run = i < c->n_phases ? instrument_name(c->phases[i].run) : "";

		if (was && !strcmp(name, is) && !strcmp(json_str(was, "run", ""), run))
			continue;
		return err_set(
			e, -ESTALE,
			"since this campaign began its list of phases changed: phase %zu was "
			"%s (%s), is %s (%s); what is measured belongs to its phase, so begin "
			"another campaign",
			i + 1, name, json_str(was, "run", ""), is, run);
	}
	return 0;
}

static void state_path(char *buf, size_t size, const char *dir, const char *file)
{
	snprintf(buf, size, "%s/%s", dir, file);
}

int state_save(struct state *s, struct err *e)
{
	char path[PATH_MAX + 32];

	state_path(path, sizeof(path), s->dir, "campaign.json");
	return json_save(path, s->doc, e);
}

static json_object *first_phase(const struct phase_entry *p)
{
	json_object *o = json_object_new_object();

	json_set_str(o, "name", p->entry.name);
	json_set_str(o, "run", instrument_name(p->run));
	json_set_str(o, "status", "pending");
	json_set_int(o, "duration_ns", p->duration_ns);
	json_object_object_add(o, "attempts", json_object_new_array());
	return o;
}

int state_create(struct state *s, const char *dir, const struct campaign *c, const char *text,
		 struct err *e)
{
	json_object *phases = json_object_new_array();
	char iso[CLOCK_ISO_BYTES], path[PATH_MAX + 32];
	int ret;

	*s = (struct state){ .lock_fd = -1, .doc = json_object_new_object() };
	snprintf(s->dir, sizeof(s->dir), "%s", dir);
	json_set_int(s->doc, "schema", STATE_SCHEMA);
	json_set_str(s->doc, "name", c->name);
	json_set_str(s->doc, "started", clock_iso8601(clock_wall_ns(), iso));
	json_set_str(s->doc, "status", "running");
	json_object_object_add(s->doc, "machine", fingerprint(c, text));
	json_object_object_add(s->doc, "drift", json_object_new_array());
	json_object_object_add(s->doc, "phases", phases);
	for (size_t i = 0; i < c->n_phases; i++)
		json_object_array_add(phases, first_phase(&c->phases[i]));
	state_path(path, sizeof(path), dir, "campaign.ini");
	ret = file_replace(path, text, strlen(text), e);
	return ret < 0 ? ret : state_save(s, e);
}

/* A list of phases, each with a list of attempts: what is read below that is checked where it is read. */
static bool is_campaign(json_object *doc)
{
	json_object *phases = json_at(doc, "phases");

	if (!json_object_is_type(phases, json_type_array) ||
	    !json_object_is_type(json_at(doc, "drift"), json_type_array))
		return false;
	for (size_t i = 0; i < json_object_array_length(phases); i++)
		if (!json_object_is_type(json_at(json_object_array_get_idx(phases, i), "attempts"),
					 json_type_array))
			return false;
	return true;
}

int state_open(struct state *s, const char *dir, struct err *e)
{
	char path[PATH_MAX + 32];
	int64_t schema;
	int ret;

	*s = (struct state){ .lock_fd = -1 };
	if (!realpath(dir, s->dir))
		return err_sys(e, "opening campaign %s failed", dir);
	state_path(path, sizeof(path), s->dir, "campaign.json");
	ret = json_load(path, STATE_BYTES, &s->doc, e);
	if (ret < 0)
		return ret;
	schema = json_int(s->doc, "schema", -1);
	if (schema != STATE_SCHEMA)
		return err_set(e, -EPROTONOSUPPORT,
			       "reading %s failed: schema %jd, this rtkvm reads %d", path,
			       (intmax_t)schema, STATE_SCHEMA);
	if (!is_campaign(s->doc))
		return err_set(e, -EINVAL, "reading %s failed: no campaign is in it", path);
	return 0;
}

void state_close(struct state *s)
{
	json_object_put(s->doc);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	*s = (struct state){ .lock_fd = -1 };
}

int state_lock(struct state *s, struct err *e)
{
	char path[PATH_MAX + 32];
	pid_t owner;

	state_path(path, sizeof(path), s->dir, "lock");
	s->lock_fd = lockfile_take(path, &owner);
	if (s->lock_fd >= 0)
		return 0;
	if (owner)
		return err_set(e, -EBUSY, "%s is being worked on by process %d", s->dir, owner);
	return err_set(e, s->lock_fd, "locking %s failed: %s", path, strerror(-s->lock_fd));
}

pid_t state_owner(const char *dir)
{
	char path[PATH_MAX + 32];

	state_path(path, sizeof(path), dir, "lock");
	return lockfile_owner(path);
}

json_object *state_phase(const struct state *s, size_t i)
{
	json_object *phases = json_at(s->doc, "phases");

	return i < json_object_array_length(phases) ? json_object_array_get_idx(phases, i) : NULL;
}

static json_object *element(json_object *list, size_t i)
{
	bool there = json_object_is_type(list, json_type_array) &&
		     i < json_object_array_length(list);

	return there ? json_object_array_get_idx(list, i) : NULL;
}

json_object *state_next_job(json_object *phase, struct job_walk *w)
{
	json_object *attempt, *job;

	while ((attempt = element(json_at(phase, "attempts"), w->attempt))) {
		job = element(json_at(attempt, "jobs"), w->job++);
		if (job)
			return job;
		*w = (struct job_walk){ .attempt = w->attempt + 1 };
	}
	return NULL;
}

bool state_job_file(const struct state *s, json_object *job, const char *file,
		    char path[static PATH_MAX])
{
	return file_path(path, PATH_MAX, "%s/%s/%s", s->dir, json_str(job, "dir", ""), file);
}

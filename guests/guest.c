// SPDX-License-Identifier: GPL-2.0-only
/* guest - the verb: options, build, list */
#include <errno.h>
#include <glob.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>

#include "guests/guests.h"
#include "guests/home.h"
#include "guests/image.h"
#include "guests/kernel.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/opt.h"
#include "lib/stop.h"

struct guest_options {
	const char *action, *out, *kernel;
	bool json;
	struct err *e;
};

enum { KEY_KERNEL = 256, KEY_JSON };

static const struct argp_option options[] = {
	{ "out", 'o', "DIR", 0,
	  "Where the image goes (default: guests/debian-KERNEL in the build tree)" },
	{ "kernel", KEY_KERNEL, "rt|generic", 0,
	  "Debian's PREEMPT_RT kernel (default) or its other" },
	{ "json", KEY_JSON, NULL, 0, "List as JSON" },
	{ 0 },
};

static error_t parse_opt(int key, char *arg, struct argp_state *state)
{
	struct guest_options *o = state->input;

	switch (key) {
	case 'o':
		o->out = arg;
		return 0;
	case KEY_KERNEL:
		o->kernel = arg;
		if (!kernel_metapackage(arg))
			err_set(o->e, -EINVAL, "--kernel: \"%s\" is unknown; it is rt or generic",
				arg);
		return -o->e->code;
	case KEY_JSON:
		o->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (o->action)
			err_set(o->e, -EINVAL, "\"%s\" is one argument too many", arg);
		else if (strcmp(arg, "build") && strcmp(arg, "list"))
			err_set(o->e, -EINVAL, "\"%s\" is not an action; it is build or list", arg);
		o->action = arg;
		return -o->e->code;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	options,
	parse_opt,
	"build\nlist",
	"Guest images: Debian's kernel, and an initramfs of busybox, rt-tests and our init."
	"\vPackages come through apt, by name; nothing is installed. The same packages make the same "
	"initrd, byte for byte.",
};

static int build(const struct guest_options *o, struct err *e)
{
	_cleanup_json_ json_object *m = NULL;
	char name[64], dir[PATH_MAX];
	int ret;

	if (o->out) {
		if (!*o->out || !file_path(dir, sizeof(dir), "%s", o->out))
			return err_set(e, -EINVAL, "--out: \"%s\" is not a usable path", o->out);
	} else {
		char base[PATH_MAX];

		snprintf(name, sizeof(name), "debian-%s", o->kernel);
		ret = home_path(base, "guests", e);
		if (ret < 0)
			return ret;
		if (!file_path(dir, sizeof(dir), "%s/%s", base, name))
			return err_sys(e, "finding the image's directory failed");
	}
	ret = image_build(dir, o->kernel, e);
	if (ret < 0 || image_manifest(dir, &m, e) < 0)
		return e->code;
	printf("%s: %s, kernel %s, initrd %jd bytes\n", dir, ret ? "built" : "up to date",
	       json_str(m, "kernel.release", "?"), (intmax_t)json_int(m, "files.initrd.bytes", 0));
	return VERDICT_PASS;
}

static void list_one(const char *dir, json_object *m, json_object *list)
{
	const char *name = strrchr(dir, '/') + 1;

	if (!list) {
		printf("%-16s %-24s %9jd  %s\n", name, json_str(m, "kernel.release", "?"),
		       (intmax_t)json_int(m, "files.initrd.bytes", 0), dir);
		return;
	}
	json_set_str(m, "name", name);
	json_set_str(m, "path", dir);
	json_object_array_add(list, json_object_get(m));
}

static int list(const struct guest_options *o, struct err *e)
{
	json_object *all = o->json ? json_object_new_array() : NULL;
	char base[PATH_MAX], pattern[PATH_MAX];
	glob_t found = { 0 };
	int ret = home_path(base, "guests", e);

	if (ret < 0)
		return ret;
	if (!file_path(pattern, sizeof(pattern), "%s/*/manifest.json", base))
		return err_sys(e, "listing %s failed", base);
	if (!o->json)
		printf("%-16s %-24s %9s  %s\n", "NAME", "KERNEL", "INITRD", "DIRECTORY");
	glob(pattern, 0, NULL, &found);
	for (size_t i = 0; i < found.gl_pathc && !ret; i++) {
		_cleanup_json_ json_object *m = NULL;
		char *dir = dirname(found.gl_pathv[i]);

		ret = image_manifest(dir, &m, e);
		if (!ret)
			list_one(dir, m, all);
	}
	globfree(&found);
	if (!ret && all)
		printf("%s\n", json_object_to_json_string_ext(all, JSON_C_TO_STRING_PRETTY));
	json_object_put(all);
	return ret;
}

int guests_guest(int argc, char **argv, struct err *e)
{
	struct guest_options o = { .kernel = "rt", .e = e };
	int ret = opt_parse(&argp, argc, argv, false, &o, e);

	if (ret < 0)
		return ret;
	if (!o.action)
		return err_set(e, -EINVAL, "an action is missing: build or list");
	stop_install();
	return strcmp(o.action, "build") ? list(&o, e) : build(&o, e);
}

// SPDX-License-Identifier: GPL-2.0-only
#include "profiles/install.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/paths.h"

static const char *const profiles[] = { "realtime-virtual-host", "realtime-virtual-guest" };
static const char *const files[] = { "settings", "tuned.conf", "script.sh" };

static const char before_2_23[] = "/etc/tuned", from_2_23[] = "/etc/tuned/profiles";

/* From 2.23 on tuned's own profiles are in a directory "profiles", and so are the user's. */
static int profile_dir(const char *root, const char **dir, struct err *e)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/usr/lib/tuned/profiles", root);
	*dir = file_exists(path) ? from_2_23 : before_2_23;
	snprintf(path, sizeof(path), "%s/usr/lib/tuned", root);
	return file_exists(path) ? 0
				 : err_set(e, -ENOENT, "tuned is not installed; apt install tuned");
}

int install_dir(const char *root, const char *name, char *buf, size_t size, struct err *e)
{
	const char *dir;
	int ret = profile_dir(root, &dir, e);

	if (!ret && !file_path(buf, size, "%s%s/%s", root, dir, name))
		ret = err_sys(e, "finding the profile %s failed", name);
	return ret;
}

static bool holds(const char *root, const char *dir, const char *name, const char *file)
{
	char path[PATH_MAX];

	return file_path(path, sizeof(path), "%s%s/%s/%s", root, dir, name, file) &&
	       file_exists(path);
}

/* Only ours has a file of settings, and has it from its first moment on. */
static bool is_ours(const char *root, const char *dir, const char *name)
{
	return holds(root, dir, name, "settings");
}

static int remove_one(const char *root, const char *dir, const char *name, struct err *e)
{
	char path[PATH_MAX];

	if (!is_ours(root, dir, name))
		return 0;
	if (!file_path(path, sizeof(path), "%s%s/%s", root, dir, name))
		return err_sys(e, "removing %s failed", name);
	return file_remove_tree(path, e);
}

static int copy(const char *from, const char *to, mode_t mode, struct err *e)
{
	int ret = file_copy(from, to, e);

	if (!ret && chmod(to, mode))
		return err_sys(e, "setting the mode of %s failed", to);
	return ret;
}

static int install_one(const char *root, const char *dir, const char *name, struct err *e)
{
	char from[PATH_MAX], source[PATH_MAX], to[PATH_MAX];
	char what[96];
	int ret;

	snprintf(what, sizeof(what), "profiles/%s", name);
	ret = paths_support(source, sizeof(source), what, e);
	if (!ret && !file_path(to, sizeof(to), "%s%s/%s", root, dir, name))
		ret = err_sys(e, "installing %s failed", name);
	if (!ret)
		ret = file_mkdirs(to, e);
	for (size_t i = 0; i < ARRAY_SIZE(files) && !ret; i++) {
		if (!file_path(from, sizeof(from), "%s/%s", source, files[i]) ||
		    !file_path(to, sizeof(to), "%s%s/%s/%s", root, dir, name, files[i]))
			return err_sys(e, "installing %s failed", name);
		ret = copy(from, to, strstr(files[i], ".sh") ? 0755 : 0644, e);
	}
	if (ret)
		return ret;
	if (!file_path(from, sizeof(from), "%s/variables.conf", source) ||
	    !file_path(to, sizeof(to), "%s/etc/tuned/%s-variables.conf", root, name))
		return err_sys(e, "installing %s failed", name);
	return file_exists(to) ? 0 : copy(from, to, 0644, e);
}

int install_profiles(const char *root, struct err *e)
{
	const char *dir;
	int ret = profile_dir(root, &dir, e);

	for (size_t i = 0; i < ARRAY_SIZE(profiles) && !ret; i++)
		if (holds(root, dir, profiles[i], "tuned.conf") && !is_ours(root, dir, profiles[i]))
			ret = err_set(e, -EEXIST,
				      "%s%s/%s is a profile of somebody else; rename it first",
				      root, dir, profiles[i]);
	for (size_t i = 0; i < ARRAY_SIZE(profiles) && !ret; i++)
		ret = install_one(root, dir, profiles[i], e);
	/* what an older tuned read: nobody looks there any more */
	for (size_t i = 0; i < ARRAY_SIZE(profiles) && !ret && dir == from_2_23; i++)
		ret = remove_one(root, before_2_23, profiles[i], e);
	if (!ret)
		printf("installed in %s%s; activate one with tuned-adm profile NAME\n", root, dir);
	return ret;
}

int remove_profiles(const char *root, struct err *e)
{
	char path[PATH_MAX], active[256];
	const char *dir;
	int ret = profile_dir(root, &dir, e);

	if (ret)
		return ret;
	snprintf(path, sizeof(path), "%s/etc/tuned/active_profile", root);
	file_read_line(path, active, sizeof(active));
	for (size_t i = 0; i < ARRAY_SIZE(profiles); i++)
		if (strstr(active, profiles[i]))
			return err_set(e, -EBUSY, "the profile %s is active; tuned-adm off first",
				       profiles[i]);
	for (size_t i = 0; i < ARRAY_SIZE(profiles) && !ret; i++) {
		ret = remove_one(root, before_2_23, profiles[i], e);
		if (!ret)
			ret = remove_one(root, from_2_23, profiles[i], e);
	}
	return ret;
}

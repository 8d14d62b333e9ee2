// SPDX-License-Identifier: GPL-2.0-only
#include "guests/apt.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guests/args.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/proc.h"

enum { SHOW_BYTES = 256 << 10 }; /* a package's record is 1 to 3 KiB */

/* The value of a field in one record, which ends at an empty line; "" when it has none. */
static void field(const char *record, const char *name, char *buf, size_t size)
{
	size_t len = strlen(name);

	buf[0] = '\0';
	for (const char *line = record; *line && *line != '\n';) {
		size_t n = strcspn(line, "\n");

		if (n > len && !strncmp(line, name, len) && line[len] == ':') {
			const char *value = line + len + 1;

			value += strspn(value, " ");
			snprintf(buf, size, "%.*s", (int)(line + n - value), value);
			return;
		}
		line += n + (line[n] == '\n');
	}
}

int apt_parse(struct apt_package *p, const char *text, const char *name, struct err *e)
{
	while (text) {
		field(text, "Package", p->name, sizeof(p->name));
		if (!strcmp(p->name, name)) {
			field(text, "Version", p->version, sizeof(p->version));
			field(text, "Depends", p->depends, sizeof(p->depends));
			if (*p->version && !strchr(p->version, '/'))
				return 0;
			return err_set(e, -EINVAL, "apt's record of package %s has no version",
				       name);
		}
		text = strstr(text, "\n\n");
		text = text ? text + 2 : NULL;
	}
	return err_set(e, -ENOENT,
		       "apt knows no package %s; run apt-get update, and see that Debian's main "
		       "section is among its sources",
		       name);
}

int apt_find(struct apt_package *p, const char *const *names, size_t n, struct err *e)
{
	_cleanup_free_ char *text = malloc(SHOW_BYTES);
	_cleanup_args_ struct args a = { 0 };
	static const char *const show[] = { "apt-cache", "--quiet=2", "--no-all-versions", "show",
					    NULL };
	int ret;

	if (!text)
		return err_set(e, -ENOMEM, "asking apt failed: no memory");
	args_add_all(&a, show);
	for (size_t i = 0; i < n; i++)
		args_add(&a, "%s", names[i]);
	ret = args_check(&a, e);
	if (!ret)
		ret = proc_run(a.v, 600, text, SHOW_BYTES, e);
	/* its exit code and its own words say less than the name that is missing below */
	for (size_t i = 0; i < n && ret >= 0; i++)
		ret = apt_parse(&p[i], text, names[i], e);
	return ret < 0 ? ret : 0;
}

int apt_dependency(struct apt_package *out, const struct apt_package *p, const char *prefix,
		   struct err *e)
{
	const char *at = p->depends;

	*out = (struct apt_package){ 0 };
	while (at) {
		at += strspn(at, " ");
		if (!strncmp(at, prefix, strlen(prefix)) &&
		    sscanf(at, "%95[a-z0-9.+-] (= %95[^) ])", out->name, out->version) == 2)
			return 0;
		at = strchr(at, ',');
		at = at ? at + 1 : NULL;
	}
	return err_set(e, -ENOENT, "package %s does not name any %s*", p->name, prefix);
}

/* apt-get names the file itself; in a directory of its own there is only that one. */
static int download(const struct apt_package *p, const char *dir, const char *deb, struct err *e)
{
	char what[2 * APT_NAME_BYTES + 2], pattern[PATH_MAX];
	char *argv[] = {
		(char *)"apt-get",  (char *)"-qq", (char *)"-o", (char *)"APT::Sandbox::User=root",
		(char *)"download", what,	   NULL
	};
	struct proc_opts o = PROC_OPTS_INIT;
	_cleanup_close_ int out = -1;
	struct proc child;
	glob_t found;
	int ret;

	snprintf(what, sizeof(what), "%s=%s", p->name, p->version);
	if (!file_path(pattern, sizeof(pattern), "%s/*.deb", dir))
		return err_sys(e, "downloading %s failed", p->name);
	out = memfd_create("apt-get", MFD_CLOEXEC);
	if (out < 0)
		return err_sys(e, "downloading %s failed", p->name);
	o.argv = argv;
	o.cwd = dir;
	o.out = o.err = out;
	ret = proc_start(&child, &o, e);
	if (ret < 0)
		return ret;
	ret = proc_wait(&child, 0);
	if (ret < 0) {
		proc_stop(&child, 2000);
		return err_set(e, ret, "downloading package %s was interrupted", p->name);
	}
	if (proc_code(&child)) {
		char why[256] = "";
		ssize_t n = pread(out, why, sizeof(why) - 1, 0);

		why[n > 0 ? n : 0] = '\0';
		why[strcspn(why, "\n")] = '\0';
		return err_set(e, -EIO, "downloading package %s %s failed: apt-get: %s", p->name,
			       p->version, why);
	}
	if (glob(pattern, 0, NULL, &found))
		return err_set(e, -ENOENT, "downloading package %s failed: apt-get left no file",
			       p->name);
	ret = rename(found.gl_pathv[0], deb) ? err_sys(e, "writing %s failed", deb) : 0;
	globfree(&found);
	return ret;
}

/* A scratch directory beside the goal, gone again whatever happens in it. */
static int with_scratch(const struct apt_package *p, const char *cache, const char *goal,
			int (*work)(const struct apt_package *p, const char *dir, const char *goal,
				    struct err *e),
			struct err *e)
{
	char dir[PATH_MAX];
	struct err ignored = { 0 };
	int ret;

	if (!file_path(dir, sizeof(dir), "%s/tmp.XXXXXX", cache) || !mkdtemp(dir))
		return err_sys(e, "making a directory in %s failed", cache);
	ret = work(p, dir, goal, e);
	file_remove_tree(dir, &ignored);
	return ret;
}

static int extract(const char *deb, const char *cache, const char *tree, struct err *e)
{
	char dir[PATH_MAX];
	char *argv[] = { (char *)"dpkg-deb", (char *)"--extract", (char *)deb, dir, NULL };
	struct err ignored = { 0 };
	int ret;

	if (!file_path(dir, sizeof(dir), "%s/tmp.XXXXXX", cache) || !mkdtemp(dir))
		return err_sys(e, "making a directory in %s failed", cache);
	ret = proc_run(argv, 1800, NULL, 0, e);
	if (ret > 0)
		ret = err_set(e, -EIO,
			      "unpacking %s failed: dpkg-deb exit code %d; is the disk "
			      "full, or the file damaged? remove it and try again",
			      deb, ret);
	if (!ret && rename(dir, tree))
		ret = err_sys(e, "writing %s failed", tree);
	if (ret < 0)
		file_remove_tree(dir, &ignored);
	return ret;
}

int apt_unpack(const struct apt_package *p, const char *cache, char *tree, struct err *e)
{
	char deb[PATH_MAX], dir[PATH_MAX];
	int ret;

	if (!file_path(tree, PATH_MAX, "%s/trees/%s_%s", cache, p->name, p->version) ||
	    !file_path(deb, sizeof(deb), "%s/debs/%s_%s.deb", cache, p->name, p->version))
		return err_sys(e, "unpacking package %s failed", p->name);
	if (file_exists(tree))
		return 0;
	if (!file_path(dir, sizeof(dir), "%s/debs", cache))
		return err_sys(e, "unpacking package %s failed", p->name);
	ret = file_mkdirs(dir, e);
	if (!ret && file_path(dir, sizeof(dir), "%s/trees", cache))
		ret = file_mkdirs(dir, e);
	if (!ret && !file_exists(deb))
		ret = with_scratch(p, cache, deb, download, e);
	if (!ret)
		ret = extract(deb, cache, tree, e);
	return ret;
}

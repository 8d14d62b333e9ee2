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

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/proc.h"

enum { SHOW_BYTES = 64 << 10 }; /* a kernel's stanza is about 2 KiB */

char *apt_parse_stanza(const char *text, const char *field, char *buf, size_t size)
{
	size_t len = strlen(field);

	for (const char *line = text; *line && *line != '\n';) {
		size_t n = strcspn(line, "\n");

		if (n > len && !strncmp(line, field, len) && line[len] == ':') {
			const char *value = line + len + 1;

			value += strspn(value, " ");
			snprintf(buf, size, "%.*s", (int)(line + n - value), value);
			return buf;
		}
		line += n + (line[n] == '\n');
	}
	return NULL;
}

static int show(const char *name, char *text, struct err *e)
{
	char *argv[] = { (char *)"apt-cache", (char *)"show", (char *)"--no-all-versions",
			 (char *)"--quiet=2", (char *)name,   NULL };
	int ret = proc_run(argv, text, SHOW_BYTES, e);

	if (ret < 0)
		return ret;
	if (ret || !*text)
		return err_set(e, -ENOENT,
			       "apt knows no package %s; run apt-get update, and see "
			       "that Debian's main section is among its sources",
			       name);
	return 0;
}

int apt_find(struct apt_package *p, const char *name, struct err *e)
{
	_cleanup_free_ char *text = malloc(SHOW_BYTES);
	int ret;

	if (!text)
		return err_set(e, -ENOMEM, "asking apt for %s failed: no memory", name);
	ret = show(name, text, e);
	if (ret < 0)
		return ret;
	if (!file_path(p->name, sizeof(p->name), "%s", name) ||
	    !apt_parse_stanza(text, "Version", p->version, sizeof(p->version)))
		return err_set(e, -EINVAL, "apt's record of package %s has no usable version",
			       name);
	return 0;
}

int apt_find_dependency(struct apt_package *p, const char *name, const char *prefix, struct err *e)
{
	_cleanup_free_ char *text = malloc(SHOW_BYTES);
	char depends[4096], *at = NULL;
	int ret;

	if (!text)
		return err_set(e, -ENOMEM, "asking apt for %s failed: no memory", name);
	ret = show(name, text, e);
	if (ret < 0)
		return ret;
	if (apt_parse_stanza(text, "Depends", depends, sizeof(depends)))
		at = strstr(depends, prefix);
	if (!at)
		return err_set(e, -ENOENT, "package %s does not depend on any %s*", name, prefix);
	at[strcspn(at, " ,|(:")] = '\0';
	return apt_find(p, at, e);
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
	ret = proc_run(argv, NULL, 0, e);
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

// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/clos.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/file.h"

int clos_check(const char *root, const char *group, struct err *e)
{
	char path[PATH_MAX];

	if (!group[0] || group[0] == '.' || strchr(group, '/'))
		return err_set(e, -EINVAL, "--resctrl: \"%s\" is not the name of a group", group);
	if (!file_path(path, sizeof(path), "%s/schemata", root) || access(path, F_OK))
		return err_set(
			e, -ENOTSUP,
			"--resctrl: nothing is mounted on %s: mount -t resctrl resctrl %s, or "
			"leave the option out where this processor has none",
			root, root);
	if (!file_path(path, sizeof(path), "%s/%s/tasks", root, group) || access(path, F_OK))
		return err_set(
			e, -ENOENT,
			"--resctrl: there is no group %s/%s; make it with mkdir and write its "
			"schemata",
			root, group);
	return 0;
}

static bool lists(FILE *tasks, pid_t tid)
{
	char line[32];

	while (fgets(line, sizeof(line), tasks))
		if (atoi(line) == tid)
			return true;
	return false;
}

int clos_join(const char *root, const char *group, pid_t tid, struct err *e)
{
	_cleanup_fclose_ FILE *tasks = NULL;
	char path[PATH_MAX], text[16];
	struct err why = { 0 };

	if (!file_path(path, sizeof(path), "%s/%s/tasks", root, group))
		return err_sys(e, "--resctrl: the name of group %s is too long", group);
	snprintf(text, sizeof(text), "%d", tid);
	if (file_write(path, text, &why) < 0)
		return err_set(e, why.code, "--resctrl: %s", why.text);
	tasks = fopen(path, "re");
	if (!tasks)
		return err_sys(e, "--resctrl: opening %s failed", path);
	if (!lists(tasks, tid))
		return err_set(e, -EIO,
			       "--resctrl: wanted vCPU thread %d in %s, which does not list it",
			       tid, path);
	return 0;
}

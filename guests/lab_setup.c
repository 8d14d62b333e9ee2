// SPDX-License-Identifier: GPL-2.0-only
#include "guests/lab_setup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guests/lab/proto.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/paths.h"

static void record(struct lab_setup *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void record(struct lab_setup *s, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vfprintf(s->order, fmt, args);
	va_end(args);
	fputc('\0', s->order);
}

/* One 9p share: QEMU's side and the agent's. */
static void share(struct lab_setup *s, const char *tag, const char *path, const char *at,
		  bool writable)
{
	s->shares[s->n_shares++] =
		(struct machine_share){ .tag = tag, .path = path, .writable = writable };
	record(s, "share %s %s %s", tag, writable ? "rw" : "ro", at);
}

static int check_dir(const char *path, struct err *e)
{
	struct stat st;

	if (stat(path, &st))
		return err_sys(e, "sharing %s with the lab failed", path);
	if (!S_ISDIR(st.st_mode))
		return err_set(e, -ENOTDIR, "sharing %s with the lab failed: not a directory",
			       path);
	return 0;
}

static int user_shares(struct lab_setup *s, struct err *e)
{
	static const char *const tags[LAB_SHARES] = { "share0", "share1", "share2", "share3",
						      "share4", "share5", "share6", "share7" };

	for (size_t i = 0; i < s->o->n_shares; i++) {
		int ret;

		if (!realpath(s->o->shares[i], s->share_paths[i]))
			return err_sys(e, "sharing %s with the lab failed", s->o->shares[i]);
		ret = check_dir(s->share_paths[i], e);
		if (ret < 0)
			return ret;
		share(s, tags[i], s->share_paths[i], s->share_paths[i], false);
	}
	return 0;
}

/* Without --results there is a directory all the same: the command need not know the difference. */
static int results_share(struct lab_setup *s, struct err *e)
{
	int ret = 0;

	if (s->o->results) {
		ret = file_mkdirs(s->o->results, e);
		if (!ret && !realpath(s->o->results, s->results))
			ret = err_sys(e, "finding %s failed", s->o->results);
	} else if (file_path(s->results, sizeof(s->results), "%s/results", s->dir)) {
		ret = file_mkdirs(s->results, e);
	}
	if (ret < 0)
		return ret;
	share(s, "results", s->results, LAB_RESULTS, true);
	record(s, "env RTKVM_RESULTS=%s", LAB_RESULTS);
	return 0;
}

/* The directory paths_support() searches: what it finds here it finds in the machine too. */
static int support_share(struct lab_setup *s, struct err *e)
{
	int ret = paths_support(s->support, sizeof(s->support), "guests/lab-agent", e);

	if (ret < 0)
		return ret;
	s->support[strlen(s->support) - strlen("/guests/lab-agent")] = '\0';
	share(s, "support", s->support, LAB_SUPPORT, false);
	return 0;
}

static int modules_share(struct lab_setup *s, struct err *e)
{
	if (!file_path(s->modules, sizeof(s->modules), "%s/lib/modules", s->kernel.tree))
		return err_sys(e, "sharing the modules failed");
	share(s, "modules", s->modules, "/lib/modules", false);
	return 0;
}

/*
 * The fast flavour's root: /usr is this machine's; /lib is a directory of links into it, because
 * the kernel's modules have to appear below it; /etc is what the C library and dash ask for.
 */
static int fast_root(struct lab_setup *s, struct cpio *c, struct err *e)
{
	static const struct {
		const char *name, *target;
	} links[] = {
		{ "bin", "usr/bin" },
		{ "sbin", "usr/sbin" },
		{ "lib64", "usr/lib64" },
		{ "etc/mtab", "/proc/self/mounts" },
	};
	static const char passwd[] = "root:x:0:0:root:/root:/bin/bash\n"
				     "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
	static const char group[] = "root:x:0:\ntty:x:5:\nkvm:x:104:\nnogroup:x:65534:\n";
	struct dirent *d;
	DIR *dir;
	int ret = 0;

	for (size_t i = 0; i < ARRAY_SIZE(links) && !ret; i++)
		ret = cpio_link(c, links[i].name, links[i].target, e);
	if (!ret)
		ret = cpio_data(c, "etc/passwd", 0644, passwd, strlen(passwd), e);
	if (!ret)
		ret = cpio_data(c, "etc/group", 0644, group, strlen(group), e);
	if (!ret)
		ret = cpio_file(c, "etc/ld.so.cache", 0644, "/etc/ld.so.cache", e);
	if (ret < 0)
		return ret;
	dir = opendir("/usr/lib");
	if (!dir)
		return err_sys(e, "reading /usr/lib failed");
	while (!ret && (d = readdir(dir))) {
		char name[300], target[300];

		if (d->d_name[0] == '.' || !strcmp(d->d_name, "modules"))
			continue;
		snprintf(name, sizeof(name), "lib/%s", d->d_name);
		snprintf(target, sizeof(target), "/usr/lib/%s", d->d_name);
		ret = cpio_link(c, name, target, e);
	}
	closedir(dir);
	share(s, "usr", "/usr", "/usr", false);
	share(s, "alternatives", "/etc/alternatives", "/etc/alternatives", false);
	return ret;
}

static void module_order(void *ctx, const char *path)
{
	record(ctx, "module /%s", path);
}

static void command_records(struct lab_setup *s)
{
	const struct lab_options *o = s->o;
	const char *term = getenv("TERM");

	record(s, "flavour %s", o->flavour == LAB_FAST ? "fast" : "full");
	record(s, "env PATH=" LAB_BIN ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:"
		  "/bin");
	record(s, "env HOME=/root");
	record(s, "env LANG=C.UTF-8");
	record(s, "env TERM=%s", term ? term : "dumb");
	record(s, "env RTKVM_LAB=%s", o->flavour == LAB_FAST ? "fast" : "full");
	if (o->n_shares)
		record(s, "env RTKVM_SHARE=%s", s->share_paths[0]);
	if (o->disk)
		record(s, "off yes");
	if (o->keep)
		record(s, "keep yes");
	if (o->action == LAB_SHELL)
		record(s, "tty yes");
	for (char **arg = o->argv; arg && *arg; arg++)
		record(s, "arg %s", *arg);
}

static int collect_initrd(struct lab_setup *s, struct cpio *c, struct err *e)
{
	static const char *const base[] = { "virtio_pci", "virtio_console", "9pnet_virtio",
					    "9p",	  "kvm_amd",	    NULL };
	static const char *const disk[] = { "virtio_blk", "crc32c_generic", "ext4", NULL };
	char path[PATH_MAX];
	int ret = kernel_add_modules(&s->kernel, base, c, module_order, s, e);

	if (!ret && s->o->flavour == LAB_FULL)
		ret = kernel_add_modules(&s->kernel, disk, c, module_order, s, e);
	if (!ret)
		ret = paths_support(path, sizeof(path), "guests/lab-agent", e);
	if (!ret)
		ret = cpio_file(c, "init", 0755, path, e);
	if (!ret)
		ret = paths_self(path, sizeof(path), e);
	if (!ret)
		ret = cpio_file(c, "rtkvm/rtkvm", 0755, path, e);
	if (!ret && s->o->flavour == LAB_FAST)
		ret = fast_root(s, c, e);
	if (!ret)
		ret = modules_share(s, e);
	if (!ret)
		ret = support_share(s, e);
	if (!ret)
		ret = results_share(s, e);
	if (!ret)
		ret = user_shares(s, e);
	return ret;
}

int lab_setup_initrd(struct lab_setup *s, const char *path, struct err *e)
{
	_cleanup_cpio_ struct cpio c = { 0 };
	_cleanup_close_ int fd = -1;
	int ret;

	s->order = open_memstream(&s->order_text, &s->order_len);
	if (!s->order)
		return err_sys(e, "writing the lab's order failed");
	ret = collect_initrd(s, &c, e);
	if (!ret)
		command_records(s);
	if (fclose(s->order) && !ret)
		ret = err_sys(e, "writing the lab's order failed");
	if (!ret)
		ret = cpio_data(&c, LAB_ORDER + 1, 0644, s->order_text, s->order_len, e);
	if (!ret)
		ret = cpio_dir(&c, "dev", 0755, e);
	if (ret < 0)
		return ret;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "writing %s failed", path);
	return cpio_write(&c, fd, e);
}

void lab_setup_free(struct lab_setup *s)
{
	free(s->order_text);
	s->order_text = NULL;
}

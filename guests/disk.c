// SPDX-License-Identifier: GPL-2.0-only
#include "guests/disk.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guests/elf.h"
#include "guests/home.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/paths.h"
#include "lib/proc.h"

/* Counts up when lab/customize or the options below change what the disk holds. */
enum { DISK_REVISION = 2, GRUB_BYTES = 64 << 10 };

/* A server's real-time host, as its administrator would install it, and QEMU to compare with. */
static const char *const system_packages[] = {
	"systemd",	   "systemd-sysv", "dbus",	   "tuned",	  "rt-tests",
	"trace-cmd",	   "procps",	   "iproute2",	   "kmod",	  "jq",
	"qemu-system-x86", "grub-common",  "grub2-common", "grub-pc-bin", NULL,
};

/* A process and mount name space of its own: when its first process is killed, everything in it is. */
static const char *const mmdebstrap[] = {
	"unshare",
	"--mount",
	"--pid",
	"--fork",
	"--mount-proc",
	"--kill-child",
	"mmdebstrap",
	"--quiet",
	"--mode=root",
	"--variant=minbase",
	"--format=null",
	"--aptopt=APT::Install-Recommends \"false\"",
	"--aptopt=Acquire::Languages \"none\"",
	"--dpkgopt=path-exclude=/usr/share/doc/*",
	"--dpkgopt=path-exclude=/usr/share/man/*",
	"--dpkgopt=path-exclude=/usr/share/info/*",
	"--dpkgopt=path-exclude=/usr/share/locale/*",
	NULL,
};

/* The first error in mmdebstrap's log, on one line: those that follow are its consequences. */
static int explain(const char *log, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	struct err ignored = { 0 };
	char *line = NULL, *save = NULL;

	if (file_load(log, 16 << 20, &text, &ignored) > 0)
		for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
			if (!strncmp(line, "E:", 2) || !strncmp(line, "mke2fs:", 7))
				break;
	return err_set(e, -EIO, "building the lab's disk failed: mmdebstrap: %s",
		       line ? line : "it said nothing");
}

static int disk_path(char *buf, const char *name, struct err *e)
{
	char lab[PATH_MAX];
	int ret = home_path(lab, "lab", e);

	if (!ret && !file_path(buf, PATH_MAX, "%s/%s", lab, name))
		return err_sys(e, "finding the lab's disk failed");
	return ret;
}

/* The packages that hold the libraries our own program was linked with, on this system. */
static int own_packages(struct args *out, struct err *e)
{
	_cleanup_args_ struct args needed = { 0 }, query = { 0 };
	char self[PATH_MAX], found[16384], *save = NULL;
	int ret = paths_self(self, sizeof(self), e);

	if (!ret)
		ret = elf_needed(self, &needed, e);
	if (ret < 0)
		return ret;
	args_add(&query, "dpkg-query");
	args_add(&query, "--search");
	for (size_t i = 0; i < needed.n; i++)
		if (needed.v[i][0] != '/')
			args_add(&query, "/*lib/x86_64-linux-gnu/%s", needed.v[i]);
	ret = args_check(&query, e);
	if (!ret)
		ret = proc_run(query.v, 600, found, sizeof(found), e);
	if (ret)
		return ret < 0 ? ret
			       : err_set(e, -ENOENT,
					 "some library of rtkvm belongs to no Debian "
					 "package; the full lab needs a rtkvm built "
					 "with Debian's");
	for (char *line = strtok_r(found, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		line[strcspn(line, ":")] = '\0';
		if (!args_has(out, line))
			args_add(out, "%s", line);
	}
	return args_check(out, e);
}

int disk_packages(struct args *out, struct err *e)
{
	args_add_all(out, system_packages);
	return own_packages(out, e);
}

/* One "NAME VERSION" a line; the disk is current while this is equal. */
static char *make_stamp(const struct kernel *k, const struct apt_package *p, size_t n)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	fprintf(f, "disk %d\n%s %s\n", DISK_REVISION, k->package.name, k->package.version);
	for (size_t i = 0; i < n; i++)
		fprintf(f, "%s %s\n", p[i].name, p[i].version);
	if (!fclose(f))
		return text;
	free(text);
	return NULL;
}

static int suite(char *buf, size_t size, struct err *e)
{
	char text[4096], *at;

	if (file_read("/etc/os-release", text, sizeof(text), e) < 0)
		return e->code;
	at = strstr(text, "VERSION_CODENAME=");
	if (!at)
		return err_set(e, -ENOENT,
			       "/etc/os-release names no Debian release; the full lab "
			       "needs a Debian machine, the fast one does not");
	at += strlen("VERSION_CODENAME=");
	snprintf(buf, size, "%.*s", (int)strcspn(at, "\n"), at);
	return 0;
}

static int run_mmdebstrap(const struct kernel *k, const struct apt_package *package, size_t n,
			  const struct rundir *dir, const char *disk, struct err *e)
{
	_cleanup_args_ struct args a = { 0 };
	char hook[PATH_MAX], log[PATH_MAX], release[64];
	struct proc_opts o = PROC_OPTS_INIT;
	_cleanup_close_ int out = -1;
	struct proc p;
	int ret = paths_support(hook, sizeof(hook), "guests/lab-customize", e);

	if (!ret)
		ret = suite(release, sizeof(release), e);
	if (ret < 0)
		return ret;
	if (!file_path(log, sizeof(log), "%s/mmdebstrap.log", dir->path))
		return err_sys(e, "building the lab's disk failed");
	out = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (out < 0)
		return err_sys(e, "writing %s failed", log);
	args_add_all(&a, mmdebstrap);
	args_add(&a, "--customize-hook=%s", hook);
	for (size_t i = 0; i < n; i++)
		args_add(&a, "--include=%s", package[i].name);
	args_add(&a, "%s", release);
	args_add(&a, "/dev/null");
	ret = args_check(&a, e);
	if (ret < 0)
		return ret;
	if (setenv("TMPDIR", dir->path, 1) || setenv("RTKVM_DISK", disk, 1) ||
	    setenv("RTKVM_KERNEL", k->image, 1))
		return err_sys(e, "building the lab's disk failed");
	o.argv = a.v;
	o.out = o.err = out;
	ret = proc_start(&p, &o, e);
	if (ret < 0)
		return ret;
	ret = proc_wait(&p, 0);
	if (ret < 0) {
		proc_stop(&p, 0);
		return err_set(e, ret, "building the lab's disk was interrupted");
	}
	return proc_code(&p) ? explain(log, e) : 0;
}

static int make_disk(const struct kernel *k, const struct apt_package *p, size_t n,
		     const char *stamp, const char *disk, const char *stamp_path, struct err *e)
{
	char tmp[PATH_MAX];
	struct rundir dir;
	int ret;

	if (geteuid())
		return err_set(e, -EPERM,
			       "building the lab's full flavour needs root; run sudo "
			       "rtkvm lab build, or use --flavour fast");
	ret = rundir_create(&dir, e);
	if (ret < 0)
		return ret;
	chmod(dir.path, 0755); /* apt works in it as a user of its own */
	if (!file_path(tmp, sizeof(tmp), "%s/disk", dir.path))
		ret = err_sys(e, "building the lab's disk failed");
	if (!ret)
		ret = run_mmdebstrap(k, p, n, &dir, tmp, e);
	if (!ret) {
		unlink(stamp_path);
		if (rename(tmp, disk))
			ret = err_sys(e, "writing %s failed", disk);
	}
	if (!ret)
		ret = file_replace(stamp_path, stamp, strlen(stamp), e);
	rundir_remove(&dir);
	return ret;
}

int disk_build(const struct kernel *k, const struct apt_package *p, size_t n, struct err *e)
{
	_cleanup_free_ char *stamp = make_stamp(k, p, n), *old = NULL;
	char disk[PATH_MAX], stamp_path[PATH_MAX];
	struct err ignored = { 0 };
	int ret = disk_path(disk, "disk", e);

	if (!ret)
		ret = disk_path(stamp_path, "disk.stamp", e);
	if (!ret && !stamp)
		ret = err_set(e, -ENOMEM, "building the lab's disk failed: no memory");
	if (ret < 0)
		return ret;
	if (file_exists(disk) && file_load(stamp_path, 1 << 20, &old, &ignored) >= 0 &&
	    !strcmp(old, stamp))
		return 0;
	ret = make_disk(k, p, n, stamp, disk, stamp_path, e);
	return ret < 0 ? ret : 1;
}

int disk_find(char *path, struct err *e)
{
	char stamp[PATH_MAX];
	int ret = disk_path(path, "disk", e);

	if (!ret)
		ret = disk_path(stamp, "disk.stamp", e);
	if (!ret && (!file_exists(path) || !file_exists(stamp)))
		ret = err_set(e, -ENOENT, "the lab has no disk yet; run rtkvm lab build");
	return ret;
}

int disk_copy(const char *path, struct err *e)
{
	char from[PATH_MAX], tmp[PATH_MAX];
	char *argv[] = { (char *)"cp",
			 (char *)"--sparse=always",
			 (char *)"--reflink=auto",
			 (char *)"--",
			 from,
			 tmp,
			 NULL };
	int ret = disk_find(from, e);

	if (ret < 0)
		return ret;
	if (!file_path(tmp, sizeof(tmp), "%s.tmp", path))
		return err_sys(e, "making the disk %s failed", path);
	ret = proc_run(argv, 1800, NULL, 0, e);
	if (ret > 0)
		ret = err_set(e, -EIO,
			      "making the disk %s failed: cp exit code %d; is there room "
			      "for 500 MB?",
			      path, ret);
	if (!ret && rename(tmp, path))
		ret = err_sys(e, "making the disk %s failed", path);
	if (ret < 0)
		unlink(tmp);
	return ret;
}

/* The last 'set NAME="VALUE"' at the start of a line, as GRUB's shell would have it; "" if none. */
static void grub_variable(const char *cfg, const char *name, size_t len, char *buf, size_t size)
{
	buf[0] = '\0';
	for (const char *line = cfg; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		const char *p = line + strspn(line, " \t");
		size_t n;

		if (strncmp(p, "set", 3) || !isblank((unsigned char)p[3]))
			continue;
		p += 3 + strspn(p + 3, " \t");
		if (strncmp(p, name, len) || p[len] != '=')
			continue;
		p += len + 1;
		n = strcspn(p, "\n");
		if (n >= 2 && (*p == '"' || *p == '\'') && p[n - 1] == *p) {
			p++;
			n -= 2;
		}
		snprintf(buf, size, "%.*s", (int)n, p);
	}
}

/* One word of the linux line, $NAME and ${NAME} replaced. */
static void expand(FILE *out, const char *cfg, const char *word, size_t len)
{
	for (const char *p = word; p < word + len; p++) {
		bool braces = p + 1 < word + len && p[1] == '{';
		const char *name = p + 1 + braces;
		char value[2048];
		size_t n;

		for (n = 0;
		     name + n < word + len && (isalnum((unsigned char)name[n]) || name[n] == '_');)
			n++;
		if (*p != '$' || !n || (braces && (name + n >= word + len || name[n] != '}'))) {
			fputc(*p, out);
			continue;
		}
		grub_variable(cfg, name, n, value, sizeof(value));
		fputs(value, out);
		p = name + n - 1 + braces;
	}
}

/* The first menu entry's: a "linux" line that is indented, with a path and its parameters. */
static const char *linux_line(const char *cfg)
{
	for (const char *line = cfg; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		const char *p = line + strspn(line, " \t");

		if (p > line && !strncmp(p, "linux", 5) && isblank((unsigned char)p[5]))
			return p + 5;
	}
	return NULL;
}

int disk_parse_grub(const char *cfg, char *buf, size_t size, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	const char *word = linux_line(cfg);
	size_t len = 0, n;
	bool image = true;
	FILE *f;

	if (!word)
		return err_set(e, -ENOENT, "grub.cfg has no menu entry that boots Linux");
	f = open_memstream(&text, &len);
	if (!f)
		return err_sys(e, "reading grub.cfg failed");
	for (; *word && *word != '\n'; word += n) {
		word += strspn(word, " \t");
		n = strcspn(word, " \t\n");
		if (n && !image && strncmp(word, "root=", 5)) {
			expand(f, cfg, word, n);
			fputc(' ', f);
		}
		image = false;
	}
	if (fclose(f))
		return err_sys(e, "reading grub.cfg failed");
	while (len && text[len - 1] == ' ')
		text[--len] = '\0';
	if (!file_path(buf, size, "%s", text))
		return err_set(e, -E2BIG, "the command line in grub.cfg is too long: %zu bytes",
			       len);
	return 0;
}

int disk_cmdline(const char *disk, char *buf, size_t size, struct err *e)
{
	char *argv[] = { (char *)"/sbin/debugfs", (char *)"-R", (char *)"cat /boot/grub/grub.cfg",
			 (char *)disk, NULL };
	_cleanup_free_ char *cfg = malloc(GRUB_BYTES);
	int ret;

	if (!cfg)
		return err_set(e, -ENOMEM, "reading grub.cfg failed: no memory");
	ret = proc_run(argv, 600, cfg, GRUB_BYTES, e);
	if (ret)
		return ret < 0 ? ret : err_set(e, -EIO, "reading %s with debugfs failed", disk);
	ret = disk_parse_grub(cfg, buf, size, e);
	return ret;
}

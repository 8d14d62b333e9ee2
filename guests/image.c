// SPDX-License-Identifier: GPL-2.0-only
#include "guests/image.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guests/elf.h"
#include "guests/home.h"
#include "guests/kernel.h"
#include "lib/cleanup.h"
#include "lib/digest.h"
#include "lib/file.h"
#include "lib/paths.h"
#include "lib/proc.h"

/* What the initramfs is made of, besides the kernel and our init. */
enum { PKG_BUSYBOX, PKG_RT_TESTS, PKG_LIBC, PKG_NUMA, PKG_KERNEL_META, N_PACKAGES };

static const char *const packages[N_PACKAGES] = {
	[PKG_BUSYBOX] = "busybox-static",
	[PKG_RT_TESTS] = "rt-tests",
	[PKG_LIBC] = "libc6",
	[PKG_NUMA] = "libnuma1",
};

/* Where in those packages libraries lie; the dynamic linker's own default directories. */
static const char *const lib_dirs[] = { "lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu" };

static const char *const program_dirs[] = { "usr/bin", "usr/sbin" };

/* Modules, each row with the device without which init leaves it out: checked in this order. */
static const struct {
	const char *device;
	const char *modules[6];
} modules[] = {
	{ "/sys/bus/acpi/devices/QEMU0001:00", { "pvpanic_mmio" } },
	{ "/sys/bus/pci/devices/0000:00:01.0", { "virtio_pci" } },
	{ "/sys/bus/virtio/devices/virtio0",
	  { "virtio_blk", "virtio_console", "virtio_net", "virtio-rng",
	    "vmw_vsock_virtio_transport" } },
};

/* Our own programs: what each is among the support files, in the guest, and in the manifest. */
static const struct {
	const char *from, *to, *key;
} ours[] = {
	{ "guests/init", "init", "init_sha256" },
	{ "guests/sample", "usr/bin/rtkvm-sample", "sample_sha256" },
	{ "guests/hwlat", "usr/bin/rtkvm-hwlat", "hwlat_sha256" },
};

enum { LIST_BYTES = 64 << 10 };

struct build {
	const char *dir, *kind;
	char name[NAME_MAX + 1]; /* the directory's */
	struct kernel kernel;
	struct apt_package package[N_PACKAGES];
	char tree[N_PACKAGES][PATH_MAX];
	char ours[ARRAY_SIZE(ours)][PATH_MAX];
	struct cpio cpio;
	json_object *manifest;
};

/* The file in one of our packages' trees, its place there in name. */
static int find_library(const struct build *b, const char *base, char *from, char *name,
			struct err *e)
{
	for (size_t p = 0; p < PKG_KERNEL_META; p++) {
		for (size_t d = 0; d < ARRAY_SIZE(lib_dirs); d++) {
			if (file_path(name, PATH_MAX, "%s/%s", lib_dirs[d], base) &&
			    file_path(from, PATH_MAX, "%s/%s", b->tree[p], name) &&
			    file_exists(from))
				return 0;
		}
	}
	return err_set(e, -ENOENT, "library %s is in none of the guest's packages", base);
}

/* An interpreter keeps the path its programs name; other libraries stay where their package has
 * them. */
static int add_library(struct build *b, const char *needed, struct args *all, struct err *e)
{
	const char *slash = strrchr(needed, '/');
	char from[PATH_MAX], name[PATH_MAX];
	int ret = find_library(b, slash ? slash + 1 : needed, from, name, e);

	if (ret < 0)
		return ret;
	ret = cpio_file(&b->cpio, slash ? needed + 1 : name, 0755, from, e);
	if (ret < 0)
		return ret;
	return elf_needed(from, all, e);
}

/* all grows while it is walked: a library's needs are put behind it. */
static int add_libraries(struct build *b, struct args *all, struct err *e)
{
	for (size_t i = 0; i < all->n; i++) {
		int ret = add_library(b, all->v[i], all, e);

		if (ret < 0)
			return ret;
	}
	return 0;
}

/* Programs in scripting languages stay out: there is no interpreter for them. */
static int add_programs(struct build *b, const char *tree, const char *dir, struct args *needed,
			struct err *e)
{
	char pattern[PATH_MAX];
	glob_t found;
	int ret = 0;

	if (!file_path(pattern, sizeof(pattern), "%s/%s/*", tree, dir))
		return err_sys(e, "reading %s failed", tree);
	if (glob(pattern, 0, NULL, &found))
		return 0;
	for (size_t i = 0; i < found.gl_pathc && ret >= 0; i++) {
		const char *path = found.gl_pathv[i];
		char name[PATH_MAX];

		ret = elf_needed(path, needed, e);
		if (ret <= 0)
			continue;
		if (!file_path(name, sizeof(name), "%s%s", dir, strrchr(path, '/')))
			ret = err_sys(e, "adding %s failed", path);
		else
			ret = cpio_file(&b->cpio, name, 0755, path, e);
	}
	globfree(&found);
	return ret < 0 ? ret : 0;
}

/* busybox knows its own applets; the static program runs on the machine that builds as well. */
static int add_busybox(struct build *b, const char *tree, struct err *e)
{
	_cleanup_free_ char *list = malloc(LIST_BYTES);
	char path[PATH_MAX], name[PATH_MAX], *save = NULL;
	char *argv[] = { path, (char *)"--list", NULL };
	int ret;

	if (!list || !file_path(path, sizeof(path), "%s/bin/busybox", tree))
		return err_set(e, -ENOMEM, "adding busybox failed");
	ret = proc_run(argv, 60, list, LIST_BYTES, e);
	if (ret)
		return ret < 0 ? ret : err_set(e, -EIO, "listing busybox's applets failed");
	ret = cpio_file(&b->cpio, "bin/busybox", 0755, path, e);
	for (char *applet = strtok_r(list, "\n", &save); applet && !ret;
	     applet = strtok_r(NULL, "\n", &save)) {
		file_path(name, sizeof(name), "bin/%s", applet);
		if (strcmp(applet, "busybox"))
			ret = cpio_link(&b->cpio, name, "busybox", e);
	}
	return ret;
}

struct module_list {
	FILE *out;
	const char *device;
};

static void module_line(void *ctx, const char *path)
{
	const struct module_list *l = ctx;

	fprintf(l->out, "%s /%s\n", l->device, path);
}

static int add_modules(struct build *b, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	int ret = 0;

	if (!f)
		return err_sys(e, "listing the guest's modules failed");
	for (size_t i = 0; i < ARRAY_SIZE(modules) && !ret; i++) {
		struct module_list l = { f, modules[i].device };

		ret = kernel_add_modules(&b->kernel, modules[i].modules, &b->cpio, module_line, &l,
					 e);
	}
	if (fclose(f) && !ret)
		ret = err_sys(e, "listing the guest's modules failed");
	return ret < 0 ? ret : cpio_data(&b->cpio, "etc/modules", 0644, text, len, e);
}

static int add_packages(struct build *b, struct err *e)
{
	_cleanup_args_ struct args needed = { 0 };
	int ret = add_busybox(b, b->tree[PKG_BUSYBOX], e);

	for (size_t d = 0; d < ARRAY_SIZE(program_dirs) && !ret; d++)
		ret = add_programs(b, b->tree[PKG_RT_TESTS], program_dirs[d], &needed, e);
	if (!ret && !cpio_has(&b->cpio, "usr/bin/cyclictest"))
		ret = err_set(e, -ENOENT, "package rt-tests has no cyclictest");
	return ret < 0 ? ret : add_libraries(b, &needed, e);
}

static int collect(struct build *b, struct err *e)
{
	static const char *const dirs[] = { "dev", "proc", "sys", "tmp", "out", "root", NULL };
	int ret = 0;

	for (size_t i = 0; i < ARRAY_SIZE(ours) && !ret; i++)
		ret = cpio_file(&b->cpio, ours[i].to, 0755, b->ours[i], e);
	for (const char *const *dir = dirs; *dir && !ret; dir++)
		ret = cpio_dir(&b->cpio, *dir, 0755, e);
	if (!ret)
		ret = add_packages(b, e);
	if (!ret)
		ret = add_modules(b, e);
	return ret;
}

static int fetch(struct build *b, struct err *e)
{
	char cache[PATH_MAX];
	_cleanup_close_ int lock = home_cache(cache, e);
	int ret = lock < 0 ? lock : 0;

	if (!ret)
		ret = kernel_fetch(&b->kernel, &b->package[PKG_KERNEL_META], cache, e);
	for (size_t i = 0; i < PKG_KERNEL_META && !ret; i++)
		ret = apt_unpack(&b->package[i], cache, b->tree[i], e);
	return ret;
}

static void add_package(json_object *list, const struct apt_package *p)
{
	json_object *o = json_object_new_object();

	json_set_str(o, "name", p->name);
	json_set_str(o, "version", p->version);
	json_object_array_add(list, o);
}

/* Those asked for; what they need comes with the kernel. */
static json_object *module_names(void)
{
	json_object *list = json_object_new_array();

	for (size_t i = 0; i < ARRAY_SIZE(modules); i++)
		for (const char *const *name = modules[i].modules; *name; name++)
			json_object_array_add(list, json_object_new_string(*name));
	return list;
}

/* What the image is made of; equal inputs make an equal image. */
static int describe(struct build *b, struct err *e)
{
	json_object *kernel = json_object_new_object(), *list = json_object_new_array();
	char digest[DIGEST_HEX + 1];
	struct apt_package k;
	int ret = apt_dependency(&k, &b->package[PKG_KERNEL_META], "linux-image-", e);

	b->manifest = json_object_new_object();
	json_set_int(b->manifest, "schema", IMAGE_SCHEMA);
	json_set_str(b->manifest, "name", b->name);
	json_object_object_add(b->manifest, "kernel", kernel);
	json_object_object_add(b->manifest, "packages", list);
	json_object_object_add(b->manifest, "modules", module_names());
	for (size_t i = 0; i < ARRAY_SIZE(ours) && !ret; i++) {
		ret = digest_sha256(b->ours[i], digest, e);
		json_set_str(b->manifest, ours[i].key, ret ? NULL : digest);
	}
	if (ret < 0)
		return ret;
	json_set_str(kernel, "release", k.name + strlen("linux-image-"));
	json_set_str(kernel, "package", k.name);
	json_set_str(kernel, "version", k.version);
	for (size_t i = 0; i < PKG_KERNEL_META; i++)
		add_package(list, &b->package[i]);
	add_package(list, &k);
	return 0;
}

static int write_initrd(struct build *b, const char *path, struct err *e)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	int ret;

	if (fd < 0)
		return err_sys(e, "writing %s failed", path);
	ret = cpio_write(&b->cpio, fd, e);
	if (!ret && fsync(fd))
		ret = err_sys(e, "writing %s failed", path);
	return ret;
}

/* Made beside its place under another name: until all are made the old image stays whole. */
static int make_file(struct build *b, const char *name, json_object *files,
		     int (*make)(struct build *b, const char *path, struct err *e), struct err *e)
{
	char tmp[PATH_MAX], digest[DIGEST_HEX + 1];
	json_object *o = json_object_new_object();
	struct stat st;
	int ret;

	json_object_object_add(files, name, o);
	if (!file_path(tmp, sizeof(tmp), "%s/%s.tmp", b->dir, name))
		return err_sys(e, "writing the image %s failed", b->dir);
	ret = make(b, tmp, e);
	if (!ret)
		ret = digest_sha256(tmp, digest, e);
	if (!ret && stat(tmp, &st))
		ret = err_sys(e, "writing %s failed", tmp);
	if (ret < 0)
		return ret;
	json_set_str(o, "sha256", digest);
	json_set_int(o, "bytes", st.st_size);
	return 0;
}

static int copy_kernel(struct build *b, const char *path, struct err *e)
{
	return file_copy(b->kernel.image, path, e);
}

static bool same(const struct build *b, json_object *old, const char *key)
{
	json_object *was = json_at(old, key), *is = json_at(b->manifest, key);

	return was && json_object_equal(was, is);
}

/* Is what lies there made of the same things? Its own description of the files is left aside. */
static bool up_to_date(const struct build *b)
{
	static const char *const keys[] = { "schema", "name", "kernel", "packages", "modules" };
	struct err ignored = { 0 };
	_cleanup_json_ json_object *old = NULL;

	if (image_manifest(b->dir, &old, &ignored) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (!same(b, old, keys[i]))
			return false;
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		if (!same(b, old, ours[i].key))
			return false;
	return true;
}

static const struct {
	const char *name;
	int (*make)(struct build *b, const char *path, struct err *e);
} image_files[] = {
	{ "vmlinuz", copy_kernel },
	{ "initrd", write_initrd },
};

/* From here on there is no image until its manifest is written. */
static int put_in_place(struct build *b, struct err *e)
{
	char path[PATH_MAX], tmp[PATH_MAX], manifest[PATH_MAX];

	if (!file_path(manifest, sizeof(manifest), "%s/manifest.json", b->dir))
		return err_sys(e, "writing the image %s failed", b->dir);
	unlink(manifest);
	for (size_t i = 0; i < ARRAY_SIZE(image_files); i++)
		if (!file_path(path, sizeof(path), "%s/%s", b->dir, image_files[i].name) ||
		    !file_path(tmp, sizeof(tmp), "%s.tmp", path) || rename(tmp, path))
			return err_sys(e, "writing %s failed", path);
	return json_save(manifest, b->manifest, e);
}

static void remove_temporary(const struct build *b)
{
	char tmp[PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(image_files); i++)
		if (file_path(tmp, sizeof(tmp), "%s/%s.tmp", b->dir, image_files[i].name))
			unlink(tmp);
}

static int make(struct build *b, struct err *e)
{
	json_object *files = json_object_new_object();
	int ret;

	json_object_object_add(b->manifest, "files", files);
	ret = fetch(b, e);
	if (!ret)
		ret = collect(b, e);
	for (size_t i = 0; i < ARRAY_SIZE(image_files) && !ret; i++)
		ret = make_file(b, image_files[i].name, files, image_files[i].make, e);
	if (!ret)
		ret = put_in_place(b, e);
	remove_temporary(b);
	return ret < 0 ? ret : 1;
}

static int find_inputs(struct build *b, struct err *e)
{
	const char *names[N_PACKAGES];
	int ret;

	memcpy(names, packages, sizeof(names));
	names[PKG_KERNEL_META] = kernel_metapackage(b->kind);
	if (!names[PKG_KERNEL_META])
		return err_set(e, -EINVAL, "kernel \"%s\" is unknown; it is rt or generic",
			       b->kind);
	ret = apt_find(b->package, names, N_PACKAGES, e);
	for (size_t i = 0; i < ARRAY_SIZE(ours) && !ret; i++)
		ret = paths_support(b->ours[i], sizeof(b->ours[i]), ours[i].from, e);
	return ret < 0 ? ret : describe(b, e);
}

/* The directory is locked, not a file in it: nothing but the image shall lie there. */
static int lock_dir(const char *dir, bool *made, struct err *e)
{
	int fd, ret;

	*made = !file_exists(dir);
	ret = file_mkdirs(dir, e);
	if (ret < 0)
		return ret;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "opening %s failed", dir);
	if (!flock(fd, LOCK_EX))
		return fd;
	ret = err_sys(e, "waiting for another build of %s failed", dir);
	close(fd);
	return ret;
}

/* An image is called what its directory is called, however the path to it was written. */
static void name_image(struct build *b)
{
	char path[PATH_MAX], *end;

	snprintf(path, sizeof(path), "%s", b->dir);
	end = path + strlen(path);
	while (end > path + 1 && end[-1] == '/')
		*--end = '\0';
	snprintf(b->name, sizeof(b->name), "%.*s", NAME_MAX, basename(path));
}

int image_build(const char *dir, const char *kind, struct err *e)
{
	_cleanup_free_ struct build *b = calloc(1, sizeof(*b));
	_cleanup_close_ int lock = -1;
	bool made = false;
	int ret;

	if (!b)
		return err_set(e, -ENOMEM, "building the image %s failed: no memory", dir);
	b->dir = dir;
	b->kind = kind;
	name_image(b);
	ret = find_inputs(b, e);
	if (!ret) {
		lock = lock_dir(dir, &made, e);
		ret = lock < 0 ? lock : !up_to_date(b);
	}
	if (ret > 0)
		ret = make(b, e);
	if (ret < 0 && made)
		rmdir(dir); /* does nothing when another has put files there */
	cpio_free(&b->cpio);
	json_object_put(b->manifest);
	return ret;
}

int image_manifest(const char *dir, json_object **out, struct err *e)
{
	char path[PATH_MAX];
	int ret;

	*out = NULL;
	if (!file_path(path, sizeof(path), "%s/manifest.json", dir))
		return err_sys(e, "reading the image %s failed", dir);
	if (!file_exists(path))
		return err_set(e, -ENOENT,
			       "%s is no guest image: it has no manifest.json; "
			       "run rtkvm guest build",
			       dir);
	ret = json_load(path, 1 << 20, out, e);
	if (!ret && json_int(*out, "schema", 0) != IMAGE_SCHEMA) {
		json_object_put(*out);
		*out = NULL;
		ret = err_set(e, -EPROTO,
			      "guest image %s has another schema than %d; build it anew", dir,
			      IMAGE_SCHEMA);
	}
	return ret;
}

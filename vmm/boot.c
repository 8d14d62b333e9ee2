// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/boot.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "vmm/acpi.h"

#define PAGE 4096ull

static bool is_elf(const uint8_t *data, size_t len)
{
	return len >= SELFMAG && !memcmp(data, ELFMAG, SELFMAG);
}

enum kind { KIND_BZIMAGE, KIND_PVH, KIND_MULTIBOOT };

/* A 64-bit ELF says more of itself in its PVH note; only what claims nothing else is multiboot. */
static enum kind kind_of(const uint8_t *data, size_t len)
{
	if (is_elf(data, len) && len > EI_CLASS && data[EI_CLASS] == ELFCLASS64)
		return KIND_PVH;
	if (!bzimage_is(data, len) && multiboot_is(data, len))
		return KIND_MULTIBOOT;
	return is_elf(data, len) ? KIND_PVH : KIND_BZIMAGE;
}

size_t boot_memory_map(const struct memory *m, struct boot_range out[static BOOT_RANGES])
{
	size_t n = 0;

	out[n++] = (struct boot_range){ 0, BOOT_LOW_END, 1 };
	out[n++] = (struct boot_range){ BOOT_ACPI, BOOT_HIGH_START - BOOT_ACPI, 2 };
	out[n++] = (struct boot_range){ BOOT_HIGH_START, m->low_bytes - BOOT_HIGH_START, 1 };
	if (m->bytes > m->low_bytes)
		out[n++] = (struct boot_range){ MEM_HIGH_START, m->bytes - m->low_bytes, 1 };
	return n;
}

int boot_put(const struct memory *m, uint64_t at, const void *data, size_t len, const char *what,
	     struct err *e)
{
	void *to = mem_ptr(m, GPA(at), len);

	if (!to)
		return err_set(e, -EFBIG,
			       "%s (%zu bytes at %#" PRIx64
			       ") lies outside the guest's memory; give it "
			       "more with --memory",
			       what, len, at);
	memcpy(to, data, len);
	return 0;
}

int boot_put_cmdline(const struct memory *m, const char *text, uint32_t max, struct err *e)
{
	size_t len = strlen(text);

	if (len > max || len >= BOOT_CMDLINE_MAX)
		return err_set(e, -E2BIG, "--append: %zu characters; this kernel takes %u at most",
			       len, max < BOOT_CMDLINE_MAX ? max : BOOT_CMDLINE_MAX - 1);
	return boot_put(m, BOOT_CMDLINE, text, len + 1, "the command line", e);
}

static int open_regular(const char *what, const char *path, uint64_t *bytes, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* no FIFO is waited for */
	struct stat st;

	if (fd < 0)
		return err_sys(e, "opening %s %s failed", what, path);
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return err_set(e, -EINVAL, "%s %s is not a regular file", what, path);
	}
	*bytes = st.st_size;
	return fd;
}

static int read_into(int fd, uint8_t *to, uint64_t bytes, const char *path, struct err *e)
{
	for (uint64_t got = 0; got < bytes;) {
		ssize_t n = pread(fd, to + got, bytes - got, got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "reading %s failed", path);
		if (n == 0)
			return err_set(e, -EIO, "%s became shorter while it was read", path);
		got += n;
	}
	return 0;
}

/* As high as it may lie: the kernel needs the room below for itself. */
int boot_put_initrd(const struct memory *m, const char *path, uint64_t lowest, uint64_t highest,
		    uint64_t *at, uint64_t *bytes, struct err *e)
{
	_cleanup_close_ int fd = -1;
	uint64_t end = highest < m->low_bytes ? highest : m->low_bytes;

	*at = *bytes = 0;
	if (!path)
		return 0;
	fd = open_regular("--initrd", path, bytes, e);
	if (fd < 0)
		return fd;
	if (!*bytes)
		return err_set(e, -EINVAL, "--initrd %s is empty", path);
	lowest = (lowest + PAGE - 1) & ~(PAGE - 1);
	if (*bytes > end || (end - *bytes) / PAGE * PAGE < lowest)
		return err_set(e, -EFBIG,
			       "--initrd %s (%" PRIu64 " bytes) does not fit into the %" PRIu64
			       " MiB of guest memory beside the kernel; give it more with --memory",
			       path, *bytes, m->bytes >> 20);
	*at = (end - *bytes) / PAGE * PAGE;
	return read_into(fd, mem_ptr(m, GPA(*at), *bytes), *bytes, path, e);
}

static ssize_t load_kernel(const struct boot_opts *o, char **data, struct err *e)
{
	_cleanup_close_ int fd = -1;
	uint64_t bytes;

	fd = open_regular("--kernel", o->kernel, &bytes, e);
	if (fd < 0)
		return fd;
	return file_load(o->kernel, BOOT_KERNEL_MAX_BYTES, data, e);
}

/* The parser's sentence says what is wrong with the image; this says which file. */
static int name_file(const struct boot_opts *o, const struct err *inner, int ret, struct err *e)
{
	return ret < 0 ? err_set(e, ret, "--kernel %s: %s", o->kernel, inner->text) : ret;
}

static int parse(const uint8_t *data, size_t len, struct err *e)
{
	struct multiboot mb;
	struct elf_image img;
	struct bzimage b;

	switch (kind_of(data, len)) {
	case KIND_PVH:
		return elf_parse(&img, data, len, e);
	case KIND_MULTIBOOT:
		return multiboot_parse(&mb, data, len, e);
	default:
		return bzimage_parse(&b, data, len, e);
	}
}

int boot_check(const struct boot_opts *o, uint64_t mem_bytes, struct err *e)
{
	_cleanup_free_ char *data = NULL;
	_cleanup_close_ int fd = -1;
	ssize_t len = load_kernel(o, &data, e);
	struct err inner = { 0 };
	uint64_t bytes;
	int ret;

	if (len < 0)
		return len;
	ret = parse((uint8_t *)data, len, &inner);
	if (ret < 0 || !o->initrd)
		return name_file(o, &inner, ret, e);
	fd = open_regular("--initrd", o->initrd, &bytes, e);
	if (fd < 0)
		return fd;
	if (bytes >= mem_bytes)
		return err_set(e, -EFBIG,
			       "--initrd %s (%" PRIu64
			       " bytes) is larger than the guest's memory (%" PRIu64
			       " bytes); give it more with --memory",
			       o->initrd, bytes, mem_bytes);
	return 0;
}

int boot_load(struct vm *vm, const struct boot_opts *o, struct vcpu_entry *entry, struct err *e)
{
	_cleanup_free_ char *data = NULL;
	ssize_t len = load_kernel(o, &data, e);
	int ret;

	if (len < 0)
		return len;
	ret = acpi_write(vm, e);
	if (ret < 0)
		return ret;
	switch (kind_of((uint8_t *)data, len)) {
	case KIND_PVH:
		return pvh_load(vm, o, (uint8_t *)data, len, entry, e);
	case KIND_MULTIBOOT:
		return multiboot_load(vm, o, (uint8_t *)data, len, entry, e);
	default:
		return bzimage_load(vm, o, (uint8_t *)data, len, entry, e);
	}
}

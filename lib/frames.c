// SPDX-License-Identifier: GPL-2.0-only
#include "lib/frames.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* "", or what may be a file's name in a run directory: letters, digits, '.', '_', '-' */
static bool good_name(const char name[static sizeof(((struct abi_frame *)0)->name)])
{
	size_t room = sizeof(((struct abi_frame *)0)->name), n = strnlen(name, room);

	if (n == room || name[0] == '.' || name[0] == '-')
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("._-", name[i]))
			return false;
	for (size_t i = n; i < room; i++)
		if (name[i])
			return false;
	return true;
}

static uint32_t checksum(struct abi_frame head, const uint8_t *data, size_t len)
{
	uLong crc;

	head.crc = 0;
	crc = crc32_z(crc32_z(0, NULL, 0), (const Bytef *)&head, sizeof(head));
	return len ? crc32_z(crc, data, len) : crc;
}

static int add_file(struct frames *f, const struct abi_frame *head, const uint8_t *data,
		    struct err *e)
{
	struct frame_file *files;

	if (f->n == FRAMES_FILES)
		return err_set(e, -EPROTO, "the guest's data stream has more than %d files",
			       FRAMES_FILES);
	if (frames_find(f, head->name))
		return err_set(e, -EPROTO, "the guest's data stream has two files named %s",
			       head->name);
	files = reallocarray(f->files, f->n + 1, sizeof(*files));
	if (!files)
		return err_set(e, -ENOMEM, "reading the guest's data stream failed: no memory");
	f->files = files;
	files += f->n++;
	memcpy(files->name, head->name, sizeof(files->name));
	files->data = data;
	files->len = head->length;
	return 0;
}

/* The frame at p; its size (header included), 0 for the end frame. */
static ssize_t parse_frame(struct frames *f, const uint8_t *p, size_t left, struct err *e)
{
	const uint8_t *data = p + sizeof(struct abi_frame);
	struct abi_frame head;

	if (left < sizeof(head))
		return err_set(e, -EPROTO,
			       "the guest's data stream is incomplete: it ends%s after %zu files, "
			       "without its end frame",
			       left ? " within a header" : "", f->n);
	memcpy(&head, p, sizeof(head));
	if (head.magic != ABI_FRAME_MAGIC || !good_name(head.name))
		return err_set(
			e, -EPROTO,
			"the guest's data stream is damaged: no frame header after %zu files",
			f->n);
	if (head.name[0] && head.length > ABI_FRAME_MAX_BYTES)
		return err_set(e, -EPROTO,
			       "the guest's file %s is too long: %ju of at most %u bytes",
			       head.name, (uintmax_t)head.length, ABI_FRAME_MAX_BYTES);
	if (head.name[0] && head.length > left - sizeof(head))
		return err_set(e, -EPROTO,
			       "the guest's data stream is incomplete: it ends after %zu of %ju "
			       "bytes of %s",
			       left - sizeof(head), (uintmax_t)head.length, head.name);
	if (head.crc != checksum(head, data, head.name[0] ? head.length : 0))
		return err_set(e, -EPROTO, "the guest's data stream is damaged: checksum of %s",
			       head.name[0] ? head.name : "the end frame");
	if (head.name[0]) {
		int ret = add_file(f, &head, data, e);

		return ret < 0 ? ret : (ssize_t)(sizeof(head) + head.length);
	}
	if (head.length != f->n)
		return err_set(
			e, -EPROTO,
			"the guest's data stream is incomplete: %ju files were sent, %zu came",
			(uintmax_t)head.length, f->n);
	if (left != sizeof(head))
		return err_set(e, -EPROTO,
			       "the guest's data stream is damaged: %zu bytes behind its end frame",
			       left - sizeof(head));
	return 0;
}

int frames_parse(struct frames *f, const void *stream, size_t len, struct err *e)
{
	const uint8_t *p = stream;

	*f = (struct frames){ 0 };
	if (!len)
		return err_set(e, -EPROTO, "the guest sent no data");
	for (;;) {
		ssize_t n = parse_frame(f, p, len, e);

		if (!n)
			return 0;
		if (n < 0) {
			frames_free(f);
			return n;
		}
		p += n;
		len -= n;
	}
}

ssize_t frames_piece(struct frame_file *piece, const void *stream, size_t len, struct err *e)
{
	const uint8_t *data = (const uint8_t *)stream + sizeof(struct abi_frame);
	char name[sizeof(piece->name)] = "";
	struct abi_frame head;

	if (len < sizeof(head))
		return 0;
	memcpy(&head, stream, sizeof(head));
	if (head.magic != ABI_FRAME_MAGIC || head.name[0] != ABI_FRAME_STREAM)
		return 0; /* a file, or damage: frames_parse tells which */
	memcpy(name, head.name + 1, sizeof(name) - 1);
	if (!good_name(name) || !name[0] || head.length > ABI_FRAME_MAX_BYTES)
		return err_set(e, -EPROTO, "the guest's data stream is damaged: a bad piece");
	if (head.length > len - sizeof(head))
		return 0;
	if (head.crc != checksum(head, data, head.length))
		return err_set(e, -EPROTO, "the guest's data stream is damaged: checksum of %s",
			       name);
	memcpy(piece->name, name, sizeof(piece->name));
	piece->data = data;
	piece->len = head.length;
	return sizeof(head) + head.length;
}

const struct frame_file *frames_find(const struct frames *f, const char *name)
{
	for (size_t i = 0; i < f->n; i++)
		if (!strcmp(f->files[i].name, name))
			return &f->files[i];
	return NULL;
}

void frames_free(struct frames *f)
{
	free(f->files);
	*f = (struct frames){ 0 };
}

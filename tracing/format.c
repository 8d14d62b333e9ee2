// SPDX-License-Identifier: GPL-2.0-only
#include "tracing/format.h"

#include <ctype.h>
#include <errno.h>

/* A piece of text with an end instead of a NUL. */
struct span {
	const char *p, *end;
};

/* The next line without its newline; false at the end of the text. */
static bool next_line(struct span *text, struct span *line)
{
	const char *nl;

	if (text->p >= text->end)
		return false;
	nl = memchr(text->p, '\n', text->end - text->p);
	line->p = text->p;
	line->end = nl ? nl : text->end;
	text->p = nl ? nl + 1 : text->end;
	return true;
}

static bool skip_word(struct span *s, const char *word)
{
	size_t n = strlen(word);

	while (s->p < s->end && isspace((unsigned char)*s->p))
		s->p++;
	if ((size_t)(s->end - s->p) < n || memcmp(s->p, word, n) != 0)
		return false;
	s->p += n;
	return true;
}

static bool number(struct span *s, uint32_t max, uint32_t *out)
{
	uint64_t v = 0;
	const char *start;

	while (s->p < s->end && isspace((unsigned char)*s->p))
		s->p++;
	start = s->p;
	for (; s->p < s->end && isdigit((unsigned char)*s->p); s->p++) {
		v = v * 10 + (*s->p - '0');
		if (v > max)
			return false;
	}
	*out = v;
	return s->p > start;
}

bool format_id(const char *text, size_t len, char name[static FORMAT_NAME_BYTES], uint16_t *id)
{
	struct span all = { text, text + len }, line;
	bool have_name = false;
	uint32_t v;

	while (next_line(&all, &line)) {
		size_t n;

		if (skip_word(&line, "name: ")) {
			n = line.end - line.p;
			if (!n || n >= FORMAT_NAME_BYTES || memchr(line.p, '\0', n))
				return false;
			memcpy(name, line.p, n);
			name[n] = '\0';
			have_name = true;
		} else if (have_name && skip_word(&line, "ID: ")) {
			if (!number(&line, UINT16_MAX, &v))
				return false;
			*id = v;
			return true;
		}
	}
	return false;
}

/* Does the declaration ("char comm[16]", "u64 * name") declare this name? */
static bool declares(struct span decl, const char *name)
{
	size_t n = strlen(name);

	while (decl.end > decl.p && decl.end[-1] == ']') {
		while (decl.end > decl.p && decl.end[-1] != '[')
			decl.end--;
		if (decl.end > decl.p)
			decl.end--;
	}
	if ((size_t)(decl.end - decl.p) <= n || memcmp(decl.end - n, name, n) != 0)
		return false;
	return decl.end[-(ptrdiff_t)n - 1] == ' ' || decl.end[-(ptrdiff_t)n - 1] == '*';
}

static bool field_of_line(struct span line, const char *name, uint32_t max_bytes, uint32_t *offset,
			  uint32_t *bytes, bool *is_signed)
{
	struct span decl;
	uint32_t sign = 0;

	if (!skip_word(&line, "field:"))
		return false;
	decl.p = line.p;
	decl.end = memchr(line.p, ';', line.end - line.p);
	if (!decl.end || !declares(decl, name))
		return false;
	line.p = decl.end + 1;
	if (!skip_word(&line, "offset:") || !number(&line, UINT16_MAX, offset) ||
	    !skip_word(&line, ";") || !skip_word(&line, "size:") ||
	    !number(&line, max_bytes, bytes) || !skip_word(&line, ";"))
		return false;
	/* kernels before 2.6.33 do not tell the sign */
	if (skip_word(&line, "signed:"))
		number(&line, 1, &sign);
	*is_signed = sign;
	return true;
}

bool format_field(const char *text, size_t len, const char *name, struct field *f)
{
	struct span all = { text, text + len }, line;
	uint32_t offset, bytes;

	*f = (struct field){ 0 };
	while (next_line(&all, &line)) {
		bool is_signed;

		if (!field_of_line(line, name, UINT16_MAX, &offset, &bytes, &is_signed))
			continue;
		*f = (struct field){ offset, bytes, is_signed };
		return bytes > 0;
	}
	return false;
}

int format_page_head(const char *text, size_t len, struct page_head *h, struct err *e)
{
	struct span all = { text, text + len }, line;
	uint32_t offset, bytes;
	bool is_signed;

	*h = (struct page_head){ 0 };
	while (next_line(&all, &line)) {
		if (field_of_line(line, "commit", 8, &offset, &bytes, &is_signed)) {
			h->commit = offset;
			h->commit_bytes = bytes;
		} else if (field_of_line(line, "data", 1u << 30, &offset, &bytes, &is_signed)) {
			h->data = offset;
			h->data_bytes = bytes;
		}
	}
	if (h->commit != 8 || (h->commit_bytes != 4 && h->commit_bytes != 8))
		return err_set(e, -EINVAL, "header_page names no commit counter of 4 or 8 bytes");
	if (h->data != h->commit + h->commit_bytes || h->data_bytes < 64)
		return err_set(e, -EINVAL, "header_page names no data area behind the page's head");
	return 0;
}

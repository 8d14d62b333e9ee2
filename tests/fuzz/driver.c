// SPDX-License-Identifier: GPL-2.0-only
/*
 * driver - runs a libFuzzer target without libFuzzer: every file of a corpus, then seeded
 * mutations of it, so that make check repeats the same inputs on every machine
 *
 *	NAME CORPUS_DIR [MUTATIONS]
 *
 * make fuzz builds the same targets with clang's libFuzzer for long, guided runs.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { INPUT_MAX = 1 << 20 };

struct rng {
	uint64_t s;
};

/* xorshift64*: any fixed generator does, as long as every machine draws the same inputs */
static uint64_t draw(struct rng *r)
{
	r->s ^= r->s >> 12;
	r->s ^= r->s << 25;
	r->s ^= r->s >> 27;
	return r->s * 2685821657736338717ull;
}

static size_t mutate(struct rng *r, uint8_t *buf, size_t len, size_t room)
{
	static const uint8_t odd[] = { 0, 1, 0x7f, 0x80, 0xff, '-', '\n', '"', '9' };
	int edits = 1 + draw(r) % 8;

	while (edits--) {
		size_t at = len ? draw(r) % len : 0;

		switch (draw(r) % 5) {
		case 0:
			if (len)
				buf[at] ^= 1u << draw(r) % 8;
			break;
		case 1:
			if (len)
				buf[at] = odd[draw(r) % sizeof(odd)];
			break;
		case 2:
			len = at;
			break;
		case 3: /* repeat what follows */
			if (len && len + (len - at) <= room) {
				memmove(buf + len, buf + at, len - at);
				len += len - at;
			}
			break;
		case 4: { /* an extreme 32-bit length or index */
			uint32_t v = draw(r) % 2 ? UINT32_MAX - draw(r) % 4 : draw(r) % 70000;

			if (len >= at + sizeof(v))
				memcpy(buf + at, &v, sizeof(v));
			break;
		}
		}
	}
	return len;
}

static void run_one(const uint8_t *data, size_t len)
{
	/* its own allocation of exactly len bytes: the sanitizer sees a read one past the end */
	uint8_t *copy = malloc(len ? len : 1);

	if (!copy)
		abort();
	memcpy(copy, data, len);
	LLVMFuzzerTestOneInput(copy, len);
	free(copy);
}

static void run_file(const char *path, long mutations, long *runs)
{
	_cleanup_free_ uint8_t *buf = malloc(INPUT_MAX);
	_cleanup_free_ char *data = NULL;
	struct rng r = { .s = 88172645463325252ull };
	struct err e = { 0 };
	ssize_t len = file_load(path, INPUT_MAX, &data, &e);

	if (len < 0 || !buf) {
		fprintf(stderr, "%s\n", e.text);
		exit(1);
	}
	for (const char *c = path; *c; c++)
		r.s += (uint8_t)*c * 0x9e3779b97f4a7c15ull;
	run_one((uint8_t *)data, len);
	for (long i = 0; i < mutations; i++) {
		memcpy(buf, data, len);
		run_one(buf, mutate(&r, buf, len, INPUT_MAX));
	}
	*runs += 1 + mutations;
}

int main(int argc, char **argv)
{
	long mutations = argc > 2 ? atol(argv[2]) : 2000, runs = 0;
	struct dirent **names;
	int n = argc > 1 ? scandir(argv[1], &names, NULL, alphasort) : -1;
	char path[4096];

	if (n < 0) {
		fprintf(stderr, "usage: %s CORPUS_DIR [MUTATIONS]\n", argv[0]);
		return 2;
	}
	for (int i = 0; i < n; i++) {
		if (names[i]->d_name[0] != '.' &&
		    file_path(path, sizeof(path), "%s/%s", argv[1], names[i]->d_name))
			run_file(path, mutations, &runs);
		free(names[i]);
	}
	free(names);
	printf("%ld inputs\n", runs);
	return runs ? 0 : 1;
}

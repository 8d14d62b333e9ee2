// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/campaign_image.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/digest.h"
#include "lib/file.h"
#include "lib/json.h"

enum { MANIFEST_BYTES = 1 << 20 };

/*
 * rtkvm guest build (guests/image.c) notes each of our programs that it puts into an image under the name it
 * has among the support files: "sample_sha256" is of guests/sample. So the manifest says which there are.
 */
static bool is_program(const char *key, char *file, size_t size)
{
	const char *suffix = strrchr(key, '_');

	return suffix && !strcmp(suffix, "_sha256") && !strchr(key, '/') &&
	       file_path(file, size, "guests/%.*s", (int)(suffix - key), key);
}

static int is_ours(const char *file, const char *built, campaign_image_find *find, struct err *e)
{
	char path[PATH_MAX], digest[DIGEST_HEX + 1];

	if (find(path, sizeof(path), file, e) < 0 || digest_sha256(path, digest, e) < 0)
		return e->code;
	return !strcmp(built, digest);
}

int campaign_image_other(const char *image, campaign_image_find *find,
			 char other[static CAMPAIGN_IMAGE_FILE], struct err *e)
{
	_cleanup_json_ json_object *manifest = NULL;
	char path[PATH_MAX], file[CAMPAIGN_IMAGE_FILE];

	*other = '\0';
	if (!file_path(path, sizeof(path), "%s/manifest.json", image))
		return err_sys(e, "reading the image %s failed", image);
	if (json_load(path, MANIFEST_BYTES, &manifest, e) < 0)
		return e->code;
	if (!json_object_is_type(manifest, json_type_object))
		return 0;
	json_object_object_foreach(manifest, key, built) {
		int ret;

		if (!json_object_is_type(built, json_type_string) ||
		    !is_program(key, file, sizeof(file)))
			continue;
		ret = is_ours(file, json_object_get_string(built), find, e);
		if (ret < 0)
			return ret;
		if (!ret && !*other)
			strcpy(other, file);
	}
	return 0;
}

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

/* What rtkvm guest build puts into every image, and where its manifest says which build it was. */
static const struct {
	const char *file, *key;
} programs[] = {
	{ "guests/init", "init_sha256" },
	{ "guests/sample", "sample_sha256" },
	{ "guests/hwlat", "hwlat_sha256" },
};

int campaign_image_other(const char *image, campaign_image_find *find, const char **other,
			 struct err *e)
{
	_cleanup_json_ json_object *manifest = NULL;
	char path[PATH_MAX], digest[DIGEST_HEX + 1];

	*other = NULL;
	if (!file_path(path, sizeof(path), "%s/manifest.json", image))
		return err_sys(e, "reading the image %s failed", image);
	if (json_load(path, MANIFEST_BYTES, &manifest, e) < 0)
		return e->code;
	for (size_t i = 0; i < ARRAY_SIZE(programs) && !*other; i++) {
		const char *built = json_str(manifest, programs[i].key, NULL);

		if (!built)
			continue;
		if (find(path, sizeof(path), programs[i].file, e) < 0 ||
		    digest_sha256(path, digest, e) < 0)
			return e->code;
		if (strcmp(built, digest) != 0)
			*other = programs[i].file;
	}
	return 0;
}

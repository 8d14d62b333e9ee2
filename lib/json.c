// SPDX-License-Identifier: GPL-2.0-only
#include "lib/json.h"

#include <errno.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/file.h"

static void cleanup_tokener(json_tokener **t)
{
	if (*t)
		json_tokener_free(*t);
}

int json_load(const char *path, size_t max, json_object **out, struct err *e)
{
	__attribute__((cleanup(cleanup_tokener))) json_tokener *t = json_tokener_new();
	_cleanup_free_ char *text = NULL;
	ssize_t n = file_load(path, max, &text, e);
	enum json_tokener_error why;

	*out = NULL;
	if (n < 0)
		return n;
	if (!t)
		return err_set(e, -ENOMEM, "reading %s failed: no memory", path);
	*out = json_tokener_parse_ex(t, text, n);
	why = json_tokener_get_error(t);
	if (why == json_tokener_success)
		return 0;
	json_object_put(*out);
	*out = NULL;
	return err_set(e, -EINVAL, "reading %s failed: byte %zu: %s", path,
		       json_tokener_get_parse_end(t),
		       why == json_tokener_continue ? "the file ends too early"
						    : json_tokener_error_desc(why));
}

int json_save(const char *path, json_object *o, struct err *e)
{
	size_t len;
	const char *text = json_object_to_json_string_length(
		o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
	_cleanup_free_ char *line = NULL;

	if (!text || !(line = malloc(len + 1)))
		return err_set(e, -ENOMEM, "writing %s failed: no memory", path);
	memcpy(line, text, len);
	line[len] = '\n';
	return file_replace(path, line, len + 1, e);
}

void json_set_str(json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key, value ? json_object_new_string(value) : NULL);
}

void json_set_int(json_object *o, const char *key, int64_t value)
{
	json_object_object_add(o, key, json_object_new_int64(value));
}

void json_set_double(json_object *o, const char *key, double value)
{
	json_object_object_add(o, key, json_object_new_double(value));
}

void json_set_bool(json_object *o, const char *key, bool value)
{
	json_object_object_add(o, key, json_object_new_boolean(value));
}

json_object *json_at(json_object *o, const char *path)
{
	char key[128];

	while (*path) {
		size_t n = strcspn(path, ".");

		if (n >= sizeof(key))
			return NULL;
		memcpy(key, path, n);
		key[n] = '\0';
		if (!json_object_is_type(o, json_type_object) ||
		    !json_object_object_get_ex(o, key, &o))
			return NULL;
		path += n + (path[n] == '.');
	}
	return o;
}

const char *json_str(json_object *o, const char *path, const char *fallback)
{
	json_object *v = json_at(o, path);

	return json_object_is_type(v, json_type_string) ? json_object_get_string(v) : fallback;
}

int64_t json_int(json_object *o, const char *path, int64_t fallback)
{
	json_object *v = json_at(o, path);

	return json_object_is_type(v, json_type_int) ? json_object_get_int64(v) : fallback;
}

double json_double(json_object *o, const char *path, double fallback)
{
	json_object *v = json_at(o, path);

	return json_object_is_type(v, json_type_double) || json_object_is_type(v, json_type_int)
		       ? json_object_get_double(v)
		       : fallback;
}

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * json - the few things json-c leaves to its users: paths, scope, files that a crash cannot tear
 */
#ifndef RTKVM_LIB_JSON_H
#define RTKVM_LIB_JSON_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"

static inline void cleanup_json(json_object **o)
{
	json_object_put(*o);
}

#define _cleanup_json_ __attribute__((cleanup(cleanup_json)))

/* json_load - parse a file of at most max bytes; the caller puts the object; errors name the place */
int json_load(const char *path, size_t max, json_object **out, struct err *e);

/* json_save - pretty-printed, whole or not at all (file_replace) */
int json_save(const char *path, json_object *o, struct err *e);

/* Setters of one key; a NULL string adds null. The object takes the child over. */
void json_set_str(json_object *o, const char *key, const char *value);
void json_set_int(json_object *o, const char *key, int64_t value);
void json_set_double(json_object *o, const char *key, double value);
void json_set_bool(json_object *o, const char *key, bool value);

/* json_at - the child under a dotted path ("host.kernel"), borrowed; NULL when any part is absent */
json_object *json_at(json_object *o, const char *path);

/* json_str, json_int - the value under a dotted path, or the fallback; strings are borrowed */
const char *json_str(json_object *o, const char *path, const char *fallback);
int64_t json_int(json_object *o, const char *path, int64_t fallback);
double json_double(json_object *o, const char *path, double fallback);

#endif

// SPDX-License-Identifier: GPL-2.0-only
/*
 * schema - holds JSON files against a JSON Schema
 *
 *	schema SCHEMA FILE...
 *
 * The keywords that docs/run.schema.json uses, as draft 2020-12 defines them; one that is not known
 * here is an error, so that no rule of the schema is silently skipped. Prints each violation.
 */
#include <json-c/json.h>
#include <math.h>
#include <regex.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/json.h"

struct check {
	json_object *root;
	const char *file;
	int bad;
};

static void violation(struct check *c, const char *where, const char *what)
{
	printf("%s: %s: %s\n", c->file, where, what);
	c->bad++;
}

static bool matches(const char *pattern, const char *text)
{
	regex_t re;
	bool ok;

	if (regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB)) {
		fprintf(stderr, "schema: bad pattern %s\n", pattern);
		exit(2);
	}
	ok = !regexec(&re, text, 0, NULL, 0);
	regfree(&re);
	return ok;
}

static bool is_type(json_object *v, const char *type)
{
	static const struct {
		const char *name;
		json_type type;
	} types[] = {
		{ "object", json_type_object },	  { "array", json_type_array },
		{ "string", json_type_string },	  { "integer", json_type_int },
		{ "boolean", json_type_boolean }, { "null", json_type_null },
		{ "number", json_type_double },	  { "number", json_type_int },
	};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (!strcmp(types[i].name, type) && json_object_is_type(v, types[i].type))
			return true;
	return false;
}

static bool one_of(json_object *list, json_object *v)
{
	for (size_t i = 0; i < json_object_array_length(list); i++)
		if (json_object_equal(json_object_array_get_idx(list, i), v))
			return true;
	return false;
}

static bool has_type(json_object *types, json_object *v)
{
	if (json_object_is_type(types, json_type_string))
		return is_type(v, json_object_get_string(types));
	for (size_t i = 0; i < json_object_array_length(types); i++)
		if (is_type(v, json_object_get_string(json_object_array_get_idx(types, i))))
			return true;
	return false;
}

static void validate(struct check *c, json_object *schema, json_object *v, const char *where);

static void required(struct check *c, json_object *names, json_object *v, const char *where)
{
	char text[128];

	for (size_t i = 0;
	     json_object_is_type(v, json_type_object) && i < json_object_array_length(names); i++) {
		const char *name = json_object_get_string(json_object_array_get_idx(names, i));

		snprintf(text, sizeof(text), "lacks \"%s\"", name);
		if (!json_object_object_get_ex(v, name, NULL))
			violation(c, where, text);
	}
}

static void properties(struct check *c, json_object *schema, json_object *v, const char *where)
{
	json_object *known = json_at(schema, "properties"), *sub;
	json_object *rest = json_at(schema, "additionalProperties");
	json_object *names = json_at(schema, "propertyNames");
	char path[512];

	json_object_object_foreach(v, key, value) {
		snprintf(path, sizeof(path), "%s.%s", where, key);
		if (names) {
			_cleanup_json_ json_object *name = json_object_new_string(key);

			validate(c, names, name, path);
		}
		if (known && json_object_object_get_ex(known, key, &sub))
			validate(c, sub, value, path);
		else if (rest)
			validate(c, rest, value, path);
	}
}

static void keyword(struct check *c, json_object *schema, const char *key, json_object *rule,
		    json_object *v, const char *where)
{
	static const char *const elsewhere[] = { "$schema",	 "$id",
						 "$defs",	 "title",
						 "description",	 "additionalProperties",
						 "propertyNames" };
	bool text = json_object_is_type(v, json_type_string);
	char path[512];

	for (size_t i = 0; i < ARRAY_SIZE(elsewhere); i++)
		if (!strcmp(key, elsewhere[i]))
			return;
	if (!strcmp(key, "$ref"))
		validate(c, json_at(c->root, "$defs.figure"), v, where);
	else if (!strcmp(key, "type") && !has_type(rule, v))
		violation(c, where, "is of the wrong type");
	else if (!strcmp(key, "const") && !json_object_equal(rule, v))
		violation(c, where, "is not the constant");
	else if (!strcmp(key, "enum") && !one_of(rule, v))
		violation(c, where, "is none of the words");
	else if (!strcmp(key, "required"))
		required(c, rule, v, where);
	else if (!strcmp(key, "minimum") &&
		 (is_type(v, "number") && json_object_get_double(v) < json_object_get_double(rule)))
		violation(c, where, "is below the minimum");
	else if (!strcmp(key, "minLength") && text &&
		 json_object_get_string_len(v) < json_object_get_int(rule))
		violation(c, where, "is too short");
	else if (!strcmp(key, "pattern") && text &&
		 !matches(json_object_get_string(rule), json_object_get_string(v)))
		violation(c, where, "does not match its pattern");
	else if (!strcmp(key, "items"))
		for (size_t i = 0;
		     json_object_is_type(v, json_type_array) && i < json_object_array_length(v);
		     i++) {
			snprintf(path, sizeof(path), "%s[%zu]", where, i);
			validate(c, rule, json_object_array_get_idx(v, i), path);
		}
	else if (!strcmp(key, "properties") && json_object_is_type(v, json_type_object))
		properties(c, schema, v, where);
	else if (!strstr("type const enum minimum minLength pattern properties", key)) {
		fprintf(stderr, "schema: keyword \"%s\" is not known\n", key);
		exit(2);
	}
}

static void validate(struct check *c, json_object *schema, json_object *v, const char *where)
{
	json_object_object_foreach(schema, key, rule)
		keyword(c, schema, key, rule, v, where);
	/* without "properties" the two others stand alone */
	if (!json_at(schema, "properties") && json_object_is_type(v, json_type_object) &&
	    (json_at(schema, "additionalProperties") || json_at(schema, "propertyNames")))
		properties(c, schema, v, where);
}

int main(int argc, char **argv)
{
	_cleanup_json_ json_object *schema = NULL;
	struct err e = { 0 };
	int bad = 0;

	if (argc < 3 || json_load(argv[1], 1 << 24, &schema, &e)) {
		fprintf(stderr, "schema: %s\n", argc < 3 ? "SCHEMA FILE..." : e.text);
		return 2;
	}
	for (int i = 2; i < argc; i++) {
		struct check c = { .root = schema, .file = argv[i] };
		_cleanup_json_ json_object *v = NULL;

		if (json_load(argv[i], 1 << 28, &v, &e)) {
			fprintf(stderr, "schema: %s\n", e.text);
			return 2;
		}
		validate(&c, schema, v, "run");
		bad += c.bad;
	}
	return bad ? 1 : 0;
}

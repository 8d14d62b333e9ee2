// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/campaign_reasons.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void reasons_add(json_object *reasons, const char *text)
{
	for (size_t i = 0; i < json_object_array_length(reasons); i++)
		if (!strcmp(json_object_get_string(json_object_array_get_idx(reasons, i)), text))
			return;
	json_object_array_add(reasons, json_object_new_string(text));
}

void reasons_add_all(json_object *reasons, json_object *from)
{
	size_t n = json_object_is_type(from, json_type_array) ? json_object_array_length(from) : 0;

	for (size_t i = 0; i < n; i++)
		reasons_add(reasons, json_object_get_string(json_object_array_get_idx(from, i)));
}

void reasons_addf(json_object *reasons, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	reasons_add(reasons, text);
}

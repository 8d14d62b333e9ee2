// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/complaint.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

char *complaint(int fd, const char *prefix, char *buf, size_t size)
{
	off_t end = lseek(fd, 0, SEEK_END);
	char text[4096], *line;
	ssize_t n;

	buf[0] = '\0';
	n = pread(fd, text, sizeof(text) - 1,
		  end >= (off_t)sizeof(text) ? end - (off_t)sizeof(text) + 1 : 0);
	while (n > 0 && text[n - 1] == '\n')
		n--;
	if (n <= 0)
		return buf;
	text[n] = '\0';
	line = strrchr(text, '\n');
	line = line ? line + 1 : text;
	if (!strncmp(line, prefix, strlen(prefix)))
		line += strlen(prefix);
	snprintf(buf, size, "%s", line);
	return buf;
}

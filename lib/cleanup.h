/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cleanup - what lives for one function ends with its scope
 *
 *	_cleanup_free_ char *text = NULL;
 *	_cleanup_close_ int fd = -1;
 */
#ifndef RTKVM_LIB_CLEANUP_H
#define RTKVM_LIB_CLEANUP_H

#include <dirent.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_close(const int *fd)
{
	int saved = errno; /* the caller reports the errno of what failed, not of this close */

	if (*fd >= 0)
		close(*fd);
	errno = saved;
}

static inline void cleanup_fclose(FILE **f)
{
	if (*f)
		fclose(*f);
}

static inline void cleanup_closedir(DIR **d)
{
	if (*d)
		closedir(*d);
}

#define _cleanup_free_			__attribute__((cleanup(cleanup_free)))
#define _cleanup_close_			__attribute__((cleanup(cleanup_close)))
#define _cleanup_fclose_		__attribute__((cleanup(cleanup_fclose)))
#define _cleanup_closedir_		__attribute__((cleanup(cleanup_closedir)))

#define ARRAY_SIZE(a)			(sizeof(a) / sizeof((a)[0]))

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#endif

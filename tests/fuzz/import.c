// SPDX-License-Identifier: GPL-2.0-only
/* import - every importer: a file's bytes decide which one reads them, as for the user */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/file.h"
#include "results/import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* What makes a run directory, without the directory: the log goes to memory. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	int fd = memfd_create("input", MFD_CLOEXEC);
	char path[64], log[64];
	struct err e = { 0 };
	struct import im = { .path = path, .unit_ns = len && data[0] & 1 ? 1000 : 1 };

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	snprintf(log, sizeof(log), "/dev/shm/rtkvm-fuzz-%d.log", getpid());
	im.run.doc = json_object_new_object();
	if (fd < 0 || file_write_all(fd, data, len) || log_create(&im.log, log, 1, &e))
		abort();
	unlink(log);
	import_file(&im, &e);
	log_close(&im.log, &e);
	for (size_t i = 0; i < im.n_cpus; i++)
		free(im.cpus[i]);
	free(im.cpus);
	spikes_free(&im.spikes);
	json_object_put(im.run.doc);
	close(fd);
	return 0;
}

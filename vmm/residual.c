// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/residual.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/json.h"

#define EVENT "events/kvm/kvm_wait_lapic_expire/"
#define EARLY "delta < 0"
#define LATE  "delta >= 0"

enum { TEXT_MAX_BYTES = 256 << 10 };

/* Other VMs' vCPUs are left out by the kernel. */
static int add_trigger(const struct residual *r, const char *which, const pid_t *tids, int n,
		       struct err *e)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return err_set(e, -ENOMEM, "--timer-residual: no memory");
	fprintf(f, "hist:keys=common_pid:vals=delta:size=256 if %s && (", which);
	for (int i = 0; i < n; i++)
		fprintf(f, "%scommon_pid == %d", i ? " || " : "", (int)tids[i]);
	fprintf(f, ")");
	if (fclose(f))
		return err_set(e, -ENOMEM, "--timer-residual: no memory");
	return tfs_write(&r->trace, EVENT "trigger", text, e);
}

static int check_kernel(const struct residual *r, struct err *e)
{
	if (!tfs_has(&r->trace, EVENT "format"))
		return err_set(
			e, -ENOTSUP,
			"--timer-residual: this kernel has no event kvm:kvm_wait_lapic_expire; "
			"leave it out");
	if (!tfs_has(&r->trace, EVENT "hist"))
		return err_set(e, -ENOTSUP,
			       "--timer-residual: this kernel has no hist triggers "
			       "(CONFIG_HIST_TRIGGERS); leave it out");
	return 0;
}

int residual_open(struct residual *r, const pid_t *tids, int n, struct err *e)
{
	struct err why = { 0 };
	int ret = tfs_create(&r->trace, "residual", &why);

	if (ret < 0)
		return err_set(e, ret, "--timer-residual: %s", why.text);
	r->on = true;
	ret = check_kernel(r, e);
	if (!ret)
		ret = tfs_buffer(&r->trace, 4, e); /* nothing is recorded */
	if (!ret)
		ret = add_trigger(r, EARLY, tids, n, e);
	if (!ret)
		ret = add_trigger(r, LATE, tids, n, e);
	return ret < 0 ? ret : residual_read(r, e);
}

void residual_close(struct residual *r)
{
	if (r->on)
		tfs_remove(&r->trace);
	free(r->text);
	*r = (struct residual){ 0 };
}

int residual_read(struct residual *r, struct err *e)
{
	char *text;
	int ret;

	if (!r->on)
		return 0;
	ret = tfs_load(&r->trace, EVENT "hist", TEXT_MAX_BYTES, &text, e);
	if (ret < 0)
		return ret;
	free(r->text);
	r->text = text;
	return 0;
}

struct residual_counts residual_of(const struct residual *r, pid_t tid)
{
	return residual_parse(r->text ? r->text : "", tid);
}

/*
 * A histogram for each trigger, which a comment in front of it repeats; sums of negative numbers
 * are printed modulo 2^64.
 */
struct residual_counts residual_parse(const char *text, pid_t tid)
{
	struct residual_counts c = { 0 };
	bool early = false;

	for (const char *line = text; line; line = strchr(line, '\n')) {
		uint64_t n, sum;
		int pid;

		line += *line == '\n';
		if (!strncmp(line, "# trigger info:", 15))
			early = !!memmem(line, strcspn(line, "\n"), EARLY, strlen(EARLY));
		if (sscanf(line, "{ common_pid: %d } hitcount: %" SCNu64 " delta: %" SCNu64, &pid,
			   &n, &sum) != 3 ||
		    pid != tid)
			continue;
		if (early) {
			c.early = n;
			c.early_cycles = -sum;
		} else {
			c.late = n;
			c.late_cycles = sum;
		}
	}
	return c;
}

static void add(json_object *o, const char *count, const char *mean, uint64_t n, uint64_t cycles,
		uint32_t tsc_khz)
{
	json_set_int(o, count, n);
	if (n)
		json_set_int(o, mean, (unsigned __int128)cycles * 1000000 / tsc_khz / n);
	else
		json_object_object_add(o, mean, NULL);
}

json_object *residual_json(const struct residual_counts *from, const struct residual_counts *to,
			   uint32_t tsc_khz)
{
	json_object *o = json_object_new_object();

	add(o, "early", "early_mean_ns", to->early - from->early,
	    to->early_cycles - from->early_cycles, tsc_khz);
	add(o, "late", "late_mean_ns", to->late - from->late, to->late_cycles - from->late_cycles,
	    tsc_khz);
	return o;
}

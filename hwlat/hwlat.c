// SPDX-License-Identifier: GPL-2.0-only
#include "hwlat/hwlat.h"

#include "hwlat/measure.h"
#include "lib/stop.h"

static int whole(struct measure *s, struct hwlat_opts *o, struct err *e)
{
	int ret = measure_open(s, o, e);

	if (!ret)
		ret = measure_run(s, e);
	return ret < 0 ? ret : measure_verdict(s, e);
}

int hwlat_detect(int argc, char **argv, struct err *e)
{
	struct hwlat_opts o = { 0 };
	struct measure s;
	int ret = hwlat_opts_parse(&o, argc, argv, e), closed;

	if (ret < 0)
		return ret;
	if (o.dry_run)
		return measure_dry_run(&o, e);
	stop_install();
	ret = altered_recover(e);
	if (ret < 0)
		return ret;
	ret = whole(&s, &o, e);
	closed = measure_close(&s, e);
	return closed < 0 && ret >= 0 ? closed : ret;
}

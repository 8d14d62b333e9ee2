// SPDX-License-Identifier: GPL-2.0-only
#include "lib/clock.h"

static uint64_t read_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

uint64_t clock_now_ns(void)
{
	return read_ns(CLOCK_MONOTONIC);
}

uint64_t clock_wall_ns(void)
{
	return read_ns(CLOCK_REALTIME);
}

char *clock_iso8601(uint64_t wall_ns, char buf[static CLOCK_ISO_BYTES])
{
	time_t t = wall_ns / NSEC_PER_SEC;
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(buf, CLOCK_ISO_BYTES, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return buf;
}

int clock_sleep_until(uint64_t mono_ns)
{
	struct timespec ts = { .tv_sec = mono_ns / NSEC_PER_SEC,
			       .tv_nsec = mono_ns % NSEC_PER_SEC };

	return -clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

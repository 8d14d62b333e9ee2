// SPDX-License-Identifier: GPL-2.0-only
/* Presets: a commented campaign file for this machine's CPUs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cyclic/campaign.h"
#include "cyclic/campaign_init.h"
#include "lib/cleanup.h"

enum { LIST_BYTES = 1024 }; /* more than a line may have: one that is cut off is told */

/* What a preset's text may name; @GUESTS@ are sections, @GUEST@ their names, @FIRST@ one CPU. */
struct words {
	char measured[LIST_BYTES], first[16], house[LIST_BYTES], guest_names[LIST_BYTES];
	char *guests;
};

const struct campaign_preset campaign_presets[] = {
	{ "smoke",
	  "5 minutes: does everything work? No verdict on latency; the CPU must have vmx or svm",
	  true,
	  "# Smoke: every phase, shortly. Judges function; no limit on latency.\n"
	  "[campaign]\n"
	  "name = smoke\n"
	  "smoke = yes           ; judge function also where latencies are no result\n"
	  "slice = 10s           ; what a crash may cost\n"
	  "on-stall = continue   ; or end\n"
	  "\n@GUESTS@"
	  "[load fork]\nkind = fork\ncpus = @HOUSE@\n\n"
	  "[load signal]\nkind = signal\ncpus = @HOUSE@\n\n"
	  "[load memory]\nkind = memory\ncpus = @HOUSE@\n\n"
	  "[phase doctor]\nrun = doctor\ngate = no             ; a finding is noted, the rest runs\n\n"
	  "[phase hw]\nrun = hwlat\ncpus = @MEASURED@\nduration = 10s\ngate = no\n"
	  "width = 200ms         ; of each second: an emulated machine has to breathe\n\n"
	  "[phase host-idle]\nrun = sample\ncpus = @MEASURED@\ninterval = 1ms\nduration = 10s\n"
	  "spike = 10ms\n\n"
	  "[phase host-fork]\nrun = sample\ncpus = @MEASURED@\ninterval = 1ms\nduration = 10s\n"
	  "loads = fork signal\n\n"
	  "[phase gap]\nrun = gap             ; a guest that only spins: what takes its vCPU away\n"
	  "cpus = @FIRST@\nduration = 10s\n\n"
	  "[phase hw-guest]\nrun = hwlat           ; what else takes a guest's CPUs away, and who\n"
	  "guests = @GUEST@\nduration = 10s\nwidth = 200ms\n\n"
	  "[phase idle_idle]\nrun = cyclictest\nguests = @GUEST@\ninterval = 1ms\nduration = 10s\n\n"
	  "[phase fork_idle]\nrun = cyclictest\nguests = @GUEST@\ninterval = 1ms\nduration = 10s\n"
	  "loads = fork signal\n\n"
	  "[phase mem_fork]\nrun = cyclictest\nguests = @GUEST@\ninterval = 1ms\nduration = 10s\n"
	  "loads = memory\nguest-load = fork     ; names are HOSTLOAD_GUESTLOAD\n\n"
	  "[phase oslat]\nrun = oslat\nguests = @GUEST@\nduration = 10s\nloads = fork\n" },
	{ "rhel", "12 hours each of cyclictest and oslat in a guest, limits of RHEL for Real Time",
	  false,
	  "# The acceptance test of RHEL for Real Time's KVM guide: 12 hours of cyclictest at 200 us\n"
	  "# under a compile loop on the housekeeping CPUs, at most 40 us,\n"
	  "# then 12 hours of oslat, at most 20 us.\n"
	  "[campaign]\n"
	  "name = rhel\n"
	  "\n@GUESTS@"
	  "[load compile]\nkind = compile\ncpus = @HOUSE@\ndir = /tmp\n\n"
	  "[phase doctor]\nrun = doctor\ngate = yes            ; a machine that is not set up is not "
	  "measured\n\n"
	  "[phase hw]\nrun = hwlat\ncpus = @MEASURED@\nduration = 10m\nthreshold = 10us\ngate = "
	  "yes\n\n"
	  "[phase host-comp]\nrun = sample\ncpus = @MEASURED@\ninterval = 200us\nduration = 1h\n"
	  "loads = compile\nlimit = 40us\ngate = yes\n\n"
	  "[phase gap]\nrun = gap             ; a guest that only spins: what takes its vCPU away\n"
	  "cpus = @FIRST@\nduration = 10m\nloads = compile\n\n"
	  "[phase comp_idle]\nrun = cyclictest\nguests = @GUEST@\ninterval = 200us\nduration = 12h\n"
	  "segment = 2h          ; the guest boots anew each time; what a crash may cost\n"
	  "loads = compile\nlimit = 40us\n"
	  "# on-spike = trace    ; break off beyond the limit, explain it by traces, go on; costs latency\n\n"
	  "[phase oslat]\nrun = oslat\nguests = @GUEST@\nduration = 12h\nsegment = 2h\n"
	  "loads = compile\nlimit = 20us\n" },
	{ "24h", "24 hours of cyclictest -p95 -i 200 in a guest beside fork and signal app", false,
	  "# The long test of the KVM-RT practice: cyclictest -p95 -i 200 -D 24h -h100 beside the pair\n"
	  "# of fork app and signal app.\n"
	  "[campaign]\n"
	  "name = day\n"
	  "\n@GUESTS@"
	  "[load fork]\nkind = fork\ncpus = @HOUSE@\n\n"
	  "[load signal]\nkind = signal\ncpus = @HOUSE@\n\n"
	  "[phase doctor]\nrun = doctor\ngate = yes\n\n"
	  "[phase hw]\nrun = hwlat\ncpus = @MEASURED@\nduration = 10m\nthreshold = 10us\ngate = "
	  "yes\n\n"
	  "[phase host-fork]\nrun = sample\ncpus = @MEASURED@\ninterval = 200us\nduration = 10m\n"
	  "loads = fork signal\nlimit = 40us\n\n"
	  "[phase gap]\nrun = gap             ; a guest that only spins: what takes its vCPU away\n"
	  "cpus = @FIRST@\nduration = 10m\nloads = fork signal\n\n"
	  "[phase fork_idle]\nrun = cyclictest\nguests = @GUEST@\npriority = 95\ninterval = 200us\n"
	  "duration = 24h\n"
	  "histogram = 100us     ; what is above is counted, and its largest kept\n"
	  "segment = 4h          ; the guest boots anew each time; what a crash may cost\n"
	  "loads = fork signal\nlimit = 40us\n"
	  "# on-spike = trace    ; break off beyond the limit, explain it by traces, go on; costs latency\n" },
	{ "nightly", "an hour for CI on a real-time machine: host and guest, idle and loaded",
	  false,
	  "# Nightly: about an hour, for a CI machine that is real-time.\n"
	  "[campaign]\n"
	  "name = nightly\n"
	  "\n@GUESTS@"
	  "[load fork]\nkind = fork\ncpus = @HOUSE@\n\n"
	  "[load signal]\nkind = signal\ncpus = @HOUSE@\n\n"
	  "[load memory]\nkind = memory\ncpus = @HOUSE@\n\n"
	  "[phase doctor]\nrun = doctor\ngate = yes\n\n"
	  "[phase hw]\nrun = hwlat\ncpus = @MEASURED@\nduration = 2m\nthreshold = 10us\n\n"
	  "[phase host-fork]\nrun = sample\ncpus = @MEASURED@\ninterval = 200us\nduration = 10m\n"
	  "loads = fork signal\nlimit = 40us\n\n"
	  "[phase gap]\nrun = gap             ; a guest that only spins: what takes its vCPU away\n"
	  "cpus = @FIRST@\nduration = 2m\nloads = fork signal\n\n"
	  "[phase hw-guest]\nrun = hwlat           ; what else takes a guest's CPUs away, and who\n"
	  "guests = @GUEST@\nduration = 2m\nthreshold = 20us\nloads = fork signal\n\n"
	  "[phase idle_idle]\nrun = cyclictest\nguests = @GUEST@\ninterval = 200us\nduration = 10m\n"
	  "limit = 40us\n\n"
	  "[phase fork_idle]\nrun = cyclictest\nguests = @GUEST@\ninterval = 200us\nduration = 15m\n"
	  "loads = fork signal\nlimit = 40us\n\n"
	  "[phase mem_hackb]\nrun = cyclictest\nguests = @GUEST@\ninterval = 200us\nduration = 15m\n"
	  "loads = memory\nguest-load = hackbench\nlimit = 40us\n\n"
	  "[phase oslat]\nrun = oslat\nguests = @GUEST@\nduration = 10m\nloads = fork signal\n"
	  "limit = 20us\n" },
	{ 0 },
};

const struct campaign_preset *campaign_preset_find(const char *name)
{
	for (const struct campaign_preset *p = campaign_presets; p->name; p++)
		if (!strcmp(p->name, name))
			return p;
	return NULL;
}

/* "1-3:5-7": runs of CPUs, each as one range of vCPUs */
static void write_map(FILE *f, int house, const struct cpulist *measured)
{
	int vcpu = 1, first = cpulist_next(measured, 0), last;

	fprintf(f, "cpus = 0:%d", house);
	for (; first >= 0; first = cpulist_next(measured, last + 1)) {
		for (last = first; cpulist_has(measured, last + 1);)
			last++;
		if (last == first)
			fprintf(f, ",%d:%d", vcpu, first);
		else
			fprintf(f, ",%d-%d:%d-%d", vcpu, vcpu + last - first, first, last);
		vcpu += last - first + 1;
	}
	fputc('\n', f);
}

static void write_guest(FILE *f, int n, int house, const struct cpulist *measured,
			const char *image)
{
	fprintf(f,
		"[guest g%d]\nimage = %s\nmemory = 512M\nvmm = rtkvm           ; or qemu\n"
		"# vCPU:CPU; vCPU 0 keeps the guest's house, the others are measured\n",
		n, image);
	write_map(f, house, measured);
	fprintf(f, "allow-shared = yes    ; vCPU 0's CPU is not isolated\n\n");
}

/* The next CPUs that are in no guest yet, as many as one takes; they are taken out of left. */
static struct cpulist next_guest(struct cpulist *left, int most)
{
	struct cpulist cpus = { 0 };

	for (int cpu; most-- && (cpu = cpulist_next(left, 0)) >= 0;) {
		cpulist_add(&cpus, cpu);
		*left = cpulist_minus(left, &cpus);
	}
	return cpus;
}

/*
 * Smoke: two guests where there are two CPUs of each sort, to try that, too. Else one guest with a
 * vCPU on every measured CPU; another one where that takes more than a guest may have.
 */
static int write_guests(struct words *w, const struct cpulist *measured,
			const struct cpulist *house, bool two, const char *image, struct err *e)
{
	struct cpulist left = *measured;
	int keeper = cpulist_next(house, 0), most = CPUMAP_VCPUS - 1, guests = CAMPAIGN_GUESTS;
	char list[LIST_BYTES];
	size_t size, used = 0;
	FILE *f = open_memstream(&w->guests, &size);

	if (!f)
		return err_set(e, -ENOMEM, "writing the preset failed: no memory");
	if (two && cpulist_count(measured) >= 2 && cpulist_count(house) >= 2)
		most = 1, guests = 2;
	for (int n = 0; n < guests && keeper >= 0 && !cpulist_empty(&left); n++) {
		struct cpulist cpus = next_guest(&left, most);

		write_guest(f, n, keeper, &cpus, image);
		used += snprintf(w->guest_names + used, sizeof(w->guest_names) - used, "%sg%d",
				 n ? " " : "", n);
		keeper = cpulist_next(house, keeper + 1);
	}
	if (!cpulist_empty(&left) && most > 1)
		fprintf(f,
			"# A guest has at most %d vCPUs, and its vCPU 0 a housekeeping CPU of its own:\n"
			"# CPUs %.120s are in none.\n\n",
			CPUMAP_VCPUS, cpulist_format(&left, list, sizeof(list)));
	if (fclose(f))
		return err_set(e, -ENOMEM, "writing the preset failed: no memory");
	return 0;
}

static void expand(FILE *out, const char *text, const struct words *w)
{
	const struct {
		const char *mark, *value;
	} rows[] = {
		{ "@MEASURED@", w->measured }, { "@FIRST@", w->first },
		{ "@HOUSE@", w->house },       { "@GUESTS@", w->guests },
		{ "@GUEST@", w->guest_names },
	};

	while (*text) {
		size_t n = strcspn(text, "@");

		fwrite(text, 1, n, out);
		text += n;
		for (size_t i = 0; *text && i < ARRAY_SIZE(rows); i++)
			if (!strncmp(text, rows[i].mark, strlen(rows[i].mark))) {
				fputs(rows[i].value, out);
				text += strlen(rows[i].mark);
				break;
			}
	}
}

/* What is written has to be read: CPUs without runs, or an image far away, make long lines. */
static int check_lines(const char *text, struct err *e)
{
	for (size_t n; *text; text += n + (text[n] == '\n')) {
		n = strcspn(text, "\n");
		if (n >= CAMPAIGN_LINE_BYTES)
			return err_set(
				e, -E2BIG,
				"writing the preset failed: \"%.40s...\" would be longer than "
				"a line of the file, %d bytes; give CPUs in ranges, or an image "
				"with a shorter path",
				text, CAMPAIGN_LINE_BYTES - 1);
	}
	return 0;
}

int campaign_init(FILE *out, const struct campaign_preset *p, const struct cpulist *measured,
		  const struct cpulist *house, const char *image, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	struct words w = { .guests = NULL };
	size_t size;
	FILE *f = open_memstream(&text, &size);
	int ret;

	if (!f)
		return err_set(e, -ENOMEM, "writing the preset failed: no memory");
	cpulist_format(measured, w.measured, sizeof(w.measured));
	snprintf(w.first, sizeof(w.first), "%d", cpulist_next(measured, 0));
	cpulist_format(house, w.house, sizeof(w.house));
	ret = write_guests(&w, measured, house, p->smoke, image, e);
	if (!ret)
		expand(f, p->text, &w);
	free(w.guests);
	if (fclose(f) && !ret)
		ret = err_set(e, -ENOMEM, "writing the preset failed: no memory");
	if (!ret)
		ret = check_lines(text, e);
	if (!ret)
		fputs(text, out);
	return ret;
}

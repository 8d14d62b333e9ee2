// SPDX-License-Identifier: GPL-2.0-only
/* rtkvm campaign: the table of sub-verbs, and their command lines */
#include "cyclic/campaign.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cyclic/campaign_image.h"
#include "cyclic/campaign_init.h"
#include "cyclic/campaign_keys.h"
#include "cyclic/campaign_run.h"
#include "cyclic/campaign_state.h"
#include "cyclic/campaign_status.h"
#include "cyclic/cyclic.h"
#include "cyclic/helplist.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/hostcpus.h"
#include "lib/json.h"
#include "lib/opt.h"
#include "lib/paths.h"
#include "lib/stop.h"
#include "results/record.h"

enum {
	KEY_OUT = 0x100,
	KEY_DRY_RUN,
	KEY_QUIET,
	KEY_DRIFT,
	KEY_JSON,
	KEY_IMAGE,
	KEY_HOUSE,
	KEY_BASELINE
};

struct options {
	const char *arg; /* FILE or DIR */
	const char *preset, *image;
	struct cpulist cpus, house;
	struct campaign_options run;
	bool dry_run, json;
};

struct parse {
	struct options *o;
	struct err *e;
};

static error_t parse_one(int key, char *arg, struct argp_state *state)
{
	struct parse *p = state->input;
	struct options *o = p->o;

	switch (key) {
	case 'p':
		o->preset = arg;
		return 0;
	case 'c':
		return -opt_cpulist("--cpus", arg, &o->cpus, p->e);
	case KEY_HOUSE:
		return -opt_cpulist("--housekeeping", arg, &o->house, p->e);
	case KEY_IMAGE:
		o->image = arg;
		return 0;
	case KEY_OUT:
		o->run.out = arg;
		return 0;
	case KEY_BASELINE:
		o->run.baseline = arg;
		return 0;
	case KEY_DRY_RUN:
		o->dry_run = true;
		return 0;
	case KEY_QUIET:
		o->run.quiet = true;
		return 0;
	case KEY_DRIFT:
		o->run.allow_drift = true;
		return 0;
	case KEY_JSON:
		o->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (o->arg)
			return -err_set(p->e, -EINVAL, "\"%s\" is one argument too many", arg);
		o->arg = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int parse(struct options *o, const struct argp *argp, const char *missing, int argc,
		 char **argv, struct err *e)
{
	struct parse p = { .e = e };
	int ret;

	*o = (struct options){ .preset = "smoke", .image = "build/guests/debian-rt" };
	p.o = o;
	ret = opt_parse(argp, argc, argv, false, &p, e);
	if (!ret && !o->arg && missing)
		return err_set(e, -EINVAL, "%s is missing; see %s --help", missing, argv[0]);
	return ret;
}

/* --- init --- */

static char *preset_help(int key, const char *text, void *input)
{
	struct help_list list;

	(void)input;
	if (key != ARGP_KEY_HELP_POST_DOC)
		return (char *)text;
	help_begin(&list, "Presets", 9);
	for (const struct campaign_preset *p = campaign_presets; p->name; p++)
		help_row(&list, p->name, p->help);
	return help_end(&list);
}

/* What was not told: measure the isolated CPUs, keep house on the others. */
static int default_cpus(struct options *o, struct err *e)
{
	struct hostcpus host;

	if (hostcpus_read(&host, "/sys", e) < 0)
		return e->code;
	if (cpulist_empty(&o->cpus))
		o->cpus = cpulist_and(&host.isolated, &host.online);
	if (cpulist_empty(&o->cpus))
		return err_set(e, -EINVAL,
			       "no CPU of this machine is isolated; name those to measure with "
			       "--cpus, or isolate some (rtkvm-doctor(1))");
	if (!cpulist_empty(&o->house))
		return 0;
	o->house = cpulist_minus(&host.online, &o->cpus);
	if (cpulist_empty(&o->house))
		return err_set(e, -EINVAL,
			       "--cpus takes every CPU: at least one has to keep house");
	return 0;
}

static int sub_init(int argc, char **argv, struct err *e)
{
	static const struct argp_option rows[] = {
		{ "preset", 'p', "NAME", 0, "which (default smoke)", 0 },
		{ "cpus", 'c', "LIST", 0, "CPUs to measure (default: the isolated ones)", 0 },
		{ "housekeeping", KEY_HOUSE, "LIST", 0, "CPUs for loads (default: the others)", 0 },
		{ "image", KEY_IMAGE, "DIR", 0, "guest image (default build/guests/debian-rt)", 0 },
		{ 0 },
	};
	static const struct argp argp = {
		.options = rows,
		.parser = parse_one,
		.args_doc = "[FILE]",
		.doc = "Write a commented campaign file (to standard output without FILE).\v\n",
		.help_filter = preset_help,
	};
	_cleanup_free_ char *text = NULL;
	const struct campaign_preset *preset;
	struct options o;
	size_t size;
	FILE *f;

	if (parse(&o, &argp, NULL, argc, argv, e) < 0 || default_cpus(&o, e) < 0)
		return e->code;
	preset = campaign_preset_find(o.preset);
	if (!preset)
		return err_set(e, -EINVAL, "there is no preset \"%s\"; see %s --help", o.preset,
			       argv[0]);
	if (o.arg && file_exists(o.arg))
		return err_set(e, -EEXIST, "%s is there already; remove it or name another", o.arg);
	f = open_memstream(&text, &size);
	if (!f)
		return err_set(e, -ENOMEM, "writing the preset failed: no memory");
	campaign_init(f, preset, &o.cpus, &o.house, o.image, e);
	fclose(f);
	if (e->code)
		return e->code;
	if (o.arg)
		return file_replace(o.arg, text, size, e);
	fputs(text, stdout);
	return VERDICT_PASS;
}

/* --- check --- */

/* Not a mistake: it may serve as well. If it does not, the run would tell hours later, by its end. */
static int tell_images(const struct campaign *c, const char *file, struct err *e)
{
	char other[CAMPAIGN_IMAGE_FILE];

	for (size_t i = 0; i < c->n_guests; i++) {
		const struct guest_entry *g = &c->guests[i];

		if (campaign_image_other(g->image, paths_support, other, e) < 0)
			return e->code;
		if (*other)
			printf("%s:%d: image %s was built by another rtkvm (its %s is not the one "
			       "here); rtkvm guest build --out %s makes it anew\n",
			       file, campaign_line_of(&g->entry, SECTION_GUEST, "image"), g->image,
			       other, g->image);
	}
	return 0;
}

/* Nor is this: only the boot can tell, and what that takes is known. */
static void tell_kvm(const struct campaign *c, FILE *out)
{
	if (c->n_guests && host_interprets_guests("/"))
		fprintf(out,
			"campaign %s: this machine's KVM (kvm_pvm) interprets its guests, and "
			"Linux guests have not been seen to boot in it: phases in guests will "
			"likely be given up; rtkvm lab makes a host that can\n",
			c->name);
}

static int sub_check(int argc, char **argv, struct err *e)
{
	static const struct argp argp = {
		.parser = parse_one,
		.args_doc = "FILE",
		.doc = "Check a campaign file against itself and this machine: all mistakes, with "
		       "their lines.",
	};
	_cleanup_free_ struct campaign *c = NULL;
	struct options o;
	uint64_t s;

	if (parse(&o, &argp, "FILE", argc, argv, e) < 0 ||
	    campaign_load(&c, NULL, o.arg, stdout, e) < 0)
		return e->code;
	if (tell_images(c, o.arg, e) < 0)
		return e->code;
	tell_kvm(c, stdout);
	s = campaign_total_ns(c) / NSEC_PER_SEC;
	printf("%s: campaign %s, %zu phases, %02ju:%02ju:%02ju of measuring\n", o.arg, c->name,
	       c->n_phases, (uintmax_t)s / 3600, (uintmax_t)s / 60 % 60, (uintmax_t)s % 60);
	return VERDICT_PASS;
}

/* --- run, resume --- */

static int sub_run(int argc, char **argv, struct err *e)
{
	static const struct argp_option rows[] = {
		{ "out", KEY_OUT, "DIR", 0, "the campaign's directory (default runs/TIME-NAME)",
		  0 },
		{ "baseline", KEY_BASELINE, "RUN", 0,
		  "an earlier campaign: fail when this one is worse, and worse again in a rerun",
		  0 },
		{ "dry-run", KEY_DRY_RUN, NULL, 0, "print the commands and start none", 0 },
		{ "quiet", KEY_QUIET, NULL, 0, "no line for each phase", 0 },
		{ 0 },
	};
	static const struct argp argp = {
		.options = rows,
		.parser = parse_one,
		.args_doc = "FILE",
		.doc = "Carry out a campaign, phase by phase, and report.",
	};
	_cleanup_free_ struct campaign *c = NULL;
	_cleanup_free_ char *text = NULL;
	struct options o;

	if (parse(&o, &argp, "FILE", argc, argv, e) < 0 ||
	    campaign_load(&c, &text, o.arg, stdout, e) < 0)
		return e->code;
	stop_install();
	if (!o.run.quiet)
		tell_kvm(c, stderr);
	return o.dry_run ? campaign_dry_run(c, &o.run, e) : campaign_begin(c, text, &o.run, e);
}

static int sub_resume(int argc, char **argv, struct err *e)
{
	static const struct argp_option rows[] = {
		{ "allow-drift", KEY_DRIFT, NULL, 0,
		  "go on although kernel, command line, microcode, images or the file changed, and "
		  "record that",
		  0 },
		{ "quiet", KEY_QUIET, NULL, 0, "no line for each phase", 0 },
		{ 0 },
	};
	static const struct argp argp = {
		.options = rows,
		.parser = parse_one,
		.args_doc = "DIR",
		.doc = "Go on with a campaign that was stopped, killed or cut off.",
	};
	struct options o;

	if (parse(&o, &argp, "DIR", argc, argv, e) < 0)
		return e->code;
	stop_install();
	return campaign_resume(o.arg, &o.run, e);
}

/* --- status, stop --- */

static int sub_status(int argc, char **argv, struct err *e)
{
	static const struct argp_option rows[] = {
		{ "json", KEY_JSON, NULL, 0, "print JSON", 0 },
		{ 0 },
	};
	static const struct argp argp = {
		.options = rows,
		.parser = parse_one,
		.args_doc = "DIR",
		.doc = "Tell how a campaign stands, from its files.",
	};
	_cleanup_json_ json_object *status = NULL;
	struct options o;

	if (parse(&o, &argp, "DIR", argc, argv, e) < 0 || status_read(&status, o.arg, e) < 0)
		return e->code;
	if (o.json)
		printf("%s\n", json_object_to_json_string_ext(status, JSON_C_TO_STRING_PRETTY));
	else
		status_print(status);
	return VERDICT_PASS;
}

static int sub_stop(int argc, char **argv, struct err *e)
{
	static const struct argp argp = {
		.parser = parse_one,
		.args_doc = "DIR",
		.doc = "Stop a running campaign; resume goes on with it.",
	};
	struct options o;
	struct state state;
	pid_t owner;
	int ret;

	if (parse(&o, &argp, "DIR", argc, argv, e) < 0)
		return e->code;
	ret = state_open(&state, o.arg, e);
	owner = ret < 0 ? 0 : state_owner(state.dir);
	state_close(&state);
	if (ret < 0)
		return ret;
	if (!owner)
		return err_set(e, -ESRCH, "no process works on %s", o.arg);
	if (kill(owner, SIGTERM))
		return err_sys(e, "stopping process %d failed", owner);
	for (int i = 0; state_owner(o.arg) == owner; i++) {
		if (i == 1200)
			return err_set(e, -ETIMEDOUT, "process %d has not ended in 2 minutes",
				       owner);
		usleep(100000);
	}
	return VERDICT_PASS;
}

static const struct {
	const char *name;
	int (*run)(int argc, char **argv, struct err *e);
	const char *help;
} subverbs[] = {
	{ "init", sub_init, "write a commented campaign file" },
	{ "check", sub_check, "check a campaign file" },
	{ "run", sub_run, "carry a campaign out" },
	{ "resume", sub_resume, "go on with one that was cut off" },
	{ "status", sub_status, "tell how one stands" },
	{ "stop", sub_stop, "stop one" },
};

static int usage(void)
{
	printf("Usage: rtkvm campaign SUBVERB [OPTION...]\n"
	       "Many measurements in one: phases, loads, limits; resumable.\n\n");
	for (size_t i = 0; i < ARRAY_SIZE(subverbs); i++)
		printf("  %-9s %s\n", subverbs[i].name, subverbs[i].help);
	printf("\nrtkvm campaign SUBVERB --help tells each one's options.\n");
	return VERDICT_PASS;
}

int cyclic_campaign(int argc, char **argv, struct err *e)
{
	char name[64];

	if (argc < 2)
		return err_set(e, -EINVAL,
			       "a sub-verb is missing; rtkvm campaign --help lists them");
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "-?"))
		return usage();
	for (size_t i = 0; i < ARRAY_SIZE(subverbs); i++) {
		if (strcmp(argv[1], subverbs[i].name) != 0)
			continue;
		snprintf(name, sizeof(name), "%s %s", argv[0], subverbs[i].name);
		argv[1] = name;
		return subverbs[i].run(argc - 1, argv + 1, e);
	}
	return err_set(e, -EINVAL, "\"%s\" is not a sub-verb; rtkvm campaign --help lists them",
		       argv[1]);
}

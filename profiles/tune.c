// SPDX-License-Identifier: GPL-2.0-only
/* tune - the verb that a profile's script calls */
#include "profiles/tune.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/opt.h"
#include "lib/paths.h"
#include "profiles/install.h"
#include "profiles/isolate.h"
#include "profiles/profiles.h"

enum { MOST_VARIABLES = 32, OPT_ROOT = 256 };

struct options {
	const char *root, *profile, *action;
	char **words; /* what follows the action */
	int n_words;
	const char *set[MOST_VARIABLES]; /* NAME=VALUE */
	int n_set;
	char *variables; /* the text of the variables file; NULL without */
	char value[256]; /* of the variable that was asked for last */
	bool named; /* it was there, if only without a value */
	struct err *e;
};

static const struct argp_option option_rows[] = {
	{ "profile", 'p', "DIR", 0, "the profile's directory (default: realtime-virtual-host's)" },
	{ "set", 's', "NAME=VALUE", 0, "a variable; default: TUNED_NAME of the environment" },
	{ "root", OPT_ROOT, "DIR", 0, "work on the saved tree in DIR; no program is run" },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'p':
		o->profile = arg;
		return 0;
	case 's':
		if (o->n_set == MOST_VARIABLES || !strchr(arg, '='))
			return err_set(o->e, -EINVAL, "--set takes NAME=VALUE, at most %d times",
				       MOST_VARIABLES)
				       ? EINVAL
				       : 0;
		o->set[o->n_set++] = arg;
		return 0;
	case OPT_ROOT:
		o->root = arg;
		return 0;
	case ARGP_KEY_ARG:
		o->action = arg;
		o->words = &state->argv[state->next];
		o->n_words = state->argc - state->next;
		state->next = state->argc;
		return 0;
	case ARGP_KEY_NO_ARGS:
		return err_set(o->e, -EINVAL, "an action is missing; see --help") ? EINVAL : 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/*
 * The value in /etc/tuned/PROFILE-variables.conf, for who calls us without tuned. Spaces, carriage
 * returns and comments as tuned's parser takes them; what only tuned can work out is left to it.
 */
static const char *from_file(struct options *o, const char *name)
{
	size_t len = strlen(name);

	for (char *line = o->variables; line && *line;
	     line += strcspn(line, "\n"), line += *line == '\n') {
		char *p = line + strspn(line, " \t");
		size_t n;

		if (strncmp(p, name, len))
			continue;
		p += len + strspn(p + len, " \t");
		if (*p++ != '=')
			continue;
		o->named = true;
		p += strspn(p, " \t");
		n = strcspn(p, "#\r\n");
		while (n && strchr(" \t", p[n - 1]))
			n--;
		snprintf(o->value, sizeof(o->value), "%.*s", (int)n, p);
	}
	return o->value;
}

/* The user's variable: --set, else what tuned hands over, else the file. */
static const char *variable(void *arg, const char *name)
{
	struct options *o = arg;
	char env[80];
	size_t len = strlen(name);
	const char *value;

	o->named = true;
	for (int i = o->n_set; i-- > 0;)
		if (!strncmp(o->set[i], name, len) && o->set[i][len] == '=')
			return o->set[i] + len + 1;
	snprintf(env, sizeof(env), "TUNED_%s", name);
	value = getenv(env);
	o->value[0] = '\0';
	o->named = value != NULL;
	if (!value)
		return from_file(o, name);
	/* what tuned's functions return may end in a newline: ${f:nproc} of older users' files */
	len = strlen(value);
	while (len && isspace((unsigned char)value[len - 1]))
		len--;
	snprintf(o->value, sizeof(o->value), "%.*s", (int)len, value);
	return len < sizeof(o->value) ? o->value : value;
}

static const char *profile_name(const struct options *o)
{
	const char *slash = strrchr(o->profile, '/');

	return slash && slash[1] ? slash + 1 : o->profile;
}

static void load_variables(struct options *o)
{
	struct err ignored = { 0 };
	char path[PATH_MAX];

	if (file_path(path, sizeof(path), "%s/etc/tuned/%s-variables.conf", o->root,
		      profile_name(o)))
		file_load(path, 1 << 20, &o->variables, &ignored);
}

/* "auto", or a list; checked. The text may have been cut at its colons (tuned's separator). */
static int choose_cpus(struct machine *m, const char *text, struct err *e)
{
	struct topology t;
	char list[1024];
	int ret = topology_read(m, &t, e);

	if (ret < 0)
		return ret;
	if (!file_path(list, sizeof(list), "%s", text + strspn(text, " \t")))
		return err_set(e, -EINVAL, "isolated_cores is too long");
	for (size_t len = strlen(list); len && isspace((unsigned char)list[len - 1]);)
		list[--len] = '\0';
	ret = !strcmp(list, "auto") ? isolate_auto(&t, &m->isolated, e)
				    : cpulist_parse(&m->isolated, list, e);
	if (!ret)
		ret = isolate_check(&t, &m->isolated, e);
	m->housekeeping = cpulist_minus(&m->online, &m->isolated);
	return ret;
}

static int open_machine(struct machine *m, const struct options *o, const char *cpus, struct err *e)
{
	int ret = machine_open(m, *o->root ? o->root : "/", NULL, e);

	return ret < 0 ? ret : choose_cpus(m, cpus, e);
}

static void join_words(const struct options *o, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (int i = 0; i < o->n_words && used < size; i++)
		used += snprintf(buf + used, size - used, "%s%s", i ? ":" : "", o->words[i]);
}

/* For the assertion in tuned.conf: always one line, never a colon, and exit code 0. */
static int gate(struct options *o, struct err *e)
{
	char cpus[1024];
	struct machine m;
	int ret;

	join_words(o, cpus, sizeof(cpus));
	ret = open_machine(&m, o, cpus, e);
	machine_close(&m);
	for (char *p = e->text; *p; p++)
		if (strchr(":${}", *p))
			*p = ' ';
	printf("%s\n", ret < 0 ? e->text : "ok");
	err_clear(e);
	return VERDICT_PASS;
}

static int print_cpus(struct options *o, struct err *e)
{
	char cpus[1024], text[1024];
	struct machine m;
	int ret;

	join_words(o, cpus, sizeof(cpus));
	ret = open_machine(&m, o, cpus, e);
	if (ret >= 0)
		printf("%s\n", cpulist_format(&m.isolated, text, sizeof(text)));
	machine_close(&m);
	return ret;
}

static int show(struct tune *t, struct err *e)
{
	(void)e;
	for (size_t i = 0; i < t->s.boot.n; i++)
		printf("boot %s\n", t->s.boot.v[i]);
	for (size_t i = 0; i < t->s.n_modules; i++)
		printf("module %s %s=%s\n", t->s.modules[i].module, t->s.modules[i].option,
		       t->s.modules[i].value);
	for (size_t i = 0; i < t->s.n_knobs; i++)
		printf("set %s %s\n", t->s.knobs[i].path, t->s.knobs[i].want);
	for (size_t i = 0; i < t->s.n_priorities; i++)
		printf("priority %s %d\n", t->s.priorities[i].name, t->s.priorities[i].priority);
	if (t->s.queues)
		printf("queues %u\n", t->s.queues);
	if (t->s.l3_ways)
		printf("l3_ways %u\n", t->s.l3_ways);
	if (t->s.mb_percent)
		printf("mb_others %u\n", t->s.mb_percent);
	for (size_t i = 0; i < t->s.units_off.n; i++)
		printf("off %s\n", t->s.units_off.v[i]);
	printf("%s%s%s", t->s.irqbalance ? "irqbalance\n" : "", t->s.irqs ? "irqs\n" : "",
	       t->s.kthreads ? "kthreads\n" : "");
	return VERDICT_PASS;
}

/*
 * A list that is no good never gets past tuned.conf's assertion. When it comes all the same, tuned
 * has just refused it, has stopped the active profile for it, and starts that one again with the
 * refused value left in its variables: what was in force then is wanted back.
 */
static int choose_cpus_again(struct tune *t, struct err *e)
{
	char path[PATH_MAX], list[2048];
	struct err why = { 0 };
	int ret;

	file_read_line(tune_path(t, TUNE_LAST_CPUS, path), list, sizeof(list));
	if (!*list)
		return e->code;
	ret = choose_cpus(&t->m, list, &why);
	if (ret < 0)
		return e->code;
	note(&t->notes, "%s; isolated_cores stays %s, as it was", e->text, list);
	err_clear(e);
	return 0;
}

/* One at a time: two would write each other's values into the journals. */
static int lock(const struct tune *t, struct err *e)
{
	char path[PATH_MAX];
	int fd, ret = file_mkdirs(tune_path(t, "/run/rtkvm", path), e);

	if (ret < 0)
		return ret;
	fd = open(tune_path(t, "/run/rtkvm/tune.lock", path), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || flock(fd, LOCK_EX)) {
		err_sys(e, "locking %s failed", path);
		if (fd >= 0)
			close(fd);
		return e->code;
	}
	return fd;
}

/* It hands the profile's variables to the script, and that one is in every profile's tuned.conf. */
static bool by_tuned(void)
{
	return getenv("TUNED_isolated_cores");
}

/* The live machine is tuned's: what somebody else had set it would neither verify nor put back. */
static int refuse_by_hand(const struct options *o, struct err *e)
{
	if (*o->root || by_tuned())
		return 0;
	return err_set(e, -EPERM,
		       "start is for tuned, which would not know of it; use tuned-adm profile %s "
		       "(show tells what that sets)",
		       profile_name(o));
}

static int load_settings(struct tune *t, struct options *o, struct err *e)
{
	const char *cpus = variable(o, "isolated_cores");
	char file[PATH_MAX];
	int ret = choose_cpus(&t->m, o->named ? cpus : "auto", e); /* as tuned.conf has it */

	if (ret < 0 && !strcmp(o->action, "start") && by_tuned())
		ret = choose_cpus_again(t, e);
	if (ret < 0)
		return ret;
	if (!file_path(file, sizeof(file), "%s/settings", t->profile))
		return err_sys(e, "reading the profile's settings failed");
	return settings_load(&t->s, &t->m, file, variable, o, e);
}

static int with_machine(struct options *o, struct err *e)
{
	struct tune t = { .root = o->root, .profile = o->profile, .name = profile_name(o) };
	bool stopping = !strcmp(o->action, "stop"), starting = !strcmp(o->action, "start");
	_cleanup_close_ int locked = -1;
	int ret = starting ? refuse_by_hand(o, e) : 0;

	if (ret < 0)
		return ret;
	ret = machine_open(&t.m, *o->root ? o->root : "/", NULL, e);
	if (!ret && !stopping)
		ret = load_settings(&t, o, e);
	if (!ret && (stopping || starting)) {
		locked = lock(&t, e);
		ret = locked < 0 ? locked : 0;
	}
	if (!ret)
		ret = edits_open(&t.files, t.root, "tune", e);
	if (ret)
		;
	else if (stopping)
		ret = tune_stop(&t, o->n_words && !strcmp(o->words[0], "full_rollback"), e);
	else if (starting)
		ret = tune_start(&t, e);
	else if (!strcmp(o->action, "verify"))
		ret = tune_verify(&t, e);
	else
		ret = show(&t, e);
	edits_close(&t.files);
	settings_free(&t.s);
	machine_close(&t.m);
	return ret;
}

static int run(struct options *o, struct err *e)
{
	static const struct {
		const char *action;
		int (*run)(struct options *o, struct err *e);
	} t[] = {
		{ "start", with_machine }, { "stop", with_machine }, { "verify", with_machine },
		{ "show", with_machine },  { "gate", gate },	     { "cpus", print_cpus },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		if (!strcmp(o->action, t[i].action))
			return t[i].run(o, e);
	if (!strcmp(o->action, "install"))
		return install_profiles(o->root, e);
	if (!strcmp(o->action, "remove"))
		return remove_profiles(o->root, e);
	return err_set(e, -EINVAL, "\"%s\" is not an action; see --help", o->action);
}

int profiles_tune(int argc, char **argv, struct err *e)
{
	static const struct argp argp = {
		.options = option_rows,
		.parser = parse,
		.args_doc = "start\nstop [full_rollback]\nverify\nshow\ncpus LIST\ngate LIST\n"
			    "install\nremove",
		.doc = "Bring the machine to what a tuned profile wants; check it; put it back. "
		       "Called by the profiles' script.\v"
		       "install puts the profiles where this machine's tuned looks for them, remove "
		       "takes them away. show prints what would be set.",
	};
	struct options o = { .root = "", .e = e };
	char profile[PATH_MAX];
	int ret = opt_parse(&argp, argc, argv, true, &o, e);

	if (ret < 0)
		return ret;
	if (!strcmp(o.root, "/"))
		o.root = "";
	if (!o.profile) {
		ret = paths_support(profile, sizeof(profile), "profiles/realtime-virtual-host", e);
		if (ret < 0)
			return ret;
		o.profile = profile;
	}
	load_variables(&o);
	ret = run(&o, e);
	free(o.variables);
	return ret;
}

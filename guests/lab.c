// SPDX-License-Identifier: GPL-2.0-only
#include "guests/lab.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "guests/guests.h"
#include "guests/home.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/opt.h"
#include "lib/stop.h"

static const struct {
	const char *name;
	enum lab_action action;
} actions[] = {
	{ "build", LAB_BUILD },
	{ "run", LAB_RUN_COMMAND },
	{ "shell", LAB_SHELL },
	{ "list", LAB_LIST },
};

enum {
	KEY_KERNEL = 256,
	KEY_CMDLINE,
	KEY_FROM_IMAGE,
	KEY_CPUS,
	KEY_MEMORY,
	KEY_SHARE,
	KEY_RESULTS,
	KEY_DISK,
	KEY_CONSOLE,
	KEY_MONITOR,
	KEY_PID_FILE,
	KEY_TIMEOUT,
	KEY_BOOT_TIMEOUT,
	KEY_SILENCE,
	KEY_TRIES,
	KEY_RETRY_PANIC,
	KEY_KEEP,
};

static const struct argp_option options[] = {
	{ "flavour", 'f', "full|fast", 0,
	  "full (default): a Debian system with systemd; fast: the programs of this machine, "
	  "ready in seconds" },
	{ "kernel", KEY_KERNEL, "rt|generic", 0,
	  "Debian's PREEMPT_RT kernel (default) or its other" },
	{ "cmdline", KEY_CMDLINE, "TEXT", 0,
	  "Kernel command line; default: isolate all CPUs but the first two" },
	{ "cmdline-from-image", KEY_FROM_IMAGE, NULL, 0,
	  "Add what the disk's own boot loader set-up (GRUB, tuned) would" },
	{ "cpus", KEY_CPUS, "N", 0, "Number of CPUs (default 4)" },
	{ "memory", KEY_MEMORY, "SIZE", 0, "Memory (default 4G)" },
	{ "share", KEY_SHARE, "DIR", 0,
	  "Show DIR, read-only, at the same path in the machine; may be repeated" },
	{ "results", KEY_RESULTS, "DIR", 0,
	  "Where what the command leaves in $RTKVM_RESULTS goes; default: it is dropped" },
	{ "disk", KEY_DISK, "FILE", 0,
	  "A disk that is kept between runs, made from the image when it does not exist (full)" },
	{ "console", KEY_CONSOLE, "FILE", 0, "Keep the kernel console's output in FILE" },
	{ "monitor", KEY_MONITOR, "FILE", 0, "Socket of QEMU's monitor" },
	{ "pid-file", KEY_PID_FILE, "FILE", 0, "QEMU's process id, while it runs" },
	{ "timeout", KEY_TIMEOUT, "DURATION", 0, "Give up on the command after this long" },
	{ "boot-timeout", KEY_BOOT_TIMEOUT, "DURATION", 0,
	  "Give up on the machine when the command has not started by then (default 3m)" },
	{ "silence", KEY_SILENCE, "DURATION", 0,
	  "Give up on the machine after so long without a sign of life (default 3m; with --monitor: never)" },
	{ "tries", KEY_TRIES, "N", 0,
	  "Run the command again, in up to N machines in all, when one hangs (default 1)" },
	{ "retry-panic", KEY_RETRY_PANIC, NULL, 0,
	  "With --tries: also when its kernel panics; not for tests of that kernel" },
	{ "keep", KEY_KEEP, NULL, 0, "Open a shell in the machine after the command" },
	{ 0 },
};

static int parse_flavour(struct lab_options *o, const char *text, struct err *e)
{
	if (strcmp(text, "full") && strcmp(text, "fast"))
		return err_set(e, -EINVAL, "--flavour: \"%s\" is unknown; it is full or fast",
			       text);
	o->flavour = strcmp(text, "fast") ? LAB_FULL : LAB_FAST;
	return 0;
}

static int parse_kernel(struct lab_options *o, const char *text, struct err *e)
{
	if (strcmp(text, "rt") && strcmp(text, "generic"))
		return err_set(e, -EINVAL, "--kernel: \"%s\" is unknown; it is rt or generic",
			       text);
	o->kernel = text;
	return 0;
}

static int parse_share(struct lab_options *o, const char *text, struct err *e)
{
	if (o->n_shares == LAB_SHARES)
		return err_set(e, -EINVAL, "--share: at most %d directories", LAB_SHARES);
	o->shares[o->n_shares++] = text;
	return 0;
}

static int parse_memory(struct lab_options *o, const char *text, struct err *e)
{
	int ret = opt_size("--memory", text, &o->mem_bytes, e);

	if (!ret && (o->mem_bytes < 512ull << 20 || o->mem_bytes > 1ull << 40))
		return err_set(e, -EINVAL, "--memory: \"%s\" is out of range (512M to 1T)", text);
	return ret;
}

static int parse_limit(const char *option, const char *text, uint64_t *ns, struct err *e)
{
	int ret = opt_duration(option, text, ns, e);

	return ret || *ns ? ret : err_set(e, -EINVAL, "%s: it has to be longer than 0", option);
}

static int parse_action(struct lab_options *o, const char *text, struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		if (strcmp(actions[i].name, text))
			continue;
		o->action = actions[i].action;
		return 0;
	}
	return err_set(e, -EINVAL, "\"%s\" is not an action; it is build, run, shell or list",
		       text);
}

struct parse {
	struct lab_options *o;
	struct err *e;
	bool action_seen;
};

static int parse_arg(struct parse *p, const char *text, struct argp_state *state)
{
	int ret;

	if (!p->action_seen) {
		p->action_seen = true;
		ret = parse_action(p->o, text, p->e);
		return ret < 0 ? -ret : 0;
	}
	if (p->o->action != LAB_RUN_COMMAND) {
		err_set(p->e, -EINVAL, "\"%s\" is one argument too many", text);
		return EINVAL;
	}
	p->o->argv = state->argv + state->next - 1;
	state->next = state->argc;
	return 0;
}

static error_t parse_opt(int key, char *arg, struct argp_state *state)
{
	struct parse *p = state->input;
	struct lab_options *o = p->o;
	uint64_t n;
	int ret = 0;

	switch (key) {
	case 'f':
		ret = parse_flavour(o, arg, p->e);
		break;
	case KEY_KERNEL:
		ret = parse_kernel(o, arg, p->e);
		break;
	case KEY_CMDLINE:
		o->cmdline = arg;
		break;
	case KEY_FROM_IMAGE:
		o->cmdline_from_image = true;
		break;
	case KEY_CPUS:
		ret = opt_u64("--cpus", arg, 1, 255, &n, p->e);
		o->cpus = n;
		break;
	case KEY_MEMORY:
		ret = parse_memory(o, arg, p->e);
		break;
	case KEY_SHARE:
		ret = parse_share(o, arg, p->e);
		break;
	case KEY_RESULTS:
		o->results = arg;
		break;
	case KEY_DISK:
		o->disk = arg;
		break;
	case KEY_CONSOLE:
		o->console = arg;
		break;
	case KEY_MONITOR:
		o->monitor = arg;
		break;
	case KEY_PID_FILE:
		o->pid_file = arg;
		break;
	case KEY_TIMEOUT:
		ret = parse_limit("--timeout", arg, &o->timeout_ns, p->e);
		break;
	case KEY_BOOT_TIMEOUT:
		ret = parse_limit("--boot-timeout", arg, &o->boot_timeout_ns, p->e);
		break;
	case KEY_SILENCE:
		ret = parse_limit("--silence", arg, &o->silence_ns, p->e);
		break;
	case KEY_TRIES:
		ret = opt_u64("--tries", arg, 1, 9, &n, p->e);
		o->tries = n;
		break;
	case KEY_RETRY_PANIC:
		o->retry_panic = true;
		break;
	case KEY_KEEP:
		o->keep = true;
		break;
	case ARGP_KEY_ARG:
		return parse_arg(p, arg, state);
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return ret < 0 ? -ret : 0;
}

static const struct argp argp = {
	options,
	parse_opt,
	"build\nrun [--] COMMAND [ARGUMENT...]\nshell\nlist",
	"The lab: a whole real-time KVM host, emulated, for machines that have no KVM of their own."
	"\vOne COMMAND word is a line for the shell; several are a program and its arguments. "
	"It runs as root, with rtkvm on its PATH; its exit code becomes ours. A machine that hangs or "
	"panics, or a command past --timeout, ends with the console's tail and exit code 2.",
};

static int check(struct lab_options *o, bool action_seen, struct err *e)
{
	if (!action_seen)
		return err_set(e, -EINVAL, "an action is missing: build, run, shell or list");
	if (o->action == LAB_RUN_COMMAND && !o->argv)
		return err_set(e, -EINVAL, "run needs a command; see rtkvm lab --help");
	if (o->flavour == LAB_FAST && (o->disk || o->cmdline_from_image))
		return err_set(e, -EINVAL,
			       "--disk and --cmdline-from-image need the full flavour; "
			       "the fast one has no disk");
	if (!o->silence_ns && !o->monitor)
		o->silence_ns = 180 * NSEC_PER_SEC;
	if (o->tries > 1 && (o->disk || o->keep))
		return err_set(
			e, -EINVAL,
			"--tries: a machine whose disk is kept, or that a shell is opened in, "
			"runs its command once");
	if (o->retry_panic && o->tries < 2)
		return err_set(e, -EINVAL,
			       "--retry-panic: in how many machines in all? Give --tries, too");
	return 0;
}

int lab_parse(struct lab_options *o, int argc, char **argv, struct err *e)
{
	struct parse p = { .o = o, .e = e };
	int ret;

	*o = (struct lab_options){
		.kernel = "rt",
		.cpus = 4,
		.mem_bytes = 4ull << 30,
		.boot_timeout_ns = 180 * NSEC_PER_SEC,
		.tries = 1,
	};
	ret = opt_parse(&argp, argc, argv, true, &p, e);
	return ret < 0 ? ret : check(o, p.action_seen, e);
}

int guests_lab(int argc, char **argv, struct err *e)
{
	struct lab_options o;
	int ret = lab_parse(&o, argc, argv, e);

	if (ret < 0)
		return ret;
	stop_install();
	switch (o.action) {
	case LAB_BUILD:
		return lab_build(&o, e);
	case LAB_LIST:
		return lab_list(e);
	case LAB_RUN_COMMAND:
	case LAB_SHELL:
		break;
	}
	return lab_run(&o, e);
}

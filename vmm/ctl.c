// SPDX-License-Identifier: GPL-2.0-only
/* rtkvm ctl - ask a running VM, and tell it what to do */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/ctl.h"
#include "lib/opt.h"
#include "vmm/ctlplace.h"
#include "vmm/ctlshow.h"
#include "vmm/vmm.h"

/* A VMM on a loaded host may need long to get its vCPUs parked. */
enum { ANSWER_MS = 30000, WORDS = 2 };

struct ctl_options {
	const char *vm; /* NULL: the only one */
	bool json;
	const char *words[WORDS];
	int n;
};

struct parse {
	struct ctl_options *o;
	struct err *e;
};

static const struct argp_option options[] = {
	{ "vm", 'v', "NAME|PID|PATH", 0, "which one (default: the only one that runs)", 1 },
	{ "json", 'j', 0, 0, "the answer as the VM gave it", 1 },
	{ 0 },
};

static const char doc[] =
	"Ask a running VM, or tell it what to do.\v"
	"Commands:\n"
	"  status      placement, memory, TSC and interrupt chip, as read back now\n"
	"  tids        thread ids of the vCPUs\n"
	"  stats       exits, times, interrupts, faults: since the start and of the window\n"
	"  mark ID     a mark as from the guest; 2 opens the window, 3 closes it\n"
	"  pause       take the vCPUs out of the guest; their threads stay where they are\n"
	"  resume      back into the guest; the start of a VM with --hold\n"
	"  rt on|off   SCHED_FIFO for the vCPUs, or SCHED_OTHER\n"
	"  nmi         a non-maskable interrupt to every vCPU\n"
	"  interrupt   Ctrl-C on the guest's serial console\n"
	"  quit        end the VM\n";

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct parse *p = state->input;

	switch (key) {
	case 'v':
		if (p->o->vm)
			return -err_set(p->e, -EINVAL, "--vm is given twice");
		p->o->vm = arg;
		return 0;
	case 'j':
		if (p->o->json)
			return -err_set(p->e, -EINVAL, "--json is given twice");
		p->o->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (p->o->n == WORDS)
			return -err_set(p->e, -EINVAL, "\"%s\" is one word too many; see --help",
					arg);
		p->o->words[p->o->n++] = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* The word behind the command, for those that take one. */
static int argument(struct ctl_request *r, const char *word, struct err *e)
{
	uint64_t id = 0;
	int ret = 0;

	switch (r->command) {
	case CTL_MARK:
		if (!word)
			return err_set(e, -EINVAL, "mark: which? 2 opens the window, 3 closes it");
		ret = opt_u64("mark", word, 1, 255, &id, e);
		r->id = id;
		return ret;
	case CTL_RT:
		if (!word || (strcmp(word, "on") != 0 && strcmp(word, "off") != 0))
			return err_set(e, -EINVAL, "rt: on or off?");
		r->on = !strcmp(word, "on");
		return 0;
	default:
		return word ? err_set(e, -EINVAL, "%s takes no argument: \"%s\"",
				      ctl_name(r->command), word)
			    : 0;
	}
}

static int request(struct ctl_request *r, const struct ctl_options *o, struct err *e)
{
	int ret;

	if (!o->n)
		return err_set(e, -EINVAL, "name a command; rtkvm ctl --help lists them");
	ret = ctl_command(o->words[0], e);
	if (ret < 0)
		return ret;
	*r = (struct ctl_request){ .command = ret };
	return argument(r, o->n > 1 ? o->words[1] : NULL, e);
}

int vmm_ctl(int argc, char **argv, struct err *e)
{
	static const struct argp argp = { options, parse, "COMMAND [ARGUMENT]", doc };
	_cleanup_json_ json_object *reply = NULL;
	_cleanup_close_ int fd = -1;
	struct ctl_options o = { 0 };
	struct parse p = { &o, e };
	struct ctl_request r;
	int ret = opt_parse(&argp, argc, argv, false, &p, e);

	if (!ret)
		ret = request(&r, &o, e);
	if (ret < 0)
		return ret;
	fd = ctlplace_connect(CTLPLACE_DIR, o.vm, e);
	if (fd < 0)
		return fd;
	ret = ctl_ask(fd, &r, ANSWER_MS, &reply, e);
	if (ret < 0)
		return ret;
	if (o.json)
		puts(json_object_to_json_string_ext(reply, JSON_C_TO_STRING_PRETTY |
								   JSON_C_TO_STRING_NOSLASHESCAPE));
	else
		ctlshow(r.command, reply, stdout);
	return VERDICT_PASS;
}

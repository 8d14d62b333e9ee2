// SPDX-License-Identifier: GPL-2.0-only
/* job - the channel to the host, and the command whose output, input and end it carries */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guests/lab/agent.h"

int write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0) {
			p += n;
			len -= n;
		}
	}
	return 0;
}

void send_frame(struct agent *a, enum lab_type type, const void *data, uint32_t len)
{
	struct lab_frame h = { .type = type, .len = len };

	write_all(a->channel, &h, sizeof(h));
	write_all(a->channel, data, len);
}

/* Finds the port by its name: /sys/class/virtio-ports/vport1p1/name. */
static int find_channel(char *path, size_t size)
{
	DIR *dir = opendir("/sys/class/virtio-ports");
	struct dirent *d;
	int ret = -1;

	while (ret && dir && (d = readdir(dir))) {
		char file[PATH_MAX], name[64] = "";
		FILE *f;

		snprintf(file, sizeof(file), "/sys/class/virtio-ports/%s/name", d->d_name);
		f = d->d_name[0] == '.' ? NULL : fopen(file, "re");
		if (!f)
			continue;
		if (fgets(name, sizeof(name), f) && !strcmp(name, LAB_PORT "\n")) {
			snprintf(path, size, "/dev/%s", d->d_name);
			ret = 0;
		}
		fclose(f);
	}
	if (dir)
		closedir(dir);
	return ret;
}

/* The port's device appears a moment after its driver, when the host has told its name. */
static void open_channel(struct agent *a)
{
	char path[PATH_MAX];

	for (int tries = 0; tries < 500; tries++) {
		if (!find_channel(path, sizeof(path))) {
			a->channel = open(path, O_RDWR | O_CLOEXEC);
			if (a->channel >= 0)
				return;
		}
		usleep(10000);
	}
	die(a, "the port %s does not appear", LAB_PORT);
}

/* No word asks for a login shell, one is a line for the shell, several are a command. */
static void exec_command(const struct order *o)
{
	char *login[] = { (char *)"/bin/bash", (char *)"-l", NULL };
	char *line[] = { (char *)"/bin/sh", (char *)"-c", o->argv[0], NULL };
	char *const *argv = o->argc == 0 ? login : o->argc == 1 ? line : o->argv;
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (chdir(o->cwd ? o->cwd : "/root"))
		dprintf(2, "rtkvm lab: changing to %s failed: %s\n", o->cwd, strerror(errno));
	execvp(argv[0], argv);
	dprintf(2, "rtkvm lab: running %s failed: %s\n", argv[0], strerror(errno));
	_exit(127);
}

struct job {
	pid_t pid;
	int out, err; /* read ends; with a terminal out is the pty and err -1 */
	int status;
};

static void start_job(struct agent *a, struct job *j)
{
	int out[2], err[2];

	*j = (struct job){ .out = -1, .err = -1 };
	if (a->order.tty) {
		j->pid = forkpty(&j->out, NULL, NULL, NULL);
	} else {
		if (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
			die(a, "making pipes failed: %s", strerror(errno));
		j->pid = fork();
	}
	if (j->pid < 0)
		die(a, "starting a process failed: %s", strerror(errno));
	if (!j->pid) {
		if (!a->order.tty) {
			int null = open("/dev/null", O_RDONLY);

			setsid();
			dup2(null, 0);
			dup2(out[1], 1);
			dup2(err[1], 2);
		}
		exec_command(&a->order);
	}
	if (!a->order.tty) {
		close(out[1]);
		close(err[1]);
		j->out = out[0];
		j->err = err[0];
	}
}

/* Moves what there is to the host; false at the end of the stream. */
static bool relay(struct agent *a, int *fd, enum lab_type type)
{
	char buf[LAB_FRAME_MAX];
	ssize_t n = read(*fd, buf, sizeof(buf));

	if (n > 0) {
		send_frame(a, type, buf, n);
		return true;
	}
	close(*fd);
	*fd = -1;
	return false;
}

static int read_all(int fd, void *data, size_t len)
{
	for (size_t got = 0; got < len;) {
		ssize_t n = read(fd, (char *)data + got, len - got);

		if (!n || (n < 0 && errno != EINTR))
			return -1;
		if (n > 0)
			got += n;
	}
	return 0;
}

static void host_frame(struct agent *a, struct job *j)
{
	char buf[LAB_FRAME_MAX];
	struct lab_frame h;

	if (read_all(a->channel, &h, sizeof(h)) || h.len > sizeof(buf) ||
	    read_all(a->channel, buf, h.len))
		die(a, "the channel to the host broke");
	if (h.type == LAB_INPUT && j->out >= 0)
		write_all(j->out, buf, h.len);
	if (h.type == LAB_SIZE && h.len == sizeof(struct lab_size)) {
		struct lab_size size;
		struct winsize w;

		memcpy(&size, buf, sizeof(size));
		w = (struct winsize){ .ws_row = size.rows, .ws_col = size.columns };
		ioctl(j->out, TIOCSWINSZ, &w);
	}
}

/* As process 1 it reaps everybody; true once the job itself is among the reaped. */
static bool reap(struct job *j)
{
	bool ended = false;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != j->pid)
			continue;
		j->status = status;
		ended = true;
	}
	return ended;
}

static void on_child(int sig)
{
	(void)sig;
}

/*
 * Until the job has ended and its output is drained. A background process may hold the pipes open
 * for ever: after the job's end only what is there already is taken.
 */
static void serve(struct agent *a, struct job *j)
{
	bool ended = false;
	sigset_t wait_mask;

	sigemptyset(&wait_mask);
	for (;;) {
		struct pollfd p[] = { { .fd = j->out, .events = POLLIN },
				      { .fd = j->err, .events = POLLIN },
				      { .fd = a->order.tty ? a->channel : -1, .events = POLLIN } };
		struct timespec wait = { .tv_sec = ended ? 0 : LAB_ALIVE_SECONDS };
		int n;

		if (reap(j)) {
			ended = true;
			wait.tv_sec = 0;
		}
		n = ppoll(p, 3, &wait, &wait_mask);
		if (n < 0)
			continue;
		if (!n && !ended)
			send_frame(a, LAB_ALIVE, NULL, 0);
		if (p[0].revents)
			relay(a, &j->out, LAB_OUT);
		if (p[1].revents)
			relay(a, &j->err, LAB_ERR);
		if (p[2].revents & POLLIN)
			host_frame(a, j);
		if (ended && !p[0].revents && !p[1].revents)
			return;
	}
}

static void run_one(struct agent *a)
{
	uint32_t code;
	struct job j;

	start_job(a, &j);
	serve(a, &j);
	sync(); /* what it left in the results has to be there when the host hears of its end */
	code = WIFEXITED(j.status) ? WEXITSTATUS(j.status) : 128 + WTERMSIG(j.status);
	send_frame(a, LAB_EXIT, &code, sizeof(code));
}

void run_job(struct agent *a)
{
	struct sigaction sa = { .sa_handler = on_child };
	struct utsname un;
	sigset_t block;

	sigaction(SIGCHLD, &sa, NULL);
	sigemptyset(&block);
	sigaddset(&block, SIGCHLD); /* delivered in ppoll alone, so that no exit is missed */
	sigprocmask(SIG_BLOCK, &block, NULL);
	open_channel(a);
	uname(&un);
	send_frame(a, LAB_READY, un.release, strlen(un.release));
	run_one(a);
	if (a->order.keep) {
		a->order.tty = true;
		a->order.argc = 0;
		run_one(a);
	}
}

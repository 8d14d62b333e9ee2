// SPDX-License-Identifier: GPL-2.0-only
/*
 * vconsole - virtio console with several ports (VIRTIO 1.2, 5.3)
 *
 * Port 0 is hvc0, the others are /dev/virtio-ports/NAME. Behind each is a file, which takes what
 * the guest writes, or a UNIX socket that somebody listens on, which also gives it input. A reader
 * that stalls stalls its port alone; one that goes away leaves a port whose output is dropped.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "vmm/virtio.h"

enum {
	PORTS = 1 + DEVOPTS_PORTS,
	CONTROL_IN = 2,
	CONTROL_OUT = 3,
	CLASS_SIMPLE_COMMUNICATION = 0x078000,
	NAME_BYTES = 32,
	EVENTS_MAX = 4 * PORTS, /* told and not yet taken by the driver */
	/* a queue's turn: other ports, a reset and the end do not wait for a guest that goes on and on */
	TURN_BYTES = 256 << 10,
	TURN_REQUESTS = 64,
};

/* What the device has to tell: id, event and value; a name follows PORT_NAME. */
struct vevent {
	uint16_t port, event, value;
};

struct port {
	int fd;
	bool gone; /* nobody is behind fd any more: output is dropped */
	bool socket; /* gives input, too */
	bool open; /* somebody in the guest takes input */
	char name[NAME_BYTES];
	bool stalled; /* what is left of request rest waits until fd takes more */
	struct chain rest;
};

struct vconsole {
	struct virtio v;
	struct port port[PORTS];
	int n_ports;
	struct vevent events[EVENTS_MAX];
	int n_events;
};

_Static_assert((int)VIRTIO_QUEUES_MAX >= 2 * PORTS + 2, "two queues a port, two for control");
_Static_assert((int)VIRTIO_FDS >= (int)PORTS, "a descriptor a port");

static struct vconsole *of(struct virtio *v)
{
	return container_of(v, struct vconsole, v);
}

/* 5.3.2: port 0 has queues 0 and 1, control 2 and 3, port 1 has 4 and 5, ... */
static int input_queue(int port)
{
	return port ? 2 + 2 * port : 0;
}

static int port_of(int queue)
{
	return queue < 2 ? 0 : queue / 2 - 1;
}

/* --- what the thread waits for --- */

static void watch(struct vconsole *c, int i)
{
	struct port *p = &c->port[i];
	bool room = p->socket && p->open && virtq_more(&c->v.queue[input_queue(i)].q);

	c->v.fds[i] = (struct pollfd){
		.fd = !p->gone && (p->stalled || room) ? p->fd : -1,
		.events = (p->stalled ? POLLOUT : 0) | (room ? POLLIN : 0),
	};
}

/* --- from the guest --- */

/* At most max bytes: all of a chain may be gigabytes, the same page again and again. */
static ssize_t write_some(const struct port *p, size_t max)
{
	const struct iovec *out = p->rest.out;
	size_t bytes = 0;
	int n = 0;

	while (n < p->rest.n_out && out[n].iov_len <= max - bytes)
		bytes += out[n++].iov_len;
	return n ? writev(p->fd, out, n) : write(p->fd, out->iov_base, max);
}

/* True: all of it is out, or can go nowhere. The thread's sandbox has no close(2): fd stays. */
static bool put(struct port *p, size_t *left)
{
	struct chain *c = &p->rest;

	while (!p->gone && c->n_out && *left) {
		ssize_t n = write_some(p, *left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return false;
		if (n < 0) {
			p->gone = true;
		} else {
			iov_drop(&c->out, &c->n_out, n);
			*left -= n;
		}
	}
	return p->gone || !c->n_out;
}

/*
 * One that fd does not take whole, or that is longer than a turn, stays with the port, and with it
 * all that come later.
 */
static int serve_output(struct vconsole *c, int i)
{
	struct port *p = &c->port[i];
	int q = input_queue(i) + 1, ret = 0, done = 0;
	size_t left = TURN_BYTES;

	while (done < TURN_REQUESTS &&
	       (p->stalled || (ret = virtq_pop(&c->v.queue[q].q, &p->rest)) > 0)) {
		p->stalled = !put(p, &left);
		if (p->stalled)
			break;
		virtio_done(&c->v, q, &p->rest, 0);
		done++;
		if (atomic_load(&c->v.reset_wanted) || atomic_load(&c->v.quit))
			break;
	}
	if (done)
		virtio_interrupt(&c->v, q);
	if (done == TURN_REQUESTS)
		eventfd_write(c->v.queue[q].kick, 1); /* the driver need not kick for the rest */
	watch(c, i);
	return ret < 0 ? ret : 0;
}

/* --- to the guest --- */

/* True: bytes have come. A socket at its end, or with an error, has nobody behind it. */
static bool get(struct port *p, struct chain *c, size_t *bytes)
{
	ssize_t n = readv(p->fd, c->in, c->n_in);

	if (!n || (n < 0 && errno != EAGAIN && errno != EINTR))
		p->gone = true;
	*bytes = n > 0 ? n : 0;
	return n > 0;
}

static int serve_input(struct vconsole *c, int i)
{
	struct port *p = &c->port[i];
	int q = input_queue(i), ret;
	struct chain chain;
	size_t bytes;

	ret = virtq_pop(&c->v.queue[q].q, &chain);
	if (ret > 0 && !chain.n_in)
		return -EINVAL; /* nothing to write to: a read would look like the socket's end */
	if (ret > 0 && get(p, &chain, &bytes)) {
		virtio_done(&c->v, q, &chain, bytes);
		virtio_interrupt(&c->v, q);
	} else if (ret > 0) {
		virtq_unpop(&c->v.queue[q].q);
	}
	watch(c, i);
	return ret < 0 ? ret : 0;
}

static int ready(struct virtio *v, int i)
{
	struct vconsole *c = of(v);
	struct port *p = &c->port[i];
	int ret = p->stalled ? serve_output(c, i) : 0;

	if (!ret && v->fds[i].fd >= 0 && v->fds[i].events & POLLIN)
		ret = serve_input(c, i);
	if (!ret && p->stalled && p->gone) /* what has waited can go nowhere */
		ret = serve_output(c, i);
	return ret;
}

/* --- control (5.3.6.2) --- */

static int tell_one(struct vconsole *c, const struct vevent *event, struct chain *chain)
{
	struct virtio_console_control m = { htole32(event->port), htole16(event->event),
					    htole16(event->value) };
	const char *name = event->event == VIRTIO_CONSOLE_PORT_NAME ? c->port[event->port].name
								    : "";
	size_t want = sizeof(m) + strlen(name), n;

	n = iov_put(&chain->in, &chain->n_in, &m, sizeof(m));
	n += iov_put(&chain->in, &chain->n_in, name, strlen(name));
	virtio_done(&c->v, CONTROL_IN, chain, n);
	return n == want ? 0 : -EINVAL; /* a driver whose buffers do not hold a message */
}

static int tell(struct vconsole *c)
{
	struct chain chain;
	int ret = 0, told = 0;

	while (told < c->n_events && ret >= 0 &&
	       (ret = virtq_pop(&c->v.queue[CONTROL_IN].q, &chain)) > 0)
		ret = tell_one(c, &c->events[told++], &chain);
	memmove(c->events, c->events + told, (c->n_events - told) * sizeof(c->events[0]));
	c->n_events -= told;
	if (told)
		virtio_interrupt(&c->v, CONTROL_IN);
	return ret < 0 ? ret : 0;
}

/* A driver that asks more often than it listens is told no more. */
static void say(struct vconsole *c, int port, uint16_t event, uint16_t value)
{
	if (c->n_events < EVENTS_MAX)
		c->events[c->n_events++] = (struct vevent){ port, event, value };
}

static void obey(struct vconsole *c, const struct virtio_console_control *m)
{
	uint32_t port = le32toh(m->id);

	switch (le16toh(m->event)) {
	case VIRTIO_CONSOLE_DEVICE_READY:
		for (int i = 0; le16toh(m->value) == 1 && i < c->n_ports; i++)
			say(c, i, VIRTIO_CONSOLE_PORT_ADD, 1);
		break;
	case VIRTIO_CONSOLE_PORT_READY:
		if (port >= (uint32_t)c->n_ports || le16toh(m->value) != 1)
			break;
		if (!port)
			say(c, port, VIRTIO_CONSOLE_CONSOLE_PORT, 1);
		else
			say(c, port, VIRTIO_CONSOLE_PORT_NAME, 1);
		say(c, port, VIRTIO_CONSOLE_PORT_OPEN, 1);
		break;
	case VIRTIO_CONSOLE_PORT_OPEN: /* until then a driver throws input away, hvc0's, too */
		if (port >= (uint32_t)c->n_ports)
			break;
		c->port[port].open = le16toh(m->value);
		watch(c, port);
		break;
	default:
		break;
	}
}

static int serve_control(struct vconsole *c)
{
	struct virtio_console_control m;
	struct chain chain;
	int ret = 0, done = 0;

	while (done < TURN_REQUESTS && (ret = virtq_pop(&c->v.queue[CONTROL_OUT].q, &chain)) > 0) {
		if (iov_get(&chain.out, &chain.n_out, &m, sizeof(m)) == sizeof(m))
			obey(c, &m);
		virtio_done(&c->v, CONTROL_OUT, &chain, 0);
		done++;
		if (atomic_load(&c->v.reset_wanted) || atomic_load(&c->v.quit))
			break;
	}
	if (done)
		virtio_interrupt(&c->v, CONTROL_OUT);
	if (done == TURN_REQUESTS)
		eventfd_write(c->v.queue[CONTROL_OUT].kick, 1);
	return ret < 0 ? ret : tell(c);
}

static int serve(struct virtio *v, int q)
{
	struct vconsole *c = of(v);
	int port = port_of(q);

	if (q == CONTROL_OUT)
		return serve_control(c);
	if (q == CONTROL_IN)
		return tell(c);
	if (q % 2)
		return c->port[port].stalled ? 0 : serve_output(c, port);
	watch(c, port); /* buffers for input */
	return 0;
}

/* Without the control queues there is no more than port 0, and nobody to say that it is open. */
static int start(struct virtio *v)
{
	of(v)->port[0].open = !virtio_has(v, VIRTIO_CONSOLE_F_MULTIPORT);
	return 0;
}

static void stop(struct virtio *v)
{
	struct vconsole *c = of(v);

	c->n_events = 0;
	for (int i = 0; i < c->n_ports; i++) {
		c->port[i].stalled = c->port[i].open = false;
		v->fds[i].fd = -1;
	}
}

/* --- what is behind the ports --- */

static int open_socket(struct port *p, const char *path, struct err *e)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(a.sun_path))
		return err_set(e, -ENAMETOOLONG,
			       "--virtio-console: the name of socket %s is too long", path);
	strcpy(a.sun_path, path);
	p->socket = true;
	p->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (p->fd < 0 || connect(p->fd, (struct sockaddr *)&a, sizeof(a)))
		return err_sys(e, "--virtio-console: nobody listens at %s", path);
	return fcntl(p->fd, F_SETFL, O_NONBLOCK) ? err_sys(e, "--virtio-console %s", path) : 0;
}

static int open_port(struct vconsole *c, struct span name, struct span at, struct err *e)
{
	struct port *p = &c->port[c->n_ports++];
	char path[PATH_MAX];
	struct stat st;

	if (!span_copy(at, path, sizeof(path)) || !span_copy(name, p->name, sizeof(p->name)))
		return err_set(e, -ENAMETOOLONG, "--virtio-console: a name is too long");
	if (!stat(path, &st) && S_ISSOCK(st.st_mode))
		return open_socket(p, path, e);
	p->fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0644);
	if (p->fd >= 0)
		return 0;
	if (errno == ENXIO)
		return err_set(e, -ENXIO, "--virtio-console: nobody reads the pipe %s", path);
	return err_sys(e, "opening --virtio-console %s failed", path);
}

static int open_console(struct virtio *v, const struct dev_opt *o, struct err *e)
{
	struct vconsole *c = of(v);
	struct virtio_console_config config = { .max_nr_ports = htole32(1 + o->n_ports) };
	int ret;

	for (int i = 0; i < PORTS; i++)
		c->port[i].fd = v->fds[i].fd = -1;
	ret = open_port(c, (struct span){ "", 0 }, o->path, e);
	for (int i = 0; !ret && i < o->n_ports; i++)
		ret = open_port(c, o->ports[i].name, o->ports[i].path, e);
	v->n_fds = c->n_ports;
	v->n_queues = 2 + 2 * c->n_ports;
	v->features = 1ull << VIRTIO_CONSOLE_F_MULTIPORT;
	v->config_bytes = sizeof(config);
	memcpy(v->config, &config, sizeof(config));
	return ret;
}

static void close_console(struct virtio *v)
{
	for (int i = 0; i < PORTS; i++)
		if (of(v)->port[i].fd >= 0)
			close(of(v)->port[i].fd);
}

const struct virtio_ops vconsole_ops = {
	.name = "console",
	.id = VIRTIO_ID_CONSOLE,
	.class_code = CLASS_SIMPLE_COMMUNICATION,
	.state_bytes = sizeof(struct vconsole),
	.open = open_console,
	.close = close_console,
	.start = start,
	.stop = stop,
	.serve = serve,
	.ready = ready,
};

// SPDX-License-Identifier: GPL-2.0-only
#include "profiles/channels.h"

#include <errno.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "lib/cleanup.h"

static int ask(const char *card, struct ethtool_channels *c)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq r = { .ifr_data = (void *)c };

	if (fd < 0)
		return -errno;
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", card);
	return ioctl(fd, SIOCETHTOOL, &r) ? -errno : 0;
}

int channels_read(const char *card, struct ethtool_channels *c, struct err *e)
{
	int ret;

	*c = (struct ethtool_channels){ .cmd = ETHTOOL_GCHANNELS };
	ret = ask(card, c);
	if (!ret)
		return 1;
	if (ret == -EOPNOTSUPP || ret == -ENODEV)
		return 0;
	return err_set(e, ret, "asking %s for its queues failed: %s", card, strerror(-ret));
}

int channels_write(const char *card, const struct ethtool_channels *c, struct err *e)
{
	struct ethtool_channels set = *c;
	int ret;

	set.cmd = ETHTOOL_SCHANNELS;
	ret = ask(card, &set);
	return ret ? err_set(e, ret, "setting the queues of %s failed: %s", card, strerror(-ret))
		   : 0;
}

static bool want(__u32 *count, __u32 max, unsigned int n)
{
	unsigned int was = *count;

	if (max)
		*count = n < max ? n : max;
	return *count != was;
}

bool channels_plan(struct ethtool_channels *c, unsigned int n)
{
	bool rx, tx;

	if (c->max_combined)
		return want(&c->combined_count, c->max_combined, n);
	rx = want(&c->rx_count, c->max_rx, n);
	tx = want(&c->tx_count, c->max_tx, n);
	return rx || tx;
}

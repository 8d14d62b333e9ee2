/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * channels - how many queues, and so interrupts, a network card uses
 *
 * Fewer queues than CPUs are served by the housekeeping CPUs alone: drivers that spread an interrupt
 * for each queue over all CPUs themselves then have none left for the isolated ones.
 */
#ifndef RTKVM_PROFILES_CHANNELS_H
#define RTKVM_PROFILES_CHANNELS_H

#include <linux/ethtool.h>
#include <stdbool.h>

#include "lib/err.h"

/*
 * channels_read - a card's queues; 1 read, 0 when there is no such card or it has no choice
 * (ETHTOOL_GCHANNELS of ethtool(8)); -errno
 */
int channels_read(const char *card, struct ethtool_channels *c, struct err *e);

/* channels_write - set them; the card's link goes down and up again in most drivers */
int channels_write(const char *card, const struct ethtool_channels *c, struct err *e);

/*
 * channels_plan - c with n queues of the kind that the card has, never more than it can; false
 * when that is what c says already
 */
bool channels_plan(struct ethtool_channels *c, unsigned int n);

#endif

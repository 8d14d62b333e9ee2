// SPDX-License-Identifier: GPL-2.0-only
/* Queues of network cards, where the user's netdev_queue_count asks for it. */
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/json.h"
#include "profiles/channels.h"
#include "profiles/tune.h"

/* what the cards had before us: [{"card", "combined", "rx", "tx"}] */
static const char journal[] = "/run/rtkvm/tune.queues";

enum { JOURNAL_BYTES = 1 << 20 };

typedef int each_card(struct tune *t, const char *card, void *arg, struct err *e);

/* Every card with hardware behind it; what each returns is added up, the first -errno ends it. */
static int for_each_card(struct tune *t, each_card *each, void *arg, struct err *e)
{
	struct paths paths;
	int sum = 0, ret;

	if (!t->s.queues || *t->root)
		return 0;
	ret = machine_glob(&t->m, "/sys/class/net/*/device", &paths, e);
	for (size_t i = 0; i < paths.n && ret >= 0; i++) {
		char card[IFNAMSIZ];

		if (sscanf(paths.v[i], "/sys/class/net/%15[^/]", card) != 1)
			continue;
		ret = each(t, card, arg, e);
		sum += ret > 0 ? ret : 0;
	}
	paths_free(&paths);
	return ret < 0 ? ret : sum;
}

static bool logged(json_object *log, const char *card)
{
	for (size_t i = 0; i < json_object_array_length(log); i++)
		if (!strcmp(json_str(json_object_array_get_idx(log, i), "card", ""), card))
			return true;
	return false;
}

static int apply_one(struct tune *t, const char *card, void *arg, struct err *e)
{
	json_object *log = arg, *entry;
	struct ethtool_channels c;
	char path[PATH_MAX];
	int ret = channels_read(card, &c, e);

	if (ret <= 0)
		return ret;
	entry = json_object_new_object();
	json_set_str(entry, "card", card);
	json_set_int(entry, "combined", c.combined_count);
	json_set_int(entry, "rx", c.rx_count);
	json_set_int(entry, "tx", c.tx_count);
	if (!channels_plan(&c, t->s.queues)) {
		json_object_put(entry);
		return 0;
	}
	if (logged(log, card)) {
		json_object_put(entry);
	} else {
		json_object_array_add(log, entry);
		ret = file_mkdirs(tune_path(t, "/run/rtkvm", path), e);
		if (!ret)
			ret = json_save(tune_path(t, journal, path), log, e);
		if (ret < 0)
			return ret;
	}
	ret = channels_write(card, &c, e);
	return ret < 0 ? ret : 1;
}

static int load(const struct tune *t, json_object **log, struct err *e)
{
	char path[PATH_MAX];
	int ret = 0;

	*log = NULL;
	if (file_exists(tune_path(t, journal, path)))
		ret = json_load(path, JOURNAL_BYTES, log, e);
	if (!ret && *log && !json_object_is_type(*log, json_type_array))
		ret = err_set(e, -EINVAL, "%s is not of this rtkvm; remove it", path);
	return ret;
}

int tune_queues_apply(struct tune *t, struct err *e)
{
	_cleanup_json_ json_object *log = NULL;
	int ret = load(t, &log, e);

	if (!ret && !log)
		log = json_object_new_array();
	return ret < 0 ? ret : for_each_card(t, apply_one, log, e);
}

static int verify_one(struct tune *t, const char *card, void *arg, struct err *e)
{
	struct ethtool_channels c;
	int ret = channels_read(card, &c, e);
	unsigned int now = c.max_combined ? c.combined_count : c.rx_count;

	(void)arg;
	if (ret > 0 && channels_plan(&c, t->s.queues))
		note(&t->notes, "%s uses %u queues, expected %u", card, now,
		     c.max_combined ? c.combined_count : c.rx_count);
	return ret < 0 ? ret : 0;
}

int tune_queues_verify(struct tune *t, struct err *e)
{
	return for_each_card(t, verify_one, NULL, e);
}

static int undo_one(json_object *entry, struct err *e)
{
	const char *card = json_str(entry, "card", "");
	struct ethtool_channels c;
	int ret = channels_read(card, &c, e);

	if (ret <= 0)
		return ret;
	c.combined_count = json_int(entry, "combined", c.combined_count);
	c.rx_count = json_int(entry, "rx", c.rx_count);
	c.tx_count = json_int(entry, "tx", c.tx_count);
	ret = channels_write(card, &c, e);
	return ret < 0 ? ret : 1;
}

int tune_queues_undo(struct tune *t, struct err *e)
{
	_cleanup_json_ json_object *log = NULL;
	char path[PATH_MAX];
	int writes = 0, ret = load(t, &log, e);

	if (ret < 0 || !log)
		return ret;
	for (size_t i = 0; i < json_object_array_length(log); i++) {
		ret = undo_one(json_object_array_get_idx(log, i), e);
		writes += ret > 0 ? ret : 0;
	}
	unlink(tune_path(t, journal, path));
	return e->code ? e->code : writes;
}

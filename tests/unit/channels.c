// SPDX-License-Identifier: GPL-2.0-only
#include "profiles/channels.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/cleanup.h"

static void test_plan(void **state)
{
	static const struct {
		struct ethtool_channels has;
		unsigned int n;
		bool change;
		unsigned int combined, rx, tx;
	} t[] = {
		{ { .max_combined = 8, .combined_count = 8 }, 2, true, 2, 0, 0 },
		{ { .max_combined = 8, .combined_count = 2 }, 2, false, 2, 0, 0 },
		{ { .max_combined = 1, .combined_count = 1 }, 4, false, 1, 0, 0 },
		{ { .max_combined = 8, .combined_count = 1 }, 64, true, 8, 0, 0 },
		{ { .max_rx = 4, .rx_count = 4, .max_tx = 2, .tx_count = 2 }, 3, true, 0, 3, 2 },
		{ { .max_rx = 4, .rx_count = 1, .max_tx = 4, .tx_count = 4 }, 1, true, 0, 1, 1 },
		{ { .max_rx = 4, .rx_count = 1 }, 1, false, 0, 1, 0 },
		{ { 0 }, 1, false, 0, 0, 0 },
		/* combined queues win; the others stay as they are */
		{ { .max_combined = 4, .combined_count = 4, .max_rx = 4, .rx_count = 0 },
		  1,
		  true,
		  1,
		  0,
		  0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct ethtool_channels c = t[i].has;

		assert_int_equal(channels_plan(&c, t[i].n), t[i].change);
		assert_int_equal(c.combined_count, t[i].combined);
		assert_int_equal(c.rx_count, t[i].rx);
		assert_int_equal(c.tx_count, t[i].tx);
		assert_false(channels_plan(&c, t[i].n)); /* it is as wanted now */
	}
}

static void test_no_card(void **state)
{
	struct ethtool_channels c;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(channels_read("no-such-card", &c, &e), 0);
	assert_int_equal(channels_read("lo", &c, &e), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plan),
		cmocka_unit_test(test_no_card),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

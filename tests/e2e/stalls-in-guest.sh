#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# stalls-in-guest.sh - in a guest: its stalls in rounds of 2 s, until it is ended from outside
#
# "begin N", then "end N TIMERS OVER-1-MS OVER-5-MS LONGEST-US" for each round
i=0
while true; do
	i=$((i + 1))
	echo "begin $i"
	cyclictest -m -q -p 90 -t 1 -i 2000 -D 2 -h 6000 | awk -v round="$i" '
		/^[0-9]/ { n += $2 }
		/^[0-9]/ && $1 >= 1000 { over1 += $2 }
		/^[0-9]/ && $1 >= 5000 { over5 += $2 }
		/^# Histogram Overflows:/ { n += $NF; over1 += $NF; over5 += $NF }
		/^# Max Latencies:/ { longest = $NF }
		END { print "end", round, n + 0, over1 + 0, over5 + 0, longest + 0 }'
done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# latency-log: docs/latency-log.md is enough to read the log: a reader written from it agrees
# shellcheck source=tests/e2e/tap.sh
. tests/e2e/tap.sh
make=${RTKVM%/rtkvm}/tests/tools/makerun

"$make" "$T/run" slices=6 samples=3000 cpus=3
perl tests/tools/readlog.pl "$T/run/latency.log" >"$T/read"
is "$(tail -n 1 "$T/read")" ended "the log was closed in order"
is "$(awk '/^cyclictest/ { print $2, $3, $4, $5 }' "$T/read")" \
	"$(jq -r '.cpus[] | "\(.cpu) \(.samples) \(.min_ns) \(.max_ns)"' "$T/run/run.json")" \
	"count, minimum and maximum of each CPU"
is "$(awk '/^cyclictest/ { printf "%s %.1f\n", $2, $6 / $3 }' "$T/read")" \
	"$(jq -r '.cpus[] | "\(.cpu) \(.mean_ns)"' "$T/run/run.json" | awk '{ printf "%s %.1f\n", $1, $2 }')" \
	"mean of each CPU"
ok "bins add up, and the last one holds the maximum" \
	awk '/^cyclictest/ && ($7 != $3 || $8 > $5 || $8 < $5 * 63 / 64) { exit 1 }' "$T/read"
is "$(perl tests/tools/readlog.pl tests/fixtures/latencylog/version-1.log | cut -d' ' -f1-3 | tr '\n' ' ')" \
	"cyclictest 0 100 cyclictest 1 100 cyclictest 2 100 ended " "a log of version 1"
printf 'XX' | dd of="$T/run/latency.log" bs=1 seek=1500 conv=notrunc 2>/dev/null
perl tests/tools/readlog.pl "$T/run/latency.log" >"$T/read"
"$RTKVM" report --no-plots --print json "$T/run" >"$T/json"
is "$(awk '/^cyclictest/ { n += $3 } END { print n }' "$T/read")" \
	"$(jq '.statistics.groups[0].all.samples' "$T/json")" "both skip the same damaged slice"
done_testing

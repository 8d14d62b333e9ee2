#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# run-schema: every kind of run.json holds to docs/run.schema.json, and the check can fail
# shellcheck source=tests/e2e/tap.sh
. tests/e2e/tap.sh
tools=${RTKVM%/rtkvm}/tests/tools
holds() { "$tools/schema" docs/run.schema.json "$@" | sed 's/^/# /'; [ "${PIPESTATUS[0]}" = 0 ]; }
breaks() { # NAME JQ-PROGRAM REGEX: the changed run violates the schema as told
	jq "$2" "$T/run/run.json" >"$T/changed.json"
	run "$tools/schema" docs/run.schema.json "$T/changed.json"
	is "$code" 1 "$1: refused"
	like "$out" "$3" "$1: told"
}

"$tools/makerun" "$T/run" slices=30 samples=2000 limit=40 smi=3
ok "a run as an instrument leaves it" holds "$T/run/run.json"
"$RTKVM" report --no-plots "$T/run" >"$T/out"
ok "after rtkvm report" holds "$T/run/run.json"
"$tools/makerun" "$T/pair" slices=30 samples=2000 host=1 conditions=emulated
"$RTKVM" report --no-plots --limit 1us "$T/pair" >"$T/out"
ok "two instruments, emulated, judged anew" holds "$T/pair/run.json"
printf 'x' >>"$T/pair/latency.log"
"$RTKVM" report --no-plots "$T/pair" >"$T/out"
ok "a damaged log" holds "$T/pair/run.json"
for file in tests/fixtures/import/*; do
	case $file in *.golden | *-N-live.txt | *-N-status.txt) continue ;; esac
	"$RTKVM" import --unit us --out "$T/$(basename "$file")" "$file" >"$T/out" 2>"$T/err" ||
		"$RTKVM" import --out "$T/$(basename "$file")" "$file" >"$T/out"
done
ok "every import" holds "$T"/*/run.json

breaks "no verdict" 'del(.verdict)' 'run: lacks "verdict"'
breaks "a verdict of another word" '.verdict = "perfect"' 'run.verdict: is none of the words'
breaks "another schema" '.schema = 2' 'run.schema: is not the constant'
breaks "a negative count" '.cpus[1].samples = -1' 'run.cpus\[1\].samples: is below the minimum'
breaks "a figure as text" '.cpus[0].max_ns = "40"' 'run.cpus\[0\].max_ns: is of the wrong type'
breaks "a quantile that is none" '.cpus[0].quantiles_ns.p50 = 3' 'quantiles_ns.p50: does not match'
breaks "a local time" '.started = "2026-11-20 10:00"' 'run.started: does not match'
breaks "no statistics of a CPU" 'del(.statistics.groups[0].cpus[2].quantiles)' 'cpus\[2\]: lacks "quantiles"'
done_testing

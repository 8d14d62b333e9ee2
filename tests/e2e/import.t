#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# import: every format's golden file, what each cannot say, and what is no result at all
# tests/fixtures/import/FILE and FILE.golden; UPDATE=1 writes the golden files anew
# shellcheck source=tests/e2e/tap.sh
. tests/e2e/tap.sh
fixtures=tests/fixtures/import

# figures DIR - what was imported, one line a CPU, then what the source does not say
figures() {
	jq -c '.import.tool, (.import.version // "version unknown"), (.started // "start unknown"),
		"\(.spikes) spikes",
		(.cpus[] | {instrument, cpu, samples, missed, min_ns, mean_ns, max_ns, over, over_from_ns,
			resolution_ns, quantiles_ns} | del(.[] | nulls)), (.import.notes[])' "$1/run.json"
}

for file in "$fixtures"/*; do
	name=$(basename "$file")
	case $name in
	*.golden) continue ;;
	# the sources that do not tell their unit
	*-N.txt) unit=ns ;;
	cyclictest*-live.txt | cyclictest*-status.txt | cyclictest*-q.txt | cyclictest*-spike.txt) unit= ;;
	cyclictest*.txt | two-columns* | *.raw) unit=us ;;
	*.hlog) unit=ns ;;
	*) unit= ;;
	esac
	run "$RTKVM" import --out "$T/$name" ${unit:+--unit $unit} "$file"
	[ "$code" = 0 ] || printf '# %s\n' "$errs"
	[ -z "${UPDATE:-}" ] || figures "$T/$name" >"$file.golden"
	is "$(figures "$T/$name")" "$(cat "$file.golden")" "$name"
	[ -z "$unit" ] || fails 2 "does not tell its unit; add --unit us" "$name: its unit is not guessed" \
		"$RTKVM" import --out "$T/unit" "$file"
done

# The histograms of the real tool, added up by other means.
for name in cyclictest-2.4-h cyclictest-2.4-H cyclictest-2.4-histfile; do
	for thread in 0 1; do
		want=$(awk -v c=$((thread + 2)) '/^[0-9]/ { n += $c; s += $1 * $c }
			/^# Histogram Overflows:/ { o = $(c + 2) } /^# Max/ { m = $(c + 2) }
			END { print n + o, m * 1000, o ? "" : s / n * 1000 }' "$fixtures/$name.txt")
		is "$(jq -r ".cpus[$thread] | [.samples, .max_ns, (.mean_ns // \"\" | if . == \"\" then . else (. * 10 | round) end)] | map(tostring) | join(\" \")" "$T/$name.txt/run.json")" \
			"$(echo "$want" | awk '{ printf "%d %d %s", $1, $2, $3 == "" ? "" : int($3 * 10 + 0.5) }')" \
			"$name, thread $thread: count, maximum and mean as awk has them"
	done
done
is "$(jq -c '[.cpus[] | [.samples, .max_ns]]' "$T/cyclictest-2.4-h.txt/run.json")" \
	"$(jq -c '[.cpus[] | [.samples, .max_ns]]' "$T/cyclictest-2.4.json/run.json")" \
	"text and JSON of one run agree"
is "$(jq -c '[.cpus[] | [.samples, .max_ns]]' "$T/jitterdebugger-0.3.json/run.json" | tr -d '\n')" \
	"$(jq -c '.cpus | sort_by(.cpu) | [.[] | [.samples + (1 - .cpu), .max_ns]]' "$T/jitterdebugger-0.3.raw/run.json")" \
	"jitterdebugger: results and samples of one run agree (the file lacks one sample of thread 0)"

# an import is a run like any other
run "$RTKVM" report "$T/cyclictest-2.4-h.txt"
is "$code" 0 "report of an import"
like "$(printf '%s\n' "$out" | head -n 1)" "^CONDITIONS UNKNOWN" "where it ran is not guessed"
run "$RTKVM" report --no-plots --limit 2ms "$T/cyclictest-2.4-h.txt"
is "$code" 4 "no pass where the conditions are unknown"
run "$RTKVM" import --conditions hardware --unit us --out "$T/hw" "$fixtures/cyclictest-2.4-h.txt"
run "$RTKVM" report --no-plots --limit 2ms "$T/hw"
is "$code" 0 "a pass where the user vouches for the conditions"
run "$RTKVM" report --no-plots --limit 500us "$T/hw"
is "$code" 1 "a broken limit, known from the maximum alone"
like "$out" "above 500 us: 0 in .* and 16 whose value is unknown" "overflows may be above: said so"
run "$RTKVM" report "$T/hdr-1.3.hlog"
is "$code" 0 "report of a log with slices"
run "$RTKVM" report "$T/hwlatdetect-clean.txt"
is "$code" 0 "report of a clean hwlatdetect"
run "$RTKVM" report "$T/hwlatdetect-2.10.txt"
like "$out" "1 of them platform-wide" "hwlatdetect's CPUs 4 and 5 at once are one event"

# several files, default names
cp "$fixtures/oslat-2.4.json" "$T/a b.json"
cp "$fixtures/signaltest-2.4.json" "$T/c.json"
run sh -c 'cd "$1" && "$2" import "a b.json" c.json' sh "$T" "$RTKVM"
is "$code" 0 "two files"
like "$out" "/runs/20[0-9TZ]+-import-a-b.json" "a name from the file's name"
is "$(printf '%s\n' "$out" | wc -l)" 2 "each has a directory"

# nothing of a failed import stays
bad() { # NAME REGEX FILE: bad input ends with one line that names the file, and leaves nothing
	fails 2 "$2" "$1" "$RTKVM" import --unit us --out "$T/bad" "$3"
	like "$errs" "$(basename "$3")" "$1: names the file"
	ok "$1: leaves nothing" test ! -e "$T/bad"
}
f=$fixtures/cyclictest-2.4-h.txt
: >"$T/empty"
bad "empty" "the file is empty" "$T/empty"
head -c 3000 /dev/urandom >"$T/random"
bad "binary" "begins no format|absurd" "$T/random"
head -n 50 "$f" >"$T/cut"
bad "truncated text" "cut off: no \"# Min" "$T/cut"
head -c 700 "$fixtures/cyclictest-2.4.json" >"$T/cut.json"
bad "truncated JSON" "line [0-9]+: it ends too early" "$T/cut.json"
head -c 1500 "$fixtures/rteval-3.10.xml" >"$T/cut.xml"
bad "truncated XML" "line [0-9]+: " "$T/cut.xml"
head -n 5 "$fixtures/rtla-6.14-hist.txt" >"$T/cut.rtla"
bad "truncated rtla" "cut off after line 5" "$T/cut.rtla"
head -n 8 "$fixtures/hwlatdetect-2.10.txt" >"$T/cut.hwlat"
bad "truncated hwlatdetect" "cut off" "$T/cut.hwlat"
head -c 1000 "$fixtures/jitterdebugger-0.3.raw" >"$T/cut.raw"
bad "truncated samples" "ends 20 bytes into record 35" "$T/cut.raw"
sed 's/^\(1.134.*HIST.\{20\}\).*/\1/' "$fixtures/hdr-1.3.hlog" >"$T/cut.hlog"
bad "truncated HdrHistogram" "line 6: its histogram is damaged" "$T/cut.hlog"
cat "$f" "$f" >"$T/twice"
bad "two results in one file" "line [0-9]+: a second histogram" "$T/twice"
cat "$f" "$fixtures/hwlatdetect-2.4.txt" >"$T/two-tools"
bad "two tools in one file" "line [0-9]+: output of (cyclictest|hwlatdetect) begins in a file of" "$T/two-tools"
cat "$fixtures/oslat-2.4.json" "$f" >"$T/two.json"
bad "something after the JSON" "line [0-9]+: something that is no JSON, or a second value" "$T/two.json"
sed '20s/\t/ x/' "$f" >"$T/letters"
bad "a letter among the counts" "line 20: \" x" "$T/letters"
sed '20s/\t.*//' "$f" >"$T/short-row"
bad "a row that is short" "line 20: 1 columns where there were 2" "$T/short-row"
sed '25d' "$f" >"$T/lost-row"
bad "a row that is missing" "rows are missing" "$T/lost-row"
sed 's/"cycles": 3998/"cycles": -5/' "$fixtures/cyclictest-2.4.json" >"$T/negative.json"
bad "a negative count" '"cycles" of a thread is not a count' "$T/negative.json"
sed 's/"max": 771/"max": 99999999999999/' "$fixtures/cyclictest-2.4.json" >"$T/absurd.json"
bad "an absurd latency" "make no sense" "$T/absurd.json"
sed 's/"file_version": 1/"file_version": 2/' "$fixtures/cyclictest-2.4.json" >"$T/version.json"
bad "a newer format" "file_version 2, 1 is read" "$T/version.json"
sed 's/delta:nan, inner:21/inner:2,1/' "$fixtures/hwlatdetect-2.10.txt" | sed 's/1790000000.1/1790000000,1/' >"$T/comma"
bad "another locale's decimal comma" "line 19: no time stamp" "$T/comma"
printf '1,5;20\n' >"$T/comma.csv"
bad "a decimal comma in columns" "begins no format" "$T/comma.csv"
printf '5 10\n-7 3\n' >"$T/minus"
bad "a negative latency" "begins no format" "$T/minus"
printf '5 10\n6 \0 7\n' >"$T/nul"
bad "a NUL in a text" "begins no format|line 2: binary data" "$T/nul"
sed 's/P:95 I:200 C:4320000 Min:      3/P:95 I:200 C:4320000 Min:     99/' \
	"$fixtures/cyclictest-2.6-smi-status.txt" >"$T/crossed"
bad "a minimum above the maximum" "minimum 99 and maximum 19" "$T/crossed"
fails 2 "its status lines are in ns, --unit says us" "a unit against the source" \
	"$RTKVM" import --unit us --out "$T/bad" "$fixtures/cyclictest-2.10-N-status.txt"
bad "a directory" "is a directory" "$T"
mkfifo "$T/pipe"
bad "a FIFO" "not a regular file" "$T/pipe"
bad "no file" "No such file" "$T/nothere"
cp "$T/hw/latency.log" "$T/own.log"
bad "our own log" "a latency.log already" "$T/own.log"
if [ "$(id -u)" != 0 ]; then
	cp "$f" "$T/secret"
	chmod 0 "$T/secret"
	bad "no right to read" "Permission denied" "$T/secret"
fi
mkdir "$T/full"
touch "$T/full/x"
fails 2 "not empty" "an output directory in use" "$RTKVM" import --unit us --out "$T/full" "$f"
ok "an output directory in use: untouched" test -e "$T/full/x"
mkdir "$T/mine"
fails 2 "cut off" "an output directory that was there" "$RTKVM" import --unit us --out "$T/mine" "$T/cut"
ok "an output directory that was there: still is, empty" rmdir "$T/mine"
fails 2 "none of its words" "a bad unit" "$RTKVM" import --unit ms "$f"
fails 2 "which file" "no file given" "$RTKVM" import
fails 2 "takes one file" "--out with two files" "$RTKVM" import --out "$T/x" "$f" "$f"
done_testing

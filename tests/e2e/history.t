#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# history: runs into the database, trends, change points
# shellcheck source=tests/e2e/tap.sh
. tests/e2e/tap.sh
make=${RTKVM%/rtkvm}/tests/tools/makerun

# run N SEED SCALE KERNEL - a run of day N
add() {
	"$make" "$T/runs/$1" seed="$2" slices=10 samples=2000 scale="$3"
	jq --arg d "2026-11-$1T07:10:00Z" --arg k "$4" '.started = $d | .host.kernel = $k' "$T/runs/$1/run.json" \
		>"$T/run.json" && mv "$T/run.json" "$T/runs/$1/run.json"
}
mkdir "$T/runs"
for day in 01 02 03 04 05 06 07 08; do
	add $day $day 1 6.1.0
done
run "$RTKVM" history "$T/runs"
is "$code" 0 "eight equal runs"
is "$(printf '%s\n' "$out" | grep -c '^  2026-11')" 8 "eight rows"
is "$(printf '%s\n' "$out" | grep -c CHANGE)" 0 "no change"
ok "the database is there" test -s "$T/runs/history.sqlite"
for day in 09 10 11 12 13 14 15 16; do
	add $day $day 1.3 6.12.0
done
run "$RTKVM" history --out "$T/trend" "$T/runs"
like "$out" "^  CHANGE of median at 2026-11-09.*: 2.72 -> 3.5[0-9] us, p = 0.00.*host kernel 6.1.0 -> 6.12.0" \
	"a change, when it came, and what else changed with it"
ok "the trend is drawn" xmllint --noout "$T/trend/plots/history-1.svg"
cp "$T/.out" "$T/first"
run "$RTKVM" history "$T/runs"
is "$out" "$(cat "$T/first")" "a second look gives the same"
run "$RTKVM" history --json "$T/runs"
is "$(jq -r '.[0].changes[] | select(.what == "median") | .run' "$T/.out")" "$T/runs/09" "--json"

# runs that are other, broken, gone
"$make" "$T/runs/emulated" slices=10 samples=2000 conditions=emulated
mkdir "$T/runs/broken"
echo '{' >"$T/runs/broken/run.json"
run "$RTKVM" history "$T/runs"
is "$code" 0 "a broken run does not stop the others"
like "$out" "left out: reading .*/broken/run.json failed" "a broken run is told"
like "$out" "^[^|]*\| [^|]* \| emulated" "other conditions are another history"

fails 2 "give the directory" "no directory" "$RTKVM" history
fails 2 "one directory at a time" "two directories" "$RTKVM" history a b
fails 2 "reading the runs in .*nothere failed: No such file" "no such directory" "$RTKVM" history "$T/nothere"
: >"$T/file"
fails 2 "reading the runs in .*file failed: it is no directory" "a file" "$RTKVM" history "$T/file"
mkdir "$T/empty"
fails 2 "holds no runs with samples" "an empty directory" "$RTKVM" history "$T/empty"
echo "this is no database, and longer than the header of one would be: $(seq 100)" >"$T/garbage"
fails 2 "file is not a database" "no database" "$RTKVM" history --db "$T/garbage" "$T/runs"
run "$RTKVM" history --db "$T/newer" "$T/runs"
printf '\0\0\0\11' | dd of="$T/newer" bs=1 seek=60 conv=notrunc 2>/dev/null # user_version of its header
fails 2 "has layout 9, this rtkvm knows 1" "a newer database" "$RTKVM" history --db "$T/newer" "$T/runs"
done_testing

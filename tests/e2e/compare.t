#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# compare: better, worse, the same, cannot tell; and what must not be compared
# shellcheck source=tests/e2e/tap.sh
. tests/e2e/tap.sh
make=${RTKVM%/rtkvm}/tests/tools/makerun

for seed in 1 2 3; do
	"$make" "$T/same$seed" seed=$seed slices=40 samples=5000
done
"$make" "$T/slower" seed=4 slices=40 samples=5000 scale=1.4
"$make" "$T/smi" seed=5 slices=40 samples=5000 smi=8
"$make" "$T/short1" seed=6 slices=1 samples=3000
"$make" "$T/short2" seed=7 slices=1 samples=3000
"$make" "$T/emulated" seed=8 slices=40 samples=5000 conditions=emulated
"$make" "$T/other-interval" seed=9 slices=40 samples=2500
"$make" "$T/pair" seed=10 slices=40 samples=2000 host=1

run "$RTKVM" compare "$T/same1" "$T/same2"
is "$code" 0 "the same twice: 0"
like "$out" "^$T/same2 against $T/same1: same$" "the same twice: told"
is "$errs" "" "nothing on stderr"
run "$RTKVM" compare "$T/same1" "$T/slower"
is "$code" 1 "slower: 1"
like "$out" "against $T/same1: worse" "slower: worse"
like "$out" "slice median +2\.[0-9]+ +3\.[0-9]+ +\+1\.0[0-9] " "the shift of the median is 40 %"
run "$RTKVM" compare "$T/slower" "$T/same1"
is "$code" 0 "faster: 0"
like "$out" "against $T/slower: better" "faster: better"
run "$RTKVM" compare --limit 40us "$T/same1" "$T/smi"
is "$code" 1 "a rare mode that leaves the slices' medians alone: 1"
like "$out" "above 40.0 us: 0 of .*, 32 of .*; ratio inf \(.* to inf\), p = .*; worse" "its rate tells"
run "$RTKVM" compare "$T/short1" "$T/short2"
is "$code" 4 "one slice each: 4"
like "$out" "cannot tell" "one slice each: cannot tell"
like "$out" "too few slices" "one slice each: why"
run "$RTKVM" compare --limit 1us "$T/short1" "$T/short2"
is "$code" 4 "a limit that all samples exceed tells nothing apart"
run "$RTKVM" compare "$T/same1" "$T/same2" "$T/slower"
is "$code" 1 "three runs: the worst decides"
is "$(printf '%s\n' "$out" | grep -c against)" 2 "three runs: two comparisons"

run "$RTKVM" compare --json "$T/same1" "$T/slower"
is "$(printf '%s\n' "$out" | jq -r '.outcome, .against[0].instruments[0].slices[2].what')" \
	"worse
slice median" "--json"
ok "the shift lies in its interval" jq -e '.against[0].instruments[0].slices[0] |
	.shift_low_ns <= .shift_ns and .shift_ns <= .shift_high_ns' "$T/.out"
run "$RTKVM" compare --out "$T/out" "$T/same1" "$T/same2"
ok "--out: compare.json" jq -e '.outcome == "same"' "$T/out/compare.json"
ok "--out: the picture" xmllint --noout "$T/out/plots/compare.svg"

# apples and pears
fails 2 "refused: they differ in conditions \(hardware, emulated\); --force" "conditions differ" \
	"$RTKVM" compare "$T/same1" "$T/emulated"
fails 2 "differ in interval \(2000000 ns, 4000000 ns\)" "intervals differ" \
	"$RTKVM" compare "$T/same1" "$T/other-interval"
fails 2 "differ in instruments" "instruments differ" "$RTKVM" compare "$T/same1" "$T/pair"
run "$RTKVM" compare --force "$T/same1" "$T/emulated"
is "$code" 0 "--force compares"
like "$out" "DIFFERS conditions: hardware -> emulated" "--force still tells"
cp -r "$T/same2" "$T/new-kernel"
jq '.host.kernel = "6.13.0" | .guest.kernel = "x"' "$T/same2/run.json" >"$T/new-kernel/run.json"
run "$RTKVM" compare "$T/same1" "$T/new-kernel"
is "$code" 0 "another kernel is what one compares"
like "$out" "changed host kernel: .* -> 6.13.0" "another kernel is told"
run "$RTKVM" compare "$T/emulated" "$T/emulated"
like "$(printf '%s\n' "$out" | head -n 1)" "^EMULATED MACHINE" "emulated: said in the first line"

fails 2 "two run directories or more" "one run" "$RTKVM" compare "$T/same1"
fails 2 "No such file" "no run" "$RTKVM" compare "$T/same1" "$T/nothere"
mkdir "$T/nothing"
jq '.cpus = []' "$T/same1/run.json" >"$T/nothing/run.json"
fails 2 "holds no samples" "a run without samples" "$RTKVM" compare "$T/same1" "$T/nothing"
# shellcheck disable=SC2046 # 17 words are meant
fails 2 "at most 16" "too many runs" "$RTKVM" compare $(yes "$T/same1" | head -n 17)
done_testing

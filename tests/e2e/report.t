#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# report: what rtkvm report makes of a run directory, seen from outside
. tests/e2e/tap.sh

make=${RTKVM%/rtkvm}/tests/tools/makerun
run_dir=$T/run

ok "a run is made" "$make" "$run_dir" slices=40 samples=5000 smi=4 limit=40
run "$RTKVM" report "$run_dir"
is "$code" 1 "a broken limit ends with 1"
is "$errs" "" "nothing on stderr"
like "$out" "^made-up: fail \(max is 63.00 us on CPU 3, above its limit of 40.00 us\)" "the verdict comes first"
code=0
errs=$("$RTKVM" report "$run_dir" 2>&1 >/dev/full) || code=$?
is "$code" 2 "a verdict that cannot be written is an error"
is "$errs" "rtkvm report: writing standard output failed: No space left on device" "which says so"
quits() { # SHELL - the exit code and the errors of a report whose reader is gone before it
	env --default-signal=PIPE bash -c "$1"' exec 3> >(:); wait $!; "$0" report "$1" >&3; echo $?' "$RTKVM" "$run_dir" 2>&1
}
is "$(quits '')" $((128 + 13)) "a reader that quit, like head, is no error"
is "$(quits 'trap "" PIPE;')" "rtkvm report: writing standard output failed: Broken pipe
2" "unless SIGPIPE is ignored"
like "$out" "platform-wide" "events on several CPUs are told"
for f in report.html summary.md junit.xml report.ktap metrics.prom run.json; do
	ok "$f is there" test -s "$run_dir/$f"
done
for p in histogram exceedance density maxima spikes; do
	ok "plots/$p.svg is XML" xmllint --noout "$run_dir/plots/$p.svg"
	is "$(head -c 8 "$run_dir/plots/$p.png" | od -An -tx1 | tr -d ' \n')" 89504e470d0a1a0a "plots/$p.png is PNG"
done
ok "junit.xml is XML" xmllint --noout "$run_dir/junit.xml"
is "$(xmllint --xpath 'string(//testsuite[@name="cyclictest"]/@failures)' "$run_dir/junit.xml")" 4 \
	"four CPUs failed in junit.xml"
like "$(xmllint --xpath 'string(//testcase[contains(@name,"CPU 2")]/failure/@message)' "$run_dir/junit.xml")" \
	"max 62.0 us is above the limit of 40.0 us; [0-9]+ samples above it; at 2026-.* UTC; cause: system-management interrupt" \
	"a failure tells value, limit, when and cause"
is "$(head -n 1 "$run_dir/report.ktap")" "KTAP version 1" "KTAP begins with its version"
like "$(cat "$run_dir/report.ktap")" "^  not ok 3 cyclictest CPU 2 max at most 40.0 us$" "KTAP tells the CPU"
is "$(tail -n 1 "$run_dir/metrics.prom")" "# EOF" "OpenMetrics ends as it must"

# the same figures everywhere
is "$(jq -r '.cpus[] | "\(.cpu) \(.samples) \(.max_ns)"' "$run_dir/run.json")" \
	"$(sed -n 's/^<tr data-cpu="\([0-9]*\)".*data-samples="\([0-9]*\)".*data-max="\([0-9]*\)".*/\1 \2 \3/p' \
		<(tr -d '\n' <"$run_dir/report.html" | sed 's/<tr /\n<tr /g'))" \
	"report.html shows run.json's figures"
is "$(jq -c '[.cpus[] | {cpu, samples, max_ns}]' "$run_dir/run.json")" \
	"$(jq -c '[.statistics.groups[0].cpus[] | {cpu, samples, max_ns}]' "$run_dir/run.json")" \
	"what the instrument wrote and what the log says agree"
"$RTKVM" report --json --no-plots "$run_dir" >"$T/json"
is "$(jq -S . "$T/json")" "$(jq -S . "$run_dir/run.json")" "--json prints run.json"
cp "$run_dir/run.json" "$T/before"
"$RTKVM" report "$run_dir" >"$T/again"
ok "a second report changes nothing" cmp "$T/before" "$run_dir/run.json"

# an instrument that lists fewer spikes than it counted, one of them explained
cp -r "$run_dir" "$T/explained"
jq '.spikes = 123456' "$run_dir/run.json" >"$T/explained/run.json"
head -n 1 "$run_dir/spikes.jsonl" | jq -c '.instrument = "trace" | .latency_ns -= 500 | .cause = "vmm"' \
	>>"$T/explained/spikes.jsonl"
"$RTKVM" report --no-plots "$T/explained" >"$T/out"
is "$(jq -c '[.spikes, .statistics.events, .statistics.platform_events]' "$T/explained/run.json")" \
	"$(jq -c '[123456, .statistics.events, .statistics.platform_events]' "$run_dir/run.json")" \
	"an explanation is no spike, and the instrument's number stays"

# limits given later
run "$RTKVM" report --no-plots --limit 100us "$run_dir"
is "$code" 0 "a wider limit passes"
is "$(jq -c '.limits[0]' "$run_dir/run.json")" \
	'{"what":"max_ns","limit_ns":100000,"cpu":3,"value_ns":63000,"met":true}' "and is in run.json"
like "$out" "above 100 us: 0 in [0-9,]+: less than one per [0-9.]+ (s|min|h) at 95 %" "the bound of a clean run"

# periods that nobody served are told of in words
missed() {
	"$make" "$T/missed$2" slices=1 samples="$1" missed="$2" cpus=1 seconds=1 "${@:3}"
	"$RTKVM" report --no-plots "$T/missed$2" | grep 'no sample' || echo "a clean run"
}
is "$(missed 2000 0)" "a clean run" "none missed: nothing is said"
is "$(missed 1990 10)" \
	"  10 of 2,000 periods have no sample" "a few"
is "$(missed 500 1500)" \
	"  1,500 of 2,000 periods have no sample" "no sample as late as that: the cause is not known"
is "$(missed 500 501 scale=1000)" \
	"  501 of 1,001 periods have no sample: they passed while others were late" "samples of 2 ms at 1 ms"
is "$(missed 100 900 scale=1000)" "  900 of 1,000 periods have no sample" "but they account for so many only"
for f in summary.md report.html; do
	like "$(cat "$T/missed1500/$f")" "1,500 of 2,000 periods" "$f has it, too"
done

# emulated: no verdict on latency
"$make" "$T/emulated" slices=30 samples=2000 limit=1000 conditions=emulated
run "$RTKVM" report "$T/emulated"
is "$code" 4 "emulated: a limit gives no verdict"
like "$(printf '%s\n' "$out" | head -n 1)" "^EMULATED MACHINE" "emulated: said in the first line"
like "$(head -n 1 "$T/emulated/summary.md")" "EMULATED MACHINE" "emulated: said first in summary.md"
like "$(sed -n '/<body>/,$p' "$T/emulated/report.html" | sed -n 2p)" 'class="caution".*EMULATED' \
	"emulated: said first in report.html"
is "$(xmllint --xpath 'string(//testsuite[@name="cyclictest"]/@skipped)' "$T/emulated/junit.xml")" 4 \
	"emulated: limits are skipped in junit.xml"
run "$RTKVM" report --no-plots --smoke --limit 1ms "$T/emulated"
is "$code" 0 "emulated: --smoke judges function"
is "$(xmllint --xpath 'string(//testsuite[@name="cyclictest"]/@skipped)' "$T/emulated/junit.xml")" 0 \
	"emulated: and so does junit.xml"

# other limits change what the limits said, and nothing else: what cannot pass for another reason does not
rejudged() { # NAME JQ VERDICT REASONS [OPTION...]: a run of 63 us, limit 40 us, whose run.json JQ changes
	local name=$1 change=$2 want=$3 reasons=$4 dir=$T/rejudged
	shift 4
	rm -rf "$dir"
	cp -r "$T/judged" "$dir"
	jq "$change" "$T/judged/run.json" >"$dir/run.json"
	for limit in 100s 10us 100s; do
		run "$RTKVM" report --no-plots --limit $limit "$@" "$dir"
		[ $limit = 100s ] || is "$code" 1 "$name: a broken limit is one"
	done
	is "$code $(jq -c '[.verdict, .reasons]' "$dir/run.json")" "$want,$reasons]" "$name: a wider one"
	ok "$name: by the schema" build/tests/tools/schema docs/run.schema.json "$dir/run.json"
}
"$make" "$T/judged" slices=40 samples=5000 smi=4 limit=40
interrupted='"interrupted before its time was over; what was measured counts"'
rejudged "nothing else" . '0 ["pass"' '[]'
rejudged "interrupted" '.interrupted = true | .verdict = "incomplete"' '3 ["incomplete"' "[$interrupted]" --smoke
rejudged "a doubt" '.doubts = ["the load was dead"] | .reasons += .doubts' \
	'4 ["inconclusive"' '["the load was dead"]'
ended='"ended at a spike before its time was over; what was measured counts"'
rejudged "a spike ended it" '.stopped_at_spike = true' '3 ["incomplete"' "[$ended]"
rejudged "a spike ended what was no smoke test" '.stopped_at_spike = true' '3 ["incomplete"' "[$ended]" --smoke
rejudged "a spike ended it, as a smoke test wants" '.stopped_at_spike = true | .asked.smoke = true' '0 ["pass"' '[]' --smoke
codes=
for smoke in --smoke '' --smoke; do # whatever was asked before
	run "$RTKVM" report --no-plots --limit 100s $smoke "$T/rejudged"
	codes+="$code "
done
is "$codes$(jq -c '[.reasons, .shortfalls, .asked.smoke]' "$T/rejudged/run.json")" '0 3 0 [[],null,true]' \
	"a verdict does not depend on those before"
rejudged "what an older rtkvm judged" \
	'.reasons = ["p99 is 9.00 us on CPU 2, above its limit of 4.00 us", "p99.9 cannot be held against its limit: too few samples", "no verdict on latency: x", "phase a, fail: max is 9.00 us, above its limit of 4.00 us", "max"] + .reasons | del(.judged)' \
	'0 ["pass"' '["phase a, fail: max is 9.00 us, above its limit of 4.00 us","max"]'
for odd in null 7 '{}'; do
	jq ".reasons = [$odd] | del(.judged)" "$T/judged/run.json" >"$T/rejudged/run.json"
	run "$RTKVM" report --no-plots --limit 100s "$T/rejudged"
	is "$code$errs" 0 "reasons that no rtkvm writes: $odd"
done
rejudged "it died" '.ended = null | .verdict = "incomplete"' \
	'3 ["incomplete"' '["the run did not end by itself"]'
rejudged "its instrument failed" '.verdict = "incomplete" | .shortfalls = ["no room"] | .reasons = .shortfalls' \
	'3 ["incomplete"' '["no room"]'
rejudged "an older rtkvm's failed" '.verdict = "incomplete"' \
	'3 ["incomplete"' '["it was incomplete before it was held against other limits"]'
rejudged "a campaign" '.phases = [{verdict: "pass"}, {verdict: "incomplete"}] | .reasons = ["phase b, incomplete: given up"]' \
	'3 ["incomplete"' '["phase b, incomplete: given up"]'

# host and guest together
"$make" "$T/pair" slices=30 samples=2000 host=1
run "$RTKVM" report "$T/pair"
is "$code" 0 "two instruments: no limit, no failure"
ok "two instruments: host against guest is drawn" test -s "$T/pair/plots/host-guest.svg"

# names from elsewhere are data, not commands and not markup
mkdir "$T/evil"
cp "$run_dir/latency.log" "$T/evil/"
# shellcheck disable=SC2016
jq --arg evil '`touch '"$T"'/owned`'"'"'; system("touch '"$T"'/owned") <script>alert(1)</script>' \
	'.name = $evil | .guest.kernel = $evil | .host.kernel = $evil' "$run_dir/run.json" >"$T/evil/run.json"
run "$RTKVM" report "$T/evil"
is "$code" 0 "hostile names: reported"
ok "hostile names: no command ran" test ! -e "$T/owned"
ok "hostile names: no markup" sh -c "! grep -q '<script' '$T/evil/report.html' '$T/evil/junit.xml'"
ok "hostile names: junit.xml is XML" xmllint --noout "$T/evil/junit.xml"

# faults
fails 2 "opening run directory .*nothere failed: No such file" "no directory" "$RTKVM" report "$T/nothere"
fails 2 "give its directory" "no argument" "$RTKVM" report
fails 2 "one run directory at a time" "two arguments" "$RTKVM" report a b
fails 2 'no format' "unknown format" "$RTKVM" report --print pdf "$run_dir"
fails 2 "is not a duration" "bad limit" "$RTKVM" report --limit fast "$run_dir"
fails 2 "not one of its options" "unknown option" "$RTKVM" report --colour "$run_dir"
mkdir "$T/empty"
fails 2 "there is no run.json in it" "a directory without a run" "$RTKVM" report "$T/empty"
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	mkdir "$T/open" "$T/open/closed"
	cp "$run_dir/run.json" "$T/open/closed/"
	cp "$RTKVM" "$T/open/rtkvm" # where it lies now others may not look
	chmod 755 "$T" "$T/open"
	chmod 700 "$T/open/closed"
	fails 2 "closed/run.json failed: Permission denied" "somebody else's run" \
		setpriv --reuid 65534 --clear-groups --inh-caps=-all "$T/open/rtkvm" report "$T/open/closed"
else
	skip 1 "no root, or no setpriv"
fi
for name in run.json latency.log spikes.jsonl; do
	rm -rf "$T/piped"
	cp -r "$run_dir" "$T/piped"
	rm -f "$T/piped/$name"
	mkfifo "$T/piped/$name"
	fails 2 "$name failed: not a regular file" "a FIFO in place of $name" \
		timeout 60 "$RTKVM" report "$T/piped"
done
cp -r "$run_dir" "$T/newer"
sed -i 's/"schema":1/"schema":7/; s/"schema": *1/"schema":7/' "$T/newer/run.json"
fails 2 "schema 7 is newer" "a run of a newer rtkvm" "$RTKVM" report "$T/newer"
cp -r "$run_dir" "$T/nolog"
: >"$T/nolog/latency.log"
fails 2 "latency.log failed: no whole slice" "an empty log" "$RTKVM" report "$T/nolog"
run env PATH="$T/nowhere" "$RTKVM" report "$run_dir"
is "$code" 2 "no gnuplot: an error"
like "$errs" "gnuplot failed: .*is its package installed" "no gnuplot: said in one line"

# a log with a hole, cut off at the end
cp -r "$run_dir" "$T/torn"
size=$(stat -c %s "$T/torn/latency.log")
truncate -s $((size - 100)) "$T/torn/latency.log"
printf 'XXXX' | dd of="$T/torn/latency.log" bs=1 seek=5000 conv=notrunc 2>/dev/null
run "$RTKVM" report --no-plots "$T/torn"
is "$code" 0 "a damaged log still gives a report"
like "$out" "bytes at [0-9]+ are no whole slice; the rest was read" "the hole is told"
like "$out" "cut off at the end" "the torn tail is told"
is "$(jq '.statistics.slices' "$T/torn/run.json")" "$(($(jq '.statistics.slices' "$run_dir/run.json") - 2))" \
	"two slices are lost, no more"

# in a browser
if ! command -v chromium >/dev/null; then
	skip 7 "no chromium"
	done_testing
	exit
fi
browse() { # FILE: the page as the browser has it, what it complained about, what it asked for
	timeout 120 chromium --headless --no-sandbox --disable-gpu --user-data-dir="$T/profile" \
		--host-resolver-rules="MAP * ~NOTFOUND" --no-first-run --enable-logging=stderr --v=0 \
		--log-net-log="$T/net.json" --virtual-time-budget=5000 --dump-dom "file://$1" \
		>"$T/dom" 2>"$T/browser"
}
requests() { # URLs of the page; the browser's own go to its maker
	grep -oE '"url":"(https?|wss?|ftp)://[^"]*"' "$T/net.json" |
		grep -vcE '://([a-z0-9-]+\.)*(google|googleapis|gstatic|gvt1)\.com/'
}
printf '<img src="http://rtkvm.invalid/x.png"><script>console.log("hello")</script>' >"$T/control.html"
ok "the browser opens a control page" browse "$T/control.html"
is "$([ "$(requests)" -gt 0 ] && grep -c CONSOLE "$T/browser")" 1 "requests and console messages are seen"
ok "the browser opens the report" browse "$run_dir/report.html"
is "$(grep -c CONSOLE "$T/browser")" 0 "no console message"
is "$(requests)" 0 "no network request"
like "$(cat "$T/dom")" 'role="status" data-verdict="pass"><strong>pass</strong>' "the verdict is on the page"
is "$(grep -c '<img width' "$T/dom")" "$(find "$run_dir/plots" -name '*.svg' | wc -l)" "every plot is on the page"
done_testing

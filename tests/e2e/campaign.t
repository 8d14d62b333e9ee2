#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# rtkvm campaign: files checked, phases run, and nothing lost however it is cut off
# shellcheck source=tests/e2e/tap.sh
. tests/e2e/tap.sh

kills=${CAMPAIGN_KILLS:-20} # random kill -9 of the whole, below
cpu=$(awk '/^Cpus_allowed_list/ { n = split($2, a, /[-,]/); print a[n] }' /proc/self/status)
house=$(awk '/^Cpus_allowed_list/ { n = split($2, a, /[-,]/); print a[1] }' /proc/self/status)

# --- init, check ---
run "$RTKVM" campaign --help
is "$code" 0 "--help"
fails 2 'sub-verb is missing' "no sub-verb" "$RTKVM" campaign
fails 2 'not a sub-verb' "an unknown one" "$RTKVM" campaign dance
fails 2 'FILE is missing' "run without a file" "$RTKVM" campaign run
fails 2 'takes every CPU' "no CPU left to keep house" \
	"$RTKVM" campaign init --cpus "$(cat /sys/devices/system/cpu/online)"
mkdir "$T/image"
touch "$T/image/vmlinuz" "$T/image/initrd"
echo '{}' >"$T/image/manifest.json"
if [ "$cpu" != "$house" ]; then
	for preset in smoke rhel 24h nightly; do
		ok "init --preset $preset" "$RTKVM" campaign init --preset $preset --cpus "$cpu" \
			--image "$T/image" "$T/$preset.ini"
		run "$RTKVM" campaign check "$T/$preset.ini"
		is "$code$errs" 0 "and it is without mistakes"
	done
	run "$RTKVM" campaign run --dry-run "$T/nightly.ini"
	like "$out" ' hwlat-guest --guest=.* --duration=120s --threshold=20000ns ' "hwlat in a guest is a verb of its own"
	echo '{"sample_sha256":"0000"}' >"$T/image/manifest.json"
	run "$RTKVM" campaign check "$T/nightly.ini"
	like "$code $out" "^0 $T/nightly.ini:[0-9]+: image $T/image was built by another rtkvm .its guests/sample .*; rtkvm guest build --out $T/image makes it anew" \
		"an image of another rtkvm is told"
	pvm=0 # a KVM in which no Linux guest boots
	[ ! -e /sys/module/kvm_pvm ] || pvm=1
	is "$(printf '%s\n' "$out" | grep -c 'interprets its guests')" $pvm "a KVM that interprets its guests is told, where it is one"
	is "$(printf '%s\n' "$out" | wc -l)" $((2 + pvm)) "and the rest as ever"
	here=$(sha256sum "$(dirname "$RTKVM")/guests/sample" | cut -d ' ' -f 1)
	echo "{\"sample_sha256\":\"$here\"}" >"$T/image/manifest.json"
	run "$RTKVM" campaign check "$T/nightly.ini"
	is "$code $(printf '%s\n' "$out" | wc -l)" "0 $((1 + pvm))" "one of this rtkvm is not: $out"
	is "$(sed -n 's,^\t{ "guests/\([a-z]*\)"\, ".*"\, "\(.*\)" }\,$,\1_sha256 \2,p' guests/image.c |
		awk '{ same += $1 == $2 } END { print (NR > 0), NR - same }')" "1 0" \
		"guest build notes its programs by the names that check takes them for"
	echo '{' >"$T/image/manifest.json"
	fails 2 'manifest.json failed' "nor is one whose manifest is damaged any good" \
		"$RTKVM" campaign check "$T/nightly.ini"
	fails 2 'is there already' "init does not overwrite" \
		"$RTKVM" campaign init --cpus "$cpu" "$T/smoke.ini"
else
	skip 16 "one CPU only"
fi

cat >"$T/bad.ini" <<'END'
[campaign]
name = bad
slice = 0
colour = red
[guest g0]
image = /no/such
cpus = 0:0,1:3999
[load l]
kind = music
cpus = 0
[phase p]
run = cyclictest
guests = g0 g9
duration = 900000d
loads = l x
[phase p]
run = doctor
[phase d]
run = doctor
limit = 40us
no key here
END
run "$RTKVM" campaign check "$T/bad.ini"
is "$code" 2 "a bad file is exit 2"
is "$(printf '%s\n' "$errs" | wc -l)" 1 "one line on stderr"
is "$(printf '%s\n' "$out" | sed 's/^[^:]*bad.ini:\([0-9]*\):.*/\1/' | tr '\n' ' ')" \
	"3 4 6 7 9 13 14 15 16 20 21 " "every mistake has its line"

# --- a campaign without a machine to measure ---
cat >"$T/sim.ini" <<'END'
[campaign]
name = sim
slice = 10s
[phase first]
run = sample
cpus = 0-3
simulate = 3
duration = 12h
[phase second]
run = sample
cpus = 0-1
simulate = 4
duration = 24h
segment = 6h
END
# What was asked, in periods, with nothing lost inside; a crash between the slices of two CPUs may
# give one of them a slice (50,000 periods) more.
counts() {
	jq -c --argjson spare "$2" '[.cpus[] | (if .instrument == "first" then 216000000 else 432000000 end) as $all |
		[.instrument, .cpu, .expected >= $all and .expected <= $all + $spare * 50000,
		.samples + .missed == .expected]]' "$1/run.json"
}
all='[["first",0,true,true],["first",1,true,true],["first",2,true,true],["first",3,true,true],["second",0,true,true],["second",1,true,true]]'
run "$RTKVM" campaign run --dry-run "$T/sim.ini"
is "$(printf '%s\n' "$out" | grep -c ' sample ')" 2 "--dry-run prints the commands"
run "$RTKVM" campaign run --out "$T/whole" "$T/sim.ini"
is "$code" 4 "an uninterrupted campaign; a simulation is inconclusive"
is "$(counts "$T/whole" 0)" "$all" \
	"all periods of all phases"
is "$(jq -c '[.phases[] | [.name, .status, (.attempts | length)]]' "$T/whole/run.json")" \
	'[["first","done",1],["second","done",4]]' "in one attempt, and in four segments"

# kill -9 of the harness at random moments: its children go with it, resume goes on
"$RTKVM" campaign run --quiet --out "$T/cut" "$T/sim.ini" >/dev/null 2>&1 &
pid=$!
n=0
until [ -e "$T/cut/campaign.json" ] || ! kill -0 $pid 2>/dev/null; do sleep 0.01; done
while [ $n -lt "$kills" ]; do
	sleep "$(awk -v r=$RANDOM 'BEGIN { print r / 32768 * 0.5 }')"
	kill -KILL $pid 2>/dev/null
	wait $pid 2>/dev/null && code=0 || code=$?
	[ $code = 137 ] || break
	n=$((n + 1))
	"$RTKVM" campaign resume --quiet "$T/cut" >/dev/null 2>"$T/resume.err" &
	pid=$!
done
wait $pid && code=0 || code=$?
is "$code" 4 "after $n times kill -9, resume completes"
is "$(counts "$T/cut" $n)" "$all" "and equals an uninterrupted one"
run "$RTKVM" campaign resume "$T/cut"
is "$code" 4 "resume of a complete one repeats its verdict"

# --- limits, gates, reports ---
cat >"$T/limits.ini" <<'END'
[campaign]
name = limits
smoke = yes
[phase tight]
run = sample
cpus = 0
simulate = 1
duration = 1h
limit = 60us p99=1us
[phase wide]
run = sample
cpus = 0
simulate = 1
duration = 1h
limit = 1s
[phase gate]
run = sample
cpus = 0
simulate = 1
duration = 1h
limit = 60us
gate = yes
[phase after]
run = doctor
END
run "$RTKVM" campaign run --quiet --out "$T/limits" "$T/limits.ini"
is "$code" 1 "a limit that is broken is exit 1"
like "$(jq -r '.reasons[]' "$T/limits/run.json")" \
	'phase tight, fail: largest: .* us on CPU 0 .* of tight at 20..-' "with value, place and time"
like "$(jq -r '.reasons[]' "$T/limits/run.json")" 'phase tight, fail: p99 ' "also of a quantile"
is "$(jq -c '[.phases[] | [.name, .status, .verdict]]' "$T/limits/run.json")" \
	'[["tight","done","fail"],["wide","done","pass"],["gate","done","fail"],["after","skipped",null]]' \
	"each phase by its own limits; a gate ends the campaign"
ok "a report is made" test -s "$T/limits/report.html"
is "$(xmllint --xpath 'concat(count(//testcase), " ", count(//failure), " ", count(//skipped))' \
	"$T/limits/junit.xml")" "8 4 1" "JUnit: cases, failures, skipped"
is "$(sed -n 's/^| \([a-z]*\) | \([a-z]*\) | [^|]* | \([0-9]\) | [^|]* | [*]*\([a-z]*\).*/\1 \2 \3 \4/p' \
	"$T/limits/summary.md" | tr '\n' ',')" \
	"tight sample 1 fail,wide sample 1 pass,gate sample 1 fail,after doctor 0 skipped," \
	"the summary has every phase with its verdict"
is "$(xmllint --html --xpath 'count(//section[@aria-labelledby="h-phases"]//tbody/tr)' \
	"$T/limits/report.html" 2>/dev/null)" 4 "and so has the report"
is "$(xmllint --html --xpath '//dl[@class="tiles"]//dt/text()' "$T/limits/report.html" 2>/dev/null | tr -d '\n')" \
	"gate, largesttight, largestwide, largest" "which begins with the largest of each"
is "$(grep -c '^not ok' "$T/limits/report.ktap")" 4 "KTAP says the same"

# --- ended by its first spike: what was not measured did not pass ---
cat >"$T/stop.ini" <<'END'
[campaign]
name = stop
smoke = yes
[phase p]
run = sample
cpus = 0
simulate = 1
duration = 24h
limit = 1s
spike = 50us
on-spike = stop
END
run "$RTKVM" campaign run --quiet --out "$T/stop" "$T/stop.ini"
is "$code$(jq -c '[.phases[0].status, .limits[0].met]' "$T/stop/run.json")" '3["done",true]' \
	"a phase that its spike ends is incomplete"
like "$(jq -r '.reasons[]' "$T/stop/run.json")" \
	'measured for [0-9.]+ s of 86400.0 s; on-spike = stop ends it at a spike' "with the time it has"

# --- a guest that only spins ---
if [ "$(id -u)" = 0 ] && [ -w /dev/kvm ]; then
	printf '[campaign]\nname = gap\nsmoke = yes\n[phase gap]\nrun = gap\ncpus = %s\nduration = 1s\nthreshold = 1ms\nlimit = 100s\n' \
		"$cpu" >"$T/gap.ini"
	run "$RTKVM" campaign run --quiet --out "$T/gap" "$T/gap.ini"
	is "$code$(jq -c '[.phases[0].status, .cpus[0].instrument, .cpus[0].host_cpu, .limits[0].met]' "$T/gap/run.json")" \
		"0[\"done\",\"gap\",$cpu,true]" "gaps of a guest"
	sed -i 's/100s/1ns/' "$T/gap.ini"
	run "$RTKVM" campaign run --quiet --out "$T/gap-limit" "$T/gap.ini"
	is "$code" 1 "and a limit for them"
else
	skip 2 "no usable /dev/kvm"
fi

# --- drift ---
"$RTKVM" campaign run --quiet --out "$T/drift" "$T/sim.ini" >/dev/null 2>&1 &
pid=$!
until [ -e "$T/drift/campaign.json" ] || ! kill -0 $pid 2>/dev/null; do sleep 0.1; done
kill -KILL $pid
wait $pid 2>/dev/null
echo '# changed' >>"$T/drift/campaign.ini"
fails 2 'changed: the campaign file' "a changed campaign is not merged" \
	"$RTKVM" campaign resume "$T/drift"
cp "$RTKVM" "$T/rtkvm" && echo >>"$T/rtkvm" # another build of the same version
fails 2 'changed: .*rtkvm itself' "nor by another rtkvm" "$T/rtkvm" campaign resume "$T/drift"
cp "$T/drift/campaign.ini" "$T/drift.ini"
sed -i 's/^\[phase first\]/[phase new]\nrun = doctor\n&/' "$T/drift/campaign.ini"
fails 2 'list of phases changed: phase 1 was first \(sample\), is new \(doctor\)' \
	"what was measured is not taken for another phase's, whatever is allowed" \
	"$RTKVM" campaign resume --allow-drift "$T/drift"
cp "$T/drift.ini" "$T/drift/campaign.ini"
run "$RTKVM" campaign resume --quiet --allow-drift "$T/drift"
is "$code" 4 "unless that is allowed"
is "$(jq -r '.drift[0].changes[0].what' "$T/drift/run.json")" config "and it is recorded"

if [ "$cpu" != "$house" ]; then
	sed "s|^\[phase first\]|[guest g]\nimage = $T/image\ncpus = 0:$house,1:$cpu\n&|" "$T/sim.ini" >"$T/image.ini"
	"$RTKVM" campaign run --quiet --out "$T/drift2" "$T/image.ini" >/dev/null 2>&1 &
	pid=$!
	until [ -e "$T/drift2/campaign.json" ] || ! kill -0 $pid 2>/dev/null; do sleep 0.1; done
	kill -KILL $pid
	wait $pid 2>/dev/null
	echo x >>"$T/image/initrd" # its manifest says nothing of it
	fails 2 'changed: a guest image' "nor one whose guest image is another" \
		"$RTKVM" campaign resume "$T/drift2"
else
	skip 1 "one CPU only"
fi

# --- full disk, and room again ---
if [ "$(id -u)" = 0 ] && mkdir "$T/small" && mount -t tmpfs -o size=600k none "$T/small" 2>/dev/null; then
	on_exit "umount '$T/small'"
	run "$RTKVM" campaign run --quiet --out "$T/small/c" "$T/sim.ini"
	is "$code" 2 "a full disk is exit 2"
	mount -o remount,size=100m "$T/small"
	run "$RTKVM" campaign resume --quiet "$T/small/c"
	is "$code" 4 "resume completes when there is room"
	is "$(counts "$T/small/c" 1)" "$all" "with all periods"
else
	skip 3 "no right to mount a small file system"
fi

# --- a baseline ---
fails 2 'opening run directory' "a baseline that is not there" \
	"$RTKVM" campaign run --baseline "$T/none" --out "$T/b0" "$T/limits.ini"
ok "and nothing is left behind" [ ! -e "$T/b0" ]
run "$RTKVM" campaign run --quiet --baseline "$T/limits" --out "$T/b1" "$T/limits.ini"
like "$(jq -r '.reasons[]' "$T/b1/run.json")" 'baseline .*: no phase is worse' "the same is not worse"

# --- real measurements ---
if [ "$cpu" = "$house" ] || ! chrt -f 95 true 2>/dev/null; then
	skip 32 "one CPU only, or no right to SCHED_FIFO"
	done_testing
	exit
fi
cat >"$T/real.ini" <<END
[campaign]
name = real
slice = 1s
smoke = yes
[load fork]
kind = fork
cpus = $house
[load timer]
kind = timer
cpus = $house
[phase idle]
run = sample
cpus = $cpu
duration = 2s
interval = 1ms
[phase busy]
run = sample
cpus = $cpu
duration = 8s
interval = 1ms
loads = fork timer
END
# child PARENT WORD - the child of a process whose command line has the word
child() {
	for _ in $(seq 100); do
		ps -eo ppid=,pid=,args= | awk -v p="$1" -v w=" $2 " '$1 == p && index($0, w) { print $2 }' |
			grep . && return
		sleep 0.1
	done
}
start() { # DIR [FILE]
	"$RTKVM" campaign run --quiet --out "$1" "${2-$T/real.ini}" >/dev/null 2>"$T/start.err" &
	pid=$!
	for _ in $(seq 100); do
		[ -e "$1/loads.jsonl" ] && [ -e "$1/02-busy/1/latency.log" ] && break
		sleep 0.1
	done
	sleep 1
}

# long enough for what is asked below, on a slow machine, too
sed 's/^duration = 8s/duration = 30s/' "$T/real.ini" >"$T/long.ini"
start "$T/r1" "$T/long.ini"
run "$RTKVM" campaign status "$T/r1"
like "$out" "running, process $pid" "status knows who is at work"
run "$RTKVM" campaign status --json "$T/r1"
is "$(printf '%s' "$out" | jq -c '[.current.phase, (.current.loads | keys)]')" \
	'["busy",["fork","timer"]]' "and the phase, and its loads"
fails 2 "CPU $cpu is being measured by another" "two campaigns on one CPU refuse" \
	"$RTKVM" campaign run --out "$T/r0" "$T/real.ini"
sed "s/^cpus = $house\$/cpus = other/; s/^cpus = $cpu\$/cpus = $house/; s/other/$cpu/; s/^interval.*/&\nsimulate = 1/" "$T/real.ini" >"$T/beside.ini"
fails 2 "CPU $cpu is being measured by another" "so does one whose load would run there" \
	"$RTKVM" campaign run --out "$T/r0" "$T/beside.ini"
ok "and nothing is left behind" [ ! -e "$T/r0" ]
fails 2 "worked on by process $pid" "two processes on one campaign refuse" \
	"$RTKVM" campaign resume "$T/r1"
kill -KILL "$(child $pid sample)"
wait $pid && code=0 || code=$?
# stalled or silent by itself, on a slow machine: that is a doubt, and no fault of the kill's
hung=$(jq -c '[.phases[].attempts[].jobs[] | select(.outcome == "stalled" or .silent)]' "$T/r1/run.json")
[ "$hung" = "[]" ] || echo "# hung: $hung"
is "$code" "$([ "$hung" = "[]" ] && echo 0 || echo 4)" "an instrument that is killed is started again"
like "$(jq -c '[.phases[1].attempts[].status]' "$T/r1/run.json")" '^\["broken",.*"whole"\]$' \
	"in a second attempt"
is "$(jq -c '[.cpus[] | .samples + .missed == .expected]' "$T/r1/run.json")" "[true,true]" \
	"nothing is lost"
if [ "$hung" = "[]" ]; then
	like "$(jq -r '.reasons[0]' "$T/r1/run.json")" '^everything worked: a smoke campaign judges that' \
		"what a smoke campaign's pass means comes first"
else
	like "$(jq -r '.reasons[]' "$T/r1/run.json")" 'nobody saw how late' "and the doubt has its sentence"
fi
ok "its time is measured to the end" [ "$(jq '.cpus[1].expected' "$T/r1/run.json")" -ge 29990 ]

start "$T/r2"
kill -KILL "$(child $pid fork)"
wait $pid && code=0 || code=$?
is "$code" 4 "a load that is killed makes it inconclusive"
like "$(jq -r '.reasons[]' "$T/r2/run.json")" 'load fork, .*: ended with code 137' "and says so"

start "$T/r3"
kill -STOP "$(child $pid sample)"
wait $pid && code=0 || code=$?
is "$code" 4 "one that hangs is started again: inconclusive, for the CPU may have hung"
is "$(jq -c '[.phases[1].status, .cpus[1].expected >= 7990]' "$T/r3/run.json")" '["done",true]' \
	"with all of its time"
like "$(jq -r '.reasons[]' "$T/r3/run.json")" \
	'attempt in 02-busy/1, 20.*: stalled: no slice came for 3 slices' "and says when"
ok "what the host did is kept" ls "$T"/r3/02-busy/1-stalled.txt

start "$T/r5"
kill -KILL "$(child $pid fork)"
for _ in $(seq 50); do
	grep -q 'load fork' "$T/r5/campaign.json" && break
	sleep 0.1
done
kill -KILL $pid
wait $pid 2>/dev/null
run "$RTKVM" campaign resume --quiet "$T/r5"
is "$code" 4 "a load that was killed before the campaign was is not forgotten"
like "$(jq -r '.reasons[]' "$T/r5/run.json")" 'load fork, .*: ended with code 137' "nor why"

start "$T/r4"
run "$RTKVM" campaign stop "$T/r4"
is "$code" 0 "stop"
wait $pid && code=0 || code=$?
is "$code" 3 "a stopped campaign is incomplete"
run "$RTKVM" campaign resume --quiet "$T/r4"
is "$code" 0 "and resume completes it"

# A histogram that ends far below the latencies: what is above is counted, and nothing made up
cat >"$T/range.ini" <<END
[campaign]
name = range
smoke = yes
[phase p]
run = cyclictest
cpus = $cpu
interval = 1ms
duration = 2s
histogram = 1us
END
if command -v cyclictest >/dev/null; then
	run "$RTKVM" campaign run --quiet --out "$T/range" "$T/range.ini"
	is "$code" 0 "cyclictest with a histogram of 1 us"
	is "$(jq -c '.asked.histogram_us' "$T/range/01-p/1/run.json")" 1 "as it was asked"
	is "$(jq -c '.cpus[0] | [.over_from_ns >= 1000, .over > .samples / 2, .samples + .missed == .expected,
		.mean_ns, .quantiles_ns]' "$T/range/run.json")" '[true,true,true,null,{}]' \
		"samples above are counted, without mean or quantiles"
	is "$(jq '.cpus[0].max_ns' "$T/range/run.json")" \
		"$(jq '.thread["0"].max * 1000' "$T/range/01-p/1/cyclictest.json")" "the largest is kept"
	like "$(cat "$T/range/01-p/1/cyclictest.txt")" '# Thread 0: 0.* # 0*[1-9][0-9]* others' \
		"and the first of their cycles"
	like "$(cat "$T/range/summary.md")" '\| >= [0-9.]+ \| >= [0-9.]+ \| - \|' \
		"a quantile among them is at least that, one of too few samples nothing"
	sed -i 's/^histogram.*/&\nlimit = 1us/' "$T/range.ini"
	run "$RTKVM" campaign check "$T/range.ini"
	like "$out" 'range.ini:9: .*1 us do not reach beyond the limit of 1\.000 us' \
		"it has to reach beyond a limit"
else
	skip 7 "no cyclictest"
fi

# Latencies of a few us from the generator, against those of a virtual machine
cat >"$T/base.ini" <<END
[campaign]
name = base
slice = 500ms
smoke = yes
[phase p]
run = sample
cpus = $cpu
interval = 1ms
duration = 10s
simulate = 1
END
sed /simulate/d "$T/base.ini" >"$T/worse.ini"
run "$RTKVM" campaign run --quiet --out "$T/base" "$T/base.ini"
run "$RTKVM" campaign run --quiet --out "$T/worse" --baseline "$T/base" "$T/worse.ini"
if [ "$(jq -r .conditions "$T/worse/run.json")" = emulated ]; then
	is "$code" 1 "worse than the baseline is exit 1"
	like "$(jq -r '.reasons[]' "$T/worse/run.json")" 'worse, and worse again in a rerun' \
		"confirmed by a rerun"
	ok "which is kept" test -s "$T/worse/rerun/run.json"
else
	skip 3 "a hardware machine has no emulated run to compare with"
fi
done_testing

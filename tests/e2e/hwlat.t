#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# rtkvm hwlat on the machine at hand: what it refuses, what it prints, what it leaves behind, and
# that it finds stops of known length.
# shellcheck source=tests/e2e/tap.sh
. tests/e2e/tap.sh

hwlat() {
	"$RTKVM" hwlat "$@"
}

# --- what is refused, on any machine ---

fails 2 'duration: 0 measures nothing' "no duration" hwlat --cpus 0 --duration 0
fails 2 'threshold: 0 makes' "no threshold" hwlat --cpus 0 --threshold 0
fails 2 'this machine has no CPU 4095' "a CPU that does not exist" hwlat --cpus 4095
fails 2 'below --threshold' "a limit that could be missed" hwlat --hardlimit 5 --threshold 10
fails 2 'none of spin' "an unknown detector" hwlat --detector magic
all=$(cat /sys/devices/system/cpu/online)
fails 2 'would hang the machine' "all CPUs" hwlat --cpus "$all" --out "$T/all"
ok "nothing left behind by a refusal" test ! -e "$T/all"

cpu=$(tr ',-' '\n\n' </sys/devices/system/cpu/online | tail -n 1)
[ "$cpu" -gt 0 ] || skip_all "a machine of one CPU has none to watch"
grep -q '^flags.* constant_tsc' /proc/cpuinfo || skip_all "no constant time-stamp counter"

run hwlat --cpus "$cpu" --dry-run --rt-limit=lift --out "$T/dry"
is "$code" 0 "dry run"
like "$out" "would watch: CPU $cpu " "dry run names the CPU"
like "$out" 'would alter: .*sched_rt_runtime_us|would alter: tracefs' "dry run names changes"
run hwlat --cpus "$cpu" --dry-run --rt-limit=lift --no-watchdog --pm-qos --evidence counters
like "$out" 'would alter: /dev/cpu_dma_latency: 0 us' "dry run lists the latency request"
if [ "$(cat /proc/sys/kernel/sched_rt_runtime_us)" != -1 ]; then
	like "$out" 'would alter: .*/sched_rt_runtime_us: [0-9]+ -> -1, put back' "and the limit"
else
	skip 1 "real-time threads have no limit here"
fi
ok "dry run makes nothing" test ! -e "$T/dry"

if [ "$(id -u)" != 0 ]; then
	fails 2 'run as root' "no root" hwlat --cpus "$cpu" --out "$T/user"
	skip_all "the rest needs root"
fi
if ! chrt -f 10 true 2>/dev/null; then
	fails 2 'SCHED_FIFO' "no real-time rights" hwlat --cpus "$cpu" --out "$T/nort"
	skip_all "no real-time scheduling here"
fi
chmod 711 "$T"
if command -v setpriv >/dev/null; then
	fails 2 'run as root' "no root" setpriv --reuid 65534 --clear-groups --inh-caps=-all \
		--bounding-set=-all "$RTKVM" hwlat --cpus "$cpu" --out "$T/user"
	ok "nothing left behind without root" test ! -e "$T/user"
else
	skip 2 "no setpriv"
fi

fails 2 'below what the loop can see' "a threshold below the loop" \
	hwlat --cpus "$cpu" --threshold 1ns --out "$T/low"
ok "nothing left behind by it" test ! -e "$T/low"

# --- a machine that is not as it should be: other files where the kernel's are ---

# elsewhere FILE TEXT COMMAND... - run COMMAND with TEXT in place of FILE
elsewhere() {
	printf '%s\n' "$2" >"$T/instead"
	unshare -m sh -c 'mount --bind "$1" "$2" && shift 2 && exec "$@"' - "$T/instead" "$1" "${@:3}"
}
# stripped CAPABILITIES COMMAND... - run COMMAND as root without them
stripped() {
	setpriv --inh-caps="$1" --bounding-set="$1" "${@:2}"
}
if unshare -m true 2>/dev/null && command -v setpriv >/dev/null; then
	cpus=/sys/devices/system/cpu
	fails 2 "CPU $cpu is offline; online are 0" "an offline CPU" \
		elsewhere $cpus/online 0 "$RTKVM" hwlat --cpus "$cpu" --out "$T/off"
	fails 2 'no CPU is isolated on this machine.*--cpus' "nothing isolated, nothing named" \
		elsewhere $cpus/isolated '' "$RTKVM" hwlat --out "$T/off"
	fails 2 'given up the time-stamp counter as unstable .*--allow-unstable-tsc' "an unstable TSC" \
		elsewhere /sys/devices/system/clocksource/clocksource0/available_clocksource \
		'hpet acpi_pm' "$RTKVM" hwlat --cpus "$cpu" --out "$T/off"
	fails 2 'SCHED_FIFO 10 failed: .*; run as root, or raise the rtprio limit' "no real-time rights" \
		stripped -sys_nice sh -c 'ulimit -r 0; exec "$@"' - \
		"$RTKVM" hwlat --cpus "$cpu" --out "$T/off"
	fails 2 'locking memory failed.*memlock' "no memory may be locked" \
		stripped -ipc_lock sh -c 'ulimit -l 64; exec "$@"' - \
		"$RTKVM" hwlat --cpus "$cpu" --out "$T/off"
	ok "nothing left behind by any of them" test ! -e "$T/off"

	# without tracefs, and without the right to mount one
	mkdir "$T/empty"
	no_tracefs() {
		unshare -m sh -c '[ -z "$LOCKDOWN" ] || mount --bind "$LOCKDOWN" /sys/kernel/security ||
			exit 9; for d in /sys/kernel/tracing /sys/kernel/debug; do
			[ ! -d $d ] || mount --bind "$1" $d || exit 9; done; shift; exec "$@"' - "$T/empty" \
			setpriv --inh-caps=-sys_admin --bounding-set=-sys_admin "$@"
	}
	fails 2 'trac' "a trace that is asked for and cannot be had" \
		no_tracefs "$RTKVM" hwlat --cpus "$cpu" -d 1s --evidence trace --out "$T/off"
	ok "nothing left behind without tracefs" test ! -e "$T/off"
	locked_down() {
		LOCKDOWN=$T/security no_tracefs "$@"
	}
	mkdir "$T/security"
	echo 'none integrity [confidentiality]' >"$T/security/lockdown"
	fails 2 'under lockdown, which forbids tracing' "lockdown" \
		locked_down "$RTKVM" hwlat --cpus "$cpu" -d 1s --evidence trace --out "$T/off"
	run no_tracefs "$RTKVM" hwlat --cpus "$cpu" -d 1s --smoke --hardlimit 1s --out "$T/notrace"
	is "$code" 0 "without tracefs it measures all the same"
	like "$out" '^Evidence: no trace \(.+\), /proc counters' "and says that and why it had no trace"
	fails 2 'hwlat: .*(not mounted|no such tracer)' "the kernel's tracer without tracefs" \
		no_tracefs "$RTKVM" hwlat --cpus "$cpu" -d 1s --detector hwlat --out "$T/off"
	run unshare -m sh -c 'mount -t tmpfs -o size=32k none "$1" && shift && exec "$@"' - "$T/empty" \
		"$RTKVM" hwlat --cpus "$cpu" -d 5s --threshold 200ns --out "$T/empty/run"
	is "$code" 2 "a full disk is an error: $errs"
else
	skip 16 "no unshare or setpriv"
fi

# --- a run ---

limit=$(cat /proc/sys/kernel/sched_rt_runtime_us)
run hwlat --cpus "$cpu" --duration 2s --smoke --hardlimit 1s --out "$T/run" --report "$T/lines"
is "$code" 0 "a quiet limit passes"
like "$out" '^Max Latency: ([0-9]+us|Below threshold)$' "hwlatdetect's Max Latency"
like "$out" '^Samples recorded: [0-9]+$' "hwlatdetect's Samples recorded"
like "$out" '^Samples exceeding threshold: [0-9]+$' "hwlatdetect's Samples exceeding threshold"
like "$out" '^Evidence: (trace|no trace)' "says which evidence it had"
is "$(jq -r .verdict "$T/run/run.json")" pass "run.json has the verdict"
is "$(jq -r '.cpus[0].instrument' "$T/run/run.json")" hwlat "run.json has the CPU"
is "$(jq -r '.hwlat.cpus[0].readings > 100000' "$T/run/run.json")" true "it did read"
ok "each sample is a spike of its own" \
	test "$(wc -l <"$T/run/spikes.jsonl")" = "$(jq -r .spikes "$T/run/run.json")"
ok "the report has a line for each sample" \
	test "$(wc -l <"$T/lines")" = "$(jq -r .spikes "$T/run/run.json")"
# Others may be measuring too: an instance counts as left when its owner is gone.
orphans() {
	for dir in /sys/kernel/tracing/instances/rtkvm-*-hwlat; do
		pid=${dir##*/rtkvm-}
		[ ! -d "$dir" ] || [ -d "/proc/${pid%-hwlat}" ] || echo "$dir"
	done
}
is "$(orphans)" "" "no trace instance left"
is "$(cat /proc/sys/kernel/sched_rt_runtime_us)" "$limit" "the limit on real-time threads as before"

fails 2 'not empty' "a run directory is not written twice" \
	hwlat --cpus "$cpu" --duration 1s --out "$T/run"

run hwlat --cpus "$cpu" --duration 1s --smoke --hardlimit 1s --json --out "$T/json"
is "$(printf '%s' "$out" | jq -r .schema)" 1 "--json is run.json"

run hwlat --cpus "$cpu" --duration 1s --smoke --hardlimit 1s --evidence counters --out "$T/count"
like "$out" '^Evidence: no trace \(not wanted\)' "counters only, and said so"

# --- every option of hwlatdetect, as it writes them ---

run hwlat --duration=1s --threshold=10 --hardlimit=5s --window=500ms --width=100ms --cpu-list="$cpu" \
	--report="$T/detect.lines" --debug --watch --smoke --out "$T/detect"
is "$code" 0 "hwlatdetect's options"
is "$(jq -c '.asked | [.duration_s, .threshold_ns, .hardlimit_ns, .window_ns, .width_ns, .cpus]' "$T/detect/run.json")" \
	"[1,10000,5000000000,500000000,100000000,\"$cpu\"]" "mean what they mean there"
like "$out" "^CPU $cpu: thread [0-9]+, a reading takes" "--debug says how the measurement is set up"
like "$out" 'Sample window: +500000us' "the window in the text"
is "$(jq '.hwlat.cpus[0].watched_ns < 0.9e9' "$T/detect/run.json")" true "it did not watch all the time"
ok "--report has the samples" test "$(wc -l <"$T/detect.lines")" = "$(jq .spikes "$T/detect/run.json")"

run hwlat --cpus "$cpu" -d 1s --window=100ms --smoke --hardlimit 1s --quiet --out "$T/window"
is "$(jq .asked.window_ns "$T/window/run.json")" 100000000 "--window alone is kept"
if [ "$(cat /proc/sys/kernel/sched_rt_runtime_us)" != -1 ]; then
	is "$(jq -c '[.inforce.window_ns, .inforce.width_ns < .asked.width_ns]' "$T/window/run.json")" \
		'[100000000,true]' "and its width cut to what real-time threads may use"
else
	skip 1 "real-time threads have no limit here"
fi

# --- a reader that goes away ---

timeout 120 env --default-signal=PIPE "$RTKVM" hwlat --cpus "$cpu" --duration 1h --rt-limit lift --watch --threshold 1us --hardlimit 10s --smoke \
	--out "$T/unread" 2>"$T/unread.err" | head -n 1 >/dev/null
is "${PIPESTATUS[0]}" $((128 + 13)) "a run that nobody reads ends: $(cat "$T/unread.err")"
like "$(jq -c '[.verdict, .reasons]' "$T/unread/run.json")" 'incomplete.*nobody reads the output' "and says so"
is "$(cat /proc/sys/kernel/sched_rt_runtime_us)" "$limit" "with what it altered put back"

# --- a limit that no machine meets ---

run hwlat --cpu-list "$cpu" --duration 2 --threshold 1 --hardlimit 1us --watch --smoke --out "$T/over"
is "$code" 1 "a gap above the hard limit fails the run"
like "$(printf '%s\n' "$out" | sed -n '/^Starting test/,/^test finished/p')" \
	"^ts: [0-9]+\.[0-9]{9}, delta:[0-9.]+, inner:[0-9]+, outer:0, cpu:$cpu, count:1, cause:" \
	"--watch prints samples before the end"
is "$(printf '%s\n' "$out" | sed -n '/^test finished/,$p' | grep -c '^ts:')" 0 "and not again after it"
like "$out" '^Verdict: fail$' "the verdict"
"$RTKVM" report --no-plots "$T/over" >"$T/report.txt" 2>&1
like "$(cat "$T/over/junit.xml")" '<failure message=' "JUnit has the failure"
run hwlat --cpus "$cpu" --duration 1s --quiet --smoke --hardlimit 1s --out "$T/quiet"
is "$code$out$errs" 0 "--quiet prints nothing"

# --- interrupted: what was measured is kept ---

timeout --preserve-status -s INT 1 "$RTKVM" hwlat --cpus "$cpu" --duration 1h --hardlimit 10s \
	--out "$T/int" >"$T/int.txt"
is $? 3 "interrupted is incomplete"
is "$(jq -c '[.verdict, .interrupted]' "$T/int/run.json")" '["incomplete",true]' "and run.json says so"

# a limit that is broken by then stays so: stopped as a whole, it finds a gap for certain
"$RTKVM" hwlat --cpus "$cpu" --duration 1h --hardlimit 100ms --smoke --quiet --out "$T/broken" &
victim=$!
await "$victim" test -s "$T/broken/hwlat.txt"
sleep 0.5
kill -STOP "$victim"
sleep 0.5
kill -CONT "$victim"
sleep 0.5
kill -INT "$victim"
wait "$victim"
is "$? $(jq -c '[.verdict, .interrupted]' "$T/broken/run.json")" '1 ["fail",true]' \
	"interrupted above the limit is a failure"
run "$RTKVM" report --limit 100ms --smoke "$T/broken"
is "$code" 1 "as report has it: $errs"

# --- killed: the next run puts right what it left ---

watchdog=$(cat /proc/sys/kernel/watchdog_cpumask 2>/dev/null)
"$RTKVM" hwlat --cpus "$cpu" --duration 1h --rt-limit lift --no-watchdog --quiet --out "$T/kill" &
victim=$!
await "$victim" test -s "$T/kill/hwlat.txt"
is "$(cat /proc/sys/kernel/sched_rt_runtime_us)" -1 "the limit is lifted"
if [ "$limit" != -1 ]; then
	fails 2 'another run, process [0-9]+, has altered .*sched_rt_runtime_us and puts it back' \
		"a second run does not alter what the first will put back" \
		hwlat --cpus "$cpu" -d 1s --rt-limit lift --out "$T/second"
	ok "and leaves nothing behind" test ! -e "$T/second"
	fails 2 'rt-limit: another run, process [0-9]+, has altered .*sched_rt_runtime_us' \
		"nor does one begin that would run into the limit when it is put back" \
		hwlat --cpus "$cpu" -d 1s --out "$T/second"
else
	skip 3 "real-time threads have no limit here"
fi
kill -9 "$victim"
wait "$victim" 2>/dev/null
run hwlat --cpus "$cpu" --duration 1s --smoke --hardlimit 1s --evidence counters --out "$T/after"
is "$(cat /proc/sys/kernel/sched_rt_runtime_us)" "$limit" "the limit is back after kill -9"
is "$(cat /proc/sys/kernel/watchdog_cpumask 2>/dev/null)" "$watchdog" "so is the watchdog"
is "$(ls /run/rtkvm/hwlat-*.knobs 2>/dev/null)" "" "no journal left"
is "$(orphans)" "" "nor a trace instance"

# --- held up past the end ---
# Both ordinary threads stop before the end and come back long after it. Their lease on the watching
# thread runs out meanwhile, but after the end, too: what was asked for was watched, and is judged.

held_up() { # DIR DURATION [OPTION...]
	local stoppers=() task

	"$RTKVM" hwlat --cpus "$cpu" --duration "$2" --quiet --smoke --rt-limit lift \
		--evidence counters --out "$1" "${@:3}" 2>"$T/held.err" &
	victim=$!
	await "$victim" test -s "$1/hwlat.txt"
	for task in /proc/"$victim"/task/*; do
		[ "$(awk '{ print $40 }' "$task/stat")" = 0 ] || continue
		build/tests/tools/threadstop "${task##*/}" 1 7000 7000 >>"$1.truth" &
		stoppers+=($!)
	done
	wait "${stoppers[@]}"
	wait "$victim"
}
watched() { # DIR
	jq -r '.inforce.elapsed_s' "$1/run.json"
}
held_up "$T/held" 4s # the second stop begins before that, and their lease ends after it
code=$?
is "$(wc -l <"$T/held.truth")" 2 "both ordinary threads were stopped"
is "$(jq -r .verdict "$T/held/run.json") $code" \
	"$(jq -r 'if all(.limits[]; .met) then "pass 0" else "fail 1" end' "$T/held/run.json")" \
	"4 s were asked for, and $(watched "$T/held") s watched: judged as it is met: $(cat "$T/held.err")"
held_up "$T/short" 60s --hardlimit 10s
is "$? $(jq -c '[.verdict, .reasons[-1]]' "$T/short/run.json" | sed 's/CPU [0-9]*/CPU/')" \
	'3 ["incomplete","ended early: CPU stopped watching: no ordinary thread got to run on the housekeeping CPUs for 5 s"]' \
	"of a minute, $(watched "$T/short") s are incomplete: $(cat "$T/held.err")"
# the supervisor is back 2 s later: what nobody watched is not counted
ok "and no more is told than was watched" \
	jq -e '.inforce.elapsed_s - ([.hwlat.cpus[].watched_ns] | min) / 1e9 | . > -1 and . < 1' "$T/short/run.json"

# --- stops of known length ---
# SIGSTOP takes the CPU from the process with its one watching thread.

# On a loaded machine the stopped thread waits for its CPU when it may go on; the trace of the
# scheduler tells how long. What a host below takes it does not tell: that makes a gap longer, never
# shorter, and meets another stop in another try, in which the lengths are the same.

stops=20
stop_it() { # DIR
	"$RTKVM" hwlat --cpus "$cpu" --duration 1h --quiet --smoke --hardlimit 10s --width 1s \
		--rt-limit lift --out "$1" --threshold 100us &
	victim=$!
	await "$victim" test -s "$1/hwlat.txt"
	sleep 0.5
	for task in /proc/"$victim"/task/*; do # the thread that watches is the real-time one
		[ "$(awk '{ print $40 }' "$task/stat")" = 10 ] && watcher=${task##*/}
	done
	[ -d /sys/kernel/tracing/instances ] || watcher=
	# shellcheck disable=SC2086 # one word or none
	chrt -f 20 taskset -c 0 perl tests/e2e/hwlat-stops.pl "$victim" "$stops" 1 20 50 $watcher \
		>"$1.truth"
	kill -INT "$victim"
	wait "$victim"
	perl tests/e2e/hwlat-match.pl "$1.truth" "$1/spikes.jsonl" 0.1 5 "$cpu" 2>"$T/match"
}
wrong=$(seq $stops | sort) # in every try until now
for try in 1 2 3 4 5; do
	got=$(stop_it "$T/stop$try")
	sed 's/^/# /' "$T/match"
	told="$(sed 's/ in-length.*//' <<<"$got") shorter $(grep -c ' is -[0-9.]* ms off' "$T/match")"
	[ "$told" = "stops $stops found $stops shorter 0" ] || break # no host below does that
	wrong=$(comm -12 <(printf '%s\n' "$wrong") \
		<(sed -n 's/^stop \([0-9]*\) of .* ms off on CPU .*/\1/p' "$T/match" | sort))
	[ -n "$wrong" ] || break
done
is "$told" "stops $stops found $stops shorter 0" \
	"every stop of 1 to 20 ms is found, and none is found too short"
is "$wrong" "" "each of them at its length"

done_testing

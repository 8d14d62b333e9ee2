#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# rtkvm sample: what it may call, what it leaves behind, and a stall that it has to see
# shellcheck source=tests/e2e/tap.sh
. tests/e2e/tap.sh

loop=$(dirname "$RTKVM")/cyclic/loop.o
if [ -e "$loop" ]; then
	is "$(nm -u "$loop" | awk '{ print $2 }' | sort | tr '\n' ' ')" \
		"clock_gettime clock_nanosleep write " "the real-time loop calls three functions"
else
	skip 1 "no object file beside $RTKVM"
fi

fails 2 'cpus is missing' "no CPUs" "$RTKVM" sample
fails 2 'offline or not in' "a CPU that is not there" \
	"$RTKVM" sample -c 4000 -D 1s --fifo 0 --out "$T/none"
ok "and nothing is left behind" [ ! -e "$T/none" ]
mkdir "$T/full" && touch "$T/full/x"
fails 2 'not empty' "a directory in use" "$RTKVM" sample -c 0 -D 1s --out "$T/full"
fails 2 '.' "a freeze file that is not there" \
	"$RTKVM" sample -c 0 -D 1s --spike 1ms --fifo 0 --freeze "$T/no/such" --out "$T/none"
ok "and nothing is left behind either" [ ! -e "$T/none" ]

# The seeded generator: the same files as a measurement, in a moment
run "$RTKVM" sample -c 0-3 -D 1h -i 200us --simulate 1 --limit 40us --smoke --out "$T/sim"
is "$code" 1 "a broken limit is exit 1"
is "$(jq -c '[.cpus[] | .samples + .missed == .expected] | unique' "$T/sim/run.json")" "[true]" \
	"samples and missed make up what was expected"
is "$(jq -c '[.cpus[].expected] | unique' "$T/sim/run.json")" "[18000000]" "one hour at 200 us"
is "$(jq .spikes "$T/sim/run.json")" "$(wc -l <"$T/sim/spikes.jsonl")" "each spike has its line"
like "$(jq -r '.reasons[]' "$T/sim/run.json")" 'max is .* above its limit of 40.00 us' \
	"the reason is a sentence"
run "$RTKVM" sample -c 0 -D 1m --simulate 1 --out "$T/sim4"
is "$code" 4 "a simulation is no proof"
run "$RTKVM" sample -c 0-1 -D 1000h -i 1ms --simulate 1 --spike 50us --on-spike stop --out "$T/stop"
is "$(jq -c '[.stopped_at_spike, .reasons[0]]' "$T/stop/run.json")" \
	'[true,"stopped at the first spike, as asked"]' "stops at a spike"
run "$RTKVM" sample -c 1 -D 10s --simulate 7 --limit 100s --spike 2us --on-spike stop --out "$T/both"
first=$code
run "$RTKVM" report --no-plots --limit 100s "$T/both"
is "$first $code $(jq .shortfalls "$T/both/run.json")" "3 3 null" \
	"held against the same limit again it is what it was, whatever forbids it to pass"

# A real measurement
if ! chrt -f 95 true 2>/dev/null; then
	skip 16 "no right to SCHED_FIFO"
	done_testing
	exit
fi
cpu=$(awk '/^Cpus_allowed_list/ { n = split($2, a, /[-,]/); print a[n] }' /proc/self/status)
run "$RTKVM" sample -c "$cpu" -D 1s -i 1ms --slice 200ms --json --out "$T/real"
is "$code" 0 "a measurement without limits"
is "$(printf '%s' "$out" | jq -c '.inforce.threads[0] | [.policy, .priority, .affinity]')" \
	"[\"fifo\",95,\"$cpu\"]" "policy, priority and CPU as the kernel tells them"
is "$(jq -c '.cpus[0] | [.samples + .missed == .expected, .expected >= 1000]' "$T/real/run.json")" \
	"[true,true]" "every period is accounted for"
is "$(jq .window.page_faults "$T/real/run.json")" 0 "no page fault in the loop"

# 10 ms in which nothing else runs on that CPU: one spike, the rest of the periods missed
stall() {
	perl -e '
		use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);
		my ($cpu, $s) = @ARGV;
		system("taskset -cp $cpu $$ >/dev/null; chrt -f -p 97 $$") == 0 or exit 1;
		my $t = clock_gettime(CLOCK_MONOTONIC);
		1 while clock_gettime(CLOCK_MONOTONIC) < $t + $s' "$1" "$2"
}
for _ in 1 2 3; do # until none but ours: the trace is of the first
	rm -rf "$T/stall"
	"$RTKVM" sample -c "$cpu" -D 4s -i 1ms --slice 1s --spike 9ms --on-spike trace --out "$T/stall" >/dev/null &
	sampler=$!
	until [ -s "$T/stall/latency.log" ] || ! kill -0 $sampler; do sleep 0.1; done
	stall "$cpu" 0.0101
	wait "$sampler"
	long=$(jq -s 'map(select(.instrument == "sample" and .latency_ns >= 9000000))' "$T/stall/spikes.jsonl")
	[ "$(printf '%s' "$long" | jq length)" -gt 1 ] || break
done
ok "the stall is seen" [ "$(printf '%s' "$long" | jq length)" -ge 1 ]
is "$(printf '%s' "$long" | jq -c 'map(.missed == (.latency_ns / 1000000 | floor)) | unique')" \
	"[true]" "with the periods that it cost"
reasons=$(jq -r '.reasons[]' "$T/stall/run.json")
if [ "$(id -u)" = 0 ] && [ -e "$T/stall/trace/host.dat" ]; then
	# (of the first spike, which on a busy machine may be another all the same)
	like "$reasons" "late on CPU $cpu at 20.*, by the trace: [a-z-]+" "and the cause, by the host's trace"
	is "$(jq -sc '[.[] | select(.instrument == "trace") | .latency_ns > 6000000] | unique' "$T/stall/spikes.jsonl")" \
		"[true]" "which the spikes have, too"
	ok "and run.json counts" [ "$(jq '[.causes[]] | add' "$T/stall/run.json")" -ge 1 ]
	printf '%s\n' "$reasons" | sed 's/^/# /'
	# shellcheck disable=SC2016 # words of the shell inside
	run unshare -m sh -c 'umount -l /sys/kernel/tracing; exec "$@"' sh "$RTKVM" sample -c "$cpu" \
		-D 1s -i 1ms --spike 20us --on-spike trace --out "$T/unmounted"
	ok "a trace also where tracefs is not mounted: $out" sh -c \
		"[ '$code' = 0 ] && ! jq -r '.reasons[]' '$T/unmounted/run.json' | grep -q '^no trace'"
else
	like "$reasons" '^no trace: ' "no trace, and why"
	skip 3 "no trace of this host can be made"
fi

# Interrupted: what was measured is kept
"$RTKVM" sample -c "$cpu" -D 1h -i 1ms --slice 200ms --out "$T/int" >/dev/null &
sampler=$!
sleep 1
kill -INT "$sampler"
wait "$sampler" && code=0 || code=$?
is "$code" 3 "interrupted is exit 3"
is "$(jq -r .verdict "$T/int/run.json")" incomplete "and the run says so"
ok "with its samples" [ "$(jq '.cpus[0].samples' "$T/int/run.json")" -gt 100 ]
"$RTKVM" sample -c "$cpu" -D 1h -i 1ms --slice 200ms --out "$T/killed" >/dev/null &
sampler=$!
until [ -s "$T/killed/latency.log" ] || ! kill -0 "$sampler"; do sleep 0.1; done
kill -KILL "$sampler"
wait "$sampler" 2>/dev/null
is "$(jq -r .verdict "$T/killed/run.json")" incomplete "killed: the run says that it did not end"
like "$(perl tests/tools/readlog.pl "$T/killed/latency.log")" "^sample $cpu [1-9]" \
	"and its slices are on disk"

# What a killed recorder leaves would trace into the measurement; what is being used stays
instances=/sys/kernel/tracing/instances
dead=$instances/rtkvm-$$-dead
live=$instances/rtkvm-$$-live
if [ "$(id -u)" = 0 ] && mkdir "$dead" "$live" 2>/dev/null; then
	on_exit "rmdir '$dead' '$live' 2>/dev/null"
	exec 8<"$live"
	flock 8
	run "$RTKVM" sample -c "$cpu" -D 300ms -i 1ms --slice 100ms --out "$T/orphan"
	ok "a killed process's trace is removed" [ ! -e "$dead" ]
	like "$(jq -r '.reasons[]' "$T/orphan/run.json")" \
		'^1 trace of processes that were killed still ran' "and that is told"
	ok "a living one's is left alone" [ -e "$live" ]
	exec 8<&-
	printf '[campaign]\nname = o\nsmoke = yes\n[phase p]\nrun = sample\ncpus = 0\nduration = 1s\nsimulate = 1\n' \
		>"$T/orphan.ini"
	run "$RTKVM" campaign run --quiet --out "$T/orphans" "$T/orphan.ini"
	is "$code$(jq -c '.phases[0].reasons | length' "$T/orphans/run.json")" 01 \
		"a campaign does it before each attempt"
	like "$(jq -r '.reasons[]' "$T/orphans/run.json")" 'phase p, pass: 1 trace of' "and tells"
	ok "it is gone" [ ! -e "$live" ]
else
	skip 6 "no right to make a trace instance"
fi
done_testing

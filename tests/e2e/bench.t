#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# rtkvm bench on /dev/kvm: the figures hold together, bad input is one line, nothing is left behind
# shellcheck source=tests/e2e/tap.sh
. tests/e2e/tap.sh

[ -w /dev/kvm ] || skip_all "no usable /dev/kvm"
[ "$(id -u)" = 0 ] || skip_all "SCHED_FIFO and locked memory need root"

# --- make bench, as the README has it

like "$(make -n bench BENCH="timer start" 2>&1)" '^tests/bench/run build timer start$' \
	"make bench hands the names on"
fails 2 '^bench: there is no tests/bench/tmer$' "a benchmark that is not there" tests/bench/run build tmer

bench() {
	"$RTKVM" bench "$@" --cpu 0 --allow-shared
}

# --- gap
run bench gap --duration 500ms --threshold 1ms --json --out "$T/gap"
is "$code" 0 "gap: $errs"
printf '%s\n' "$out" >"$T/gap.json"
gap() {
	jq -c "$1" "$T/gap.json"
}
is "$(gap '[.schema,.payload,.vmm,.cpu,.policy,.priority]')" '[1,"gap","rtkvm",0,"fifo",1]' \
	"what ran where, the policy read back"
is "$(gap '.rows[0]|.duration_ns >= 5e8 and .loops > 100 and .loop_min_ns > 0')" true "the loop ran"
is "$(gap '.rows[0]|.loop_min_ns <= .loop_median_ns and .loop_median_ns < .threshold_ns')" true \
	"its turns are shorter than the threshold"
is "$(gap '.rows[0]|.n == (.gaps|length) + .lost')" true "every gap is listed or counted as lost"
is "$(gap '.rows[0]|. as $r|all(.gaps[]; .length_ns >= $r.threshold_ns and
	.at_ns + .length_ns <= $r.duration_ns + 1 and .tsc > 0)')" true "gaps lie within the run"
is "$(gap '.page_faults')" 0 "no page fault of the vCPU's thread"
is "$(gap '.userspace_exits')" 1 "nothing left the guest but the mark at the end"

# vmm_of PID - the VMM that bench PID has started, once its vCPU thread is there
vmm_of() {
	for _ in $(seq 1000); do
		vmm=$(pgrep -P "$1" | head -n 1)
		[ -n "$vmm" ] && grep -qsx vcpu0 /proc/"$vmm"/task/*/comm && break
		sleep 0.02
	done
}
# a gap of a known length: the VMM stopped in the middle (as an SMI stops a CPU)
"$RTKVM" bench gap --cpu 0 --allow-shared --duration 3s --threshold 100ms --json --out "$T/stop" \
	>"$T/gap.json" 9>&- &
bench=$!
vmm_of $bench
sleep 1
before=$(date +%s%N)
kill -STOP "$vmm"
sleep 0.4
kill -CONT "$vmm"
wait $bench
is "$?" 0 "gap with a stopped VMM"
is "$(gap "any(.rows[0].gaps[]; .length_ns > 390e6)")" true \
	"finds a stop of 0.4 s: $(gap '[.rows[0].gaps[].length_ns]')"

if [ "$(gap .tsc_is_host)" = true ]; then
	is "$(jq -s "any(.[]; .latency_ns > 390e6 and .wall_ns > $before - 50e6 and
		.wall_ns < $before + 2e9)" "$T/stop/spikes.jsonl")" true \
		"at the time it was stopped: $before, $(jq -c '[.wall_ns,.latency_ns]' "$T/stop/spikes.jsonl")"
else
	skip 1 "the guest's TSC is not the host's"
fi

# --- a run that never begins leaves no directory, nor one above it
fails 2 'CPU 1000 ' "a CPU that there is not" \
	"$RTKVM" bench gap --out "$T/no/such/dir" --cpu 1000 --allow-shared
ok "nothing of its directory is left" test ! -e "$T/no"
if command -v setpriv >/dev/null; then
	fails 2 'opening /dev/kvm failed: Permission denied; load .*check its permissions' \
		"an ordinary user is told what to do" \
		setpriv --reuid 65534 --clear-groups "$RTKVM" bench gap --cpu 0 --allow-shared
else
	skip 1 "no setpriv"
fi

# --- timer
run bench timer --duration 1s --period 2ms,5ms --json --out "$T/timer"
is "$code" 0 "timer: $errs"
printf '%s\n' "$out" >"$T/timer.json"
timer() {
	jq -c "$1" "$T/timer.json"
}
is "$(timer '[.rows[]|[.mode,.period_ns]]')" \
	'[["hlt",2000000],["spin",2000000],["hlt",5000000],["spin",5000000]]' "the rows asked for"
# 250 ms a row; a deadline is met or missed, but the last few may lie beyond the end
is "$(timer 'all(.rows[]; (.n + .missed) as $all|(250e6 / .period_ns) as $want|
	.n > 0 and $all <= $want and $all >= $want * 0.9 - 2)')" true \
	"deadlines are met or counted as missed: $(timer '[.rows[]|[.n,.missed]]')"
is "$(timer 'all(.rows[]; .min_ns <= .p50_ns and .p50_ns <= .max_ns)')" true "min <= median <= max"
is "$(timer '.tsc_hz as $hz|all(.rows[]; (.max_cycles * 1e9 / $hz - .max_ns)|fabs <= 2)')" true \
	"cycles and ns agree"
is "$(timer 'all(.rows[]; .p999_ns == null)')" true "no quantile without samples behind it"
run bench timer --duration 500ms --period 5ms --fifo 3
like "$out" '^conditions: ' "the table starts with the conditions"
like "$out" '^spin +5000 ' "and has its rows"
is "$(bench timer --duration 300ms --period 5ms --fifo 0 --json | jq -c '[.policy,.priority]')" \
	'["other",0]' "--fifo 0"

# --- exits
run bench exits --duration 900ms --json --out "$T/exits"
is "$code" 0 "exits: $errs"
is "$(printf '%s' "$out" | jq -c '[.rows[].operation]')" \
	'["nothing","cpuid","port","mmio","hypercall","rdmsr","self-ipi","eoi","deadline"]' "its rows"
is "$(printf '%s' "$out" | jq -c '.rows|.[0].p50_cycles as $none|
	all(.[]; .n == 0 and .operation == "hypercall" or .n > 0 and .min_cycles >= $none / 2)')" true \
	"each was measured: $(printf '%s' "$out" | jq -c '[.rows[]|[.operation,.n,.p50_cycles]]')"
run bench exits --duration 900ms
like "$out" '^cpuid +[0-9]+ +[0-9]+ ' "its table"

# --- QEMU
if command -v qemu-system-x86_64 >/dev/null; then
	run bench timer --vmm qemu --duration 500ms --period 5ms --json
	is "$code" 0 "QEMU runs the same payload: $errs"
	is "$(printf '%s' "$out" | jq -c '[.vmm,.policy,.priority,(.rows|length)]')" '["qemu","fifo",1,2]' \
		"pinned and scheduled the same way"
	is "$(printf '%s' "$out" | jq -c '.userspace_exits')" null "what QEMU does not tell is null"
	fails 2 'does not exist' "its CPU is checked" \
		"$RTKVM" bench gap --vmm qemu --cpu 4000 --allow-shared
	fails 2 'starting qemu-system-x86_64 failed' "QEMU that is not there" env PATH=/nonexistent \
		"$RTKVM" bench gap --vmm qemu --cpu 0 --allow-shared
	printf '#!/bin/sh\necho "qemu: no luck" >&2; exit 1\n' >"$T/qemu-system-x86_64"
	chmod +x "$T/qemu-system-x86_64"
	fails 2 '^rtkvm bench: qemu: no luck$' "QEMU that fails" env PATH="$T:$PATH" \
		"$RTKVM" bench gap --vmm qemu --cpu 0 --allow-shared
	while IFS=: read -r told why; do
		printf '#!/bin/sh\nexit %d\n' $((told * 2 + 1)) >"$T/qemu-system-x86_64"
		fails 2 "$why" "a payload that ends with $told" env PATH="$T:$PATH" \
			"$RTKVM" bench timer --vmm qemu --cpu 0 --allow-shared
	done <<-END
		64:the payload refused its command line
		65:CPUID shows no TSC-deadline timer
		66:CPUID shows no x2APIC
		67:ended with code 135
	END
	# a payload may send anything
	cat >"$T/qemu-system-x86_64" <<-'END'
		#!/bin/sh
		for word; do case $word in file,id=data,path=*) data=${word#*path=} ;; esac; done
		head -c 100000 /dev/urandom >"$data"
		exit 1
	END
	fails 2 'data stream is damaged' "a payload that sends noise" env PATH="$T:$PATH" \
		"$RTKVM" bench timer --vmm qemu --cpu 0 --allow-shared --out "$T/noise"
	ok "and leaves no run directory" test ! -e "$T/noise"
	printf '#!/bin/sh\nexit 0\n' >"$T/qemu-system-x86_64"
	fails 2 'ended with code 0 and without a word' "QEMU that says nothing" env PATH="$T:$PATH" \
		"$RTKVM" bench gap --vmm qemu --cpu 0 --allow-shared
else
	skip 13 "no qemu-system-x86_64"
fi

# --- the run directory
for d in gap timer exits; do
	run "$RTKVM" report "$T/$d"
	is "$code" 0 "rtkvm report reads $d: $errs"
	is "$(jq -r .asked.instrument "$T/$d/run.json")" $d "run.json names $d"
	is "$(jq -r '.verdict' "$T/$d/run.json")" pass "its verdict"
done
is "$(jq -s length "$T/gap/spikes.jsonl")" "$(jq '.guest.bench.rows[0].gaps|length' "$T/gap/run.json")" \
	"a spike for each listed gap"
is "$(jq -c '[.cpus[].instrument]|sort' "$T/timer/run.json")" \
	'["timer-hlt-2000us","timer-hlt-5000us","timer-spin-2000us","timer-spin-5000us"]' "an instrument a row"
if [ -x build/tests/tools/schema ]; then
	run build/tests/tools/schema docs/run.schema.json "$T/gap/run.json" "$T/timer/run.json" "$T/exits/run.json"
	is "$code" 0 "they hold to the schema: $out"
else
	skip 1 "build/tests/tools/schema is not built"
fi

# --- bad input
fails 2 'name a payload' "no payload" "$RTKVM" bench
fails 2 'payload "x" is unknown' "unknown payload" "$RTKVM" bench x
fails 2 'does not exist' "no such CPU" "$RTKVM" bench gap --cpu 4000 --allow-shared
isolated=$(cat /sys/devices/system/cpu/isolated)
if [ -z "$isolated" ]; then
	fails 2 'no isolated CPU; name one' "no CPU named" "$RTKVM" bench gap
	fails 2 'is not isolated' "a shared CPU" "$RTKVM" bench gap --cpu 0
else
	skip 2 "this machine has isolated CPUs"
fi
fails 2 'turn of the loop takes at least [0-9]+ ns here|conditions' "threshold below the loop" \
	sh -c '"$@" || exit; echo conditions >&2; exit 2' sh "$RTKVM" bench gap --cpu 0 --allow-shared \
	--duration 200ms --threshold 100ns
fails 2 'not empty|exists' "--out that is there, before it measures" timeout 20 "$RTKVM" bench gap \
	--cpu 0 --allow-shared --duration 1h --out "$T/gap"
fails 2 'does not exist' "an error" "$RTKVM" bench gap --cpu 4000 --allow-shared --out "$T/none"
ok "leaves no run directory" test ! -e "$T/none"
mkdir -m 750 "$T/given"
fails 2 'does not exist' "an error, with a directory that was there" "$RTKVM" bench gap --cpu 4000 --allow-shared \
	--out "$T/given"
is "$(stat -c %a "$T/given") $(find "$T/given" -mindepth 1)" "750 " "leaves it, and empty"
if unshare -m true 2>/dev/null; then
	fails 2 'opening /dev/kvm failed' "no /dev/kvm" unshare -m sh -c \
		'mount -t tmpfs none /dev && exec "$@"' sh "$RTKVM" bench gap --cpu 0 --allow-shared
else
	skip 1 "no mount namespaces"
fi

# --- interrupted
"$RTKVM" bench gap --cpu 0 --allow-shared --duration 60s 9>&- >/dev/null 2>"$T/int.err" &
bench=$!
vmm_of $bench
first=$vmm
kill -INT $bench
wait $bench
is "$?" 3 "SIGINT: exit code 3"
like "$(cat "$T/int.err")" '^rtkvm bench: interrupted' "says so"
"$RTKVM" bench gap --cpu 0 --allow-shared --duration 60s 9>&- >/dev/null 2>&1 &
bench=$!
vmm_of $bench
{ # or the shell says that it was killed
	kill -KILL $bench
	wait $bench
} 2>/dev/null
alive() {
	ps -o stat= -o comm= -p "$first,$vmm" | grep -v '^Z'
}
for _ in $(seq 500); do
	alive >/dev/null || break
	sleep 0.02
done
is "$(alive)" "" "no VMM outlives it"
done_testing

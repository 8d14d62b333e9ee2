#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# rtkvm sample --guest against a VMM that plays the sampler's part, well and badly (tests/e2e/fake/vmm)
# (a real guest: campaign-guest.t)
# shellcheck source=tests/e2e/tap.sh
. tests/e2e/tap.sh

fails 2 'shorter than --interval' "a duration shorter than the interval" \
	"$RTKVM" sample --guest "$T" --duration 500us
fails 2 '--slice: "2h" is out of range' "a slice that is too long" \
	"$RTKVM" sample --guest "$T" --slice 2h
fails 2 'on-spike' "an option for the host" "$RTKVM" sample --guest "$T" --on-spike stop
fails 2 'vmlinuz: No such file' "no image" "$RTKVM" sample --guest "$T"

if [ "$(id -u)" != 0 ] || [ ! -w /dev/kvm ]; then
	skip 29 "pinning and locking need root and a usable /dev/kvm"
	done_testing
	exit
fi
image=$T/image
mkdir "$image"
: >"$image/vmlinuz"
: >"$image/initrd"
echo '{"schema":1,"name":"debian-rt","kernel":{"release":"6.1"},"packages":[]}' >"$image/manifest.json"
base=("$RTKVM" sample --guest "$image" --cpus "0:0,1:1" --vmm "$PWD/tests/e2e/fake/vmm" --interval 1ms
	--duration 4s --slice 1s --smoke --no-report --no-trace)

run env FAKE=good "${base[@]}" --out "$T/good"
is "$code$errs" 0 "a good run passes"
is "$(jq -c '[.verdict, .cpus[0].instrument, .cpus[0].expected, .cpus[0].samples, .spikes]' "$T/good/run.json")" \
	'["pass","sample",4000,4000,1]' "all slices are in it"
ok "it follows the schema" build/tests/tools/schema docs/run.schema.json "$T/good/run.json"
perl tests/tools/readlog.pl "$T/good/latency.log" >"$T/read"
is "$(cat "$T/read")" "sample 1 4000 7000 7000 28000000 4000 6976
ended" "the log has them, too"
wall=$(jq .wall_ns "$T/good/spikes.jsonl") # jq's numbers are exact to some microseconds
ok "a spike is dated by the host's clock" test "$(($(date +%s) - ${wall%?????????}))" -lt 600

run env FAKE=at-spike "${base[@]}" --spike 1ms --on-spike stop --out "$T/at-spike"
is "$code$errs" 0 "a guest that stops at its first spike, as asked, passes"
is "$(jq -c '[.verdict, .cpus[0].samples, .stopped_at_spike, .reasons]' "$T/at-spike/run.json")" \
	'["pass",2000,true,["stopped at the first spike, as asked"]]' "and says that it stopped"
ok "by the schema" build/tests/tools/schema docs/run.schema.json "$T/at-spike/run.json"
while IFS='|' read -r fake options why; do
	# shellcheck disable=SC2086 # options are words
	run env FAKE="$fake" "${base[@]}" $options --out "$T/cut"
	is "$code$(jq -c '[.verdict, .cpus[0].samples, .stopped_at_spike, .reasons]' "$T/cut/run.json")" \
		"3[\"incomplete\",2000,null,[\"vCPU 1 was measured for 2000 of the 4000 periods asked for\"$why]]" \
		"$fake: half of what was asked for is incomplete"
	rm -rf "$T/cut"
done <<'EOF'
short||
short|--spike 1ms --on-spike stop|
at-spike|--spike 1ms|
interrupted||,"interrupted before its time was over"
EOF

# a load that was silent from then on could not be told from one that worked to the end
run env FAKE=no-end "${base[@]}" --guest-load fork --out "$T/no-end"
like "$code$(jq -c .doubts "$T/no-end/run.json")" "^4.*the end of the guest's job is not known" \
	"a load beside a job whose end is not known is no pass"

traced=("${base[@]}" --spike 1ms --on-spike trace)
why=
[ -d /sys/kernel/tracing/instances ] || why="tracefs is not mounted"
[ -n "$why" ] || [ -d /sys/kernel/tracing/events/kvm ] || why="this kernel has no KVM loaded"
[ -n "$why" ] || grep -q x86-tsc /sys/kernel/tracing/trace_clock || why="no x86-tsc trace clock"
if [ -n "$why" ]; then
	skip 5 "$why"
else
	run env FAKE=recorded "${traced[@]}" --out "$T/recorded"
	is "$code$errs" 0 "the guest goes when the host is recorded"
	ok "until the spike" test -s "$T/recorded/trace/host.dat"
	run env FAKE=recorder-ends "${traced[@]}" --spike 2s --out "$T/ends"
	is "$code$(jq -c '[.verdict, .cpus[0].samples]' "$T/ends/run.json")" '0["pass",4000]' \
		"a recorder that ends costs the trace, not the measurement"
	like "$(jq -r '.reasons[]' "$T/ends/run.json")" '^no trace: recording the host failed: ' "told"
	run env FAKE=good unshare -m sh -c \
		'mount -o remount,ro,bind /sys/kernel/tracing && exec "$@"' - "${traced[@]}" --out "$T/ro"
	is "$code$(jq -c '[.verdict, .cpus[0].samples, .reasons]' "$T/ro/run.json")" \
		'0["pass",4000,["no trace: recording the host failed: making a trace instance failed: Read-only file system"]]' \
		"nor does one that cannot start"
fi

run env FAKE=killed-late "${base[@]}" --out "$T/killed"
is "$code" 2 "a VMM that is killed is exit 2"
is "$(jq -c '[.verdict, .cpus[0].samples, .vmm.signal]' "$T/killed/run.json")" '["incomplete",2000,9]' \
	"what came before is kept, and by which signal"
run env FAKE=silent "${base[@]}" --slice 500ms --out "$T/silent"
is "$code" 2 "a guest that falls silent is ended"
like "$errs" 'fell silent: no slice came for [678] s; see .*/silent/console.log' "and told so"
is "$(jq -c '[.cpus[0].samples, .vmm.signal, .interrupted]' "$T/silent/run.json")" '[1000,null,null]' \
	"what came before is kept, and nobody else ended it"
run env FAKE=silent-vcpu "${base[@]}" --cpus 0:0,1:1,2:2 --duration 60s --slice 500ms --out "$T/vcpu"
is "$code" 2 "so is one of whose vCPUs only one hangs"
like "$errs" 'fell silent: no slice came for [0-9]+ s; see .*/vcpu/console.log' "and told so"
is "$(jq -c '[.cpus[].samples > 500]' "$T/vcpu/run.json")" '[true,false]' "with what came before"
while IFS='|' read -r fake want; do
	fails 2 "$want" "$fake" env FAKE="$fake" "${base[@]}" --out "$T/$fake"
done <<'EOF'
wrong-cpu|a slice that cannot be: of a vCPU that is not measured
wrong-count|a slice that cannot be: samples and missed
lost-slice|a slice that cannot be: slices are missing before it
torn-slice|a slice that cannot be: slices are missing before it
wrong-stream|a stream "music" that nobody asked for
no-json|sent no sample.json
127|the guest has no rtkvm-sample
EOF
done_testing

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# rtkvm cyclictest against a VMM that misbehaves on demand (tests/e2e/fake/vmm), and bad input
# shellcheck source=tests/e2e/tap.sh
. tests/e2e/tap.sh

[ "$(id -u)" = 0 ] || skip_all "pinning and tracing need root"
[ -w /dev/kvm ] || skip_all "no usable /dev/kvm"

image=$T/image
mkdir "$image"
: >"$image/vmlinuz"
: >"$image/initrd"
echo '{"schema":1,"name":"debian-rt","kernel":{"release":"6.1"},"packages":[]}' >"$image/manifest.json"
base=("$RTKVM" cyclictest --guest "$image" --cpus "0:0,1:1" --vmm "$PWD/tests/e2e/fake/vmm"
	--duration 2s --no-report)
notrace=--no-trace
[ -d /sys/kernel/tracing/events/kvm ] && notrace=

processes() { # what a run would leave: VMMs and counters of this test
	pgrep -f "$T/[i]mage|[-]-control --pid" | wc -l
}

in_job() { # until the guest of this run, which was started last, has begun its job, or it has ended
	until grep -qs job_start "$1/events.jsonl" || ! kill -0 $!; do sleep 0.1; done
}

verdict() {
	jq -r '.verdict + ": " + (.reasons | join("; "))' "$1/run.json"
}

# --- the good case ---
run env FAKE=good "${base[@]}" $notrace --smoke --out "$T/good"
is "$code" 0 "a good run passes"
is "$(cd "$T/good" && echo *)" \
	"console.log cyclictest.json cyclictest.txt events.jsonl latency.log run.json" "its files"
is "$(jq -c '[.verdict, .cpus[0].samples, .cpus[0].missed, .vmm.version, .inforce.threads[0].priority]' \
	"$T/good/run.json")" '["pass",10000,0,"fake 1.0",95]' "its run.json"
ok "it follows the schema" build/tests/tools/schema docs/run.schema.json "$T/good/run.json"
run env FAKE=good "${base[@]}" --no-trace --smoke --json --out "$T/json"
is "$(printf '%s' "$out" | jq -r .verdict)" pass "--json prints run.json"
is "$(printf '%s' "$out" | jq -c .window.exits)" null "--no-trace: exits are unknown, not 0"
run env FAKE=missed "${base[@]}" --no-trace --smoke --out "$T/missed"
is "$(jq -c '.cpus[0] | [.expected, .samples, .missed]' "$T/missed/run.json")" '[10000,5000,5000]' \
	"missed periods are counted"
run env FAKE=hasty "${base[@]}" --no-trace --smoke --duration 10s --out "$T/hasty"
like "$code$(jq -c '[.cpus[0].samples, .doubts[0]]' "$T/hasty/run.json")" \
	'^4\[50000,"cyclictest ended after [0-9].[0-9] s of the 10 s asked by the host' "all periods served too soon are no pass"

# A real cyclictest that is stalled for 10 ms at 1 kHz. How many periods its wake-ups hid is in its
# histogram, where every one of them is within range: what harness finds by counting has to agree.
if command -v cyclictest >/dev/null && chrt -f 97 taskset -c 1 true 2>/dev/null; then
	run env FAKE=stall "${base[@]}" --no-trace --smoke -D 4s -i 1ms --histogram 1s --out "$T/stall"
	is "$code$(jq -c '.cpus[0] | [.expected, .over]' "$T/stall/run.json")" '0[4000,null]' \
		"a cyclictest that is stalled"
	hidden=$(jq '[.thread["0"].histogram | to_entries[] | (.key | tonumber / 1000 | floor) * .value] | add' \
		"$T/stall/cyclictest.json")
	missed=$(jq '.cpus[0].missed' "$T/stall/run.json")
	ok "the stall hid periods" [ "$hidden" -ge 9 ]
	ok "missed is recovered to within 1" [ $((missed - hidden)) -ge -1 -a $((missed - hidden)) -le 1 ]
	echo "# hidden $hidden, missed $missed"
else
	skip 3 "no cyclictest, no CPU 1, or no right to SCHED_FIFO"
fi

# --- oslat, the same way ---
gaps=("$RTKVM" oslat "${base[@]:2}" --no-trace)
run env FAKE=good "${gaps[@]}" --smoke --out "$T/oslat"
is "$code$(jq -c '[.verdict, (.cpus[0] | .instrument, .samples, .expected, .missed, .max_ns), .inforce.threads[0].priority]' \
	"$T/oslat/run.json")" '0["pass","oslat",5000,null,null,7000,1]' "oslat: its run.json"
ok "it follows the schema" build/tests/tools/schema docs/run.schema.json "$T/oslat/run.json"
run env FAKE=over "${gaps[@]}" --smoke --limit 5ms --out "$T/oslat-over"
is "$code$(jq -c '.cpus[0] | [.max_ns, .over]' "$T/oslat-over/run.json")" '1[5432000,5000]' \
	"the last bin of oslat is open: no more is known of it than its largest"
while read -r fake asked s; do # by its own word, and by the host's clock
	run env FAKE="$fake" "${gaps[@]}" --smoke --duration "${asked}s" --out "$T/oslat-$fake"
	like "$code$(jq -r '.doubts[0]' "$T/oslat-$fake/run.json")" \
		"^4vCPU 1 was measured for $s s of the $asked s asked" "oslat: $fake: less than was asked is no pass"
done <<'EOF'
lazy 3 0.3
hasty 10 [0-9].[0-9]
EOF
fails 2 '0 threads at SCHED_FIFO priority 1 ' "oslat at another priority" \
	env FAKE=wrong-priority "${gaps[@]}" --out "$T/oslat-priority"

# --- hwlat in a guest ---
watch=("$RTKVM" hwlat-guest "${base[@]:2}" --no-trace)
begun=$(date +%s)
run env FAKE=good "${watch[@]}" --smoke --out "$T/hwlat"
is "$code$(jq -c '[.verdict, (.cpus[0] | .instrument, .host_cpu, .samples, .expected, .max_ns), .causes, .inforce.hwlat, .limits]' \
	"$T/hwlat/run.json")" '0["pass","hwlat",1,2,null,7000,{"host":1},{"policy":"fifo"},[]]' "hwlat in a guest: its run.json"
ok "it follows the schema" build/tests/tools/schema docs/run.schema.json "$T/hwlat/run.json"
is "$(jq -c '[.cpu, .host_cpu, .cause, .rubbish]' "$T/hwlat/spikes.jsonl")" '[1,1,"host",null]' "its gaps"
wall=$(jq '.wall_ns / 1e9 | floor' "$T/hwlat/spikes.jsonl")
ok "are dated by the host's clock" test "$wall" -ge "$begun" -a "$wall" -le "$(date +%s)"
run env FAKE=good "${watch[@]}" --smoke --limit 5us --out "$T/hwlat-limit"
is "$code$(jq -r '.reasons[0]' "$T/hwlat-limit/run.json")" \
	"1max is 7.00 us on CPU 1, above its limit of 5.00 us" "and judged here"
run env FAKE=cut-short "${watch[@]}" --smoke --out "$T/hwlat-short"
is "$code$(jq -r '.reasons[0]' "$T/hwlat-short/run.json")" \
	"3in the guest: ended early: CPU 1 stopped watching" "one that ended early is incomplete"
like "$(jq -r '.doubts[]' "$T/hwlat-short/run.json")" 'ended early by itself' "and cannot pass when it is gone on with"
run env FAKE=bad-clock "${watch[@]}" --smoke --out "$T/hwlat-bad"
is "$code$(jq -r '.doubts[0]' "$T/hwlat-bad/run.json")" "4in the guest: its clock ran off" "its doubts are ours"
while read -r fake s; do # by its own word, and by the host's clock
	run env FAKE="$fake" "${watch[@]}" --smoke --duration 10s --out "$T/hwlat-$fake"
	like "$code$(jq -r '.doubts[0]' "$T/hwlat-$fake/run.json")" \
		"^4vCPU 1 was watched for $s s of the 10 s asked" "hwlat: $fake: less than was asked is no pass"
done <<'EOF'
lazy 1.0
hasty [0-9].[0-9]
EOF
while IFS='|' read -r fake want; do
	fails 2 "$want" "hwlat: $fake" env FAKE="$fake" FAKE_HURRY=1 "${watch[@]}" --out "$T/hwlat-$fake"
done <<'EOF'
no-clock|the guest sent no hwlat-clock
odd-clock|the guest did not tell its clock
zero-clock|the guest did not tell its clock
odd-cause|counts causes of other gaps than it sent
many-causes|counts causes of other gaps than it sent
less-causes|counts causes of other gaps than it sent
no-length|sent a gap of no length
wrong-json|hwlat.json is not what rtkvm hwlat writes
wrong-cpu|sent a slice that cannot be
torn-slice|latency.log is damaged
wrong-gap|sent a gap of no measured vCPU
EOF

# --- what a VMM or a guest may do wrong: exit 2, one sentence, run.json says it too ---
while IFS='|' read -r fake want; do
	fails 2 "$want" "$fake" env FAKE="$fake" FAKE_HURRY=1 "${base[@]}" --no-trace --out "$T/$fake"
	like "$(verdict "$T/$fake")" "^incomplete: .*($want)" "$fake: run.json"
done <<'EOF'
panic|the guest panicked while the guest's init ran
reset|the guest reset itself
poweroff|the guest powered off
triple-fault|triple fault
timeout|did not end within 182 s: stopped while cyclictest ran
killed|the VMM was killed by signal 9 while cyclictest ran
dies|the VMM failed while cyclictest ran: KVM_RUN failed on vCPU 1: Input/output error
garbage-event|event "hello" is not understood
endless-event|event is longer than
127|the guest has no cyclictest
125|the guest's init failed
1|cyclictest ended with code 1
cut|the guest's data stream is incomplete
flip|the guest's data stream is damaged
no-data|the guest sent no data
no-json|the guest sent no cyclictest.json
flood|the guest sent more than 256 MiB
wrong-cpu|thread 0 ran on vCPU 0
wrong-priority|0 threads at SCHED_FIFO priority 95
EOF
ok "what threads of another priority measured is in no log" [ ! -e "$T/wrong-priority/latency.log" ]
fails 2 'before the guest was started: CPU 7 is not isolated' "a VMM that does not start" \
	env FAKE=refuse "${base[@]}" --no-trace --out "$T/refuse"
ok "leaves no run directory" [ ! -e "$T/refuse" ]
mkdir "$T/mine"
run env FAKE=refuse "${base[@]}" --no-trace --out "$T/mine"
ok "but one that was there, empty as it was" rmdir "$T/mine"

# --- interruption, in each phase ---
while IFS='|' read -r fake want kept; do
	env FAKE="$fake" "${base[@]}" $notrace --out "$T/int-$fake" 2>"$T/err" >/dev/null &
	pid=$!
	until case $fake in
		hang-before-start) [ "$(processes)" -gt 1 ] ;;
		hang-in-boot) grep -qs started "$T/int-$fake/events.jsonl" ;;
		hang-in-job) grep -qs job_start "$T/int-$fake/events.jsonl" ;;
		esac || ! kill -0 $pid; do sleep 0.1; done
	sleep 0.3
	kill -INT $pid
	wait $pid
	is "$?" 3 "$fake, Ctrl-C: exit 3"
	like "$(cat "$T/err")" "^rtkvm cyclictest: interrupted $want" "$fake, Ctrl-C: says where"
	is "$(verdict "$T/int-$fake" 2>/dev/null | cut -d: -f1)" "$kept" "$fake, Ctrl-C: run.json"
done <<'EOF'
hang-before-start|before the guest was started|
hang-in-boot|while the guest's kernel booted|incomplete
hang-in-job|while cyclictest ran|incomplete
EOF

# --- and of a guest that ends its job when told: what it measured counts, with the 5 periods of 200 us
# that a wake-up of 1010 us hid
env FAKE=obeys "${base[@]}" --no-trace --out "$T/obeys" 2>"$T/err" >/dev/null &
pid=$!
in_job "$T/obeys"
kill -INT $pid
wait $pid
is "$?" 3 "Ctrl-C of a guest that listens: exit 3"
like "$(cat "$T/err")" '^rtkvm cyclictest: interrupted while cyclictest ran; .* has what was measured$' "in one line"
is "$(jq -c '[.verdict, .interrupted, (.cpus[0] | .samples, .expected, .missed)]' "$T/obeys/run.json")" \
	'["incomplete",true,1001,1006,5]' "and its samples"
ok "by the schema" build/tests/tools/schema docs/run.schema.json "$T/obeys/run.json" "$T/killed/run.json"

# --- oslat forgets a stop that comes while its threads begin, and any tool one before it has a handler: it
# is asked again
forgets() { # NAME SAMPLES COMMAND...
	local name=$1 samples=$2
	shift 2
	env FAKE=forgets "$@" --out "$T/forgets-$name" 2>"$T/err" >/dev/null &
	pid=$!
	in_job "$T/forgets-$name"
	kill -INT $pid
	wait $pid
	is "$?" 3 "Ctrl-C of a guest's $name that forgets it once: exit 3"
	is "$(jq -c '[.verdict, .doubts, .cpus[0].samples]' "$T/forgets-$name/run.json")" "[\"incomplete\",null,$samples]" \
		"and it is no doubt"
}
forgets oslat 5000 "${gaps[@]}"
forgets cyclictest 10000 "${base[@]}" $notrace

# in the guest one that has no handler yet is ended by it
mkdir -p "$T/root/usr" "$T/root/out" "$T/root/tmp" "$T/root/proc"
cp build/guests/sample "$T/root/sample"
for dir in bin lib lib64; do
	ln -s usr/$dir "$T/root/$dir"
done
unshare -m sh -c 'cd "$0" && mount --bind /usr usr && mount -t proc none proc &&
	exec chroot . /sample attend 95 1 sleep 77.7' "$T/root" 2>"$T/err" &
pid=$!
until pgrep -P $pid -x -f 'sleep 77.7' >"$T/pid" || ! kill -0 $pid; do sleep 0.1; done
kill -INT "$(cat "$T/pid")"
wait $pid
is "$?" 130 "attend: Ctrl-C before its tool has a handler: $(cat "$T/err")"

# --- kill -9 of the harness: its children die, its run says incomplete ---
env FAKE=hang-in-job "${base[@]}" $notrace --out "$T/killed-harness" >/dev/null 2>&1 &
pid=$!
in_job "$T/killed-harness"
kill -KILL $pid
wait $pid 2>/dev/null
for _ in $(seq 50); do
	[ "$(processes)" = 0 ] && break
	sleep 0.1
done
is "$(processes)" 0 "kill -9 of the harness leaves no process"
is "$(jq -r .verdict "$T/killed-harness/run.json")" incomplete "and an incomplete run"
[ -z "$notrace" ] &&
	is "$(find /sys/kernel/tracing/instances -name "rtkvm-*-count" | wc -l)" 0 "and no trace instance"

# --- one that does not answer when it is asked to stop: waited for below, it takes half a minute ---
env FAKE=deaf "${base[@]}" --no-trace --out "$T/deaf" >/dev/null 2>&1 &
deaf=$!
in_job "$T/deaf"
kill -INT $deaf

# --- the same instruments on this host, in no guest ---
self=$(realpath "$RTKVM")
cpu=$(awk '/^Cpus_allowed_list/ { n = split($2, a, /[-,]/); print a[n] }' /proc/self/status)
if command -v cyclictest oslat >/dev/null && [ "$(nproc)" -gt 1 ] && chrt -f 95 true 2>/dev/null; then
	run "$RTKVM" cyclictest --host --cpus "$cpu" -i 1ms -D 2s --smoke --no-report --out "$T/host"
	is "$code$(jq -c '[.verdict, (.cpus[] | .instrument, .host_cpu, .expected), .inforce.threads[0].priority, .guest.image, .vmm.kind]' "$T/host/run.json")" \
		"0[\"pass\",\"cyclictest\",$cpu,2000,95,null,null]" "cyclictest on the host"
	is "$(cd "$T/host" && echo *)" "cyclictest.json cyclictest.txt latency.log run.json" "its files"
	ok "it follows the schema" build/tests/tools/schema docs/run.schema.json "$T/host/run.json"
	run "$RTKVM" oslat --host --cpus "$cpu" -D 2s --smoke --no-report --out "$T/host-oslat"
	is "$code$(jq -c '[.cpus[] | .instrument, .samples > 1000]' "$T/host-oslat/run.json")" '0["oslat",true]' \
		"and oslat"
	# no machine keeps within 2 us for long: it breaks off at once
	run "$RTKVM" cyclictest --host --cpus "$cpu" -i 1ms -D 60s --smoke --spike 2us --on-spike trace \
		--no-report --out "$T/break"
	is "$code$(jq -c '[.stopped_at_spike, .spikes, (.cpus[] | .samples + .missed == .expected)]' "$T/break/run.json")" \
		'0[true,1,true]' "a spike breaks cyclictest off on the host"
	ok "it follows the schema" build/tests/tools/schema docs/run.schema.json "$T/break/run.json"
	is "$(jq -sc "[.[] | select(.instrument == \"cyclictest\") | .cpu == $cpu and .latency_ns >= 2000]" \
		"$T/break/spikes.jsonl")" '[true]' "it is listed"
	reasons=$(jq -r '.reasons[]' "$T/break/run.json")
	like "$reasons" "broke off at a wake-up [0-9]+ us late on CPU $cpu, as asked" "and told of"
	if [ -e "$T/break/trace/host.dat" ]; then
		# (one that came while the thread was awake is no late wake-up to the kernel)
		like "$reasons" "us late on CPU $cpu at 20.*, by the trace: [a-z-]+|no wake-up" "with its cause"
	else
		like "$reasons" 'no trace: ' "no trace, and why"
	fi
	run "$RTKVM" cyclictest --host --cpus "$cpu" -i 1ms -D 60s --smoke --spike 2us --on-spike stop \
		--no-report --out "$T/host-stop"
	is "$code$(jq -c '[.stopped_at_spike, .spikes]' "$T/host-stop/run.json")" '0[true,1]' "or it only ends"
	ok "without a trace" [ ! -e "$T/host-stop/trace" ]
	fails 2 '--spike needs --on-spike' "a spike that leads to nothing" \
		"$RTKVM" cyclictest --host --cpus "$cpu" --spike 1ms
	"$RTKVM" cyclictest --host --cpus "$cpu" -i 1ms -D 60s --smoke --no-report --out "$T/host-int" 2>"$T/err" >"$T/out" &
	pid=$!
	until jq -e .asked "$T/host-int/run.json" >/dev/null 2>&1 || ! kill -0 $pid; do sleep 0.1; done
	sleep 3
	kill -INT $pid
	wait $pid
	is "$?" 3 "Ctrl-C on the host: exit 3"
	is "$(jq -c '[.verdict, (.cpus[] | .samples > 100 and .samples + .missed == .expected)]' "$T/host-int/run.json")" \
		'["incomplete",true]' "and what was measured is kept"
	"$RTKVM" oslat --host --cpus "$cpu" -D 60s --smoke --no-report --out "$T/host-soon" 2>"$T/err" >"$T/out" &
	pid=$!
	until jq -e .asked "$T/host-soon/run.json" >/dev/null 2>&1 || ! kill -0 $pid; do sleep 0.1; done
	kill -INT $pid # oslat itself forgets one that comes so soon
	wait $pid
	is "$?" 3 "Ctrl-C as soon as oslat has been started: exit 3"
	like "$(cat "$T/err")" 'interrupted while oslat ran; .* has what was measured$' "and it ends in order"
	mkdir "$T/deaf-bin"
	printf '#!/bin/sh\ntrap "" INT TERM\ntouch "%s/heard"\nwhile :; do sleep 1; done\n' "$T" >"$T/deaf-bin/cyclictest"
	chmod +x "$T/deaf-bin/cyclictest"
	PATH=$T/deaf-bin:$PATH "$RTKVM" cyclictest --host --cpus "$cpu" -D 60s --no-report --out "$T/host-deaf" >/dev/null 2>&1 &
	host_deaf=$!
	until [ -e "$T/heard" ] || ! kill -0 $host_deaf; do sleep 0.1; done
	kill -INT $host_deaf
	fails 2 'leaves no CPU' "all CPUs" "$RTKVM" cyclictest --host --cpus "$(cat /sys/devices/system/cpu/online)"
	fails 2 'CPU 1023 is not online' "a CPU that is not there" "$RTKVM" cyclictest --host --cpus 1023
	fails 2 'in no guest: --memory does not apply' "an option of guests" \
		"$RTKVM" oslat --host --memory 1G
	fails 2 'starting cyclictest failed: No such file' "no cyclictest" \
		env PATH=/nonexistent "$RTKVM" cyclictest --host --cpus "$cpu" --out "$T/host-none"
	ok "which leaves nothing" [ ! -e "$T/host-none" ]
	mkdir "$T/host-mine"
	run env -C "$T/host-mine" PATH=/nonexistent "$self" cyclictest --host --cpus "$cpu"
	ok "no runs/ either" rmdir "$T/host-mine"
	mkdir "$T/host-mine"
	run env PATH=/nonexistent "$RTKVM" cyclictest --host --cpus "$cpu" --out "$T/host-mine"
	ok "but a directory that was there, empty as it was" rmdir "$T/host-mine"
else
	skip 25 "no rt-tests, one CPU only, or no right to SCHED_FIFO"
fi

# --- the run directory ---
mkdir "$T/full"
if mount -t tmpfs -o size=64k none "$T/full"; then
	on_exit "umount '$T/full'"
	head -c 60000 /dev/zero >"$T/full/filler"
	fails 2 'No space left on device' "disk full at the start" \
		env FAKE=good "${base[@]}" --no-trace --out "$T/full/run"
	ok "which leaves no run directory" test ! -e "$T/full/run"
	rm -f "$T/full/filler"
	head -c 40000 /dev/zero >"$T/full/filler"
	fails 2 'No space left on device' "disk full while it runs" \
		env FAKE=good FAKE_HURRY=1 "${base[@]}" --no-trace --out "$T/full/run"
else
	skip 2 "tmpfs cannot be mounted"
fi
fails 2 'is not empty' "a run directory that holds something" \
	env FAKE=good "${base[@]}" --out "$T/good"
fails 2 'a file is in the way|Not a directory|not a directory' "a run directory that is a file" \
	env FAKE=good "${base[@]}" --out "$image/vmlinuz"
fails 2 'run name "a/b" is not usable' "a name that is a path" \
	env FAKE=good "${base[@]}" --name a/b

# --- the machine ---
fails 2 'vmlinuz: No such file or directory; rtkvm guest build' "no guest image" \
	"${base[@]}" --guest "$T/none"
mkdir "$T/bad"
cp "$image/vmlinuz" "$image/initrd" "$T/bad"
echo '{' >"$T/bad/manifest.json"
fails 2 'manifest.json failed: .*ends too early' "a manifest cut short" "${base[@]}" --guest "$T/bad"
fails 2 'starting .*/none failed: No such file or directory' "no such VMM" "${base[@]}" --vmm "$T/none"
fails 2 'starting qemu-system-x86_64 failed: No such file or directory; is its package installed' "no QEMU" \
	env PATH=/nonexistent "${base[@]}" --vmm qemu
run unshare -m sh -c 'mount -t tmpfs none /dev && exec "$@"' sh "${base[@]}"
is "$code" 2 "no /dev/kvm: exit 2"
like "$errs" 'opening /dev/kvm failed: .*; load kvm_intel or kvm_amd, or use rtkvm lab' "no /dev/kvm"
if [ "$(cat /sys/devices/system/cpu/isolated)" = "" ]; then
	fails 2 'choosing CPUs failed: 0 isolated on this host' "auto without isolated CPUs" \
		"${base[@]}" --cpus auto
fi

# --- options ---
while IFS='|' read -r option want; do
	# shellcheck disable=SC2086 # an option and its argument
	fails 2 "$want" "option $option" "${base[@]}" $option
done <<'EOF'
--cpus 1|two are needed
--cpus x|CPU list "x"
--cpus 0:0,0:1|given twice
--duration 1s|is not whole seconds between 2
--duration 2500ms|is not whole seconds
--duration soon|is not a duration
--interval 5us|is not whole microseconds between 10
--interval 1500ns|is not whole microseconds
--histogram 2s|is not whole microseconds
--priority 0|out of range
--priority 100|out of range
--memory 0|not a whole number of MiB
--memory 1000|not a whole number of MiB
--memory many|is not a size
--limit 0|cannot be met
--limit fast|is not a duration
--vmm xen|is not rtkvm, qemu or the path
--timeout 0|is not whole seconds
--nonsense|not one of its options
stray|one argument too many
EOF
# --- those that were asked to stop ---
while read -r who pid; do
	wait "$pid"
	is "$?" 3 "$who, asked to stop and deaf: exit 3"
	like "$(jq -c '[.verdict, .doubts[0]]' "$T/$who/run.json")" \
		'^\["incomplete",".* was asked to stop and did not answer for 30 s' "and a doubt, for it may have hung"
done <<<"deaf $deaf${host_deaf:+
host-deaf $host_deaf}"
is "$(processes)" 0 "no process is left"
done_testing

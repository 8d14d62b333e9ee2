#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# rtkvm campaign with real guests, in the lab: host and guest phases under three loads, two guests at
# once, from one command; then a guest whose VMM is killed, and a campaign that is; one whose load is.
# The phases are those of the smoke preset, shorter; the preset itself is only checked here.
# shellcheck source=tests/e2e/tap.sh
. tests/e2e/tap.sh

guest=build/guests/debian-rt
for tool in qemu-system-x86_64 jq cpio; do
	command -v $tool >/dev/null || skip_all "no $tool"
done
"$RTKVM" guest build --out $guest >"$T/log" 2>&1 || skip_all "no guest image: $(tail -n 1 "$T/log")"
"$RTKVM" lab --flavour fast build >"$T/log" 2>&1 || skip_all "no lab: $(tail -n 1 "$T/log")"
mkdir -p "$T/share/guest"
cp $guest/vmlinuz $guest/initrd $guest/manifest.json "$T/share/guest"
# the same with a load that is killed in the middle of its work
mkdir -p "$T/share/dying" "$T/overlay/usr/bin"
cp $guest/vmlinuz $guest/manifest.json "$T/share/dying"
cp build/guests/sample "$T/overlay/usr/bin/rtkvm-sample.real"
cat >"$T/overlay/usr/bin/rtkvm-sample" <<'EOF'
#!/bin/sh
[ "$1" = load ] || exec rtkvm-sample.real "$@"
rtkvm-sample.real "$@" &
p=$!
sleep 7
kill -KILL $p
wait $p
EOF
chmod +x "$T/overlay/usr/bin/rtkvm-sample"
(cd "$T/overlay" && find . | cpio -o -H newc --quiet | gzip) >"$T/overlay.gz"
cat $guest/initrd "$T/overlay.gz" >"$T/share/dying/initrd"

cat >"$T/share/job" <<'EOF'
#!/bin/bash
# in the lab: the directories short and killed, and the exit codes
# on a disk of the lab: time stamps of a file on the host are the host's, and its growth comes late
cd "$(mktemp -d)" || exit 1
rtkvm campaign init --preset smoke --image "$RTKVM_SHARE/guest" smoke.ini &&
	rtkvm campaign check smoke.ini >preset.out 2>&1
echo $? >preset.code

guests() { # NAME=VCPUMAP...
	for guest; do
		cat <<END
[guest ${guest%%=*}]
image = $RTKVM_SHARE/guest
memory = 256M
cpus = ${guest#*=}
allow-shared = yes
END
	done
}
{
	printf '[campaign]\nname = short\nsmoke = yes\nslice = 4s\n'
	guests g0=0:0,1:2 g1=0:1,1:3
	cat <<END
[load fork]
kind = fork
cpus = 0-1
[load signal]
kind = signal
cpus = 0-1
[load memory]
kind = memory
cpus = 0-1
[phase doctor]
run = doctor
gate = no
[phase hw]
run = hwlat
cpus = 2-3
duration = 2s
width = 200ms
gate = no
[phase host-fork]
run = sample
cpus = 2-3
interval = 1ms
duration = 5s
loads = fork signal
[phase mem_fork]
run = cyclictest
guests = g0 g1
interval = 1ms
duration = 5s
loads = memory
guest-load = fork
[phase oslat]
run = oslat
guests = g0
duration = 2s
END
} >short.ini
rtkvm campaign run --out short short.ini 2>short.err
echo $? >short.code

# our sampler in a guest that stalls for a second, on a host whose clock is then set back, and whose VMM
# is killed; that is stopped dead; whose harness is killed; and that is left in peace
{
	printf '[campaign]\nname = killed\nsmoke = yes\nslice = 1s\n'
	guests g0=0:0,1:2
	cat <<END
[phase guest]
run = sample
guests = g0
interval = 1ms
duration = 30s
spike = 900ms
END
} >killed.ini
printf '%s' "$EPOCHSECONDS" >killed.begun
rtkvm campaign run --quiet --out killed killed.ini 2>killed.err &
campaign=$!
# without starting processes: on a busy machine each takes a second here, and the guest goes on
exec {never}<> <(:)
goes_on() { # ATTEMPT - it is the campaign's last one
	kill -0 $campaign 2>/dev/null && [ ! -d "killed/01-guest/$(($1 + 1))-g0" ]
}
until_slice() { # ATTEMPT - it has a slice more than now, or there is nothing to wait for
	local log=killed/01-guest/$1-g0/latency.log
	: >stamp
	until [ "$log" -nt stamp ] && [ -s "$log" ]; do
		goes_on "$1" || return
		read -rt 0.1 -u "$never"
	done
}
vmm() { # ATTEMPT SIGNAL
	[[ $(<"killed/01-guest/$1-g0/events.jsonl") =~ \"pid\":([0-9]+) ]] &&
		kill "-$2" "${BASH_REMATCH[1]}" && printf '%s ' "$2" >>hits
}
until_slice 1
vmm 1 STOP
read -rt 1 -u "$never"
vmm 1 CONT
until_slice 1 # the stall is in it
date -s "@$((EPOCHSECONDS - 86400))" >/dev/null && printf 'clock ' >>hits # wall clocks are for records
until [ killed/01-guest/1-g0/latency.log -ot killed.ini ] || ! goes_on 1; do # by the new clock
	read -rt 0.1 -u "$never"
done
vmm 1 KILL
until_slice 2
vmm 2 STOP
until_slice 3
kill -KILL $campaign && printf harness >>hits # its guest goes with it
wait $campaign
rtkvm campaign resume --quiet killed 2>>killed.err
echo $? >killed.code

# in each of two pieces a real-time thread of the host takes the measured vCPU's CPU for over a second
# (slices of 3 s: it and a slow machine's noise stay far below the three without a word that are a stall)
{
	printf '[campaign]\nname = hunt\nsmoke = yes\nslice = 3s\n'
	guests g0=0:0,1:2
	cat <<END
[phase hunt]
run = sample
guests = g0
interval = 1ms
duration = 18s
segment = 9s
limit = 700ms
on-spike = trace
traces = 1
END
} >hunt.ini
rtkvm campaign run --quiet --out hunt hunt.ini 2>hunt.err &
campaign=$!

# beside it, on the other two CPUs: hwlat in a guest, cyclictest that breaks off when such a thread comes,
# and a guest whose load is killed
{
	# (the load dies in the middle of its second slice, not while its report is on the data port)
	printf '[campaign]\nname = side\nsmoke = yes\nslice = 5s\n'
	guests g1=0:1,1:3
	guests g2=0:1,1:3 | sed 's|/guest$|/dying|'
	cat <<END
[phase hwlat]
run = hwlat
guests = g1
duration = 3s
width = 500ms
[phase break]
run = cyclictest
guests = g1
interval = 1ms
duration = 6s
spike = 700ms
on-spike = trace
traces = 1
[phase dying]
run = cyclictest
guests = g2
interval = 1ms
duration = 12s
guest-load = fork
END
} >side.ini
rtkvm campaign run --quiet --out side side.ini 2>side.err &
side=$!
hog() { # ATTEMPT - it waits there already when its time comes
	local log=hunt/01-hunt/$1-g0/latency.log go hog
	exec {go}<> <(:)
	chrt -f 98 taskset -c 2 bash -c 'read -ru "$0"; end=$((SECONDS + 2))
		while [ $SECONDS -lt $end ]; do :; done' "$go" &
	hog=$!
	until [ -s "$log" ]; do
		kill -0 $campaign 2>/dev/null || { kill $hog && wait $hog; return; }
		read -rt 0.2 -u "$never"
	done
	echo >&"$go"
	wait $hog
	exec {go}>&-
}
hit_until_broken() { # again and again: when the guest's cyclictest begins nobody here knows
	local dir=side/02-break/1-g1
	until [ -e $dir/cyclictest.txt ]; do
		kill -0 $side 2>/dev/null || return
		[[ -e $dir/events.jsonl && $(<$dir/events.jsonl) == *job_start* ]] &&
			chrt -f 98 taskset -c 3 bash -c 'end=$((SECONDS + 2)); while [ $SECONDS -lt $end ]; do :; done'
		read -rt 1 -u "$never"
	done
}
hit_until_broken &
hitting=$!
hog 1
hog 2
wait $campaign
echo $? >hunt.code
wait $side
echo $? >side.code
wait $hitting

# judged, on an isolated CPU that nobody may share: the phase and the guest of its rtkvm bench are one
printf '[campaign]\nname = gap\n[phase gap]\nrun = gap\ncpus = 2\nduration = 1s\nthreshold = 10ms\nlimit = 100s\n' \
	>gap.ini
rtkvm campaign run --quiet --out gap gap.ini 2>gap.err
echo $? >gap.code
pgrep -a 'rtkvm' >left
cp -r . "$RTKVM_RESULTS"
EOF
share=$T/share
sed -i "s|\$RTKVM_SHARE|$share|g" "$share/job"
start=$(date +%s)
if "$RTKVM" lab run --flavour fast --share "$share" --results "$T/out" --tries 5 --retry-panic \
	--timeout 20m -- bash "$share/job" >"$T/log" 2>&1; then
	tell_tries "$T/log"
else
	sed 's/^/# /' "$T/log"
fi
echo "# $(($(date +%s) - start)) s in the lab"

top=$PWD
cd "$T/out" || exit 1
is "$(cat preset.code)" 0 "the smoke preset is without mistakes"
verdict=$(jq -r .verdict short/run.json)
# an emulated machine that is busy besides may not finish a load's round in a slice: not a failure
like "$(cat short.code)$verdict" '^(0pass|4inconclusive)$' "every kind of phase, from one command"
[ "$verdict" = pass ] || jq -r '.reasons[]' short/run.json | sed 's/^/# /'
is "$(jq -c '[.phases[] | [.name, .status]]' short/run.json)" \
	'[["doctor","done"],["hw","done"],["host-fork","done"],["mem_fork","done"],["oslat","done"]]' \
	"every phase is done"
is "$(jq -c '[.cpus[].instrument] | unique | map(select(startswith("h") | not))' short/run.json)" \
	'["mem_fork/g0","mem_fork/g1","oslat"]' "two guests in the guest phase"
ok "rounds of oslat were counted" \
	[ "$(jq '[.cpus[] | select(.instrument == "oslat") | .samples] | add' short/run.json)" -gt 1000 ]
is "$(jq -c '[.cpus[] | select(.expected) | .samples + .missed == .expected] | unique' short/run.json)" \
	'[true]' "every period is accounted for"
is "$(jq -sc '[.[] | select(.count > 0) | .load] | unique' short/loads.jsonl)" \
	'["fork","memory","signal"]' "three loads proved their work"
is "$(jq -sc '[.[] | select(.count > 0) | .load] | unique' short/04-mem_fork/1-g[01]/loads.jsonl)" '["fork"]' \
	"and so did the guests'"
for file in report.html summary.md junit.xml report.ktap plots/histogram.svg; do
	ok "with $file" test -s short/$file
done

# how many attempts it takes is the machine's business; that the whole is whole is not
is "$(jq -c '[.phases[].status]' killed/run.json)" '["done"]' \
	"a guest stalled, killed and stopped, the clock set back, the campaign killed: resume completes"
# a guest that hung, for whatever reason, may have been late: it was not seen by how much
unseen=$(jq '[.phases[0].attempts[].jobs[] | select(.outcome == "stalled")] | length' killed/run.json)
if [ "$unseen" -gt 0 ]; then
	is "$(cat killed.code)" 4 "inconclusive, for it hung"
else
	like "$(cat killed.code)" '^[04]$' "with a verdict" # an emulated guest may break by itself
fi
is "$(jq -c '.cpus[] | [.instrument, .expected >= 29990 and .expected <= 30000, .samples + .missed == .expected]' killed/run.json)" \
	'["guest",true,true]' "with all periods and no more"
if [ "$(cat hits)" = "STOP CONT clock KILL STOP harness" ]; then
	# (a lost one may have measured all that was left)
	like "$(jq -c '[.phases[0].attempts[].status]' killed/run.json)" \
		'^\["broken",.*"broken",.*"lost"(,.*"whole")?\]$' "in the attempts that took"
	like "$(jq -r '.phases[0].attempts[].jobs[].said' killed/run.json)" \
		'no slice came for 3 slices' "the silent guest was found"
	ok "what the host did is kept" test -s killed/01-guest/2-g0-stalled.txt
else
	skip 3 "the machine is too slow to hit a guest in time: $(cat hits)"
fi
is "$(for dir in killed/01-guest/*-g0; do
	perl "$top/tests/tools/readlog.pl" "$dir/latency.log"
done | awk '/^sample/ { n += $3 } END { print n }')" "$(jq '.cpus[0].samples' killed/run.json)" \
	"every slice of every attempt counts"
case $(cat hits) in
"STOP CONT "*) is "$(jq -sc '[.[].cpu] | unique' killed/spikes.jsonl)" '[1]' "the stall is a spike" ;;
*) skip 1 "the machine is too slow to stop a guest in time" ;;
esac
# as many as it was late, but none beyond the last period that its attempt was asked for
is "$(jq -r '.phases[0].attempts[].jobs[] | "\(.dir) \(.asked_ns / 1000000 | floor)"' killed/campaign.json |
	while read -r dir periods; do
		jq -c --argjson n "$periods" '.missed == ([(.latency_ns / 1000000 | floor), $n - 1 - .cycle] | min)' \
			"killed/$dir/spikes.jsonl"
	done | sort | uniq -c | sed 's/^ *[0-9]* //')" true "with every period that it hid"
# the first hit stalls the guest before the clock is set back by a day
like "$(jq -sr --argjson from "$(cat killed.begun)" \
	'[.[].wall_ns / 1e9] | min, max | . >= $from - 86500 and . <= $from + 3600' killed/spikes.jsonl | sort -u)" \
	'^true$' "on the host's clock"
# a VMM that is stopped and goes on leaves the guest: one that was left in peace is looked at
whole=$(jq -r '[.phases[0].attempts[] | select(.status == "whole" and .number > 1) | .jobs[0].dir] | last // ""' \
	killed/campaign.json)
if [ -n "$whole" ]; then
	is "$(jq -c '.window.userspace_exits' "killed/$whole/run.json")" 0 \
		"slices leave the guest without an exit of the measured vCPU"
else
	skip 1 "no attempt was left in peace from start to end"
fi
# --- a limit that is broken: value, when, where, and from the first piece's traces the cause ---
reasons=$(jq -r '.reasons[]' hunt/run.json)
is "$(cat hunt.code)" 1 "a limit that a guest breaks is exit 1"
like "$reasons" 'largest: [0-9.]+ us on CPU 1 \(host CPU 2\) of hunt at 20..-' "with value, place and time"
# (an attempt that ended as it recorded leaves its half)
like "$(cd hunt/01-hunt && echo */trace/explain.txt)" '^[0-9]+-g0/trace/explain.txt$' "one trace with its cause"
for trace in hunt/01-hunt/*/trace; do
	n=${trace#hunt/01-hunt/} n=${n%%-*}
	if [ -e "$trace/explain.txt" ]; then
		printf 'whole %s\n' "$(cd "$trace" && echo *)"
	else
		jq -r --argjson n "$n" '.phases[0].attempts[] | select(.number == $n) | .status' hunt/campaign.json
	fi
done | grep -v '^broken$' >traces
is "$(cat traces)" "whole explain.txt guest.dat host.dat host.json" "of host and guest"
like "$reasons" 'late on vCPU 1 at 20.*, by the trace: [a-z-]+' "and the cause"
is "$(jq -sc '[.[] | select(.cause)] | length' hunt/spikes.jsonl)" 1 "the spike has it, too"
jq -c 'select(.cause) | [.latency_ns, .cause, .detail]' hunt/spikes.jsonl | sed 's/^/# /'
like "$(cat hunt/summary.md)" 'by the trace' "and the report"

# --- a guest that only spins, where no CPU is shared (limits do not count on an emulated machine) ---
like "$(cat gap.code)$(jq -c '[.phases[0].status, .cpus[0].instrument, .cpus[0].host_cpu]' \
	gap/run.json 2>&1)" '^[04]\["done","gap",2\]$' "gaps of a guest on an isolated CPU of its own"
cat gap.err | sed 's/^/# /'

# --- hwlat in a guest, and a load that is killed there ---
# (of an attempt that the machine held up for too long the next one is looked at)
hwlat=side/$(jq -r '.phases[0].attempts[-1].jobs[0].dir' side/campaign.json)
hung=$(jq '[.phases[0].attempts[].jobs[] | select(.outcome == "stalled")] | length' side/campaign.json)
[ "$hung" = 0 ] && verdict=pass || verdict=inconclusive
is "$(jq -r '.phases[0] | "\(.verdict) \(.status)"' side/run.json)" "$verdict done" \
	"hwlat in a guest, held up $hung times"
is "$(jq -c '.cpus[0] | [.instrument, .cpu, .host_cpu, .samples > 0]' side/run.json)" '["hwlat",1,3,true]' \
	"with what it found"
is "$(jq -c '[.inforce.hwlat | .policy, .tsc_hz > 0]' "$hwlat/run.json")" '["fifo",true]' \
	"and what was in force there"
echo "# causes: $(jq -c .causes "$hwlat/run.json")"
# (of an emulated machine there are always gaps)
seconds() { date -d "$(jq -r ".phases[0].attempts[-1].$1" side/campaign.json)" +%s; }
is "$(jq -sc --argjson from "$(seconds started)" --argjson to "$(seconds ended)" '[length > 0] +
	([.[] | .instrument == "hwlat" and .host_cpu == 3 and .cause != "" and
	.wall_ns >= $from * 1e9 and .wall_ns <= ($to + 1) * 1e9] | unique)' "$hwlat/spikes.jsonl")" \
	'[true,true]' "each gap with a cause, by the host's clock"
is "$(cat side.code)$(jq -r '.phases[2].verdict' side/run.json)" 4inconclusive "a load killed in a guest: inconclusive"
like "$(jq -r '.reasons[]' side/run.json)" "phase dying, inconclusive: the guest's load fork ended before the measurement did" \
	"with the reason"

# --- cyclictest in a guest that broke off, was traced and went on ---
broke=side/02-break/1-g1
is "$(jq -c '.phases[1] | [.name, .verdict, .status]' side/run.json)" '["break","pass","done"]' \
	"cyclictest that breaks off at a spike"
# (a machine that stalls so long by itself may need no hit, and may spoil the piece that is not traced)
ok "in as many attempts as it takes" [ "$(jq '.phases[1].attempts | length' side/run.json)" -ge 2 ]
is "$(jq -c '[.stopped_at_spike, .spikes]' $broke/run.json)" '[true,1]' "the first at a spike"
is "$(jq -sc '[.[] | select(.instrument == "cyclictest") | .cpu == 1 and .host_cpu == 3 and .latency_ns >= 700000000]' \
	$broke/spikes.jsonl)" '[true]' "which is listed"
ok "and among what it measured" \
	[ "$(jq '.cpus[0].max_ns' $broke/run.json)" -ge "$(jq 'select(.instrument == "cyclictest").latency_ns' $broke/spikes.jsonl)" ]
like "$(cd side/02-break && echo */trace/*)" \
	'^1-g1/trace/explain.txt 1-g1/trace/guest.dat 1-g1/trace/host.dat 1-g1/trace/host.json$' \
	"its traces of host and guest, and no others"
like "$(cat $broke/cyclictest.txt)" '# Break value: [0-9]{6,}' "cyclictest says so itself"
is "$(jq -c '.phases[1].attempts[1:][].jobs[].dir' side/run.json | tr -d '"' | while read -r dir; do
	[ ! -e "side/$dir/run.json" ] || jq -c .stopped_at_spike "side/$dir/run.json"
done | sort -u)" null "and never again"
# (one that came while the thread was awake is no late wake-up to the kernel)
reasons=$(jq -r '.phases[1].reasons[]' side/run.json)
like "$reasons" 'late on vCPU 1 at 20.*, by the trace: [a-z-]+|explains no wake-up as late as the spike' \
	"the report has the cause"
printf '%s\n' "$reasons" | sed 's/^/# /'
like "$(cat side/summary.md)" 'broke off at a wake-up [0-9]+ us late on vCPU 1, as asked' "and what was done"
ok "all of the time was measured" [ "$(jq '.phases[1].measured_ns' side/run.json)" -ge 5900000000 ]

is "$(cat left)" "" "no process is left"
[ "$tap_bad" = 0 ] || {
	jq -c '.phases[].attempts[]' short/campaign.json killed/campaign.json hunt/campaign.json side/campaign.json
	cat short.err killed.err hunt.err side.err
	tail -n 20 side/0*/*/console.log
} 2>&1 | sed 's/^/# /'
done_testing

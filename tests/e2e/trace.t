#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Explaining generated traces with known causes, side by side with trace-cmd; recording this kernel.
# shellcheck source=tests/e2e/tap.sh
. tests/e2e/tap.sh

gen=$(dirname "$RTKVM")/tests/gen/tracegen
[ -x "$gen" ] || skip_all "tracegen is not built (make unit-programs)"

"$gen" "$T/tr" 60000 noise=1 vcpus=2 offset=-29755526804 rt=1 >"$T/gen" || echo "# tracegen failed"

# --- every case's verdict ---
run "$RTKVM" trace explain -H "$T/tr/host.dat" -g "$T/tr/guest.dat" --list 4096 -t 250us --json
is "$code" 0 "explain ends well"
printf '%s\n' "$out" >"$T/json"
# both are in order of time: vCPU and cause of each must be the same
jq -r '.list[] | "\(.cpu) \(.cause)"' "$T/json" | sort -s -n -k 1,1 >"$T/found"
# an ordinary wake-up can be late for any reason: "-"
awk '$5 > 250000 { print $2, $4 }' "$T/tr/truth" | sort -s -n -k 1,1 >"$T/want"
ok "$(wc -l <"$T/want") wake-ups" [ "$(wc -l <"$T/want")" -gt 500 ]
paste -d ' ' "$T/want" "$T/found" >"$T/both"
ok "the cause of every one is the one that was injected" \
	awk '$1 != $3 || ($2 != "-" && $2 != $4) { bad = 1 } END { exit bad }' "$T/both"
is "$(jq '[.list[] | .latency_ns - ([.parts[].ns] | add)] | map(select(. != 0)) | length' \
	"$T/json")" 0 "the parts of each add up to its latency to the nanosecond"
is "$(jq '[.causes[].ns] | add' "$T/json")" "$(jq .spikes_ns "$T/json")" \
	"and the causes' to the whole"
is "$(jq '[.list[].parts[] | select(.cause == "unexplained")] | length' "$T/json")" 0 \
	"nothing is unexplained"
run "$RTKVM" trace explain -H "$T/tr/host.dat" -g "$T/tr/guest.dat" --timeline
like "$out" 'host thread hog/500 \(prio 49\)' "text names the thread"
like "$out" 'guest offset -29755526804 \(its file\), off by -?[0-9]+ to \+[0-9]+ ns at most' \
	"and the clock's error"

is "$(jq '[.list[] | .latency_ns - ([.timeline[][1]] | add)] | map(select(. != 0)) | length' \
	"$T/json")" 0 "so do the stretches of each one's timeline"
is "$(jq '[.list[] | .stages as $s | select($s.taken_ns > $s.woken_ns or $s.woken_ns > $s.on_cpu_ns or
	$s.on_cpu_ns > .latency_ns)] | length' "$T/json")" 0 "stages come in their order"
like "$out" 'return into the measured thread' "the way back into the thread is a part of its own"

# --- other containers say the same ---
sum=$(printf '%s\n' "$out" | md5sum)
if command -v trace-cmd >/dev/null; then
	for c in zstd none; do
		for s in host guest; do
			trace-cmd convert -i "$T/tr/$s.dat" -o "$T/$s-$c.dat" --file-version 7 \
				--compression $c >/dev/null 2>&1
		done
		run "$RTKVM" trace explain -H "$T/host-$c.dat" -g "$T/guest-$c.dat" --timeline
		is "$(printf '%s\n' "$out" | md5sum)" "$sum" "version 7, compressed by $c: the same"
	done
	is "$(trace-cmd report -i "$T/tr/host.dat" 2>/dev/null | grep -c ': ')" \
		"$(trace-cmd report -R -i "$T/tr/host.dat" 2>/dev/null | grep -c ': ')" \
		"trace-cmd reads what we write"
	n=$(for s in host guest; do trace-cmd report -i "$T/tr/$s.dat" 2>/dev/null; done |
		grep -vc '^cpus=')
	is "$n" "$(jq .events "$T/json")" "and counts as many events"
else
	skip 4 "trace-cmd is not installed"
fi
# --- the picture ---
run "$RTKVM" trace explain -H "$T/tr/host.dat" -g "$T/tr/guest.dat" --list 7 --picture "$T/p.svg"
is "$code" 0 "a picture"
is "$(grep -c '<g ' "$T/p.svg")" 7 "a block for each wake-up shown"
ok "its lanes are as wide as the axis in each" awk '
	/<g / { if (n++ && (w < 818 || w > 822)) bad = 1; w = 0 }
	/<rect .*<title>/ { match($0, /width="[0-9.]+/); w += substr($0, RSTART + 7, RLENGTH - 7) }
	END { exit bad || n != 7 }' "$T/p.svg"
LC_ALL=C sed 's/cyclictest/cyc<"\&>est/g' "$T/tr/guest.dat" >"$T/evil.dat"
run "$RTKVM" trace explain -H "$T/tr/host.dat" -g "$T/evil.dat" --thread 'cyc<"&>est' --picture "$T/evil.svg"
ok "a thread's name is no markup" sh -c \
	"! grep -qF 'cyc<' '$T/evil.svg' && grep -qF 'cyc&lt;&quot;&amp;' '$T/evil.svg'"
fails 2 'No such file' "a picture nowhere" "$RTKVM" trace explain -H "$T/tr/host.dat" \
	-g "$T/tr/guest.dat" --picture "$T/none/p.svg"

"$gen" "$T/raw" 20000 raw=1 >/dev/null
run "$RTKVM" trace explain -H "$T/raw/host" -g "$T/raw/guest" --tsc-hz 2600000000
is "$code" 0 "directories of raw pages"
run "$RTKVM" trace explain -H "$T/raw/host" -g "$T/raw/guest"
like "$out" 'at 2600\.0[0-9]* MHz \(estimated from its timers\)' "a rate nobody tells is estimated"

# one that nothing tells, nor enough timers: whoever asks for it takes it
"$gen" "$T/short" 60 raw=1 >/dev/null
cp -r "$T/short/guest" "$T/untimed"
sed -i 's/hrtimer_expire_entry$/&_of_old/' "$T/untimed/formats"
for t in short/guest untimed; do
	for verb in "explain -t 1ms -g $T/$t" "report -g $T/$t" "convert $T/$t $T/hz.dat"; do
		# shellcheck disable=SC2086 # words
		fails 2 'how long a tick of its clock is; .*give --tsc-hz' "no rate in $t: ${verb%% *}" \
			"$RTKVM" trace $verb
	done
done
for verb in "explain -t 1ms -g $T/short/guest" "report -g $T/short/guest" "convert $T/short/guest $T/hz.dat"; do
	# shellcheck disable=SC2086 # words
	run "$RTKVM" trace $verb --tsc-hz 2600000000
	is "$code" 0 "given to ${verb%% *}: $errs"
	# shellcheck disable=SC2086 # words
	fails 2 'tsc-hz: 999999 is out of range' "a wrong one" "$RTKVM" trace $verb --tsc-hz 999999
done
run "$RTKVM" trace explain -t 1ms -g "$T/hz.dat"
like "$out" 'x86-tsc at 2600\.000 MHz \(its file\)' "what convert writes tells it"
run "$RTKVM" trace explain -t 1ms -g "$T/hz.dat" --tsc-hz 2610000000
like "$out" 'x86-tsc at 2600\.000 MHz \(its file\)' "a rate about as given is the file's"
"$gen" "$T/mono" 60 hz=1000000000 >/dev/null
for verb in "explain -t 1ms -g" "report -g" "convert"; do
	to=
	[ "$verb" = convert ] && to=$T/hz2.dat
	# shellcheck disable=SC2086 # words
	fails 2 'tsc-hz: .*hz.dat tells that its clock has 2600.000 MHz, not 1000.000; leave' \
		"another than the file tells: $verb" "$RTKVM" trace $verb "$T/hz.dat" $to --tsc-hz 1000000000
	# shellcheck disable=SC2086 # words
	fails 2 'tsc-hz: .*guest.dat is stamped by "mono", in nanoseconds; leave the option out' \
		"one for a clock of nanoseconds: $verb" "$RTKVM" trace $verb "$T/mono/guest.dat" $to --tsc-hz 1000000000
done
ok "nothing is written then" [ ! -e "$T/hz2.dat" ]

# --- the offset from readings of the guest's TSC, narrowed down by the events ---
"$gen" "$T/far" 40000 raw=1 noise=1 vcpus=2 rt=1 offset=-29755526804 >/dev/null
far=("$RTKVM" trace explain -H "$T/far/host" -g "$T/far/guest" --tsc-hz 2600000000 --list 4096 --json)
told() { # BEFORE GUEST AFTER of both vCPUs, and what else is told of them
	printf '{"event":"started","vcpus":[{"index":0,"tid":1000,"tsc":[%s]%s},{"index":1,"tid":1001,"tsc":[%s]%s}]}\n' \
		"$1" "$2" "$1" "$2" >"$T/told"
}
told 1099511627776,1069756109972,1099511637776 "" # -29755527804 to -29755517804
fails 2 'no guest event falls into a time when the host ran the guest|do not agree' "an offset nobody tells" \
	"${far[@]}"
run "${far[@]}" --events "$T/told"
is "$code" 0 "an offset that the VMM has read to some us: $errs"
printf '%s\n' "$out" >"$T/narrow"
is "$(jq -r .clock.offset_from "$T/narrow")" "the VMM's readings of the TSC" "is used"
ok "narrowed down by the events: $(jq -c '[.clock.offset_ticks, .clock.error_low_ns, .clock.error_high_ns]' "$T/narrow")" \
	jq -e '.clock | .error_high_ns - .error_low_ns < 1000 and
		(-29755526804 - .offset_ticks) / 2.6 >= .error_low_ns - 1 and
		(-29755526804 - .offset_ticks) / 2.6 <= .error_high_ns + 1' "$T/narrow"
run "${far[@]}" --offset -29755526804
is "$(jq -c '[.list[]|[.cpu,.cause]]' "$T/narrow")" "$(printf '%s\n' "$out" | jq -c '[.list[]|[.cpu,.cause]]')" \
	"with the same verdicts as the true offset gives"
told 1099511627776,1069756109972,1099511637776 ',"tsc_offset":-29755526804'
run "${far[@]}" --events "$T/told"
is "$(printf '%s\n' "$out" | jq -r '.clock|"\(.offset_ticks) \(.offset_from)"')" "-29755526804 the VMM" \
	"what KVM has told the VMM comes first"
run "$RTKVM" trace report -H "$T/far/host" -g "$T/far/guest" --events "$T/told"
ok "for report, too" [ "$code" = 0 ]
told 1099511627776,1069756109972,1099511637776 ',"tsc_offset":0'
fails 2 'the VMM: vCPU 0 is ahead by 0, but its TSC was read as ahead by -29755527804 to -29755517804' \
	"an offset that the readings contradict" "${far[@]}" --events "$T/told"
told 1099511627776,1069755109972,1099511637776 ""
fails 2 'no such offset puts all guest events into' "readings that the events contradict" \
	"${far[@]}" --events "$T/told"
fails 2 'reading .*none failed: No such file' "events that are not there" "${far[@]}" --events "$T/none"

# --- KVM's numbers of vCPUs have holes where QEMU's -smp makes APIC ids with holes ---
list='[.list[]|[.cpu,.host_cpu,.latency_ns,.cause]]'
for hole in 0 1; do
	"$gen" "$T/hole$hole" 30000 vcpus=3 noise=1 hole=$hole >/dev/null
	run "$RTKVM" trace explain -H "$T/hole$hole/host.dat" -g "$T/hole$hole/guest.dat" --list 4096 --json
	is "$code" 0 "vCPUs without number $hole: $errs"
	printf '%s\n' "$out" | jq -c "$list" >"$T/holes$hole"
	printf '%s\n' "$out" | jq -c .vcpus >"$T/vcpus$hole"
done
is "$(cat "$T/vcpus0")" '{"from":"KVM'"'"'s numbers"}' "numbers without a hole are what is told"
is "$(cat "$T/vcpus1")" '{"from":"the order of KVM'"'"'s numbers","kvm_ids":[0,2,3]}' "else their order"
run "$RTKVM" trace explain -H "$T/hole1/host.dat" -g "$T/hole1/guest.dat"
like "$out" "^vCPUs: by the order of KVM's numbers; KVM's vCPUs 0,2,3 taken for the guest's 0,1,2\$" "in text, too"
run "$RTKVM" trace explain -g "$T/hole1/guest.dat"
ok "nothing of that without a host's trace" sh -c "! printf '%s' \"\$1\" | grep -q ^vCPUs:" sh "$out"

# what the recorder noted is in the order of KVM's numbers: the same
noted() { # TRACE, and KVM's number and the thread of each of three vCPUs
	mkdir -p "$T/noted"
	cp "$T/$1/host.dat" "$T/noted/"
	shift
	printf '{"schema":1,"vcpus":[{"vcpu":0,"kvm_id":%s,"tid":%s},{"vcpu":1,"kvm_id":%s,"tid":%s},{"vcpu":2,"kvm_id":%s,"tid":%s}]}\n' \
		"$@" >"$T/noted/host.json"
}
noted hole1 0 1000 2 1001 3 1002
run "$RTKVM" trace explain -H "$T/noted/host.dat" -g "$T/hole1/guest.dat" --list 4096 --json
is "$code" 0 "vCPUs from host.json: $errs"
is "$(printf '%s\n' "$out" | jq -c .vcpus)" '{"from":"host.json","kvm_ids":[0,2,3]}' "tells whose numbers they are"
printf '%s\n' "$out" | jq -c "$list" >"$T/listed"
ok "with the same verdicts" cmp "$T/holes1" "$T/listed"
run "$RTKVM" trace explain -H "$T/hole1/host.dat" -g "$T/hole1/guest.dat" --vcpus 1000,1001,1002 --json
is "$(printf '%s\n' "$out" | jq -c .vcpus)" '{"from":"--vcpus"}' "or who else told"
"$gen" "$T/dumb" 12000 vcpus=3 noise=1 no_windows=1 >/dev/null
noted dumb 0 1000 1 0 2 1002
run "$RTKVM" trace explain -H "$T/noted/host.dat" -g "$T/dumb/guest.dat" --list 4096 --json
is "$(printf '%s\n' "$out" | jq -c '.vcpus, ([.list[] | [.cpu, .host_cpu]] | unique)')" \
	'{"from":"host.json"}
[[0,1],[0,4],[1,null],[2,3],[2,6]]' "a vCPU whose thread it did not know has none, and moves no other"
ok "vCPUs 0, 2 and 3 are the guest's CPUs 0, 1 and 2" cmp "$T/holes0" "$T/holes1"

# the host's file may tell them, too: host.json goes before it, and thread 0 is none
"$gen" "$T/plain" 12000 vcpus=3 noise=1 >/dev/null
"$RTKVM" trace explain -H "$T/plain/host.dat" -g "$T/plain/guest.dat" --list 4096 --json |
	jq -c "$list" >"$T/plainly"
from_file() { # NAME KEY... - whom explain believes of a host's file so generated, for a guest of 3 CPUs
	local dir=$1
	shift
	"$gen" "$T/$dir" 12000 vcpus=3 noise=1 told=1 "$@" >/dev/null
	run "$RTKVM" trace explain -H "$T/$dir/host.dat" -g "$T/$dir/guest.dat" --list 4096 --json
	printf '%s\n' "$out" | jq -c "$list" >"$T/listed"
	printf '%s\n' "$out" | jq -r .vcpus.from
}
is "$(from_file named)" "the host's file" "threads that the host's file tells"
ok "with the same verdicts" cmp "$T/plainly" "$T/listed"
for untold in 1 2 7; do
	is "$(from_file part$untold untold=$untold)" "KVM's numbers" "some of them as 0: KVM's numbers tell more"
	ok "and no vCPU gets another's CPUs" cmp "$T/plainly" "$T/listed"
done
is "$(from_file dumbpart untold=2 no_windows=1)" "the host's file" "but without these, what there is"
is "$(jq -c '[.[] | select(.[0] == 1) | .[1]] | unique' "$T/listed")" '[null]' "and nothing for the one not told"
"$gen" "$T/dumbnone" 12000 vcpus=3 told=1 untold=7 no_windows=1 >/dev/null
fails 2 'does not tell which threads run the vCPUs; give --vcpus' "nor for a guest of which none is told" \
	"$RTKVM" trace explain -H "$T/dumbnone/host.dat" -g "$T/dumbnone/guest.dat"
noted named 0 1000 1 1001 2 1002
run "$RTKVM" trace explain -H "$T/noted/host.dat" -g "$T/named/guest.dat" --json
is "$(printf '%s\n' "$out" | jq -c .vcpus)" '{"from":"host.json"}' "host.json is believed first"

is "$(env --default-signal=PIPE "$RTKVM" trace report -g "$T/hole0/guest.dat" 2>&1 | :; echo "${PIPESTATUS[0]}")" $((128 + 13)) \
	"a reader that quit, like head, is no error"

# that a vCPU was not seen may also be as its host CPUs were not recorded
"$gen" "$T/unseen" 30000 vcpus=3 noise=1 raw=1 >/dev/null
rm "$T/unseen/guest/cpu2" "$T/unseen/host/cpu2" "$T/unseen/host/cpu5"
run "$RTKVM" trace explain -H "$T/unseen/host" -g "$T/unseen/guest" --list 4096 --json
is "$code" 0 "a vCPU that the host's recorder did not see: $errs"
is "$(printf '%s\n' "$out" | jq -c '[.list[] | select(.host_cpu < 0) | .cpu] | unique')" "[1]" \
	"is no other's thread"
is "$(printf '%s\n' "$out" | jq -c .vcpus)" '{"from":"KVM'"'"'s numbers, as the clock spoke against their order"}' \
	"and it is told that the order was not taken"

# --- threads of that name that are not real-time: only where no other is ---
"$gen" "$T/normal" 5000 prio=120 >/dev/null
run "$RTKVM" trace explain -H "$T/normal/host.dat" -g "$T/normal/guest.dat"
like "$out" '^cyclictest/200: [0-9]+ wake-ups' "no thread is real-time: all count"
run "$RTKVM" trace explain -H "$T/hole0/host.dat" -g "$T/hole0/guest.dat" --json
is "$(printf '%s\n' "$out" | jq -c '[[.threads[].tid],.left_out]')" '[[200,201,202],[]]' "real-time ones: none is left out"

# --- convert, and both files in one order ---
run "$RTKVM" trace convert "$T/raw/host" "$T/c-host.dat"
is "$code" 0 "convert raw pages"
run "$RTKVM" trace convert "$T/c-host.dat" "$T/c-host2.dat"
ok "converting again changes nothing" cmp "$T/c-host.dat" "$T/c-host2.dat"
if command -v trace-cmd >/dev/null; then
	run "$RTKVM" trace convert --host "$T/tr/host.dat" "$T/guest-zstd.dat" "$T/c-guest.dat"
	is "$code" 0 "convert a guest's compressed file"
	both() {
		trace-cmd report -i "$T/tr/host.dat" -i "$1" 2>/dev/null | grep -v cpus= |
			sed 's/^ *[a-z0-9-]*\.dat: *//'
	}
	both "$T/tr/guest.dat" >"$T/report1"
	both "$T/c-guest.dat" >"$T/report2"
	ok "trace-cmd shows it and the host in one order" cmp "$T/report1" "$T/report2"
	ok "a time never runs back in it" awk '{ for (i = 2; i < 6; i++) if ($i ~ /^[0-9]+\.[0-9]+:$/)
		{ t = $i + 0; if (t < last) exit 1; last = t; break } }' "$T/report1"
else
	skip 3 "trace-cmd is not installed"
fi

# --- report prints what trace-cmd prints, in its order ---
norm() {
	sed -E 's/^ *(host|guest)(\.dat)?: *//; s/ +/ /g; s/^ //' | grep -v cpus=
}
if command -v trace-cmd >/dev/null; then
	"$RTKVM" trace report -H "$T/tr/host.dat" -g "$T/tr/guest.dat" | norm >"$T/report1"
	trace-cmd report -i "$T/tr/host.dat" -i "$T/tr/guest.dat" 2>/dev/null | norm >"$T/report2"
	ok "report: the events, times and order of trace-cmd report" cmp "$T/report1" "$T/report2"
	is "$(wc -l <"$T/report1")" "$(jq .events "$T/json")" "all of them"
	for f in tr/host tr/guest host-zstd guest-none c-host c-guest; do
		is "$("$RTKVM" trace report -g "$T/$f.dat" | wc -l)" \
			"$(trace-cmd report -R -i "$T/$f.dat" 2>/dev/null | grep -vc cpus=)" \
			"$f.dat: as many events as libtracecmd finds"
	done
else
	skip 8 "trace-cmd is not installed"
fi
at() { # seconds of the first spike, and some milliseconds
	jq -r ".list[0].trace_ns + $1 * 1000000" "$T/json" | sed 's/.........$/.&/'
}
run "$RTKVM" trace report -H "$T/tr/host.dat" -g "$T/tr/guest.dat" \
	--from "$(at -1)" --to "$(at 1)"
like "$out" '==> cyclictest:20[01]' "a window around a spike"
ok "is small" [ "$(printf '%s\n' "$out" | wc -l)" -lt 200 ]

# --- explain's excerpt is that window of report
run "$RTKVM" trace explain -H "$T/tr/host.dat" -g "$T/tr/guest.dat" --list 1 --excerpt 200us
is "$code" 0 "an excerpt around the worst wake-up"
"$RTKVM" trace explain -H "$T/tr/host.dat" -g "$T/tr/guest.dat" --list 1 --json >"$T/worst"
edge() { # ns of the trace as seconds
	jq -r ".list[0] | $1" "$T/worst" | sed 's/.........$/.&/'
}
"$RTKVM" trace report -H "$T/tr/host.dat" -g "$T/tr/guest.dat" \
	--from "$(edge '.trace_ns - .latency_ns - 200000')" --to "$(edge '.trace_ns + 200000')" >"$T/window"
printf '%s\n' "$out" | sed '1,/us late$/d' >"$T/excerpt"
ok "is what report prints of that time" cmp "$T/window" "$T/excerpt"
ok "with the names of threads that were told before it" sh -c "! grep -q '^guest: *<\.\.\.>' '$T/excerpt'"
ok "of both kernels" sh -c "grep -q '^ host: ' '$T/excerpt' && grep -q '^guest: ' '$T/excerpt'"
run "$RTKVM" trace explain -H "$T/tr/host.dat" -g "$T/tr/guest.dat" --list 300 --excerpt 1ms
# a thread's name is what was seen of it before, in the window or in the whole
nameless() {
	sed -E 's/^(.{7}) *[^ ]+-([0-9]+ +\[)/\1\2/'
}
printf '%s\n' "$out" | grep -E '^( host|guest): ' | nameless >"$T/excerpt"
"$RTKVM" trace report -H "$T/tr/host.dat" -g "$T/tr/guest.dat" | nameless >"$T/whole"
ok "no event is printed twice where windows overlap" \
	awk 'NR == FNR { n[$0]++; next } --n[$0] < 0 { exit 1 }' "$T/whole" "$T/excerpt"
fails 2 'excerpt is text' "an excerpt in JSON" "$RTKVM" trace explain -g "$T/tr/guest.dat" \
	--excerpt 1ms --json
fails 2 'not a duration' "an excerpt of no time" "$RTKVM" trace explain -g "$T/tr/guest.dat" --excerpt x

# --- a run directory ---
mkdir -p "$T/run/trace"
cp "$T/tr/host.dat" "$T/tr/guest.dat" "$T/run/trace/"
cat >"$T/run/run.json" <<'END'
{"schema":1,"name":"x","started":"2026-11-20T10:00:00Z","ended":null,"verdict":"pass","reasons":[],
"conditions":"emulated","host":{},"guest":{},"vmm":{},"asked":{},"inforce":{},"limits":[],"cpus":[],
"window":{},"spikes":0,"causes":{},"files":{}}
END
echo '{"instrument":"cyclictest","cpu":1,"wall_ns":5,"latency_ns":7}' >"$T/run/spikes.jsonl"
for i in 1 2; do
	run "$RTKVM" trace explain "$T/run"
	is "$code" 0 "a run directory, time $i"
done
is "$(grep -c '"instrument":"cyclictest"' "$T/run/spikes.jsonl")" 1 "other spikes stay"
is "$(grep -c '"instrument":"trace"' "$T/run/spikes.jsonl")" "$(jq .trace.explained "$T/run/run.json")" \
	"a line for each explained one, once"
is "$(jq '[.causes[]] | add' "$T/run/run.json")" "$(jq .trace.explained "$T/run/run.json")" \
	"run.json counts the causes"
is "$(find "$T/run" -name '*.tmp')" "" "no temporary file is left"

mkdir -p "$T/holerun"
cp -r "$T/hole1" "$T/holerun/trace"
cp "$T/run/run.json" "$T/holerun/"
run "$RTKVM" trace explain "$T/holerun" --list 4096 --json
is "$code $(grep -c '"trace"' "$T/holerun/spikes.jsonl")" "0 $(printf '%s\n' "$out" | jq '.list | length')" \
	"what is looked at twice is noted once: $errs"
is "$(jq -c .trace.vcpus "$T/holerun/run.json")" "$(cat "$T/vcpus1")" "with the order that was taken"

for side in host guest; do
	ok "and how long the $side recorded after the last" jq -e ".trace.${side}_went_on_ns >= 0" "$T/run/run.json"
done

# --- report around the spikes that explain has noted there ---
run "$RTKVM" trace explain "$T/run" --list 4096 --excerpt 50us
printf '%s\n' "$out" | sed -n '/us late$/,$p' >"$T/excerpt"
run "$RTKVM" trace report "$T/run" --around 50us
is "$code" 0 "report around the spikes of a run: $errs"
printf '%s\n' "$out" | sed -n '/us late$/,$p' >"$T/around"
ok "$(grep -c 'us late$' "$T/around") of them" [ "$(grep -c 'us late$' "$T/around")" -gt 100 ]
ok "prints what the excerpt does" cmp "$T/excerpt" "$T/around"
fails 2 'needs a run directory' "around the spikes of no run" "$RTKVM" trace report -g "$T/tr/guest.dat" --around 1ms
fails 2 'exclude each other' "around, and in a window" "$RTKVM" trace report "$T/run" --around 1ms --from 1
mkdir -p "$T/norun/trace"
cp "$T/tr/guest.dat" "$T/norun/trace/"
fails 2 'spikes.jsonl failed: No such file' "a run without spikes" "$RTKVM" trace report "$T/norun" --around 1ms
echo '{"instrument":"trace","trace_ns":-1}' >"$T/norun/spikes.jsonl"
fails 2 'holds no explained wake-up; rtkvm trace explain' "a run whose spikes nobody explained" \
	"$RTKVM" trace report "$T/norun" --around 1ms

if command -v gnuplot >/dev/null; then
	run "$RTKVM" report "$T/run"
	ok "report draws where the time went" [ -s "$T/run/plots/delays.svg" ]
	ok "and shows it" grep -q 'id="plot-delays"' "$T/run/report.html"
else
	skip 2 "gnuplot is not installed"
fi

# --- bad input: one line, exit 2 ---
fails 2 'no guest.s trace is named' "no trace" "$RTKVM" trace explain
fails 2 'opening .*none.dat failed: No such file' "a file that is not there" \
	"$RTKVM" trace explain -g "$T/none.dat"
fails 2 'a trace.dat file expected' "a file of another kind" \
	"$RTKVM" trace explain -g "$T/json"
head -c 40000 "$T/tr/guest.dat" >"$T/cut.dat"
fails 2 'cut short: the events of CPU [0-9]+ end at byte' "a truncated file" \
	"$RTKVM" trace explain -g "$T/cut.dat"
# in a directory that somebody else filled, what would be waited for
for name in header_page clock formats stats cpu0; do
	rm -rf "$T/fifo"
	cp -r "$T/raw/guest" "$T/fifo"
	rm -f "$T/fifo/$name"
	mkfifo "$T/fifo/$name"
	fails 2 "/$name failed: not a regular file" "a FIFO in place of $name" \
		timeout 60 "$RTKVM" trace explain -g "$T/fifo"
done
cp -r "$T/run" "$T/piped"
rm "$T/piped/spikes.jsonl"
mkfifo "$T/piped/spikes.jsonl"
fails 2 'spikes.jsonl failed: not a regular file' "and of a run's spikes" \
	timeout 60 "$RTKVM" trace explain "$T/piped"
ok "which leaves nothing" sh -c "! ls '$T/piped' | grep tmp"
fails 2 'spikes.jsonl failed: not a regular file' "report, too" \
	timeout 60 "$RTKVM" trace report "$T/piped" --around 1ms
fails 2 'spikes.jsonl failed: not a regular file' "and of a VMM's events" \
	timeout 60 "$RTKVM" trace explain -H "$T/tr/host.dat" -g "$T/tr/guest.dat" --events "$T/piped/spikes.jsonl"
{ head -c 12 "$T/tr/guest.dat"; printf '\1'; tail -c +14 "$T/tr/guest.dat"; } >"$T/big.dat"
fails 2 'big-endian' "another endianness" "$RTKVM" trace explain -g "$T/big.dat"
{ head -c 13 "$T/tr/guest.dat"; printf '\4'; tail -c +15 "$T/tr/guest.dat"; } >"$T/32.dat"
fails 2 '32-bit' "another word size" "$RTKVM" trace explain -g "$T/32.dat"
fails 2 'no guest event falls into a time when the host ran' "an absurd offset" \
	"$RTKVM" trace explain -H "$T/tr/host.dat" -g "$T/tr/guest.dat" --offset 77
fails 2 'the clocks of host and guest do not agree: .* give the right --offset' "a wrong offset" \
	"$RTKVM" trace explain -H "$T/tr/host.dat" -g "$T/tr/guest.dat" --offset -29755436804
# the bound is tight: an offset beyond it by once its width again is refused
ticks() { # twice the bound, and one more tick: what rounding to ns may have hidden
	jq -r ".clock | ((2 * .$1) * .hz / 1e9 + $2) | floor" "$T/json"
}
for wrong in "$(ticks error_high_ns 3)" "$(ticks error_low_ns -3)"; do
	fails 2 'the clocks of host and guest do not agree' "an offset wrong by twice the bound: $wrong" \
		"$RTKVM" trace explain -H "$T/tr/host.dat" -g "$T/tr/guest.dat" \
		--offset $((-29755526804 + wrong))
done
fails 2 'only known to' "an error above the limit" "$RTKVM" trace explain \
	-H "$T/raw/host" -g "$T/raw/guest" --max-clock-error 1ns
fails 2 'shows no wake-up of thread nobody' "a thread that is not there" \
	"$RTKVM" trace explain -g "$T/tr/guest.dat" --thread nobody
"$gen" "$T/blind" 500 no_timers=1 >/dev/null
fails 2 'lacks the events .*hrtimer_start' "a guest's trace without what is needed" \
	"$RTKVM" trace explain -g "$T/blind/guest.dat"
"$gen" "$T/blind" 500 no_switch=1 >/dev/null
fails 2 'host.dat lacks the events sched_switch; record with rtkvm trace record$' \
	"a host's trace without what is needed" \
	"$RTKVM" trace explain -H "$T/blind/host.dat" -g "$T/blind/guest.dat"
"$gen" "$T/blind" 2000 no_windows=1 >/dev/null
fails 2 'does not tell which threads run the vCPUs; give --vcpus' "which may tell no vCPU's thread either" \
	"$RTKVM" trace explain -H "$T/blind/host.dat" -g "$T/blind/guest.dat"
run "$RTKVM" trace explain -H "$T/blind/host.dat" -g "$T/blind/guest.dat" --vcpus 1000
is "$code" 0 "a KVM that tells no entry and exit"
like "$out" 'not checked: no kvm_entry and kvm_exit' "says that the clock is not checked"
like "$out" 'guest or exit handling \(no kvm_entry/kvm_exit\)' "and has coarser causes"
fails 2 'no trace is named' "report without a trace" "$RTKVM" trace report
fails 2 'is not a time' "a bad time" "$RTKVM" trace report -g "$T/cut.dat" --from 1.2345678901
fails 2 'two files are needed' "convert without a target" "$RTKVM" trace convert "$T/cut.dat"
fails 2 'cut short' "convert a truncated file" "$RTKVM" trace convert "$T/cut.dat" "$T/x.dat"
ok "which leaves nothing" [ ! -e "$T/x.dat" ]
fails 2 'not a sub-verb' "no such sub-verb" "$RTKVM" trace expain
fails 2 'double quote' "a command that rtkvm.exec cannot take" "$RTKVM" trace job -- echo '"x"'

# --- the guest's line ---
job=$("$RTKVM" trace job -o "$T/out" -- 'sleep 1; exit 7')
ok "the line is shell" sh -n -c "$job"
ok "and fits a command line of 2048: ${#job}" [ "${#job}" -lt 1400 ]
run sh -c "$(printf '%s' "$job" | sed "s|/sys/kernel/|$T/none|g; s|sleep 1|pwd|")"
is "$code $out" "7 /" "a guest without tracefs runs the command all the same"
like "$errs" '^trace job: no tracefs, not recorded$' "and says that it is not recorded"
# what Ctrl-C ends in its own way tells how; the second one comes when that is over, or nearly
# shellcheck disable=SC2016 # the job's
stoppable='trap r=9 INT; r=; echo >ready; for i in $(seq 600); do [ -z $r ] || break; sleep 0.1; done; exit $r'
interrupted() { # LINE - its exit code
	rm -f "$T/ready"
	setsid env --default-signal=INT sh -c "$1" 2>/dev/null &
	for _ in $(seq 600); do
		[ -e "$T/ready" ] || ! kill -0 $! && break
		sleep 0.1
	done
	kill -INT -- -$!
	sleep 0.3
	kill -INT -- -$! 2>/dev/null
	wait $!
	echo $?
}
job=$("$RTKVM" trace job -o "$T/out" -- "${stoppable/>/>$T/}")
is "$(interrupted "$(printf '%s' "$job" | sed "s|/sys/kernel/|$T/none|g")")" 9 \
	"Ctrl-C is the command's, as is the exit code"
ok "and leaves no trace" [ ! -e "$T/out" ]

# --- recording this kernel ---
why=
[ "$(id -u)" = 0 ] || why="needs root"
[ -n "$why" ] || [ -d /sys/kernel/tracing/instances ] || why="tracefs is not mounted"
[ -n "$why" ] || [ -d /sys/kernel/tracing/events/kvm ] || why="this kernel has no KVM loaded"
[ -n "$why" ] || grep -q x86-tsc /sys/kernel/tracing/trace_clock || why="no x86-tsc trace clock"
if [ -n "$why" ]; then
	skip 40 "$why"
else
	run "$RTKVM" trace record -o "$T/h.dat" -- sh -c 'sleep 0.5; [ -w "$RTKVM_TRACE_FREEZE" ] || exit 9; exit 7'
	is "$code" 7 "record: the command's exit code"
	# sorted: trace-cmd rounds to ns before it orders the events of several CPUs, we order by ticks
	trace-cmd report -i "$T/h.dat" 2>/dev/null | norm | sort >"$T/report1"
	"$RTKVM" trace report -H "$T/h.dat" | norm | sort >"$T/report2"
	ok "report of a real trace is trace-cmd's" cmp "$T/report1" "$T/report2"
	diff "$T/report1" "$T/report2" | head -n 6 | sed 's/^/# /'
	n=$(wc -l <"$T/report1")
	ok "trace-cmd reads $n events of it" [ "$n" -gt 20 ]
	ok "host.json tells the clock" jq -e '.tsc_hz > 1e8 and .lost >= 0' "$T/h.json"
	is "$(trace-cmd report --stat -i "$T/h.dat" 2>/dev/null | grep -c '^dropped events: ')" \
		"$(find /sys/kernel/tracing/per_cpu -mindepth 1 -maxdepth 1 -name 'cpu*' | wc -l)" \
		"host.dat holds what the kernel counted of each ring"
	run "$RTKVM" trace record -b 64K -o "$T/small.dat" -- sh -c 'for i in $(seq 2000); do : | :; done'
	like "$errs" 'small.dat: [0-9.]+ s, 0 events lost, [0-9]+ older ones overwritten' \
		"what a small ring overwrote is not called lost"
	ok "nor in small.json" jq -e '.lost == 0 and .overwritten > 1000' "$T/small.json"
	fails 2 'starting /nonexistent failed' "a command that is not there" \
		"$RTKVM" trace record -o "$T/h2.dat" -- /nonexistent
	is "$(find "$T" -name 'h2*' -o -name '*.tmp')" "" "no file is left behind"
	is "$(find /sys/kernel/tracing/instances -maxdepth 1 -name 'rtkvm-*-record')" "" \
		"and no trace instance"

	chmod 711 "$T"
	mkdir -m 777 "$T/any"
	anyone="setpriv --reuid 65534 --clear-groups"
	if $anyone test -x "$(realpath "$RTKVM")"; then
		# shellcheck disable=SC2086 # words
		fails 2 'failed: Permission denied; run as root$' "without the right to trace" \
			$anyone "$(realpath "$RTKVM")" trace record -o "$T/any/h2.dat" -D 1s
	else
		skip 1 "other users cannot run $RTKVM"
	fi
	fails 2 'making a trace instance failed: Read-only file system' "a tracefs that cannot be written" \
		unshare -m sh -c 'mount -o remount,ro,bind /sys/kernel/tracing &&
		exec "$0" trace record -o "$1" -D 1s' "$RTKVM" "$T/h2.dat"
	# shellcheck disable=SC2016 # words of the shells inside
	run unshare -m sh -c 'umount -l /sys/kernel/tracing && exec "$0" trace record -o "$1" -r -- \
		sh -c "echo 0 >\$RTKVM_TRACE_FREEZE && exit 7"' "$RTKVM" "$T/h4.dat"
	is "$code" 7 "no tracefs mounted: it is mounted for the recorder alone, and others can stop it"
	like "$out" '^ready /proc/[0-9]+/fd/.*/tracing_on$' "told where"
	is "$(find "$T" -name 'h2*')" "" "no file is left behind"

	# a KVM that does not tell every vCPU's thread
	unshare -m sh -c 'mount -t tmpfs none /sys/kernel/debug && cd /sys/kernel/debug || exit 9
		for i in 0 1 2; do
			mkdir -p kvm/1-3/vcpu$i && echo 0 >kvm/1-3/vcpu$i/tsc-offset
		done
		echo 1234 >kvm/1-3/vcpu0/pid
		echo 1236 >kvm/1-3/vcpu2/pid
		cd / && exec "$0" trace record -o "$1" -D 1s' "$(realpath "$RTKVM")" "$T/untold.dat" 2>"$T/untold.err"
	is "$? $(jq -c '[.vcpus[].tid]' "$T/untold.json")" '0 [1234,0,1236]' \
		"a vCPU whose thread KVM does not tell: $(cat "$T/untold.err")"
	is "$(trace-cmd dump --options -i "$T/untold.dat" | sed -n '/GUEST/,/^\t\t\[/p' | xargs | sed 's/ .[0-9]* options.//')" \
		'[Option GUEST, 34 bytes] guest [Guest name] 0x0 [trace id] 2 [Guest CPUs] 0 1234 [guest cpu, host pid] 2 1236 [guest cpu, host pid]' \
		"is left out of host.dat, where thread 0 would be the idle one"

	# a disk that fills up: what was whole until then is kept
	unshare -m sh -c 'mount -t tmpfs -o size=6m none "$0" || exit 99
		timeout 120 "$1" trace record --all -b 64K -o "$0/full.dat" -- sh -c \
			"while :; do yes | head -c 20M | cat >/dev/null; done"
		code=$?
		cp "$0"/full.* "$2"
		exit $code' "$(mktemp -d "$T/disk.XXX")" "$(realpath "$RTKVM")" "$T" 2>"$T/full.err"
	code=$?
	is "$code" 2 "recording everything until the disk is full"
	like "$(cat "$T/full.err")" 'keeping the trace failed: No space left on device' "says so"
	n=$("$RTKVM" trace report -H "$T/full.dat" | wc -l)
	ok "$n events of it are kept" [ "$n" -gt 10000 ]
	trace-cmd report -i "$T/full.dat" 2>/dev/null | norm | sort >"$T/report1"
	"$RTKVM" trace report -H "$T/full.dat" | norm | sort >"$T/report2"
	ok "and trace-cmd reads the same" cmp "$T/report1" "$T/report2"

	# a guest's write to the freeze port stops it under any VMM: this one is not told of the recording
	payload=build/guests/flat/script.elf
	if [ -w /dev/kvm ] && [ -r "$payload" ]; then
		for freeze in "--freeze 1 0" "--all 1 1"; do
			# shellcheck disable=SC2016,SC2086 # the inner shell's; words
			set -- $freeze
			run "$RTKVM" trace record "$1" -o "$T/fr.dat" -- sh -c 'cat "$RTKVM_TRACE_FREEZE"
				"$0" run --kernel "$1" --cpus 0 --allow-shared --fifo 0 --memory 32M \
				--append "freeze:1 exit:0" && cat "$RTKVM_TRACE_FREEZE"' "$RTKVM" "$payload"
			is "$code $(echo $out)" "0 $2 $3" "freeze port, record $1: $errs"
		done
	else
		skip 2 "no /dev/kvm"
	fi

	# two guests at once: the one that is meant is the one that is noted
	payload=build/guests/flat/script.elf
	if [ -w /dev/kvm ] && [ -r "$payload" ] && [ -d /sys/kernel/debug/kvm ]; then
		for i in 1 2; do
			"$RTKVM" run --kernel "$payload" --cpus 0 --allow-shared --fifo 0 --memory 32M \
				--events "$T/ev$i" --append "spin:600000" 2>"$T/vm$i.err" &
			vm[i]=$!
		done
		for _ in $(seq 100); do
			[ -s "$T/ev1" ] && [ -s "$T/ev2" ] && break
			sleep 0.1
		done
		for i in 1 2; do
			"$RTKVM" trace record -o "$T/two.dat" -D 1s --pid "${vm[i]}" 2>"$T/two.err"
			is "$(jq -c '[.vcpus[].tid]' "$T/two.json")" "$(head -n 1 "$T/ev$i" | jq -c '[.vcpus[].tid]')" \
				"--pid: guest $i of two at once"
		done
		"$RTKVM" trace record -o "$T/two.dat" -D 1s 2>"$T/two.err"
		is "$(jq -c .vcpus "$T/two.json")" "[]" "without it there is no telling, and none is noted"
		kill "${vm[1]}" "${vm[2]}"
		wait "${vm[1]}" "${vm[2]}"
	else
		skip 3 "no /dev/kvm or no debugfs"
	fi

	# another program's tracing: its settings and its events stay as they are
	tfs=/sys/kernel/tracing
	other=$tfs/instances/other-$$
	mkdir "$other"
	echo 1 >"$other/events/sched/sched_switch/enable"
	echo mono >"$other/trace_clock"
	echo 'prev_prio > 0' >"$other/events/sched/sched_switch/filter"
	settings() {
		for d in "$tfs" "$other"; do
			(cd "$d" && grep -H . trace_clock tracing_on current_tracer buffer_size_kb set_event \
				tracing_cpumask set_event_pid trace_options events/sched/sched_switch/filter)
		done
		cat /proc/sys/kernel/ftrace_enabled
	}
	settings >"$T/before"
	run "$RTKVM" trace record -o "$T/h3.dat" -- sh -c "$(declare -f settings)
		tfs=$tfs other=$other; settings"
	printf '%s\n' "$out" >"$T/during"
	settings >"$T/after"
	ok "another user of tracing is left alone while we record" cmp "$T/before" "$T/during"
	ok "and after" cmp "$T/before" "$T/after"
	ok "it goes on recording" grep -q sched_switch "$other/trace"

	# the guest's line, here: an instance of its own, all that is in it, and the clock in force
	mkdir "$T/jout"
	line() { # no port of this machine is written to
		"$RTKVM" trace job -o "$T/jout" -- "$1" | sed 's|/dev/port|/dev/null|'
	}
	jobs() {
		find $tfs/instances -maxdepth 1 -name "rtkvm.job.$1"
	}
	{ declare -f settings; echo settings; } >"$T/settings.sh"
	settings >"$T/before"
	# some timers have to fire: by them the rate of the clock is told
	run env tfs=$tfs other=$other sh -c "$(line "bash $T/settings.sh >$T/during;
		for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do sleep 0.05; done;
		echo 0 >\$RTKVM_TRACE_FREEZE && cat \${RTKVM_TRACE_FREEZE%/*}/per_cpu/*/stats >$T/stats;
		exit 7")"
	is "$code" 7 "trace job, here: $errs"
	settings >"$T/after"
	ok "nothing of another user of tracing is altered while it records" cmp "$T/before" "$T/during"
	ok "nor after" cmp "$T/before" "$T/after"
	"$RTKVM" trace convert "$T/jout" "$T/jout.dat"
	is "$(trace-cmd report -R -i "$T/jout.dat" 2>/dev/null | grep -vc cpus=)" \
		"$(awk '/^entries:/ { n += $2 } END { print n }' "$T/stats")" "all that the rings held is read"
	rm -r "$T/jout"/*
	is "$(interrupted "$(line "${stoppable/>/>$T/}")")" 9 "Ctrl-C here: the command's exit code"
	ok "and what it recorded is saved" "$RTKVM" trace convert "$T/jout" "$T/jint.dat"
	sh -c "$(line true | sed 's/echo x86-tsc/echo no-such-clock/')" 2>/dev/null
	is "$(cat "$T/jout/clock")" local "the clock is the one in force, not the one asked for"
	sh -c "$(line 'sleep 2')" &
	job=$!
	for _ in $(seq 100); do
		[ -n "$(jobs $job)" ] && break
		sleep 0.1
	done
	kill -9 $job
	wait $job 2>/dev/null # it may be in the kernel yet
	ok "what a killed one leaves" [ -n "$(jobs $job)" ]
	sh -c "$(line true)"
	is "$(jobs $job)" "" "goes with the next"
	run unshare -m sh -c 'umount -l /sys/kernel/tracing; umount -l /sys/kernel/debug/tracing
		exec sh -c "$0"' "$(line 'exit 7')"
	is "$code" 7 "tracefs not mounted, though its directory is there: $errs"
	echo 0 >"$other/events/enable"
	rmdir "$other"
fi
done_testing

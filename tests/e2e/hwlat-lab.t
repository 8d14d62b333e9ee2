#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# rtkvm hwlat against known truth in the lab: stops of the whole machine are found on every watched
# CPU and are one event of the platform; a FIFO thread is named; the kernel's tracers work and leave
# nothing; a machine that is not as it should be is refused in one line. make bench has the full
# counts, and the same stops in a guest without an OS.
# shellcheck source=tests/e2e/tap.sh
. tests/e2e/tap.sh

[ "$(id -u)" = 0 ] || skip_all "stopping the lab's machine and reading its files needs root"
command -v qemu-system-x86_64 >/dev/null || skip_all "no qemu-system-x86_64"
"$RTKVM" lab build --flavour fast --kernel rt >"$T/build" 2>&1 || skip_all "the lab's rt kernel cannot be built: $(tail -n 1 "$T/build")"

stops=15
HOG_MS='40 80' tests/e2e/hwlat-lab.sh "$T/lab" "$stops" recall hog machine 2>"$T/said"
is $? 0 "the lab ran"
sed 's/^/# /' "$T/said"

# What another load on this machine adds to a stop is the emulator's noise, not ours to judge here:
# lengths are held against truth in make bench.
found=$(perl tests/e2e/hwlat-match.pl --other-clock "$T/lab/recall.truth" \
	"$T/lab/recall/spikes.jsonl" 2 5 2 3 2>"$T/match")
sed 's/^/# /' "$T/match"
like "$found" "^stops $stops found $stops " "every stop is found on both CPUs"
# On a busy machine one of the two CPUs may come back much later than the other: two stops may be two
# events each, or be taken for what the lab's kernel did then.
as_one=$(printf '%s' "$found" | sed 's/.* as-one \([0-9]*\).*/\1/')
ok "each stop is one event ($as_one of $stops)" test "$as_one" -ge $((stops - 2))
wrong=$(sed -n 's/^named: //p' "$T/match" | tr ',' '\n' | awk -F: '/thread|irq/ { n += $2 } END { print n + 0 }')
ok "none is a thread's or an interrupt's ($wrong)" test "$wrong" -le 2
is "$(jq -r .conditions "$T/lab/recall/run.json")" emulated "the lab's results say what they are"

named=$(jq -r 'select(.kind == "thread" and (.detail | startswith("rthog"))) | .cpu' \
	"$T/lab/hog/spikes.jsonl" | wc -l)
ok "the hog is named ($named of $stops)" test "$named" -ge $((stops - 2))

# --- the kernel's tracers ---
cd "$T/lab/machine" || exit 1
for name in hwlat osnoise timerlat; do
	is "$(cat $name.code)" 0 "--detector $name: $(cat $name.err)"
	ok "$name finds something in an emulated machine" test -s $name/spikes.jsonl
	is "$(diff $name.before $name.after)" "" "$name leaves every setting as it was"
	knob=${name/#timerlat/osnoise} # timerlat's settings are osnoise's
	like "$(cat $name.dry)" "would alter: /sys/kernel/tracing/$knob.* -> .*, put back" \
		"the dry run of $name lists its settings"
	like "$(grep '^Altered' $name.txt)" "^Altered: /sys/kernel/tracing/$knob.* -> .*, put back" "so does the report"
done
for name in osnoise timerlat; do
	ok "$name names a thread that takes the CPU" grep -q '"kind":"thread","detail":"rthog' $name/spikes.jsonl
done
like "$(cat killed.left)" 'rtkvm-[0-9]+-timerlat' "kill -9 leaves its settings"
is "$(diff killed.before killed.after)" "" "and the next start puts them back"

# --- a machine that is not as it should be ---
is "$(cat tsc.code) $(cat offline.code) $(cat lockdown.code) $(cat lockdown-tracer.code)" \
	"2 1  2 1  2 1  2 1 " "refused with exit code 2, in one line, leaving nothing"
like "$(cat tsc.err)" 'not invariant .*lengths would be wrong; --allow-unstable-tsc' "a TSC that is not invariant"
like "$(cat offline.err)" 'CPU 2 is offline; online are 0-1,3' "a CPU taken offline"
like "$(cat lockdown.err)$(cat lockdown-tracer.err)" 'lockdown.*lockdown' "lockdown, and a trace is asked for"
like "$(grep '^Evidence' lockdown-auto.txt)" '^Evidence: no trace \(.*lockdown' "lockdown, and counters do: said so"
cd "$OLDPWD" || exit 1

done_testing

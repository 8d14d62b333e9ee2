#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# rtkvm trace count: its trace instance comes and goes, the control protocol, bad input
. tests/e2e/tap.sh

[ "$(id -u)" = 0 ] || skip_all "trace instances need root"
tracefs=$T/tracing
mkdir "$tracefs"
mount -t tracefs none "$tracefs" 2>/dev/null || skip_all "tracefs cannot be mounted here"
on_exit "umount '$tracefs'"
[ -d "$tracefs/events/kvm/kvm_exit" ] || skip_all "the kernel has no kvm events (is KVM loaded?)"

ours() { # instances of process $1
	find "$tracefs/instances" -maxdepth 1 -name "rtkvm-$1-*" | wc -l
}

sleep 300 &
victim=$!
on_exit "kill $victim 2>/dev/null"

run "$RTKVM" trace count --pid $victim --duration 1s --json
is "$code" 0 "counts a process that has no guest"
is "$(printf '%s' "$out" | jq -c '[.event, .lost, .threads]')" '["counted",0,[]]' "and finds nothing"
like "$out" '"method":"(histogram|events)"' "says how it counted"
run "$RTKVM" trace count --pid $victim --duration 1s
like "$out" "no thread left its guest" "says so in words"

# the control protocol, as a program uses it
mkfifo "$T/in"
"$RTKVM" trace count --pid $victim --control <"$T/in" >"$T/out" 2>"$T/err" &
counter=$!
exec 3>"$T/in"
for _ in $(seq 100); do [ -s "$T/out" ] && break; sleep 0.05; done
is "$(ours $counter)" 1 "one instance while it counts"
printf 'begin\nend\nbegin\n' >&3
for _ in $(seq 100); do [ "$(wc -l <"$T/out")" = 4 ] && break; sleep 0.05; done
sleep 0.3
printf 'end\n' >&3
exec 3>&-
wait $counter
is $? 0 "ends when its stdin ends"
is "$(jq -r .event "$T/out" | paste -sd' ')" "ready begun counted begun counted" "answers every line"
is "$(jq -s '.[4].seconds >= 0.3' "$T/out")" true "the second window is as long as it was"
is "$(ours $counter)" 0 "the instance is gone"

# a real VMM: what is counted is what the VMM counted itself; all its output follows the spin
payload=build/guests/flat/script.elf
if [ -r $payload ] && [ -w /dev/kvm ]; then
	"$RTKVM" run --kernel $payload --cpus 0 --allow-shared --memory 16M --data /dev/null \
		--events "$T/events" --timeout 120s --append "spin:5000 data:1000 exit:0" >"$T/vmm" 2>&1 &
	vmm=$!
	for _ in $(seq 100); do grep -qs started "$T/events" && break; sleep 0.05; done
	mkfifo "$T/in2"
	"$RTKVM" trace count --pid $vmm --control <"$T/in2" >"$T/out" 2>"$T/err" &
	counter=$!
	exec 3>"$T/in2"
	echo begin >&3
	wait $vmm
	is $? 0 "the VMM ran"
	echo end >&3
	exec 3>&-
	wait $counter
	is "$(jq -c 'select(.event == "counted") | [.lost, .threads[0].tid, .threads[0].userspace.io]' "$T/out")" \
		"$(jq -c 'select(.event == "ended") | [0, .vcpus[0].tid, .vcpus[0].exits.io]' "$T/events")" \
		"as many returns to user space as the VMM counted: $(jq -c 'select(.event == "ended") |
			.vcpus[0].exits' "$T/events")"
else
	skip 2 "no /dev/kvm or no flat payload"
fi

# a signal ends it, and removes the instance
"$RTKVM" trace count --pid $victim >/dev/null 2>&1 &
counter=$!
for _ in $(seq 100); do [ "$(ours $counter)" = 1 ] && break; sleep 0.05; done
kill -TERM $counter
wait $counter
is "$? $(ours $counter)" "0 0" "SIGTERM: ends and removes its instance"

# what kill -9 leaves, the next one removes; a living one's instance stays
"$RTKVM" trace count --pid $victim >/dev/null 2>&1 &
dead=$!
"$RTKVM" trace count --pid $victim >/dev/null 2>&1 &
alive=$!
for _ in $(seq 100); do [ "$(ours $dead)$(ours $alive)" = 11 ] && break; sleep 0.05; done
kill -KILL $dead
wait $dead 2>/dev/null
is "$(ours $dead)" 1 "kill -9 leaves an instance"
run "$RTKVM" trace count --pid $victim --duration 10ms
is "$(ours $dead) $(ours $alive)" "0 1" "the next start removes it, and only it"
kill $alive
wait $alive

# the process watched ends: so does an uncontrolled count, in time
sleep 0.5 &
run "$RTKVM" trace count --pid $! --duration 60s
is "$code" 3 "the process ended before the duration: incomplete"

# without a mount of tracefs it finds its own, and leaves none behind
run unshare -m --propagation private sh -c '
	for m in $(awk "\$3 == \"tracefs\" || \$3 == \"debugfs\" { print \$2 }" /proc/mounts); do umount -l "$m"; done
	"$0" trace count --pid '$victim' --duration 10ms --json && ! grep -q tracefs /proc/mounts' "$RTKVM"
is "$code" 0 "works where tracefs is not mounted, and mounts it nowhere"

fails 2 'watching process 4194303 failed: there is no such process' "no such process" \
	"$RTKVM" trace count --pid 4194303
fails 2 '--pid is missing' "no process" "$RTKVM" trace count
fails 2 '--pid: "x" is not a number' "a word for a process" "$RTKVM" trace count --pid x
fails 2 'out of range' "a process id that cannot be" "$RTKVM" trace count --pid 99999999
fails 2 'not a duration|is not a duration' "a duration that is none" \
	"$RTKVM" trace count --pid $victim --duration soon
fails 2 'exclude each other' "control and duration" \
	"$RTKVM" trace count --pid $victim --control --duration 1s
fails 2 'one argument too many' "a stray argument" "$RTKVM" trace count --pid $victim x
fails 2 'is not a sub-verb' "an unknown sub-verb" "$RTKVM" trace foo
fails 2 'sub-verb is missing' "no sub-verb" "$RTKVM" trace
fails 2 'control line "foo" is not understood' "an unknown control line" \
	sh -c 'echo foo | "$0" trace count --pid '$victim' --control' "$RTKVM"
fails 2 'take turns' "end without begin" \
	sh -c 'echo end | "$0" trace count --pid '$victim' --control' "$RTKVM"
fails 2 'too long' "an endless control line" \
	sh -c 'head -c 1000 /dev/zero | tr "\0" x | "$0" trace count --pid '$victim' --control' "$RTKVM"
if command -v setpriv >/dev/null; then
	install -m 755 "$RTKVM" "$T/rtkvm"
	chmod 755 "$T"
	fails 2 'run as root' "not root" \
		setpriv --reuid 65534 --clear-groups "$T/rtkvm" trace count --pid $victim
else
	skip 1 "no setpriv"
fi
done_testing

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# rtkvm ctl and the control socket, with a payload straight on /dev/kvm
# shellcheck source=tests/e2e/tap.sh
. tests/e2e/tap.sh

# --- what needs no VM
fails 2 'name a command' "no command" "$RTKVM" ctl
fails 2 'no such command' "an unknown command" "$RTKVM" ctl reboot
fails 2 'mark: which' "mark without an id" "$RTKVM" ctl mark
fails 2 'out of range' "mark 0" "$RTKVM" ctl mark 0
fails 2 'out of range' "mark 256" "$RTKVM" ctl mark 256
fails 2 'not a number' "mark x" "$RTKVM" ctl mark x
fails 2 'on or off' "rt without a word" "$RTKVM" ctl rt
fails 2 'on or off' "rt maybe" "$RTKVM" ctl rt maybe
fails 2 'takes no argument' "status with an argument" "$RTKVM" ctl status 1
fails 2 'one word too many' "three words" "$RTKVM" ctl mark 2 3
fails 2 'not one of its options' "an unknown option" "$RTKVM" ctl --all status
fails 2 'no VM runs at' "a socket that is not there" "$RTKVM" ctl --vm "$T/none" status
fails 2 'no VM can have such a name' "a name that cannot be" "$RTKVM" ctl --vm 'a b' status
fails 2 '--vm is given twice' "two VMs" "$RTKVM" ctl --vm a --vm b tids
fails 2 '--json is given twice' "--json twice" "$RTKVM" ctl --json --json tids
fails 2 'neither name, process id nor path' "a process id that would wrap" "$RTKVM" ctl --vm 4294967297 tids
fails 2 'process 1 runs no VM' "a process that is no VM" "$RTKVM" ctl --vm 1 status

payload=build/guests/flat/script.elf
[ -w /dev/kvm ] && [ "$(id -u)" = 0 ] && [ -r "$payload" ] || {
	skip 1 "no usable /dev/kvm, not root, or no $payload: nothing to control"
	done_testing
	exit
}

base=("$RTKVM" run --kernel "$payload" --cpus 0 --allow-shared --memory 32M --timeout 5m
	--console /dev/null)
vm() {
	"${base[@]}" "$@"
}
fails 2 '--name: a name has' "a VM's name of digits" vm --name 12
fails 2 '--name: a name has' "a VM's name with a slash" vm --name a/b
fails 2 'nobody could ever resume' "--hold without a socket" vm --hold --ctl none
fails 2 'has 1 to 107 characters' "a path that is too long" vm --ctl "$T/$(printf '%0120d' 1)"
fails 2 'is no connected UNIX' "--ctl /dev/fd/N that is no socket" vm --ctl /dev/fd/3 3</dev/null
fails 2 'opening .* failed' "a directory that is not there" vm --ctl "$T/none/x"
: >"$T/file"
fails 2 'no socket is there' "a file is not replaced" vm --ctl "$T/file"
fails 2 'not one of the choices' "--sandbox maybe" vm --sandbox maybe
for mode in off log; do
	run vm --sandbox $mode --append "data:1000 exit:3"
	is "$code" 3 "--sandbox $mode"
done
run vm --ctl none --append exit:3
is "$code" 3 "--ctl none"

# start NAME OPTION... - a VM in the background, once it has written its events' first line
start() {
	rm -f "$T/$1.ev"
	"${base[@]}" --ctl "$T/$1.sock" --events "$T/$1.ev" "${@:2}" 2>"$T/$1.err" &
	pid=$!
	await $pid test -s "$T/$1.ev"
}
ctl() {
	"$RTKVM" ctl --vm "$T/$vm.sock" "$@"
}

# --- the socket goes at the end, also from a directory that is not root's
mkdir "$T/others"
chown 65534 "$T/others"
run vm --ctl "$T/others/s" --append exit:3
is "$code $(ls "$T/others")" "3 " "no socket is left in another user's directory"

# --- held: nothing runs until resume
vm=held
start held --hold --append "mark:1 exit:6"
is "$(ctl status --json | jq -r .state)" held "--hold"
is "$(stat -c %a "$T/held.sock")" 600 "the socket is its owner's"
is "$(jq -r .ctl "$T/held.ev")" "$T/held.sock" "started tells where it is"
fails 2 'held' "a held VM cannot be paused" ctl pause
is "$(jq -r .event "$T/held.ev" | tail -n 1)" started "no instruction has run"
is "$(ctl resume)" running "resume starts it"
wait $pid
is $? 6 "and it runs to its end"
ok "the socket goes with it" test ! -e "$T/held.sock"
fails 2 'no VM runs at' "nobody answers there" ctl status

# --- status, window, pause
vm=one
start one --append "mark:1 ticks:10 spin:1000000"
status=$(ctl status --json)
is "$(jq -c '.vcpus[0]|[.index,.name,.cpus,.policy,.priority]' <<<"$status")" \
	'[0,"vcpu0","0","fifo",1]' "a vCPU's placement, read back"
is "$(jq -r '.threads[].name' <<<"$status" | grep -cx rtkvm-run)" 1 "other threads are named"
is "$(jq -c '[.memory.bytes,.irqchip,.pid]' <<<"$status")" "[33554432,\"split\",$pid]" "the machine"
is "$(jq -c '[(.helpers|type),.vcpus[0].core_cookie]' <<<"$status")" '["array",false]' \
	"KVM's own threads and the core scheduling cookie"
like "$(ctl status)" 'running, process [0-9]+' "as text"
like "$(ctl status)" '(utilization clamped to at least 1024 of 1024|no utilization clamp).*no core scheduling cookie' "clamp and cookie"
like "$(ctl status)" 'TSC: [0-9]+ kHz, the guest.s ' "and the TSC"
tid=$(ctl tids)
is "$(cat "/proc/$pid/task/$tid/comm")" vcpu0 "tids are thread ids"
is "$(ctl stats --json | jq '.vcpus[0]|[.window,.exits.io]' -c)" '[null,1]' "totals without a window"
ctl mark 2
is "$(ctl pause)" paused "pause"
is "$(ctl pause)" paused "pause again"
is "$(ctl stats --json | jq -c '.vcpus[0].window|[.open,.exits,.userspace_exits]')" \
	'[true,{"intr":1},1]' "the window: the kick is its only exit"
exits() {
	ctl stats --json | jq '.vcpus[0].kvm.exits'
}
before=$(exits)
is "$(exits)" "$before" "a paused guest does not run"
is "$(taskset -p "$tid" | sed 's/.*: //')" 1 "and its thread has not moved"
is "$(ctl resume)" running "resume"
fails 2 'the machine runs' "resume again" ctl resume
ctl mark 3
is "$(ctl stats --json | jq -c '.vcpus[0].window|[.open,(.user_ns_below|add)]')" '[false,1]' \
	"a closed window, with its histogram"
is "$(ctl stats --json | jq '.vcpus[0].host_interrupts|type')" '"object"' "the host's interrupts"
like "$(ctl stats)" 'window of [0-9.]+ s:' "as text"
ctl rt off
is "$(ctl status --json | jq -r '.vcpus[0].policy')" other "rt off"
ctl rt on
is "$(ctl status --json | jq -c '.vcpus[0]|[.policy,.priority]')" '["fifo",1]' "rt on"
is "$(jq -r 'select(.event=="realtime").vcpus[0].policy' "$T/one.ev" | tr '\n' ' ')" "other fifo " \
	"both are told as events"
fails 2 'a running VM has it' "its socket is not taken from it" vm --ctl "$T/one.sock"

# --- what its threads may still do, seen from outside
# privileges KEY - of every thread of ours (a kernel worker of KVM's may stand among them)
privileges() {
	for t in /proc/$pid/task/*; do
		grep -q '^kvm-nx-lpage' "$t/comm" || sed -n "s/^$1:[\t ]*//p" "$t/status"
	done | sort -u | tr '\n' ' '
}
is "$(privileges Seccomp)" "2 " "every thread has a system call filter"
is "$(privileges NoNewPrivs)" "1 " "and can gain no privileges"
like "$(privileges CapEff)" '^0000000000000000 (0000000000800000 )?$' \
	"and no capabilities, but for CAP_SYS_NICE where the limit cannot be raised"
is "$(sed -n 's/^CapEff:[\t ]*//p' "/proc/$pid/task/$tid/status")" 0000000000000000 \
	"a vCPU thread has none"
is "$(ctl status --json | jq -c '[.sandbox,.vcpus[0].seccomp,.vcpus[0].capabilities]')" '["on",2,0]' \
	"status tells"

# --- bad input, many clients, slow ones: the VM goes on
cat >"$T/client.pl" <<'EOP'
use strict;
use IO::Socket::UNIX;
my ($path) = @ARGV;
sub client { IO::Socket::UNIX->new(Peer => $path) or die "connect: $!" }
my $one = client();
print $one "rubbish\n{\"command\":\"fly\"}\n", "x" x 5000, "\n{\"command\":\"tids\"}\n";
$one->flush;
print scalar <$one> for 1 .. 4;
my @slow = map { client() } 1 .. 10;
for my $s (@slow) { $s->syswrite("{\"command\":\"stats\"}\n" x 40) }
print $one "{\"command\":\"mark\",\"id\":9}\n";
$one->flush;
print scalar <$one>;
client() for 1 .. 30;
EOP
like "$(perl "$T/client.pl" "$T/one.sock" | jq -r '.error // .state' | tr '\n' '|')" \
	'^a request is one.*\|there is no such command.*\|a request has at most 1024 bytes\|running\|running\|$' \
	"each bad line gets its error, slow clients hold up nobody"
# those that are gone may still wait in line, and as long the next is told that there are too many
for _ in $(seq 50); do
	state=$(ctl status --json 2>/dev/null | jq -r .state)
	[ -z "$state" ] || break
	sleep 0.2
done
is "$state" running "and the VM lives"
if command -v setpriv >/dev/null; then
	chmod 755 "$T"
	fails 2 'Permission denied' "another user is refused" setpriv --reuid 65534 --clear-groups \
		"$RTKVM" ctl --vm "$T/one.sock" status
else
	skip 1 "no setpriv"
fi
ctl quit
wait $pid
is $? 3 "quit ends the VM as an interrupt does"
is "$(jq -r 'select(.event=="ended").outcome' "$T/one.ev")" interrupted "and the last event says so"

vm=plain
start plain --ordinary 0 --hold
fails 2 'with --fifo 0 or --ordinary for every vCPU: no priority to give' "rt on without a real-time vCPU" ctl rt on
ctl quit
wait $pid

# --- paused VMs end, too; what a dead one left is replaced
vm=two
start two --append "spin:1000000"
ctl pause >/dev/null
kill -TERM $pid
wait $pid
is $? 3 "SIGTERM ends a paused VM"
start two --append "spin:1000000"
kill -KILL $pid
wait $pid 2>/dev/null
ok "kill -9 leaves the socket" test -S "$T/two.sock"
start two --append "spin:1000000"
is "$(ctl status --json | jq -r .pid)" "$pid" "the next start replaces it"
for _ in $(seq 64); do
	ctl interrupt
done
is "$(ctl interrupt 2>&1)" "rtkvm ctl: the guest does not read its console" \
	"a guest that reads no Ctrl-C takes as many as its serial port holds"
ctl nmi
wait $pid
is "$(jq -r 'select(.event=="ended").outcome' "$T/two.ev")" triple-fault \
	"an NMI reaches the guest, which has no handler for it"

# --- by name and process id
name=rtkvm-test-$$
"${base[@]}" --name $name --append "spin:1000000" --events "$T/named.ev" 2>/dev/null &
pid=$!
await $pid test -s "$T/named.ev"
is "$("$RTKVM" ctl --vm $name status --json | jq -r .name)" $name "a VM by name"
is "$("$RTKVM" ctl --vm $pid tids --json | jq -r .pid)" $pid "the same by process id"
fails 2 "a running VM has it" "a name is taken once" vm --name $name
"$RTKVM" ctl --vm $name quit
wait $pid
ok "its socket is gone" test ! -e "/run/rtkvm/vm/$name.sock"
done_testing

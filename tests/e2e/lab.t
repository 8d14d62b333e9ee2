#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# rtkvm lab: a command in the emulated host, what comes back, and every way it can end
# shellcheck source=tests/e2e/tap.sh
# shellcheck disable=SC2154 # code, out, errs come from run
. tests/e2e/tap.sh

command -v qemu-system-x86_64 >/dev/null || skip_all "no qemu-system-x86_64 (make deps)"
run "$RTKVM" lab build --flavour fast
[ "$code" = 0 ] || case $errs in
*"apt knows no package"* | *"downloading package"*) skip_all "no Debian kernel: $errs" ;;
esac
is "$code" 0 "lab build --flavour fast: $errs"

lab_dir=$(dirname "$RTKVM")/lab
machine() {
	"$RTKVM" lab run --flavour fast --console "$T/console" "$@"
}
# The emulator hangs now and then: what is not about that is run in another machine then. What was told of the
# first, with its console's end, is not the test's.
exec 8>&9 # run closes 9 for what it runs
fast() {
	machine --tries 3 "$@" 2>"$T/told"
	local ret=$?
	tell_tries "$T/told" 9>&8
	tac "$T/told" | sed '/: another machine is tried$/,/^--- the end of the lab.s console/d
		/^rtkvm lab: .* places were written again$/d' | tac >&2
	return $ret
}

# gone PID - that process has ended within 5 s
gone() {
	for _ in $(seq 50); do
		kill -0 "$1" 2>/dev/null || return 0
		sleep 0.1
	done
	return 1
}

# appears FILE - within 60 s, not empty
appears() {
	for _ in $(seq 600); do
		[ -s "$1" ] && return 0
		sleep 0.1
	done
	return 1
}

# ended_badly TEXT NAME - exit code 2, the console's tail, TEXT in the last line
ended_badly() {
	is "$code" 2 "$2: exit code 2"
	like "$(printf '%s\n' "$errs" | tail -n 1)" "^rtkvm lab: .*$1" "$2: says so"
	like "$errs" "the end of the lab's console" "$2: shows the console's tail"
}

# --- a command, its output, its results, its exit code

mkdir "$T/share, with a comma"
echo shared >"$T/share, with a comma/file"
# shellcheck disable=SC2016 # expanded in the lab
script='
echo out; echo err >&2
echo "$RTKVM_LAB $(id -u) $PWD"
cat "$RTKVM_SHARE/file"
touch "$RTKVM_SHARE/x" 2>/dev/null && echo "the share is writable"
ls /dev/kvm; rtkvm --version
cat /sys/devices/system/cpu/isolated /sys/devices/system/cpu/nohz_full
mkdir "$RTKVM_RESULTS/sub" && seq 200000 >"$RTKVM_RESULTS/sub/numbers"
seq 200000
exit 42'
run fast --share "$T/share, with a comma" --results "$T/results" -- "$script"
is "$code" 42 "the command's exit code is ours"
is "$errs" err "its standard error is ours, alone"
is "$(printf '%s\n' "$out" | sed -n '1,7p')" "out
fast 0 /root
shared
/dev/kvm
$("$RTKVM" --version)
2-3
2-3" "its standard output is ours; share, /dev/kvm, rtkvm and isolated CPUs are there"
is "$(printf '%s\n' "$out" | sed '1,7d' | sha256sum)" "$(seq 200000 | sha256sum)" \
	"long output comes whole and in order"
is "$(sha256sum <"$T/results/sub/numbers")" "$(seq 200000 | sha256sum)" "results come back"
like "$(cat "$T/console")" 'Linux version .*PREEMPT_RT' "the console is kept apart, in a file"

run fast --cpus 2 --memory 1G --cmdline 'quiet extra=1' -- sh -c 'echo "$1"; nproc; cat /proc/cmdline' x 'a  b'
is "$(printf '%s\n' "$out" | sed -n '1,2p')" "a  b
2" "several words are a program and its arguments; --cpus"
like "$out" 'console=ttyS0 .*quiet extra=1$' "--cmdline takes the place of the isolation"

run "$RTKVM" lab build --flavour fast --kernel generic
is "$code" 0 "lab build --kernel generic: $errs"
run fast --kernel generic -- 'uname -v; ls /dev/kvm'
like "$code $(printf '%s' "$out" | tr '\n' ' ')" '^0 #1 SMP PREEMPT_DYNAMIC .* /dev/kvm' \
	"the other kernel has KVM as well"

run fast -- no-such-program-here with arguments
is "$code" 127 "a program that does not exist is 127"
like "$errs" 'no-such-program-here failed' "and named"

printf 'echo from a shell\nexit 4\n' >"$T/input"
"$RTKVM" lab shell --flavour fast <"$T/input" >"$T/out" 2>&1
is $? 4 "lab shell ends with the shell's exit code"
like "$(cat "$T/out")" 'from a shell' "and takes its input"

# --- two at once

fast --results "$T/r1" -- 'echo 1 >$RTKVM_RESULTS/x; exit 1' 2>/dev/null &
first=$!
"$RTKVM" lab run --flavour fast --results "$T/r2" -- 'echo 2 >$RTKVM_RESULTS/x; exit 2' 2>/dev/null
second=$?
wait $first
is "$? $second $(cat "$T/r1/x" "$T/r2/x" | tr '\n' ' ')" "1 2 1 2 " "two labs do not collide"

# --- ends that are not the command's

run fast --timeout 10s -- 'echo started; sleep 1000'
ended_badly 'did not end within 10 s' "a command past --timeout"
is "$out" started "what it printed until then is ours"

run machine --tries 4 -- 'echo c >/proc/sysrq-trigger; sleep 100'
ended_badly 'ended before the command did: kernel panic: sysrq triggered crash' "a kernel panic"
is "$(printf '%s\n' "$errs" | grep -c 'crash: another machine')" 0 "which --tries alone does not try again"

# shellcheck disable=SC2016 # the machine's own
run machine --tries 4 --retry-panic --results "$T/r4" -- \
	'[ -e $RTKVM_RESULTS/first ] && exit 7; echo >$RTKVM_RESULTS/first; echo c >/proc/sysrq-trigger; sleep 100'
is "$code" 7 "with --retry-panic the command is run in another machine"
like "$(tell_tries "$T/.err" 9>&1)" \
	"^# rtkvm lab: .*: kernel panic: sysrq triggered crash: another machine is tried$" \
	"and that is told, with its cause"

run machine --boot-timeout 1s -- true
is "$code" 2 "a boot that does not come to its end: exit code 2"
like "$errs" 'did not start the command within 1 s' "and says so"

run fast --cmdline 'rdinit=/nothing' -- true
ended_badly 'kernel panic' "a kernel that cannot start the agent"

run fast -- 'poweroff -f 2>/dev/null || echo o >/proc/sysrq-trigger; sleep 100'
ended_badly 'switched off' "a machine that goes off"

# --- interrupted, killed

# not "fast": $! has to be the program, not a shell that runs the function
"$RTKVM" lab run --flavour fast --pid-file "$T/pid" --monitor "$T/mon" --silence 90s -- 'echo up; sleep 1000' \
	>"$T/out" 2>"$T/err" </dev/null &
lab=$!
appears "$T/out"
qemu=$(cat "$T/pid")
ok "--pid-file holds QEMU's process" grep -q qemu "/proc/$qemu/cmdline"
monitor() { # COMMAND: the machine is asked, after it, how it is
	perl -MIO::Socket::UNIX -e '
		$s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die "$!"; $s->autoflush(1);
		print $s "$ARGV[1]\ninfo status\n"; while (<$s>) { print; last if /VM status/ }' "$T/mon" "$1"
}
like "$(monitor '')" 'VM status: running' "--monitor is QEMU's monitor"
# whoever frees a machine lets it run again, which shows that QEMU was reached
told=$(wc -l <"$T/err")
like "$(monitor stop)" 'VM status: paused' "it can stop the machine"
for _ in $(seq 600); do
	[ "$(wc -l <"$T/err")" = "$told" ] || break
	sleep 0.1
done
like "$(tail -n 1 "$T/err")" '^rtkvm lab: no sign of life from the machine for [0-9]+ s; .* [1-9][0-9]* places were written again$' \
	"a silent machine's code is written again"
like "$(monitor '')" 'VM status: running' "and the machine goes on"
kill -INT $lab
wait $lab
is $? 3 "Ctrl-C ends the lab with 3"
is "$(tail -n 1 "$T/err")" "rtkvm lab: interrupted" "and one line"
ok "QEMU is gone" gone "$qemu"
ok "so are pid file and monitor" test ! -e "$T/pid" -a ! -e "$T/mon"

"$RTKVM" lab run --flavour fast --pid-file "$T/pid" -- 'echo up; sleep 1000' \
	>"$T/out" 2>/dev/null </dev/null &
lab=$!
disown $lab
appears "$T/out"
qemu=$(cat "$T/pid")
kill -9 $lab
ok "kill -9 of the lab takes QEMU with it" gone "$qemu"
run fast -- true
is "$code" 0 "and the next one runs"
live=$(find "$lab_dir" -maxdepth 1 -name 'run.*' ! -name '*.lock' | while read -r d; do
	flock -n "$d.lock" true && echo "$d"
done)
is "$live" "" "no dead run's directory is left"

# what is stopped and what hangs look alike from here
"$RTKVM" lab run --flavour fast --pid-file "$T/pid" --silence 20s --tries 2 --results "$T/r3" -- \
	'[ -e $RTKVM_RESULTS/first ] && exit 7; echo >$RTKVM_RESULTS/first; echo up; sleep 1000' \
	>"$T/out" 2>"$T/err" </dev/null &
lab=$!
appears "$T/out"
qemu=$(cat "$T/pid")
kill -STOP "$qemu"
wait $lab
is $? 7 "a machine that hangs: the command is run in another"
like "$(cat "$T/err")" '^rtkvm lab: the emulated host hung: no sign of life for 20 s .*another machine' \
	"and that is told"
ok "the first one is gone" gone "$qemu"

# --- bad input

fails 2 '^rtkvm lab: --tries: a machine whose disk is kept' "two tries of a kept disk" \
	"$RTKVM" lab run --disk "$T/none" --tries 2 -- true
fails 2 '^rtkvm lab: --retry-panic: .*--tries' "a panic is tried again, but how often?" \
	"$RTKVM" lab run --flavour fast --retry-panic -- true
fails 2 '^rtkvm lab: --silence: it has to be longer than 0' "no silence at all" \
	"$RTKVM" lab run --silence 0 -- true

mkdir "$T/bin"
ln -s "$(command -v sh)" "$T/bin/sh"
fails 2 'starting qemu-system-x86_64 failed' "no QEMU" env PATH="$T/bin" "$RTKVM" lab run --flavour fast -- true
fails 2 'run rtkvm lab build' "nothing is built" \
	env RTKVM_HOME="$T/home" "$RTKVM" lab run --flavour fast -- true
fails 2 'run rtkvm lab build' "no disk is built" \
	env RTKVM_HOME="$T/home" "$RTKVM" lab run -- true
fails 2 "sharing $T/none with the lab failed" "--share that is not there" fast --share "$T/none" -- true
fails 2 'not a directory' "--share that is a file" fast --share "$T/input" -- true
fails 2 'a file is in the way' "--results that is a file" fast --results "$T/input" -- true
fails 2 'memory' "more memory than there is" fast --memory 1T -- true
fails 2 'No such file' "a console in no directory" \
	"$RTKVM" lab run --flavour fast --console "$T/none/console" -- true
fails 2 'needs a command' "run without a command" "$RTKVM" lab run
fails 2 'not an action' "unknown action" "$RTKVM" lab boot
fails 2 'full flavour' "--disk with the fast flavour" fast --disk "$T/disk" -- true

# --- the full flavour: systemd, a disk that is kept, the boot loader's command line

if [ "$(id -u)" != 0 ] || ! command -v mmdebstrap >/dev/null; then
	skip 7 "the full flavour's disk needs root and mmdebstrap"
	done_testing
	exit
fi
run "$RTKVM" lab build
is "$code" 0 "lab build: $errs"
run "$RTKVM" lab build
like "$out" 'disk: up to date' "a second time there is nothing to do"
run "$RTKVM" lab run --disk "$T/disk" --results "$T/full" -- '
	systemctl is-system-running --wait # "starting" while another unit does
	echo "$RTKVM_LAB"; uname -v; rtkvm --version; cat /sys/devices/system/cpu/isolated
	sed -i "s/^set tuned_params=.*/set tuned_params=\"isolcpus=3 rtkvm_test=1\"/
		/^\tlinux/s/$/ \$tuned_params/" /boot/grub/grub.cfg
	echo kept >/root/kept; echo 5 >$RTKVM_RESULTS/five; exit 5'
is "$code" 5 "full: the command's exit code is ours"
like "$(printf '%s' "$out" | tr '\n' ' ')" \
	"^running full .*PREEMPT_RT.* $("$RTKVM" --version) 2-3" "full: systemd is up"
is "$(cat "$T/full/five")" 5 "full: results come back"
run "$RTKVM" lab run --disk "$T/disk" --cmdline-from-image -- \
	'cat /root/kept /sys/devices/system/cpu/isolated /proc/cmdline'
is "$(printf '%s\n' "$out" | sed -n '1,2p')" "kept
3" "full: --disk keeps what was written; --cmdline-from-image boots as its GRUB would"
like "$out" 'quiet.*rtkvm_test=1' "full: with GRUB's other parameters"
done_testing

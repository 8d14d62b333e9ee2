#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# hwlat-lab.sh OUT COUNT PART... - run detectors in the lab and disturb them from outside
# PART: recall	COUNT stops of the whole machine, hwlatdetect beside
#	vcpu	one CPU stopped COUNT times
#	nmi	COUNT NMIs
#	hog	COUNT times a FIFO thread
#	irq	COUNT long interrupts of a key; wants KERNEL=generic, on PREEMPT_RT they are threads
#	gap	COUNT stops of the whole machine, rtkvm bench gap beside
#	guest	COUNT times a thread of the lab's host takes a vCPU; wants build/guests/debian-rt
#	resolution	what the loop, oslat and the kernel's tracer can tell
#	machine	the kernel's tracers, and machines that are not as they should be
# NICE: the emulator's nice value. HOG_MS: how long a hog lasts, "LEAST MOST".
# OUT gets run directories and the truth, as OUT/PART and OUT/PART.truth. Run it from the top.
set -u
out=$1 count=$2
shift 2
rtkvm=${RTKVM:-$PWD/build/rtkvm}
mkdir -p "$out" || exit 2
signs=$out/signs
fifo=$out/said
bad=0
mkdir -p "$signs" || exit 2
signs=$(realpath "$signs")
mkfifo "$fifo" || exit 2
trap 'kill "$lab" 2>/dev/null; rm -f "$fifo"' EXIT

# a little longer than the stops take: 110 ms and 150 ms between them on average, 10 s to start
env_of="HOG_MS='${HOG_MS:-5 20}' THRESHOLD=${THRESHOLD:-1ms} STEP=${STEP:-20us} PEER_S=$((10 + count * 27 / 100))"
setsid "$rtkvm" lab run --flavour fast --kernel "${KERNEL:-rt}" --cpus 4 --memory 2G --share "$PWD" --share "$signs" \
	--cmdline 'quiet isolcpus=managed_irq,domain,2-3 nohz_full=2-3 rcu_nocbs=2-3 apic_extnmi=all log_buf_len=4M' \
	--pid-file "$out/pid" --monitor "$out/monitor" --silence 3m --results "$out" --timeout 30m -- \
	"$env_of $PWD/tests/e2e/hwlat-lab-job.sh $PWD $signs $count $*" >"$fifo" 2>"$out/lab.err" </dev/null &
lab=$!

# monitor COMMAND... - QEMU's answers to monitor commands
monitor() {
	perl -MIO::Socket::UNIX -e '
		my $s = IO::Socket::UNIX->new(Peer => shift) or die "monitor: $!\n";
		for (@ARGV) { print $s "$_\n"; select(undef, undef, undef, 0.2); }
		$s->shutdown(1); $s->timeout(2); print while <$s>;' "$out/monitor" "$@"
}

vcpu_thread() { # CPU
	monitor 'info cpus' | sed -n "s/.*CPU #$1: thread_id=\([0-9]*\).*/\1/p" | head -n 1
}

# The whole machine stopped; truth of all threads that read the emulator's clock, the watching CPUs' first.
stop_machine() { # FILE
	chrt -f 20 perl tests/e2e/hwlat-stops.pl "$(cat "$out/pid")" "$count" 20 200 150 \
		"$(vcpu_thread 2)" "$(vcpu_thread 3)" "+$(vcpu_thread 0)" "+$(vcpu_thread 1)" >"$1" || bad=1
}

# One monitor command COUNT times, at random distances; when it took effect the lab's kernel logs.
repeat() { # COMMAND
	perl -MIO::Socket::UNIX -MTime::HiRes=nanosleep -e '
		my ($path, $count, $command) = @ARGV;
		my $s = IO::Socket::UNIX->new(Peer => $path) or die "monitor: $!\n";
		$s->blocking(0);
		for (1 .. $count) {
			nanosleep((0.2 + rand(0.2)) * 1e9);
			syswrite($s, "$command\n");
			sysread($s, my $drop, 65536);
		}' "$out/monitor" "$count" "$1"
}

# The emulator before other work of this machine, so that it is the injected that is measured. Where
# the kernel shares out CPU time by sessions (sched_autogroup), it is the session's nice value that
# counts, and the emulator has a session of its own. In it the watched CPUs come last: they never
# rest, and a thread that loses its CPU to them with one of the emulator's locks holds up them all.
favour() {
	local pid tasks
	[ -n "${NICE:-}" ] || return
	pid=$(cat "$out/pid")
	tasks=("/proc/$pid/task"/*)
	renice -n "$NICE" -p "${tasks[@]##*/}" >/dev/null
	renice -n $((NICE + 4)) -p "$(vcpu_thread 2)" "$(vcpu_thread 3)" >/dev/null
	[ ! -e "/proc/$pid/autogroup" ] || echo "$NICE" >"/proc/$pid/autogroup"
}

while IFS= read -r line; do
	echo "# $line" >&2
	case $line in
	"READY "*) favour ;;
	esac
	case $line in
	"READY recall"*) stop_machine "$out/recall.truth" ;;
	"READY gap"*) stop_machine "$out/gap.truth" ;;
	"READY vcpu"*)
		tid=$(vcpu_thread 3)
		build/tests/tools/threadstop "${tid:-0}" "$count" 5 50 >"$out/vcpu.truth" || bad=1
		;;
	"READY nmi"*) repeat nmi ;;
	"READY irq"*) repeat 'sendkey alt-sysrq-m 1' ;;
	esac
	case $line in
	"READY "*) : >"$signs/end-${line#READY }" ;;
	esac
done <"$fifo"
wait "$lab"
code=$?
[ $code = 0 ] || sed 's/^/# /' "$out/lab.err" >&2
[ $bad = 0 ] || echo "# the truth of a part is not whole" >&2
exit $((code ? code : bad))

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# hwlat-lab.sh OUT COUNT PART... - run detectors in the lab and disturb them from outside
# PART: recall (COUNT stops of the whole machine), peer (hwlatdetect, a quarter of them), vcpu (one
# CPU stopped COUNT times), nmi (COUNT NMIs), hog (COUNT times a FIFO thread), irq (a storm).
# OUT gets run directories and the truth, as OUT/PART and OUT/PART.truth. Run it from the top.
set -u
out=$1 count=$2
shift 2
rtkvm=${RTKVM:-$PWD/build/rtkvm}
mkdir -p "$out" || exit 2
signs=$out/signs
fifo=$out/said
mkdir -p "$signs" || exit 2
signs=$(realpath "$signs")
mkfifo "$fifo" || exit 2
trap 'kill "$lab" 2>/dev/null; rm -f "$fifo"' EXIT

env_of="THRESHOLD=${THRESHOLD:-1ms} STEP=${STEP:-20us} STORM_S=${STORM_S:-30} PEER_S=${PEER_S:-60}"
"$rtkvm" lab run --flavour fast --kernel rt --cpus 4 --memory 2G --share "$PWD" --share "$signs" \
	--cmdline 'quiet isolcpus=managed_irq,domain,2-3 nohz_full=2-3 rcu_nocbs=2-3 apic_extnmi=all' \
	--pid-file "$out/pid" --monitor "$out/monitor" --results "$out" --timeout 30m -- \
	"$env_of $PWD/tests/e2e/hwlat-lab-job.sh $PWD $signs $count $*" >"$fifo" 2>"$out/lab.err" </dev/null &
lab=$!

# monitor COMMAND... - QEMU's answers to monitor commands
monitor() {
	perl -MIO::Socket::UNIX -e '
		my $s = IO::Socket::UNIX->new(Peer => shift) or die "monitor: $!\n";
		for (@ARGV) { print $s "$_\n"; select(undef, undef, undef, 0.2); }
		$s->shutdown(1); $s->timeout(2); print while <$s>;' "$out/monitor" "$@"
}

# NMIs come at known times and leave at unknown ones: the truth is where they began.
nmis() {
	perl -MIO::Socket::UNIX -MTime::HiRes=clock_gettime,CLOCK_REALTIME,nanosleep -e '
		my ($path, $count) = @ARGV;
		my $s = IO::Socket::UNIX->new(Peer => $path) or die "monitor: $!\n";
		$s->blocking(0);
		for (1 .. $count) {
			nanosleep((0.2 + rand(0.2)) * 1e9);
			syswrite($s, "nmi\n");
			sysread($s, my $drop, 65536);
		}' "$out/monitor" "$count"
}

while IFS= read -r line; do
	echo "# $line" >&2
	case $line in
	"READY recall"*) perl tests/e2e/hwlat-stops.pl "$(cat "$out/pid")" "$count" 20 200 150 >"$out/recall.truth" ;;
	"READY peer"*) perl tests/e2e/hwlat-stops.pl "$(cat "$out/pid")" $((count / 4)) 20 200 500 >"$out/peer.truth" ;;
	"READY vcpu"*)
		tid=$(monitor 'info cpus' | sed -n 's/.*CPU #3: thread_id=\([0-9]*\).*/\1/p' | head -n 1)
		build/tests/tools/threadstop "${tid:-0}" "$count" 5 50 >"$out/vcpu.truth"
		;;
	"READY nmi"*) nmis ;;
	esac
	case $line in
	"READY "*) : >"$signs/end-${line#READY }" ;;
	esac
done <"$fifo"
wait "$lab"
code=$?
[ $code = 0 ] || sed 's/^/# /' "$out/lab.err" >&2
exit $code

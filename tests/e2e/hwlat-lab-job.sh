#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# hwlat-lab-job.sh TOP SIGNS COUNT PART... - what runs inside the lab: a detector for each part, told to
# the outside by READY lines; the outside stops the machine, or a vCPU, or sends NMIs or keys.
# Results: $RTKVM_RESULTS/PART/ (a run directory), PART.truth where the truth is known inside.
set -u
top=$1 signs=$2 count=$3
shift 3
cpu=3 # the CPU of parts that concern one

detect() { # PART CPUS OPTION...
	part=$1 cpus=$2
	shift 2
	rtkvm hwlat --cpus "$cpus" --duration 1h --threshold "${THRESHOLD:-1ms}" \
		--step "${STEP:-20us}" \
		--rt-limit lift --allow-unstable-tsc --quiet --out "$RTKVM_RESULTS/$part" "$@" &
	detector=$!
	tries=0
	until [ -s "$RTKVM_RESULTS/$part/hwlat.txt" ] || [ $tries = 100 ]; do
		sleep 0.2
		tries=$((tries + 1))
	done
	sleep 1
}

finish() {
	kill -INT "$detector"
	wait "$detector"
	echo "DONE $part"
}

hogs() {
	detect hog $cpu
	# the policy first: an ordinary thread would never get this CPU
	echo "READY hog"
	# shellcheck disable=SC2086 # two numbers
	chrt -f 50 taskset -c $cpu perl "$top/tests/e2e/hwlat-hogs.pl" "$count" ${HOG_MS:-5 20} \
		>"$RTKVM_RESULTS/hog.truth"
	finish
}

# Parts that are disturbed from outside end when the outside leaves a file.
await() { # PART
	echo "READY $1"
	until [ -e "$signs/end-$1" ]; do
		sleep 1
	done
}

outside() { # PART CPUS OPTION...
	outside_part=$1
	shift
	detect "$outside_part" "$@"
	await "$outside_part"
	finish
}

# The keyboard's interrupt, pinned. What the kernel prints on the console when told to by the
# "magic" keys it prints within that interrupt (where handlers are no threads: not on PREEMPT_RT),
# and logs when. Each key makes many interrupts, and one of them is long.
storm() {
	echo 1 >/proc/sys/kernel/sysrq
	echo 8 >/proc/sys/kernel/printk # "quiet" would leave nothing to print
	echo $cpu >/proc/irq/1/smp_affinity_list || echo "irq 1 cannot be moved"
	outside irq $cpu
	perl "$top/tests/e2e/hwlat-kmsg.pl" '^sysrq: Show Memory' >"$RTKVM_RESULTS/irq.truth"
	grep 'i8042' /proc/interrupts
}

# Handlers log that they did not know the NMI, and on which CPU; the bit of the reason differs. Most
# take less than a millisecond even here.
nmis() {
	THRESHOLD=200us
	outside nmi $cpu
	unset THRESHOLD
	perl "$top/tests/e2e/hwlat-kmsg.pl" "NMI received for unknown reason .* on CPU $cpu" \
		>"$RTKVM_RESULTS/nmi.truth"
}

# The kernel's tracer at hwlatdetect's default watches the same stops, on the CPUs that are free: its
# thread moves about, and would wait for ever for a CPU of ours.
recall() {
	perl -MTime::HiRes=clock_gettime,CLOCK_REALTIME,CLOCK_MONOTONIC \
		-e 'printf "%.6f\n", clock_gettime(CLOCK_REALTIME) - clock_gettime(CLOCK_MONOTONIC)' \
		>"$RTKVM_RESULTS/peer.clock"
	hwlatdetect --cpu-list 0-1 --duration "${PEER_S:-10}" --threshold 1000 >"$RTKVM_RESULTS/peer.txt" 2>&1 &
	peer=$!
	outside recall 2-3
	wait $peer
}

# What the kernel's tracers find of a thread that takes the CPU, and whether they leave anything.
settings() {
	grep -s . /sys/kernel/tracing/osnoise/* /sys/kernel/tracing/hwlat_detector/w* \
		/sys/kernel/tracing/hwlat_detector/mode /sys/kernel/tracing/tracing_thresh \
		/proc/sys/kernel/watchdog_cpumask /proc/sys/kernel/sched_rt_runtime_us
	ls /sys/kernel/tracing/instances
}

tracer() { # NAME OPTION...
	settings >"$1.before"
	rtkvm hwlat --detector "$1" --dry-run --cpus $cpu --allow-unstable-tsc >"$1.dry" 2>&1
	chrt -f 97 taskset -c $cpu perl "$top/tests/e2e/hwlat-hogs.pl" 60 20 40 >/dev/null &
	hog=$!
	rtkvm hwlat --detector "$@" --cpus $cpu -d 6s --threshold 1ms --allow-unstable-tsc --smoke \
		--no-watchdog --hardlimit 10s --out "$1" >"$1.txt" 2>"$1.err"
	echo $? >"$1.code"
	kill $hog
	wait $hog
	settings >"$1.after"
}

# Bad states of a machine, each with what rtkvm says and its exit code; the last cannot be undone.
refused() { # NAME OPTION...
	name=$1
	shift
	rtkvm hwlat -d 1s --out "$name.run" "$@" >"$name.out" 2>"$name.err"
	echo "$? $(wc -l <"$name.err") $([ -e "$name.run" ] && echo left)" >"$name.code"
}

machine() {
	mkdir "$RTKVM_RESULTS/machine"
	cd "$RTKVM_RESULTS/machine" || exit 2
	mountpoint -q /sys/kernel/tracing || mount -t tracefs tracefs /sys/kernel/tracing
	tracer hwlat
	tracer osnoise --window 500ms # below the runtime that is in force
	tracer timerlat
	settings >killed.before
	rtkvm hwlat --detector timerlat --window 2ms --cpus $cpu -d 1h --allow-unstable-tsc \
		--no-watchdog --quiet --out killed &
	detector=$!
	tries=0
	until grep -qs '"cpu"' killed/spikes.jsonl || [ $tries = 50 ]; do
		sleep 0.2
		tries=$((tries + 1))
	done
	kill -9 $detector
	wait $detector
	settings >killed.left
	rtkvm hwlat --cpus $cpu -d 1s --evidence counters --allow-unstable-tsc --quiet --out after
	settings >killed.after
	refused tsc --cpus $cpu
	echo 0 >/sys/devices/system/cpu/cpu2/online
	refused offline --cpus 2-3 --allow-unstable-tsc
	echo 1 >/sys/devices/system/cpu/cpu2/online
	mountpoint -q /sys/kernel/security || mount -t securityfs securityfs /sys/kernel/security
	echo confidentiality >/sys/kernel/security/lockdown
	refused lockdown --cpus $cpu --allow-unstable-tsc --evidence trace
	refused lockdown-tracer --cpus $cpu --allow-unstable-tsc --detector hwlat
	rtkvm hwlat --cpus $cpu -d 1s --allow-unstable-tsc --smoke --hardlimit 10s --out lockdown-auto \
		>lockdown-auto.txt 2>&1
	cd / || exit 2
}

# rtkvm hwlat in a PREEMPT_RT guest of rtkvm run. A thread of the host takes the vCPU's CPU.
guest() {
	cd "$RTKVM_RESULTS" || exit 2
	tree=/tmp/guest/opt/hwlat
	mkdir -p $tree
	cp "$(command -v rtkvm)" $tree/rtkvm
	for lib in $(ldd "$(command -v rtkvm)" | grep -o '/[^ ]*'); do
		cp -L "$lib" $tree
	done
	(cd /tmp/guest && find . | cpio -o -H newc --quiet) | cat "$top/build/guests/debian-rt/initrd" - \
		>/tmp/initrd
	job="/opt/hwlat/ld-linux-x86-64.so.2 --library-path /opt/hwlat /opt/hwlat/rtkvm hwlat --guest \
--cpus 1 --duration $((10 + count * 16 / 100))s --threshold 1ms --step 20us --rt-limit lift \
--allow-unstable-tsc --hardlimit 10s --out /tmp/h; grep -E 'latency_ns.:[0-9]{8}' /tmp/h/spikes.jsonl >/out/spikes.jsonl"
	# only samples of 10 ms and more come back: each byte is an exit of the guest
	rtkvm run --kernel "$top/build/guests/debian-rt/vmlinuz" --initrd /tmp/initrd --memory 384M \
		--cpus 2-3 --timeout 5m --console guest.con --data guest.data --append "console=ttyS0 \
quiet panic=-1 isolcpus=managed_irq,domain,1 nohz_full=1 rcu_nocbs=1 irqaffinity=0 nosoftlockup \
rtkvm.exec=\"$job\"" 2>guest.err &
	vmm=$!
	tries=0
	until grep -qs 'Starting test' guest.con || [ $tries = 300 ]; do
		sleep 0.2
		tries=$((tries + 1))
	done
	sleep 1
	chrt -f 50 taskset -c $cpu perl "$top/tests/e2e/hwlat-hogs.pl" "$count" 20 60 >guest.truth
	wait $vmm
	echo $? >guest.code
	mkdir -p guest
	grep -a '^{"instrument":"hwlat"' guest.data >guest/spikes.jsonl
	cd / || exit 2
}

# The same stops seen by a guest without an OS, on the other isolated CPU. It tells what it saw when its
# time is up, so that is longer than detector and stops should take.
gap() {
	rtkvm bench gap --cpu 3 --duration "$((30 + count / 2))s" --threshold 10ms --json \
		>"$RTKVM_RESULTS/gap.json" 2>"$RTKVM_RESULTS/gap.err" &
	bench=$!
	detect gap 2
	sleep 2
	await gap
	finish
	wait $bench || cat "$RTKVM_RESULTS/gap.err"
}

for part in "$@"; do
	case $part in
	recall) recall ;;
	vcpu) outside vcpu $cpu --guest ;;
	nmi) nmis ;;
	hog) hogs ;;
	irq) storm ;;
	gap) gap ;;
	machine) machine ;;
	resolution) RTKVM=rtkvm "$top/tests/bench/hwlat" in-lab >"$RTKVM_RESULTS/resolution.txt" 2>&1 ;;
	guest) guest ;;
	esac
done

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# hwlat-lab-job.sh TOP SIGNS COUNT PART... - what runs inside the lab: a detector for each part, told to
# the outside by READY lines; the outside stops the machine, or a vCPU, or sends NMIs.
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
	chrt -f 50 taskset -c $cpu perl "$top/tests/e2e/hwlat-hogs.pl" "$count" 5 20 \
		>"$RTKVM_RESULTS/hog.truth"
	finish
}

# The interrupt with the most traffic that can be moved: the virtio device behind the file system.
storm() {
	irq=$(awk -F: '/virtio.*(request|req|9p|input)/ { n = 0; split($2, v, " ");
		for (i = 1; i <= 4; i++) n += v[i]; if (n > most) { most = n; irq = $1 } }
		END { print irq + 0 }' /proc/interrupts)
	grep "^ *$irq:" /proc/interrupts
	echo $cpu >"/proc/irq/$irq/smp_affinity_list" || echo "irq $irq cannot be moved"
	detect irq $cpu
	echo "READY irq"
	end=$(($(date +%s) + ${STORM_S:-30}))
	while [ "$(date +%s)" -lt $end ]; do
		find "$top/docs" "$top/lib" -type f -exec cat {} + >/dev/null 2>&1
		echo 3 >/proc/sys/vm/drop_caches
	done
	finish
	grep "^ *$irq:" /proc/interrupts
	echo 0 >"/proc/irq/$irq/smp_affinity_list"
}

# Parts that are disturbed from outside end when the outside leaves a file.
outside() { # PART CPUS OPTION...
	outside_part=$1
	shift
	detect "$outside_part" "$@"
	echo "READY $outside_part"
	until [ -e "$signs/end-$outside_part" ]; do
		sleep 1
	done
	finish
}

peer() {
	echo "READY peer"
	hwlatdetect --duration "${PEER_S:-60}" --threshold 200us >"$RTKVM_RESULTS/peer.txt" 2>&1
	echo "DONE peer"
}

for part in "$@"; do
	case $part in
	recall) outside recall 2-3 ;;
	vcpu) outside vcpu $cpu --guest ;;
	nmi) outside nmi $cpu ;;
	hog) hogs ;;
	irq) storm ;;
	peer) peer ;;
	esac
done

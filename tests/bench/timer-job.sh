#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# timer-job ROUNDS DURATION OPTION... - the payloads timer and exits under both VMMs in turn, with
# these options of rtkvm bench; a file a run
set -u
cd "$RTKVM_RESULTS" || exit 2
bad=0
rounds=$1 duration=$2
shift 2
# as the tuned profiles do: a payload that spins would be taken off its CPU for 50 ms every second
echo -1 >/proc/sys/kernel/sched_rt_runtime_us
for round in $(seq "$rounds"); do
	case $((round % 2)) in
	1) pair='rtkvm qemu' ;;
	*) pair='qemu rtkvm' ;;
	esac
	for payload in timer exits; do
		for vmm in $pair; do
			if rtkvm bench $payload --vmm $vmm --duration "$duration" --json "$@" >result; then
				{
					echo "{\"round\":$round,\"result\":"
					cat result
					echo "}"
				} >"$round-$payload-$vmm.json"
			else
				echo "round $round, $payload under $vmm: failed"
				bad=1
			fi
		done
	done
done
rm result
exit $bad

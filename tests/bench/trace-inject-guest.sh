#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# trace-inject-guest.sh COUNT MIN MAX HOST_S KIND... - in the guest: a measured thread on vCPU 1, made
# late COUNT times by each KIND; then it runs on for HOST_S, while the host makes it late.
# The injections' times go to /out/truth, what went wrong to the console.
count=$1 min=$2 max=$3 host_s=$4
shift 4
echo -1 >/proc/sys/kernel/sched_rt_runtime_us
cyclictest -q -m -p 90 -a 1 -t 1 -i 10000 -D 1h >/dev/null &
sleep 1
for kind in "$@"; do
	/inject "$kind" "$count" "$min" "$max" 200 1 >>/out/truth || echo "INJECT $kind failed"
done
echo "GUEST DONE"
sleep "$host_s"
kill $!
exit 0

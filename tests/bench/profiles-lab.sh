#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# profiles-lab.sh activate|count ours|stock [SECONDS] - the part of bench/profiles inside the lab
log=/var/log/tuned/tuned.log

case $1 in
activate)
	mkdir -p /usr/local/lib/rtkvm
	cp /run/rtkvm/bin/rtkvm /usr/local/bin/
	cp -r /run/rtkvm/lib/rtkvm/profiles /usr/local/lib/rtkvm/
	[ "$2" = stock ] || rtkvm tune install
	printf 'isolated_cores=2-3\nisolate_managed_irq=Y\n' \
		>/etc/tuned/realtime-virtual-host-variables.conf
	systemctl start tuned && systemctl enable tuned &&
		tuned-adm profile realtime-virtual-host
	exit
	;;
esac

for _ in $(seq 120); do
	grep -q "static tuning from profile 'realtime-virtual-host' applied" "$log" && break
	sleep 1
done
grep -q nohz_full=2-3 /proc/cmdline || exit 1

# The sum over both CPUs of the rows of /proc/interrupts whose names match
irqs() {
	awk -v want="$1" 'NR > 1 { name = $1; sub(":", "", name)
		if (name ~ want) sum += $4 + $5 } END { print sum + 0 }' /proc/interrupts
}
# tasks that got one of the CPUs (the last number of a line of /proc/schedstat)
tasks() { awk '/^cpu[23] / { sum += $NF } END { print sum + 0 }' /proc/schedstat; }
names=("timer interrupts (LOC)" "from other CPUs (RES CAL TLB IWI)" "all other interrupts" "context switches to a task")
counters() {
	irqs '^LOC$'
	irqs '^(RES|CAL|TLB|IWI)$'
	irqs '^([0-9]+|NMI|PMI|MCP|MCE|THR|TRM|DFR)$'
	tasks
}

yes >/dev/null &
find / -xdev -type f -exec cat {} + >/dev/null 2>&1 &
cyclictest -q -m -p 90 -t 2 -a 2,3 -i 10000 -D "$3" >/tmp/cyclictest &
test=$!
sleep 2
mapfile -t before < <(counters)
sleep $(($3 - 4))
mapfile -t after < <(counters)
wait $test
kill %1 %2
for i in "${!names[@]}"; do
	printf '%s\t%d\n' "${names[$i]}" $((after[i] - before[i]))
done >"$RTKVM_RESULTS/$2.counts"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# profiles-lab.sh activate|count ours|stock [SECONDS IMAGE] - the part of bench/profiles inside the lab
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
whose=$2 seconds=$3 image=$4

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
# context switches of the threads that are bound to the CPUs: those of the name, or all but those
switches() { # measured|other NAME
	cat /proc/[0-9]*/task/*/status 2>/dev/null | awk -v which="$1" -v name="$2" '
		/^Name:/ { measured = $2 ~ name }
		/^Cpus_allowed_list:/ { here = $2 ~ /^[23]$/ || $2 == "2-3" }
		/ctxt_switches/ && here && measured == (which == "measured") { sum += $2 }
		END { print sum + 0 }'
}
names=("timer interrupts (LOC)" "from other CPUs (RES CAL TLB IWI)" "all other interrupts"
	"switches of the measured threads" "switches of all other threads")
counters() { # NAME
	irqs '^LOC$'
	irqs '^(RES|CAL|TLB|IWI)$'
	irqs '^([0-9]+|NMI|PMI|MCP|MCE|THR|TRM|DFR)$'
	switches measured "$1"
	switches other "$1"
}
report() { # WHAT: from before and after
	local i
	for i in "${!names[@]}"; do
		printf '%s, %s\t%d\n' "$1" "${names[$i]}" $((after[i] - before[i]))
	done
}

yes >/dev/null &
house=$!
find / -xdev -type f -exec cat {} + >/dev/null 2>&1 &
files=$!
{
	# its main thread, which polls, stays with the house
	cyclictest -q -m -p 90 -t 2 -a 2,3 --mainaffinity=0 -i 10000 >/tmp/cyclictest &
	test=$!
	sleep 2
	mapfile -t before < <(counters '^cyclictest')
	sleep $((seconds - 4))
	mapfile -t after < <(counters '^cyclictest')
	kill -INT $test
	wait $test
	report cyclictest

	# the same amount of work in a guest: what leaves it, and what comes to its CPUs meanwhile
	rtkvm run --kernel "$image/vmlinuz" --initrd "$image/initrd" --memory 256M --hugepages off \
		--cpus 2-3 --timeout 5m --events /tmp/events --console /tmp/console --append \
		"console=ttyS0 quiet isolcpus=managed_irq,domain,1 nohz_full=1 rcu_nocbs=1 irqaffinity=0 rtkvm.exec=\"cyclictest -q -m -p 90 -t 1 -a 1 -i 10000 -l $((seconds * 100))\"" >&2 &
	vmm=$!
	for _ in $(seq 600); do
		grep -qs '"job_start"' /tmp/events && break
		sleep 0.2
	done
	sleep 2
	mapfile -t before < <(counters '^vcpu')
	sleep $((seconds - 4))
	mapfile -t after < <(counters '^vcpu')
	wait $vmm
	cat /tmp/console /tmp/events >&2
	report guest
	jq -r 'select(.event == "ended") | .vcpus[] |
		"guest, exits of vCPU \(.index)\t\(.window.kvm.exits)",
		"guest, of them to the VMM\t\(.window.userspace_exits)",
		"guest, involuntary switches of vCPU \(.index)\t\(.window.involuntary_switches)"' \
		/tmp/events
} >"$RTKVM_RESULTS/$whose.counts"
kill $house $files
exit 0

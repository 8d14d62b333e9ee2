#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# profiles-lab.sh activate|count ours|stock [SECONDS IMAGE] - the part of bench/profiles inside the lab
log=/var/log/tuned/tuned.log
trace=/sys/kernel/tracing

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
seconds=$3 image=$4

for _ in $(seq 240); do
	grep -q "static tuning from profile 'realtime-virtual-host' applied" "$log" && break
	sleep 1
done
grep -q nohz_full=2-3 /proc/cmdline || exit 1

# All that CPUs 2 and 3 do for SECONDS, summed up. The instrument is what the machine is for: its
# threads' switches, interrupts in which its own timer expires, and those by which a vCPU tells another
# of an interrupt between them are counted apart.
count() { # PHASE INSTRUMENT'S-THREADS
	local event
	# off while events come and go: the kernel patches itself for each, with interrupts to all CPUs
	echo 0 >"$trace/tracing_on"
	echo nop >"$trace/current_tracer"
	echo 16384 >"$trace/buffer_size_kb"
	echo c >"$trace/tracing_cpumask"
	echo >"$trace/trace"
	for event in irq_vectors irq/irq_handler_entry sched/sched_switch sched/sched_waking \
		timer/hrtimer_expire_entry kvm/kvm_exit kvm/kvm_apic_accept_irq; do
		echo 1 >"$trace/events/$event/enable"
	done
	echo 1 >"$trace/tracing_on"
	sleep "$seconds"
	echo 0 >"$trace/tracing_on"
	echo 0 >"$trace/events/enable"
	if grep -h '^overrun' "$trace"/per_cpu/cpu[23]/stats | grep -qv ': 0$'; then
		echo "$1: the trace has lost events" >&2
		exit 1
	fi
	awk -v phase="$1" -v own="$2" '
		!match($0, /\[[0-9]+\]/) { next }
		{ cpu = substr($0, RSTART + 1, RLENGTH - 2) }
		!match($0, / [0-9]+\.[0-9]+: [a-z0-9_]+:/) { next }
		{ event = substr($0, RSTART + 1, RLENGTH - 2); sub(/.* /, "", event) }
		event == "local_timer_entry" { in_timer[cpu] = 1; its[cpu] = 0; what[cpu] = "" }
		event == "sched_waking" && in_timer[cpu] && own != "" && $0 ~ "comm=" own { its[cpu] = 1 }
		event == "hrtimer_expire_entry" {
			match($0, /function=[a-z0-9_]+/)
			name = substr($0, RSTART + 9, RLENGTH - 9)
			its[cpu] = its[cpu] || name == "apic_timer_fn"
			if (name == "tick_sched_timer") n_tick++
			what[cpu] = what[cpu] " " name
		}
		event == "local_timer_exit" && in_timer[cpu] {
			if (its[cpu]) {
				n_own++
			} else {
				n_timer++
				kinds["timer" (what[cpu] == "" ? " for nothing" : what[cpu])]++
			}
			in_timer[cpu] = 0
		}
		event == "irq_handler_entry" { n_device++ }
		event == "kvm_apic_accept_irq" && match($0, /apicid [0-9a-f]+/) {
			to = 2 + substr($0, RSTART + 7, RLENGTH - 7)
			if (to != cpu + 0) told[to] = 1
		}
		event == "reschedule_entry" && told[cpu + 0] {
			told[cpu + 0] = 0
			n_own_ipi++
			next
		}
		event ~ /_entry$/ && event !~ /^(local_timer|irq_handler|hrtimer_expire)_entry$/ {
			n_ipi++
			kinds["interrupt " substr(event, 1, length(event) - 6)]++
		}
		event == "kvm_exit" { told[cpu + 0] = 0; n_exit++; n_irq += / reason (interrupt|nmi|smi) / }
		event == "sched_switch" {
			match($0, /next_comm=.* next_pid=/)
			name = substr($0, RSTART + 10, RLENGTH - 20)
			if (name ~ /^swapper/) next
			if (own != "" && name ~ "^" own) { n_measured++; next }
			n_other++
			kinds["task " name]++
		}
		function row(name, n) { printf "%s: %s\t%d\n", phase, name, n }
		END {
			if (own != "") row("interrupts of its own timers", n_own)
			row("other timer interrupts", n_timer)
			row("ticks", n_tick)
			row("interrupts from other CPUs and the CPU itself", n_ipi)
			row("device interrupts", n_device)
			if (own != "") row("switches to its threads", n_measured)
			row("switches to other tasks", n_other)
			if (own == "vcpu") {
				row("interrupts between its vCPUs", n_own_ipi)
				row("exits", n_exit)
				row("exits for interrupts of the host", n_irq)
			}
			for (name in kinds)
				print phase, kinds[name], name >"/dev/stderr"
		}' "$trace/trace"
}

# An emulated CPU that waits for its turn in the middle of an exit looks to RCU like one that stays in
# the kernel, which would be interrupted every few jiffies for a quiescent state. RCU is given as much
# patience as it takes, with either profile: a look each second.
for name in first next; do
	echo 1000 >/sys/module/rcutree/parameters/jiffies_till_${name}_fqs
done
# what an instrument's start leaves behind is over by then: memory that RCU frees goes after 5 s, by a
# worker on the CPU that gave it back
settle=15
yes >/dev/null &
house=$!
while true; do find /usr /etc -xdev -type f -exec cat {} + >/dev/null 2>&1; done &
files=$!
sleep 5
{
	count idle ""

	# its main thread, which polls, stays with the house
	cyclictest -q -m -p 90 -t 2 -a 2,3 --mainaffinity=0 -i 10000 >/tmp/cyclictest &
	test=$!
	sleep $settle
	count cyclictest cyclictest
	kill -INT $test || exit 1
	wait $test

	# the same amount of work in a guest: what leaves it, and what comes to its CPUs meanwhile
	rtkvm run --kernel "$image/vmlinuz" --initrd "$image/initrd" --memory 256M --hugepages off \
		--cpus 2-3 --timeout 8m --events /tmp/events --console /tmp/console --append \
		"console=ttyS0 quiet isolcpus=managed_irq,domain,1 nohz_full=1 rcu_nocbs=1 irqaffinity=0 rtkvm.exec=\"cyclictest -q -m -p 90 -t 1 -a 1 -i 10000 -D 3600\"" >&2 &
	vmm=$!
	for _ in $(seq 600); do
		grep -qs '"job_start"' /tmp/events && break
		sleep 0.2
	done
	sleep $settle
	count guest vcpu
	kill $vmm || exit 1
	wait $vmm
	cat /tmp/console >&2
} >"$RTKVM_RESULTS/counts" 2>"$RTKVM_RESULTS/others"
kill $house $files
exit 0

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# rtkvm run with a Debian PREEMPT_RT guest on an isolated CPU of the lab's PREEMPT_RT host
# shellcheck source=tests/e2e/tap.sh
. tests/e2e/tap.sh

need_lab_guest

R=$T/results
# two NUMA nodes; CPU 2 and 3, which are isolated, are on node 1
run env PATH="$PWD/tests/e2e/numa:$PATH" "$RTKVM" lab run --flavour fast --share "$build" --share "$PWD/tests" --results "$R" \
	--cmdline 'isolcpus=managed_irq,domain,2-3 nohz_full=2-3 rcu_nocbs=2-3 irqaffinity=0-1 hugepagesz=1G hugepages=1:1' \
	--tries 3 --timeout 15m -- sh "$PWD/tests/e2e/vmm-lab-job.sh" "$guest" "$build/tests/tools" \
	"$(find "$build/cache" -name 'vmlinux-*-rt-*' -print -quit)"
tell_tries "$T/.err"
is "$code" 0 "the lab ran: $(printf '%s' "$errs" | tail -n 1)"

ended() {
	jq -r "select(.event==\"ended\")|$2" "$R/$1.ev"
}

# --- the measurement
is "$(cat "$R/cyclictest.code")" 42 "the job's exit code: $(cat "$R/cyclictest.err")"
con=$(cat "$R/cyclictest.con")
like "$con" 'tsc_deadline_timer' "the guest has the TSC-deadline timer"
like "$con" 'x2apic' "and x2APIC"
like "$con" 'constant_tsc.*nonstop_tsc' "and an invariant TSC"
is "$(printf '%s\n' "$con" | grep -c '^processor')" 2 "two vCPUs are up"
like "$con" '^again' "the job ran to its end"
is "$(jq -c 'select(.event=="started").vcpus|map([.cpu,.policy,.priority])' "$R/cyclictest.ev")" \
	'[[2,"fifo",1],[3,"fifo",1]]' "placement, read back"
is "$(jq -c '[.sandbox,(.vcpus[]|.seccomp,.capabilities)]' "$R/ctl.status")" '["on",2,0,2,0]' \
	"rtkvm ctl status: filtered, without capabilities"
is "$(jq -c '.vcpus[1].window|[.open,.userspace_exits]' "$R/ctl.stats")" '[true,0]' \
	"rtkvm ctl stats, asked in the window, costs the vCPU no exit"
ok "the data port carried a file" grep -aq '"histogram"' "$R/cyclictest.data"
is "$(ended cyclictest '.vcpus[1].window|[.userspace_exits,.page_faults,.guest_page_faults]|@csv')" \
	"0,0,0" "isolated vCPU: no user-space exit, no page fault of either level in the window"
# a switch is looked for by name once more than it is counted: sums may differ by that, in one way
named() { # START: of the last vCPU, the named ones and the number of switches
	ended "$1" '.vcpus[-1].window|"\([.preempted_by[]|"\(.name) \(.times)"]|join(", ")) of \(.involuntary_switches)"'
}
ok "no involuntary switch in the window, or each has a name: $(named cyclictest)" \
	test "$(ended cyclictest '.vcpus[1].window|.involuntary_switches <= ([.preempted_by[].times]|add // 0)')" = true
is "$(ended cyclictest '[.vcpus[].window.preempted_by[]|select(.tid == 0 or .name == "")]|length')" 0 \
	"none is for the limit on real-time tasks, which this host has not"
others=$(ended cyclictest '.vcpus[1].window.others|map("\(.name) \(.runs)")|join(", ")')
echo "# who else ran on that CPU between the looks at the two marks: ${others:-nobody}"
# by id, whatever they are called: a vCPU's own thread is not among the others
others_of() { # START: other threads of this VMM that were on its isolated CPUs in the window
	jq -r --rawfile threads "$R/$1.threads" '
		[$threads|splits("\n")|select(. != "")|split(" ")[0]|tonumber] as $own |
		if ($own|length) < 3 then "the threads of the VMM were not seen"
		else select(.event=="ended")|[.vcpus[]|select(.cpu >= 2)|.tid as $self|.window|
			(.others[],(.preempted_by//[])[])|select(.tid != $self and (.tid|IN($own[])))|
			"\(.tid) \(.name)"]|unique|if . == [] then "nobody" else join(",") end end' "$R/$1.ev"
}
is "$(others_of cyclictest)" nobody "no other thread of the VMM woke up on an isolated CPU"
is "$(ended cyclictest '[.vcpus[].window.vmm_thread_runs]|@csv')" 0,0 "and its own count says so"
like "$(named busy)" 'swapper/3 [1-9]' "a vCPU that used up what real-time tasks may have: $(named busy)"
ok "all that it lost its CPU to is named" \
	test "$(ended busy '.vcpus[0].window|.involuntary_switches > 0 and .involuntary_switches <= ([.preempted_by[].times]|add)')" = true
is "$(jq -r 'select(.event=="started").helpers[]|"\(.name) \(.cpus)"' "$R/cyclictest.ev" |
	sed 's/[0-9]* / /')" "kvm-nx-lpage-recovery- 0-1" "nor may KVM's own, outside of it"
is "$(cut -d' ' -f2- "$R/cyclictest.threads" | sort | tr '\n' ',')" "rtkvm-run 0-1,vcpu0 2,vcpu1 3," \
	"no other thread of the VMM may use an isolated CPU"
is "$(ended cyclictest '.memory|.page_bytes==2097152 and .resident_bytes>=.bytes')" true \
	"memory is resident, in huge pages"
is "$(ended poweroff '.memory|.locked_bytes>=.bytes and .resident_bytes>=.bytes')" true \
	"small pages are resident and locked"
is "$(cat "$R/giga.code") $(ended giga '.memory|[.page_bytes,.resident_bytes]|@csv')" \
	"7 $((1 << 30)),$((1 << 30))" "pages of 1 GiB: $(cat "$R/giga.err")"
ok "the VMM takes at most 5 MiB beside it: $(ended cyclictest .overhead_bytes)" \
	test "$(ended cyclictest .overhead_bytes)" -le $((5 << 20))
is "$(ended cyclictest .halt_poll_ns) $(ended busy .halt_poll_ns)" "2000000 200000" \
	"KVM polls longer for real-time vCPUs, unless real-time tasks are limited"
ok "TSC not scaled: $(ended cyclictest '[.vcpus[]|.tsc_off_ppm, .tsc_off_bound_ppm]|tostring'), ppm off and within what" \
	test "$(ended cyclictest 'all(.vcpus[]; .tsc_off_bound_ppm > 0 and .tsc_off_bound_ppm < 62 and
		(.tsc_off_ppm|fabs) <= .tsc_off_bound_ppm + 125)')" = true
is "$(ended cyclictest .tsc_is_host)" true "guest TSC = host TSC, read back"
is "$(cat "$R/tsc-set.code") $(ended tsc-set '[.tsc_is_host, (.vcpus[0].tsc_off_ppm|fabs) < 10000]|tostring')" "5 [false,true]" \
	"a guest that sets its TSC is told from a scaled one: $(cat "$R/tsc-set.err")$(ended tsc-set '[.vcpus[0].tsc_off_ppm, .vcpus[0].tsc_off_bound_ppm]|tostring')"
ok "start to INIT: $(ended cyclictest .start_to_init_ns) ns" \
	test "$(ended cyclictest .start_to_init_ns)" -gt 0

# --- virtio devices
con=$(cat "$R/virtio.con")
is "$(cat "$R/virtio.code")" 7 "a guest with disks, a console and random numbers: $(cat "$R/virtio.err")"
is "$(printf '%s\n' "$con" | grep -oE '^[0-9a-f]{64}' | tr '\n' ' ')" "$(tr '\n' ' ' <"$R/virtio.sums")" \
	"it read one disk and copied it to the other"
is "$(sort -u "$R/virtio.sums" | wc -l)" 1 "byte for byte"
is "$(tr -d '\r' <"$R/hvc")" "over hvc0" "hvc0 is a file"
is "$(tr -d '\r' <"$R/hvc.log")" "over a port" "and so is a named port"
like "$con" '^16' "random numbers"
is "$(ended virtio '[.devices[]|[.name,.broken]]|tostring')" \
	'[["vsock0",false],["net0",false],["net1",false],["disk0",false],["disk1",false],["disk2",false],["rng0",false],["console0",false]]' \
	"no device broke"
is "$(printf '%s\n' "$con" | grep -c '3 packets transmitted, 3 packets received')" 2 \
	"it pings the host over vhost-net and over the VMM's own thread"
like "$con" '^52:54:00:00:00:07' "by the MAC address that was asked for"
is "$(sort -u "$R/vsock.sums" | wc -l)" 1 "what the host sends by AF_VSOCK comes back: $(cat "$R/vsock.err")"
like "$con" "^vsock $(head -n 1 "$R/vsock.sums")" "by way of the guest"
is "$(jq -r 'select(.event=="started").helpers[]|"\(.name) \(.cpus)"' "$R/virtio.ev" |
	grep -c '^vhost-[0-9]* 0-1$')" 2 "vhost's threads, of a network card and the socket, are kept on the housekeeping CPUs"
is "$(ended virtio '.vcpus[1].window.userspace_exits')" 0 \
	"the isolated vCPU did not leave the guest while the disks were copied"
ok "each device's own thread is among those that were seen" test "$(ended virtio '.devices[]|select(.vhost|not).tid' |
	grep -cxFf - <(cut -d' ' -f1 "$R/virtio.threads"))" = "$(ended virtio '[.devices[]|select(.vhost|not)]|length')"
is "$(jq -r 'select(.event=="started").helpers[].tid' "$R/virtio.ev" | sed 's/$/ helper/' >>"$R/virtio.threads"
	others_of virtio)" nobody "and no device's thread, nor vhost's, ran on the isolated CPUs"

# --- the guest's late wake-ups, explained by what both kernels recorded
is "$(cat "$R/traced.code")" 0 "recording host and guest: $(tail -n 1 "$R/traced.err")"
explain() {
	"$RTKVM" trace explain --host "$R/traced.dat" --guest "$R/traced.data" "$@"
}
run explain --threshold 1us --list 4096 --max-clock-error 1ms --json
is "$code" 0 "explaining them: $errs"
printf '%s\n' "$out" >"$T/explained"
is "$(jq '.list|length > 0' "$T/explained")" true "some wake-ups are there: $(jq .spikes "$T/explained")"
is "$(jq '[.list[]|.latency_ns - ([.parts[].ns]|add)]|map(select(. != 0))|length' "$T/explained")" 0 \
	"the parts of each add up to the nanosecond"
is "$(jq -r '.clock|[.name,.offset_ticks,.offset_from]|@csv' "$T/explained")" \
	"\"x86-tsc\",0,\"KVM's debugfs\"" "on one clock"
ok "whose error the events bound: $(jq -c '.clock|[.error_low_ns,.error_high_ns]' "$T/explained") ns" \
	jq -e '.clock.checked_events > 0 and .clock.error_low_ns <= 0 and .clock.error_high_ns >= 0' "$T/explained"
is "$(jq '[.list[]|has("host_cpu") and (.stages|has("on_cpu_ns"))]|any' "$T/explained")" true \
	"stages are found on both sides"
echo "# unexplained: $(jq '[.causes[]|select(.cause == "unexplained").ns]|(add // 0) * 100' "$T/explained") / $(jq .spikes_ns "$T/explained") %, lost $(jq .lost "$T/explained")"
# the guest stops its own ring, then the host's by the freeze port, and only then ships what it has
echo "# recorded after the last late wake-up: $(jq -c .after_last "$T/explained")"
jq -s 'map(select(.name == "job_end").ns)[0]' "$R/traced.ev" >"$T/job_end"
ok "the host's ring stopped before the guest shipped its own" \
	jq -e --slurpfile x "$T/explained" --slurpfile shipped "$T/job_end" '$x[0] as $x |
		($x.list[-1].trace_ns + $x.after_last.host.ns - .begin.ticks * 1e9 / $x.clock.hz + .begin.mono_ns) <
		$shipped[0]' "$R/traced.json"
ok "neither went on to overwrite it" \
	jq -e '[.list[-1].parts[]|select(.cause == "unexplained")]|length == 0' "$T/explained"

# the same offset from nothing but readings of the guest's TSC and the events
mkdir "$T/bare"
cp "$R/traced.dat" "$T/bare/host.dat"
jq -c 'if .event == "started" then .vcpus |= map(del(.tsc_offset)) else . end' "$R/traced.ev" >"$T/bare/events"
echo "# read: $(jq -sc '[.[]|select(.event == "started").vcpus[].tsc|[.[1] - .[2], .[1] - .[0]]]' "$T/bare/events") ticks"
run "$RTKVM" trace explain --host "$T/bare/host.dat" --guest "$R/traced.data" --events "$T/bare/events" \
	--threshold 1us --list 4096 --max-clock-error 1ms --json
is "$code" 0 "an offset that was only read between two readings of the host's TSC: $errs"
printf '%s\n' "$out" >"$T/bracket"
is "$(jq -r .clock.offset_from "$T/bracket")" "the VMM's readings of the TSC" "is used"
ok "and right to its printed error: $(jq -c '.clock|[.offset_ticks,.error_low_ns,.error_high_ns]' "$T/bracket")" \
	jq -e '.clock|.hz as $hz|(-.offset_ticks * 1e9 / $hz) as $off|
		$off >= .error_low_ns - 1 and $off <= .error_high_ns + 1' "$T/bracket"

# --- how guests end
is "$(cat "$R/poweroff.code") $(ended poweroff .outcome)" "0 poweroff" "ACPI power-off, --irqchip full"
is "$(cat "$R/reset.code") $(ended reset .outcome)" "2 reset" "reset without an exit code"
like "$(cat "$R/reset.err")" 'reset itself' "says so"
is "$(cat "$R/panic.code") $(ended panic .outcome)" "2 panic" "no init: the kernel panics"
like "$(cat "$R/panic.err")" 'kernel panicked: (VFS|No working init|Requested init)' "with its reason"
is "$(cat "$R/crash.code") $(ended crash .outcome)" "2 panic" "a crash of the running kernel"
is "$(cat "$R/late.code") $(ended late .outcome)" "2 timeout" "a job that takes longer than --timeout"
is "$(cat "$R/hang.code") $(ended hang .outcome)" "3 interrupted" "one that hangs, and is ended by rtkvm ctl quit"
is "$(tr '\n' ' ' <"$R/ctl.pause")" "paused running " "it can be paused and resumed"
like "$(cat "$R/hang.con")" 'NMI: ' "and gets an NMI"
is "$(cat "$R/shared.code")" 2 "a CPU that is not isolated"
like "$(cat "$R/shared.err")" 'CPU 1 is not isolated \(those are 2-3\); boot the host with' "is refused"
is "$(cat "$R/huge.code") $(ended huge .memory.page_bytes)" "0 2097152" "free huge pages are taken"
like "$(cat "$R/huge.con")" '^Linux version [0-9.]*-.*-rt' "the guest whose kernel is an ELF file has booted, by PVH"
is "$(ended huge '.no_exit + [.vcpus[0].kvm.halt_exits]|@csv')" '"hlt",' "--no-exit hlt: KVM has seen none"
is "$(jq -r 'select(.event=="realtime").vcpus[0].policy' "$R/huge.ev")" fifo "--rt-delay: FIFO once booted"
is "$(jq -c 'select(.event=="started").vcpus|map(.cpu)' "$R/huge.ev")" '[2]' "--placement auto: CPU 2"
like "$(cat "$R/huge.err")" '^rtkvm run: placement: CPU 2: isolated and nohz_full, no busy SMT.* node 1 with free huge pages' \
	"and says why"
is "$(jq -r 'select(.event=="started").placement' "$R/huge.ev")" \
	"$(sed 's/^rtkvm run: placement: //' "$R/huge.err")" "in the events, too"
is "$(ended huge '.memory.nodes|@csv')" 1 "memory is on the vCPU's NUMA node, read back"
is "$(ended poweroff '.memory.nodes|@csv')" 1 "small pages, too"
is "$(cat "$R/second.code")" 2 "--placement auto beside a guest that has the isolated CPUs"
like "$(cat "$R/second.err")" 'CPUs for 1 vCPUs wanted.*isolated there are 2-3: 2-3 (taken by a pinned|claimed, CPU [23] by process)' "is refused"
is "$(cat "$R/three.code")" 2 "--placement auto for more than there are"
like "$(cat "$R/three.err")" 'CPUs for 3 vCPUs wanted, NUMA node 1 has 2 at best \(CPU 2-3\)' "says so"
is "$(cat "$R/claimed.code") $(jq -c 'select(.event=="started").vcpus|map(.cpu)' "$R/claimed.ev")" '7 [3]' \
	"a CPU that another guest has claimed is skipped: $(cat "$R/claimed.err")"
is "$(cat "$R/claimed2.code")" 2 "--placement auto for more than is left"
like "$(cat "$R/claimed2.err")" 'has 1 at best \(CPU 3\).*: 2 claimed by process [0-9]+ \(flock -o .*\); end process [0-9]+, isolate more' "says so"
is "$(ended huge '.vcpus[0].lapic_timer_advance_ns') $(cat "$R/huge.advance")" "2500 -1" \
	"--lapic-timer-advance 2500: the vCPU has it, the host has its own value back"
like "$(ended huge '.vcpus[0].lapic_timer_residual|tojson')" '"(early|late)":[1-9]' \
	"--timer-residual: its deadlines are counted"
is "$(cat "$R/huge.instances")" "" "and both trace instances have gone"
ok "without: the vCPU's own value is read ($(ended cyclictest .vcpus[1].lapic_timer_advance_ns))" \
	test "$(ended cyclictest .vcpus[1].lapic_timer_advance_ns)" -ge 0
like "$(cat "$R/huge.free")" ' 136$' "and given back"

# --- --cpuset-partition
is "$(cat "$R/part.code")" 3 "--cpuset-partition on a CPU that is not isolated: $(cat "$R/part.err")"
is "$(head -n 2 "$R/part.partition" | tr '\n' ' ')" "isolated 1 " "the kernel calls it isolated"
is "$(sed -n '3,$p' "$R/part.partition" | grep -v '^kvm-nx' | sort | tr '\n' ',')" \
	"rtkvm-run 0::/ 0,vcpu0 0::/rtkvm-test 1," "the vCPU thread is in it, the others are not"
like "$(cat "$R/part.status")" 'cpuset partition /sys/fs/cgroup/rtkvm-test: isolated' "ctl status tells of it"
like "$(grep ' vcpu0 ' "$R/part.status")" ', cgroup /rtkvm-test$' "and of each thread's cgroup"
is "$(grep -c kvm-nx "$R/part.status")" 1 "KVM's own thread is listed once"
like "$(cat "$R/part.left")" 'No such file' "it goes with the run"
is "$(cat "$R/part.after")" "$(cat "$R/part.before")" "and so does the controller"
is "$(cat "$R/crash2.left")" /sys/fs/cgroup/rtkvm-test "kill -9 leaves it"
like "$(cat "$R/crash2.recovered")" 'No such file' "the next start removes it"
is "$(cat "$R/taken.code")" 2 "a cgroup that is not ours"
like "$(cat "$R/taken.err")" 'rtkvm-taken is there already' "is refused"

is "$(cat "$R/killed.code")" 137 "kill -9"
like "$(cat "$R/killed.free")" ' 136$' "gives the huge pages back too"
is "$(cat "$R/killed.threads")" 0 "and leaves no thread"

# --- whose CPU it is
is "$(sed 's/ .*//' "$R/third.code")" 2 "a CPU that a guest with --allow-shared still has"
like "$(cat "$R/third.err")" \
	"CPU 2 wanted alone, but $(sed 's/^[0-9]* //' "$R/third.code") \\(rtkvm run .*\\) holds the lock on .*/cpu2; " \
	"is nobody else's: the process is named"
is "$(cat "$R/fourth.code")" 0 "until it ends: $(cat "$R/fourth.err")"

# --- iTLB multihit
is "$(jq -r 'select(.event=="started").nx_huge_pages' "$R/nx-keep.ev" "$R/nx-off.ev" | tr '\n' ',')" \
	"on,off for this VM," "the host keeps its mitigation unless --nx-huge-pages off is given"
like "$(jq -r 'select(.event=="started").nx_huge_pages_remedy' "$R/nx-keep.ev")" \
	'where the guest is trusted, --nx-huge-pages off' "which is for a guest that is trusted"
done_testing

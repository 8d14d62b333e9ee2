#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# profiles-in-lab.sh STAGE - the part of profiles.t that runs inside the lab, one stage per boot
#
# Each line on file descriptor 3 is "ok NAME" or "not ok NAME" and becomes a test.
stage=$1
here=$(dirname "$0")
exec 3>"$RTKVM_RESULTS/tests" 2>&1
log=/var/log/tuned/tuned.log
vars=/etc/tuned/realtime-virtual-host-variables.conf

check() { # NAME COMMAND...
	local name=$1
	shift
	if "$@"; then
		echo "ok $name" >&3
	else
		echo "not ok $name" >&3
		echo "# failed: $*"
	fi
}

# make install's places: what tuned.service finds without the lab's own PATH
install_rtkvm() {
	mkdir -p /usr/local/lib/rtkvm
	cp /run/rtkvm/bin/rtkvm /usr/local/bin/
	cp -r /run/rtkvm/lib/rtkvm/profiles /usr/local/lib/rtkvm/
}

# What tuned has logged since it was started last, within two minutes.
log_says() { # PATTERN
	local i
	for ((i = 0; i < 120; i++)); do
		tac "$log" 2>/dev/null | sed '/starting tuning/q' | grep -q "$1" && return 0
		sleep 1
	done
	tail -n 20 "$log"
	return 1
}

wait_applied() { # PROFILE
	log_says "static tuning from profile '$1' applied"
}

# Every file that a profile of ours may touch, with its content; what counts by itself left out.
snapshot() {
	{
		find /etc /boot/grub /proc/sys/kernel /proc/sys/vm /proc/irq /sys/kernel/mm \
			/sys/devices/virtual/workqueue /sys/devices/system/cpu /sys/module/kvm* \
			/sys/devices/system/machinecheck -type f -perm -u=w 2>/dev/null |
			grep -vE '/etc/tuned/(active_profile|profile_mode|post_loaded)|ns_last_pid|/random/|pty/|drop_caches|compact_memory|stat_refresh|/refcnt|scan_sleep|/per_cpu_count|cad_pid|uevent|/numa_stat' |
			sort | xargs -d '\n' grep -saH ''
		ps -eLo comm,cls,rtprio | sed -nE '/^(rcuc|ktimers|ksoftirqd|irq_work)\//p' | sort
	} >"$1"
}

# What the functions that all writes to /proc and /sys go through saw from rtkvm meanwhile.
traced() { # COMMAND...
	local t=/sys/kernel/tracing
	echo kernfs_fop_write_iter proc_sys_write proc_reg_write >"$t/set_ftrace_filter"
	grep -c . "$t/set_ftrace_filter"
	echo function >"$t/current_tracer"
	"$@"
	grep -c ' *rtkvm-[0-9]' "$t/trace" >/tmp/writes
	wc -l "$t/trace"
	echo nop >"$t/current_tracer"
	echo >"$t/set_ftrace_filter"
}

# Each file of ours or of the system's, and when it was changed last; what the lab has mounted in
# /run/rtkvm is another machine's.
changed() {
	find /etc /boot /var/lib/rtkvm /run/rtkvm -xdev -type f ! -name tune.lock -exec stat -c '%n %Z' {} + |
		grep -vE 'active_profile|profile_mode|post_loaded' | sort
}

activate() { # PROFILE: succeeds, quietly
	tuned-adm profile "$1" >/tmp/adm 2>&1
}

# Another tuned in the place of Debian's, from the tree that its make install has left
another_tuned() {
	local before
	before=$(tuned-adm --version)
	systemctl stop tuned
	rm -rf /usr/lib/tuned /etc/tuned
	tar -C "$RTKVM_TUNED" -c . | tar -C / --keep-directory-symlink -x
	systemctl daemon-reload
	systemctl reload dbus
	check "from $before to $(tuned-adm --version)" test "$(tuned-adm --version)" != "$before"
}

stage_fresh() {
	install_rtkvm
	[ -z "$RTKVM_TUNED" ] || another_tuned
	systemctl start tuned
	check "install" rtkvm tune install
	printf 'isolated_cores=2-3\r\nunknown_key=1\r\nhugepages_1g=1' >"$vars"
	check "another profile is active first" activate balanced
	snapshot /tmp/before
	check "activate" activate realtime-virtual-host
	check "nothing but what takes a boot differs" sh -c \
		"! rtkvm tune verify 2>&1 | grep -vE 'takes a boot|settings differ'"
	check "each entry has the parameters, the recovery one has not" test \
		"$(grep -cE '^[[:space:]]*linux[[:space:]].*isolcpus=managed_irq,domain,2-3 ' /boot/grub/grub.cfg)$(grep -cE '^[[:space:]]*linux[[:space:]].* single' /boot/grub/grub.cfg)" = 21
	check "doctor sees that a boot is pending" sh -c \
		"rtkvm doctor --cpus 2-3 | grep -q '^FAIL  boot.pending'"

	changed >/tmp/files1
	traced activate realtime-virtual-host
	changed >/tmp/files2
	check "a second activation writes no kernel file" test "$(cat /tmp/writes)" = 0
	check "and no other" diff /tmp/files1 /tmp/files2
	echo 11 >/proc/sys/vm/stat_interval
	traced activate realtime-virtual-host
	check "what has drifted is written, and traced" test "$(cat /tmp/writes)" -gt 0
	check "it is as wanted again" grep -qx 120 /proc/sys/vm/stat_interval

	# Broken lists, some of each kind (tune.t has more): refused with a sentence; what was active stays
	# so, its files too.
	sha256sum /etc/default/grub.d/* /etc/tuned/bootcmdline /boot/grub/grub.cfg \
		/etc/modprobe.d/* >/tmp/sums
	cp "$vars" /tmp/vars
	while read -r list; do
		[ "$list" != EMPTY ] || list=
		printf 'isolated_cores=%s\n' "$list" >"$vars"
		if activate realtime-virtual-host; then
			check "refuse isolated_cores=$list" false
			continue
		fi
		check "refuse isolated_cores=$list" grep -q "^Assertion\|Assertion '.* .*' failed" /tmp/adm
		cat /tmp/adm
	done <<-'LISTS'
		EMPTY
		all
		0-3
		0-1
		4
		3-2
		1-N
		2-3:2
		2-3:0/2
		2,
		2 3
		2-
		4294967298
		^0
	LISTS
	check "the profile that was active still is" grep -qx realtime-virtual-host \
		/etc/tuned/active_profile
	check "its files are as they were" sha256sum --quiet -c /tmp/sums
	check "and so is what it set" sh -c \
		"! rtkvm tune --set isolated_cores=2-3 verify 2>&1 | grep -vE 'takes a boot|settings differ'"
	cp /tmp/vars "$vars"

	check "tuned-adm off" tuned-adm off
	snapshot /tmp/after
	check "every file is as before" diff /tmp/before /tmp/after
	check "nothing is left of our files" sh -c "! ls /etc/modprobe.d/rtkvm* /etc/default/grub.d/zz-rtkvm* /var/lib/rtkvm/* /run/rtkvm/tune.knobs 2>/dev/null | grep ."

	# With no daemon tuned-adm leaves the profile to the one that it starts.
	systemctl stop tuned
	printf 'isolated_cores=0-3\n' >"$vars"
	: >"$log"
	activate realtime-virtual-host
	check "the daemon that it would start says what is wrong with a broken list" \
		log_says "ssertion .* failed"
	check "and has changed nothing" sh -c \
		"! grep -q isolcpus /boot/grub/grub.cfg && ! ls /var/lib/rtkvm/* 2>/dev/null | grep ."
	systemctl stop tuned
	cp /tmp/vars "$vars"
	check "activate for the boot, with no daemon" activate realtime-virtual-host
	check "the one that was started has applied it" wait_applied realtime-virtual-host
	systemctl enable tuned
}

# GRUB's lines for a kernel, that for recovery left out
entries_of() { # RELEASE
	grep -E "^[[:space:]]*linux[[:space:]]+[^ ]*/vmlinuz-$1 " /boot/grub/grub.cfg | grep -v ' single'
}

# Within two minutes no profile is active, and no kernel's line has a parameter of one.
is_off() {
	local i
	for ((i = 0; i < 120; i++)); do
		! grep -q . /etc/tuned/active_profile && ! grep -qE \
			'^[[:space:]]*linux.*(isolcpus|nohz_full|tuned_params)' /boot/grub/grub.cfg &&
			return
		sleep 1
	done
	cat /etc/tuned/active_profile
	return 1
}

# A kernel is installed while the profile is active (its package runs update-grub): it has the
# parameters, and it is what "off" leaves, without them. In the end the machine is without that kernel.
off_after_a_kernel_came() {
	local new=99.0-rtkvm-test old file
	for old in /boot/vmlinuz-*; do
		old=${old#*/vmlinuz-}
	done
	for file in vmlinuz initrd.img config; do
		[ ! -e "/boot/$file-$old" ] || ln "/boot/$file-$old" "/boot/$file-$new"
	done
	update-grub
	entries_of $new
	check "a kernel that came has the parameters" \
		test "$(entries_of $new | grep -c ' isolcpus=managed_irq,domain,2-3 ')" = 2
	tuned-adm off # not for its code: update-grub may outlast the call of tuned's daemon
	check "off leaves no entry a word of ours" is_off
	check "the entries of the kernel that came stay, and those of the one before" \
		test "$(entries_of $new | wc -l) $(entries_of "$old" | wc -l)" = "2 1"
	check "nor the next ones of update-grub" sh -c \
		"! ls /etc/default/grub.d/zz-rtkvm* 2>/dev/null | grep ."
	rm /boot/*-$new
	update-grub
}

# The kernel's timer advance; a busy machine may be too slow for the flat guest under emulation.
timer_advance() {
	if ! rtkvm doctor --timer=1s --json >/tmp/timer 2>/tmp/timer.err &&
		grep -q 'had not ended' /tmp/timer.err; then
		echo "skip doctor --timer: too slow here for the flat guest" >&3
		return
	fi
	cat /tmp/timer /tmp/timer.err
	check "doctor --timer reads the advance of both isolated CPUs" test "$(jq -c \
		'[.cpus[] | select(.advance_ns > 0 and (.rows | length) > 0) | .cpu]' /tmp/timer)" = "[2,3]"
	check "and offers none that was measured on an emulated machine" test "$(jq \
		'.takes_fixed and (has("lapic_timer_adv_ns") | not)' /tmp/timer)" = true
}

stage_booted() {
	check "booted with what the profile wrote" grep -q 'isolcpus=managed_irq,domain,2-3 ' \
		/proc/cmdline
	check "tuned has started the profile" wait_applied realtime-virtual-host
	check "tuned-adm verify passes" tuned-adm verify
	rtkvm doctor >/tmp/doctor
	grep -A3 '^FAIL' /tmp/doctor
	check "doctor has no failure that software can mend" sh -c \
		"! grep '^FAIL' /tmp/doctor | grep -v clock.tsc-flags"
	check "and knows whose profile it is" grep -q '^pass  tuned.ours ' /tmp/doctor
	timer_advance
	check "tuned may restart" sh -c "systemctl restart tuned && tuned-adm active"
	check "the profile is there again" wait_applied realtime-virtual-host
	check "tuned-adm verify passes again" tuned-adm verify
	running_guests 1 applying verifying_and_applying_again
	guest_under_host
	off_after_a_kernel_came
	# for the next boot: the distribution's own profile
	rtkvm tune remove
	printf 'isolated_cores=2-3\nisolate_managed_irq=Y\n' >"$vars"
	check "the distribution's profile activates" activate realtime-virtual-host
}

# What a vCPU thread is and how often it was moved.
vcpu_state() { # COMM-PATTERN
	local task
	for task in /proc/[0-9]*/task/[0-9]*; do
		grep -qE "$1" "$task/comm" 2>/dev/null || continue
		echo "$task $(grep Cpus_allowed_list "$task/status") $(awk '/nr_migrations/ {print $3}' "$task/sched") $(awk '{print $(NF-11), $(NF-12)}' "$task/stat")"
	done
}

# The number of the round that a guest measures now; 0: it does not yet
round_of() { # CONSOLE
	tr -d '\r' <"$1" | awk '/^begin / { n = $2 } END { print n + 0 }'
}

# Both guests are in that round or a later one.
both_reached() { # ROUND-OF-OURS ROUND-OF-QEMU'S
	(($(round_of /tmp/ours) >= $1 && $(round_of /tmp/qemu) >= $2))
}
both_reach() { # the same, within ten minutes
	for _ in $(seq 1200); do
		both_reached "$@" && return
		sleep 0.5
	done
	tail -n 3 /tmp/ours /tmp/qemu
	return 1
}

# What runs on the guests' CPUs beside their vCPUs, and interrupts there that come from others
watch_cpus() {
	local t=/sys/kernel/tracing
	echo c >"$t/tracing_cpumask"
	echo '!(next_comm ~ "vcpu*") && !(next_comm ~ "CPU *") && !(next_comm ~ "swapper*")' \
		>"$t/events/sched/sched_switch/filter"
	echo 1 >"$t/events/sched/sched_switch/enable"
	echo 1 >"$t/events/workqueue/workqueue_execute_start/enable"
	for event in reschedule call_function call_function_single irq_work; do
		echo 1 >"$t/events/irq_vectors/${event}_entry/enable"
	done
	echo 1 >"$t/events/irq/irq_handler_entry/enable"
	echo 1 >"$t/tracing_on"
	taskset -c 3 true
	seen >/tmp/seen
	check "what comes to the guests' CPUs is seen" grep -q ' task taskset$' /tmp/seen
}

# "N interrupt NAME", "N task NAME", "N work NAME" of what was seen since it was cleared
seen() {
	sed -nE '
		s/.*next_comm=(.*) next_pid=.*/task \1/p
		s/.*workqueue_execute_start: .* function (.*)/work \1/p
		s/.* ([a-z_]+)_entry: vector=.*/interrupt \1/p
		s/.* irq_handler_entry: .* name=(.*)/interrupt \1/p' /sys/kernel/tracing/trace |
		sort | uniq -c | sort -rn | sed 's/^ *//'
}

# What goes on while guests measure, a few seconds each: other work, or ours beside it
other_work() {
	tuned-adm list >/dev/null
	python3 -m compileall -qf /usr/lib/python3/dist-packages/tuned
}
without() { other_work; }
with() { other_work; }
applying() { # once, from nothing
	[ "$(cat /etc/tuned/active_profile)" = realtime-virtual-host ] ||
		activate realtime-virtual-host
	other_work
}
verifying_and_applying_again() {
	tuned-adm verify >/dev/null
	activate realtime-virtual-host
}

# One window: such work until both guests have measured as many rounds beside it as beside applying,
# at least two, from their next on.
# To stalls: "WORK GUEST TIMERS OVER-1-MS OVER-5-MS LONGEST-US" of each; to beside: what seen says
rounds_ours=2 rounds_qemu=2
window() { # WORK
	local work=$1 ours qemu last_ours last_qemu
	both_reach $(($(round_of /tmp/ours) + 1)) $(($(round_of /tmp/qemu) + 1))
	ours=$(round_of /tmp/ours) qemu=$(round_of /tmp/qemu)
	echo >/sys/kernel/tracing/trace
	[ "$work" != applying ] || rounds_ours=2 rounds_qemu=2
	until both_reached $((ours + rounds_ours)) $((qemu + rounds_qemu)); do
		"$work"
	done
	last_ours=$(round_of /tmp/ours) last_qemu=$(round_of /tmp/qemu)
	if [ "$work" = applying ]; then
		rounds_ours=$((last_ours - ours)) rounds_qemu=$((last_qemu - qemu))
	else
		last_ours=$((ours + rounds_ours)) last_qemu=$((qemu + rounds_qemu))
	fi
	seen | sed "s/^/$work /" >>"$RTKVM_RESULTS/beside"
	tr -d '\r' </tmp/ours | awk -v from="$ours" -v to="$last_ours" -v work="$work" \
		'/^end / && $2 >= from && $2 < to { print work, "rtkvm", $3, $4, $5, $6 }'
	tr -d '\r' </tmp/qemu | awk -v from="$qemu" -v to="$last_qemu" -v work="$work" \
		'/^end / && $2 >= from && $2 < to { print work, "QEMU", $3, $4, $5, $6 }'
}

# Threads that the kernel has for each CPU and that serve what runs there
own_threads='task ((ktimers|ksoftirqd|rcuc|irq_work)/[23]|kworker/[23]:.*)$'

running_guests() { # WINDOWS WORK...: so many windows of each
	local windows=$1 image=$RTKVM_IMAGE i work initrd=/var/tmp/stalls.initrd
	shift
	local job='console=ttyS0 quiet rtkvm.exec="sh /stalls.sh"'
	if [ ! -e "$image/vmlinuz" ]; then
		echo "skip running guests: no guest image" >&3
		return
	fi
	{
		cat "$image/initrd"
		one_file stalls.sh "$here/stalls-in-guest.sh"
	} >"$initrd"
	watch_cpus
	# polled for as long as QEMU's: what is compared is what the profile does to both
	rtkvm run --kernel "$image/vmlinuz" --initrd "$initrd" --cpus 2 --memory 256M \
		--hugepages off --halt-poll 200us --console /tmp/ours --append "$job" &
	qemu-system-x86_64 -M microvm,acpi=on,pit=off,pic=off,rtc=off -accel kvm -cpu host -m 256M \
		-display none -nodefaults -no-user-config -name g,debug-threads=on \
		-kernel "$image/vmlinuz" -initrd "$initrd" -serial file:/tmp/qemu -append "$job" &
	for ((i = 0; i < 60; i++)); do
		[ "$(vcpu_state '^(vcpu|CPU)' | wc -l)" -ge 2 ] && break
		sleep 1
	done
	vcpu_state '^CPU' | cut -d' ' -f1 | while read -r task; do
		taskset -p -c 3 "${task##*/}" >/dev/null
		chrt -f -p 1 "${task##*/}"
	done
	check "both guests measure" both_reach 1 1
	vcpu_state '^(vcpu|CPU)' >/tmp/vcpus1
	cat /tmp/vcpus1
	check "two guests run" test "$(wc -l </tmp/vcpus1)" -ge 2
	tuned-adm off
	for ((i = 0; i < windows; i++)); do
		for work in "$@"; do
			[ "$work" != without ] || tuned-adm off
			window "$work" >>"$RTKVM_RESULTS/stalls"
		done
	done
	deferred_work
	cat "$RTKVM_RESULTS/stalls" "$RTKVM_RESULTS/beside"
	vcpu_state '^(vcpu|CPU)' >/tmp/vcpus2
	check "applying, re-applying and verifying moves no vCPU thread" \
		diff /tmp/vcpus1 /tmp/vcpus2
	check "nothing came to the guests' CPUs for it" sh -c \
		"! grep -E ' task ' '$RTKVM_RESULTS/beside' | grep -vE '$own_threads'"
	check "both guests measured all the time" test \
		"$(awk '$3 > 0 && $6 > 0 { n[$1 $2]++ } END { print length(n) }' "$RTKVM_RESULTS/stalls")" = $((2 * $#))
	kill %1 %2
	wait
	echo 0 >/sys/kernel/tracing/events/enable
}

# Work that an interrupt leaves for later has its turn beside a vCPU that never sleeps: else the tick
# of its CPU would go on until the guest ends. Here a reader of the CPU's trace is to be woken by it.
deferred_work() {
	local t=/sys/kernel/tracing thread before
	thread=/proc/$(pgrep -x irq_work/2)
	if [ ! -e "$thread/status" ]; then
		echo "skip deferred interrupt work: this kernel has no threads for it" >&3
		return
	fi
	before=$(awk '/^voluntary_ctxt/ { print $2 }' "$thread/status")
	echo >"$t/trace"
	# no child of ours: where that work waits, the reader may have to wait for the guest's end
	(timeout -s KILL 120 grep -m 1 rtkvm-enough "$t/per_cpu/cpu2/trace_pipe" >/dev/null &)
	check "deferred interrupt work runs beside a busy vCPU" waits_again "$thread" "$before"
	mark_on_cpu2 rtkvm-enough
}

mark_on_cpu2() { # TEXT: into that CPU's trace
	chrt -f 5 taskset -c 2 sh -c "echo $1 >/sys/kernel/tracing/trace_marker"
}

# The thread has run, and has nothing more to do. Marks go on until the reader waits for one.
waits_again() { # DIRECTORY-IN-/proc SWITCHES-BEFORE
	local i
	for ((i = 0; i < 100; i++)); do
		awk -v before="$2" '/^State:/ { state = $2 } /^voluntary_ctxt/ { n = $2 }
			END { exit !(state == "S" && n > before) }' "$1/status" && return
		mark_on_cpu2 wake
		sleep 0.2
	done
	cat "$1/status"
	return 1
}

# A newc archive with one file, to stand behind another one: NAME FILE
one_file() {
	local size
	size=$(stat -c %s "$2")
	printf '070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\0' 1 $((0100644)) \
		0 0 1 0 "$size" 0 0 0 0 $((${#1} + 1)) 0 "$1"
	head -c $(((4 - (111 + ${#1}) % 4) % 4)) /dev/zero
	cat "$2"
	head -c $(((4 - size % 4) % 4)) /dev/zero
	printf '070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08xTRAILER!!!\0\0\0\0' \
		0 0 0 0 1 0 0 0 0 0 0 11 0
}

# STAGE INITRD PARAMETERS: one boot of the guest with Debian's tuned in it; its tests become ours
tuned_guest() {
	rtkvm run --kernel "$RTKVM_IMAGE/vmlinuz" --initrd "$2" --cpus 2-3 --memory 1G \
		--hugepages off --timeout 10m --console "/tmp/guest.$1" --append \
		"console=ttyS0 quiet $3 rtkvm.exec=\"bash /profiles-in-guest.sh $1\""
	tr -d '\r' <"/tmp/guest.$1" >/tmp/console
	grep -vE '^[A-Za-z0-9+/=]{60,}$' /tmp/console
	grep -E '^(not )?ok ' /tmp/console >&3
	check "a guest's $1 came to its end" grep -qx "end $1" /tmp/console
}

# The guest's profile in a Debian guest of ours, on the host that the host's profile has made.
guest_under_host() {
	local parameters
	if [ ! -e "$RTKVM_TUNED_GUEST" ]; then
		echo "skip a guest with tuned: no guest image" >&3
		return
	fi
	tuned_guest activate "$RTKVM_TUNED_GUEST" ""
	parameters=$(sed -n 's/^cmdline //p' /tmp/console)
	sed -n '/^kept begins/,/^kept ends/p' /tmp/console | grep -v '^kept ' | base64 -d |
		zcat >/var/tmp/kept.tar
	{
		cat "$RTKVM_TUNED_GUEST"
		one_file kept.tar /var/tmp/kept.tar
	} >/var/tmp/guest.initrd
	tuned_guest verify /var/tmp/guest.initrd "$parameters"
	rm /var/tmp/guest.initrd
}

stage_stock() {
	check "booted with what the distribution's profile wrote" grep -q nohz_full=2-3 /proc/cmdline
	check "tuned has started it" wait_applied realtime-virtual-host
	check "its verification fails" sh -c "! tuned-adm verify"
	tail -n 12 "$log" | grep ERROR
	rtkvm doctor >/tmp/doctor
	check "doctor tells it from ours" grep -q '^warn  tuned.ours .*is the distribution' /tmp/doctor
}

case $stage in
guests)
	wait_applied realtime-virtual-host
	running_guests "${WINDOWS:-4}" applying with verifying_and_applying_again without
	;;
fresh) stage_fresh ;;
booted) stage_booted ;;
stock) stage_stock ;;
*) exit 2 ;;
esac
exit 0

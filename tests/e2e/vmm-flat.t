#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# rtkvm run straight on /dev/kvm, with a payload that does what its command line says
# shellcheck source=tests/e2e/tap.sh
. tests/e2e/tap.sh

payload=build/guests/flat/script.elf
[ -w /dev/kvm ] || skip_all "no usable /dev/kvm"
[ "$(id -u)" = 0 ] || skip_all "SCHED_FIFO and locked memory need root"
[ -r "$payload" ] || skip_all "$payload is not built"

guest() {
	"$RTKVM" run --kernel "$payload" --cpus 0 --allow-shared --memory 32M "$@"
}

# --- what a guest does becomes output and exit code
run guest --append "print:hello exit:7"
is "$code" 7 "the exit port's byte is the exit code"
is "$out" "hello" "serial output is on stdout"
run guest --append "exit:0"
is "$code" 0 "code 0"
run guest --append "poweroff"
is "$code" 0 "ACPI power-off is success"
is "$errs" "" "and says nothing"
run guest --append "ticks:50 exit:1"
is "$code" 1 "TSC-deadline interrupts wake a halted vCPU"
# it is not faulted in, but has to be there to give
run "$RTKVM" run --kernel "$payload" --cpus 0 --allow-shared --memory 4G --hugepages off --prefault off \
	--append "above:1024 exit:4"
if [ "$code" = 2 ] && [[ $errs =~ \ MiB\ to\ give|memory\.max ]]; then
	skip 1 "4 GiB of memory are not free: $errs"
else
	is "$code" 4 "memory above 4 GiB is there, and its own: $errs"
fi
run guest --append "touch:32 exit:1"
is "$code" 1 "all of the memory is there"
cpus=$(nproc)
if [ "$cpus" -ge 2 ]; then
	run "$RTKVM" run --kernel "$payload" --cpus 0-1 --allow-shared --memory 32M --timeout 30s \
		--append "aps:1 exit:1"
	is "$code" 1 "a second vCPU starts by INIT and start-up IPI"
	run "$RTKVM" run --kernel "$payload" --cpus 0:1,1:0 --allow-shared --memory 32M \
		--events "$T/ev" --append "exit:1"
	is "$(head -n1 "$T/ev" | jq -c '[.vcpus[]|[.index,.cpu]]')" '[[0,1],[1,0]]' "a CPU map"
	run "$RTKVM" run --kernel "$payload" --cpus 1,0 --allow-shared --memory 32M \
		--events "$T/ev" --append "exit:1"
	is "$(head -n1 "$T/ev" | jq -c '[.vcpus[]|[.index,.cpu]]')" '[[0,1],[1,0]]' \
		"a CPU list keeps its order"
else
	skip 3 "one CPU"
fi

# --- outcomes told apart
fails 2 'reset itself' "ACPI reset" guest --append "reset"
fails 2 'reset itself' "8042 reset" guest --append "kbdreset"
fails 2 'triple fault' "triple fault" guest --append "triple"
fails 2 'kernel panicked: asked for' "panic text, then a reset" guest --append "panic reset"
fails 2 'kernel panicked: asked for' "panic text, then nothing" guest --append "panic halt" \
	--timeout 30s
fails 2 'kernel panicked;' "pvpanic" guest --append "pvpanic"
fails 2 'not ended after 300 ms \(--timeout\)' "a halted guest hangs" guest --append halt \
	--timeout 300ms
fails 2 'not ended after 300 ms' "a spinning guest hangs" guest --append spin:100000 \
	--timeout 300ms
fails 2 'not ended after 300 ms' "a guest that prints without end hangs, too" \
	timeout -s KILL 20 "$RTKVM" run --kernel "$payload" --cpus 0 --allow-shared --memory 32M \
	--console "$T/flood" --timeout 300ms --append flood
rm -f "$T/flood"
fails 2 'not ended after 300 ms' "a guest that writes marks without end hangs, too" \
	timeout -s KILL 60 "$RTKVM" run --kernel "$payload" --cpus 0 --allow-shared --memory 32M \
	--events "$T/flood" --timeout 300ms --append marks
ok "and cannot fill a disk with them" test "$(wc -l <"$T/flood")" -lt 100010
rm -f "$T/flood"
run guest --append "nonsense"
is "$code" 99 "the payload refuses unknown words"

# --- events
guest --events "$T/ev" --append "mark:1 mark:2 port:1234 spin:20 mark:3 mark:4 exit:3" >/dev/null
is "$?" 3 "exit code with events"
is "$(jq -r .event "$T/ev" | tr '\n' ' ')" "started mark mark mark mark ended " "the events in order"
is "$(jq -r 'select(.event=="mark").name' "$T/ev" | tr '\n' ' ')" "init job_start job_end booted " \
	"marks have names"
is "$(jq -c 'select(.event=="started").vcpus[0]|[.index,.cpu,.policy,.priority]' "$T/ev")" \
	'[0,0,"fifo",1]' "the vCPU's placement, read back"
ended() {
	jq -r "select(.event==\"ended\")|$1" "$T/ev"
}
is "$(ended .outcome)/$(ended .status)" "exit/3" "outcome and status"
ok "start to INIT is measured" test "$(ended .start_to_init_ns)" -gt 0
is "$(ended '.memory|.bytes==33554432 and .resident_bytes>=.bytes')" true "memory is resident"
is "$(ended '.memory|.page_bytes>4096 or .locked_bytes>=.bytes')" true "and locked"
ok "overhead is measured" test "$(ended .overhead_bytes)" -gt 100000
# port:1234 is one read and one write, mark:3 the third exit of the window
is "$(ended '.vcpus[0].window.userspace_exits')" 3 "the window counts user-space exits"
is "$(ended '.vcpus[0].exits.io')" 7 "exits by reason"
is "$(ended .unclaimed_accesses)" 2 "accesses without a device"
is "$(ended '.vcpus[0].window.page_faults')" 0 "no page fault of the vCPU thread in the window"
guest --events "$T/ev" --append "exit:3" >/dev/null
is "$(ended .start_to_init_ns)/$(ended '.vcpus[0].window')" "null/null" "no marks, no figures"
for f in 1 5; do
	guest --events "$T/ev" --fifo $f --append "exit:0" >/dev/null
	is "$(head -n1 "$T/ev" | jq .vcpus[0].priority)" $f "--fifo $f"
done
guest --events "$T/ev" --fifo 0:4 --append "exit:0" >/dev/null
is "$(head -n1 "$T/ev" | jq .vcpus[0].priority)" 4 "--fifo 0:4"
if [ -w /dev/cpu_dma_latency ]; then
	latency() { # what the kernel goes by now, in us
		od -An -td4 -N4 /dev/cpu_dma_latency | tr -d ' '
	}
	before=$(latency)
fi
if [ "${before:-0}" -gt 7 ]; then
	rm -f "$T/ev"
	guest --events "$T/ev" --cpu-dma-latency 7 --hold --ctl "$T/held.sock" >/dev/null 2>&1 &
	pid=$!
	await $pid grep -qs started "$T/ev"
	is "$(latency)" 7 "--cpu-dma-latency: asked for while the VM is there"
	run guest --events "$T/ev2" --cpu-dma-latency 100 --append "exit:0"
	is "$(head -n1 "$T/ev2" | jq -c '[.cpu_dma_latency_us, .cpu_dma_latency_held_us]')" '[7,100]' \
		"and in force where another asks for less: $errs"
	"$RTKVM" ctl --vm "$T/held.sock" quit
	end_of $pid
	is "$code $(latency) $(head -n1 "$T/ev" | jq -c '[.cpu_dma_latency_us, .cpu_dma_latency_held_us]')" \
		"3 $before [7,7]" "and no longer"
else
	skip 3 "/dev/cpu_dma_latency is not there, or at ${before:-0} us already"
fi
run guest --pmu on --events "$T/ev" --append "exit:0"
case $(cat /sys/module/kvm/parameters/enable_pmu 2>/dev/null) in
N) like "$code $errs" '^2 .*--pmu: wanted on, KVM has no PMU to give' "--pmu on, which this KVM cannot" ;;
*) is "$code $(ended .pmu)" "0 true" "--pmu on" ;;
esac
if [ -e /sys/fs/resctrl/schemata ]; then
	run guest --resctrl "rtkvm-no-such-$$" --append "exit:0"
	like "$code $errs" '^2 .*there is no group .*make it' "--resctrl of no group is refused"
else
	run guest --resctrl rt --append "exit:0"
	like "$code $errs" '^2 .*mount -t resctrl' "--resctrl where there is none is refused"
fi
guest --events "$T/ev" --fifo 0 --append "exit:0" >/dev/null
is "$(head -n1 "$T/ev" | jq -r .vcpus[0].policy)" other "--fifo 0"
guest --events "$T/ev" --ordinary 0 --append "exit:0" >/dev/null
is "$(head -n1 "$T/ev" | jq -r .vcpus[0].policy)" other "--ordinary"
module=$(cat /sys/module/kvm/parameters/halt_poll_ns 2>/dev/null)
is "$(head -n1 "$T/ev" | jq .halt_poll_ns)" "${module:-null}" "which leaves nobody that KVM should poll for"
if [ "$cpus" -ge 2 ]; then
	"$RTKVM" run --kernel "$payload" --cpus 0-1 --allow-shared --memory 32M --events "$T/ev" \
		--fifo 3 --ordinary 0 --append "exit:0" >/dev/null
	is "$(head -n1 "$T/ev" | jq -c '[.vcpus[]|[.policy,.priority]]')" '[["other",0],["fifo",3]]' \
		"--ordinary of one of two"
else
	skip 1 "one CPU"
fi
guest --events /dev/fd/3 --append "exit:0" 3>"$T/ev" >/dev/null
is "$(ended .outcome)" exit "--events on an inherited descriptor"

# --- idle in the guest, late real time
for idle in hlt pause cstate mwait aperfmperf; do
	allowed=$(guest --no-exit $idle --events "$T/ev" --append "ticks:5 exit:0" 2>&1) && code=0 || code=$?
	if [ $idle = hlt ] && [ "$(ended '.vcpus[0].kvm.halt_exits > 0')" = true ]; then
		is "$code" 2 "--no-exit hlt on a KVM that allows it and does not do it"
		like "$allowed" '^rtkvm run: --no-exit: wanted hlt .* vCPU 0 left it for [1-9]' "is told"
	elif [ "$code" = 0 ]; then
		is "$(ended '.no_exit|join(",")')" $idle "--no-exit $idle: timer interrupts still wake the guest"
	else
		like "$allowed" "wanted $idle, which KVM does not allow" "--no-exit $idle is refused with the reason"
	fi
done
run guest --halt-poll 20us --events "$T/ev" --append "ticks:5 exit:0"
is "$code $(ended .halt_poll_ns)" "0 20000" "--halt-poll"
guest --rt-delay --fifo 3 --events "$T/ev" --append "mark:1 mark:4 spin:300 exit:0" >/dev/null
is "$(jq -r 'select(.vcpus[0].policy)|[.event,.vcpus[0].policy,.vcpus[0].priority]|join(" ")' "$T/ev" |
	tr '\n' ',')" "started other 0,realtime fifo 3," "--rt-delay: SCHED_FIFO after the BOOTED mark"
is "$(ended '.tsc_is_host|type')" boolean "the TSC's offset is told"
# KVM scales by 250 ppm or more: what was seen at the end, over the whole run, is fine enough to tell
ok "the TSC is not scaled: $(ended '[.vcpus[]|.tsc_off_ppm, .tsc_off_bound_ppm]|tostring'), ppm off and within what" \
	test "$(ended 'all(.vcpus[]; .tsc_off_bound_ppm > 0 and .tsc_off_bound_ppm < 62 and
		(.tsc_off_ppm|fabs) <= .tsc_off_bound_ppm + 125)')" = true
ok "and finer than at the start: $(head -n1 "$T/ev" | jq -c '[.vcpus[]|.tsc_off_ppm, .tsc_off_bound_ppm]')" \
	test "$(jq -s '(.[0].vcpus[0].tsc_off_bound_ppm > .[-1].vcpus[0].tsc_off_bound_ppm)' "$T/ev")" = true
guest --events "$T/ev" --append "tsc:1000000000 spin:100 exit:3"
is "$? $(ended .outcome)" "3 exit" "a guest that sets its TSC back is not taken for a scaled one: $(ended '[.vcpus[].tsc_off_ppm]|tostring')"

# --- timers, interrupts, scheduling: what this kernel has, or the reason
run guest --irqchip full --events "$T/ev" --append "ticks:5 exit:1"
is "$code $(head -n1 "$T/ev" | jq -r .irqchip)" "1 full" "--irqchip full: the guest's timer works"
guest --events "$T/ev" --append "ticks:5 exit:0"
want=off
[ "$(cat /sys/module/kvm/parameters/nx_huge_pages 2>/dev/null)" != Y ] || want=on
like "$(head -n1 "$T/ev" | jq -r .nx_huge_pages)" "^$want\$" "the host keeps its mitigation of iTLB multihit unless told otherwise"
is "$(head -n1 "$T/ev" | jq -r .irqchip)" split "the split irqchip is the default"
parameters=/sys/module/kvm/parameters
for want in auto off 2500; do
	cat $parameters/lapic_timer_advance_ns >"$T/before" 2>/dev/null
	run guest --lapic-timer-advance $want --events "$T/ev" --append "ticks:5 exit:0"
	case $want/$(cat $parameters/lapic_timer_advance 2>/dev/null) in
	auto/Y | off/N) is "$code" 0 "--lapic-timer-advance $want is what the host has" ;;
	*/Y | */N)
		like "$errs" "wanted $want( ns, this kernel takes no number|, kvm.lapic_timer_advance is)" \
			"--lapic-timer-advance $want is refused with the reason"
		;;
	*)
		if [ -s "$T/before" ]; then
			is "$code" 0 "--lapic-timer-advance $want"
		else
			like "$errs" 'has no such parameter' "--lapic-timer-advance $want"
		fi
		;;
	esac
	cat $parameters/lapic_timer_advance_ns >"$T/after" 2>/dev/null
	ok "and the host's parameter is as before" cmp "$T/before" "$T/after"
done
# traced OPTION FILTER WANT TEXT - a run with the option, and what its last event says; or why not
traced() {
	run guest "--$1" --events "$T/ev" --append "ticks:20 exit:0"
	if [ "$code" = 0 ]; then
		is "$(ended "$2")" "$3" "--$1 $4"
	else
		like "$errs" "$1: .*(hist triggers|no event|racing|racefs)" "--$1 is refused with the reason"
	fi
}
traced timer-residual '.vcpus[0].lapic_timer_residual|type' object "counts"
traced trace-switches '.vcpus[0].window' null "counts in the window, which this guest has not"
is "$(find /sys/kernel/tracing/instances -name '*-residual' -o -name '*-switches' 2>/dev/null)" "" \
	"no trace instance is left"
run guest --core-sched --events "$T/ev" --append "exit:0"
if [ "$code" = 0 ]; then
	is "$(head -n1 "$T/ev" | jq .vcpus[0].core_cookie)" true "--core-sched: a cookie, read back"
else
	like "$errs" 'no core of this machine has two threads|no core scheduling' \
		"--core-sched is refused with the reason"
fi
guest --events "$T/ev" --append "exit:0"
is "$(ended '.vcpus[0]|has("lapic_timer_residual") and .lapic_timer_residual == null')" true \
	"without --timer-residual none is told"
is "$(head -n1 "$T/ev" | jq '.setup|[.[]|. > 0]|all')" true "how long each step of the set-up took"
is "$(head -n1 "$T/ev" | jq '.vcpus[0].uclamp_min|. == null or . == 1024')" true \
	"full utilization where the kernel has uclamp"
is "$(head -n1 "$T/ev" | jq -r '.helpers|type')" array "KVM's own threads are named"
if [ "$cpus" -ge 2 ]; then
	guest --housekeeping 1 --events "$T/ev" --append "exit:0"
	is "$(head -n1 "$T/ev" | jq -c '[.helpers[].cpus != "1"]|any')" false \
		"and kept on the housekeeping CPU"
else
	skip 1 "one CPU"
fi
# a run that was killed between setting and restoring leaves a journal: the next one removes it
mkdir -p /run/rtkvm
echo '{"schema":1,"boot":"of another boot","pid":999999999,"start":1,"knobs":[]}' \
	>/run/rtkvm/lapic-test.knobs
guest --append "exit:0"
ok "the journal of a dead run is cleaned up" test ! -e /run/rtkvm/lapic-test.knobs

# --- data port
run guest --data "$T/data" --append "data:1000000 exit:4"
is "$code" 4 "data, then exit"
is "$(stat -c %s "$T/data")" 1000000 "every byte arrives"
is "$(head -c 4096 "$T/data" | cksum)" \
	"$(perl -e 'print pack("C*", map { ($_*7+($_>>8))&255 } 0..4095)' | cksum)" "unchanged"
run guest --append "data:1000000 exit:4"
is "$code" 4 "without --data the bytes are dropped"

# --- page port, slow port
run guest --data "$T/pages" --append "page:256 data:5 page:257 exit:0"
is "$code $(stat -c %s "$T/pages")" "0 8197" "pages and bytes go into one stream"
fails 2 'page frame 0x100000, which is not memory' "a page that is not the guest's" \
	guest --data "$T/pages" --append "page:1048576 exit:0"
took() { # what a run of this payload takes, in ms
	begin=$(date +%s%N)
	guest "$@" --append "port:1516 port:1516 exit:0"
	echo $((($(date +%s%N) - begin) / 1000000))
}
ok "--slow-exit: two exits of 300 ms" [ "$(took --slow-exit 300ms)" -ge 600 ]
fails 2 'more than 1s' "a --slow-exit that would be a hang" guest --slow-exit 2s --append exit:0

# --- freeze port
echo 1 >"$T/switch"
run guest --freeze "$T/switch" --append "freeze:1 exit:0"
is "$(cat "$T/switch")" 0 "the freeze port writes 0 to its file"
fails 2 'opening --freeze' "a freeze file that is not there" guest --freeze "$T/none" --append exit:0

# --- files
fails 2 'writing --data failed: No space' "disk full: --data" guest --data /dev/full \
	--append "data:100000 halt"
fails 2 'writing --console failed: No space' "disk full: --console" guest --console /dev/full \
	--append "print:hello halt"
fails 2 'writing --events failed: No space' "disk full: --events" guest --events /dev/full \
	--append "halt"
fails 2 'opening --console' "console in a directory that is not there" \
	guest --console "$T/none/x" --append exit:0
fails 2 'opening --kernel .* failed: No such file' "kernel missing" \
	"$RTKVM" run --cpus 0 --allow-shared --kernel "$T/none"
fails 2 'not a regular file' "kernel is a directory" \
	"$RTKVM" run --cpus 0 --allow-shared --kernel "$T"
mkfifo "$T/fifo"
fails 2 'not a regular file' "kernel is a FIFO" \
	timeout 60 "$RTKVM" run --cpus 0 --allow-shared --kernel "$T/fifo"
: >"$T/empty"
fails 2 'too short' "kernel empty" "$RTKVM" run --cpus 0 --allow-shared --kernel "$T/empty"
head -c 100000 /dev/urandom >"$T/noise"
fails 2 'neither a Linux bzImage nor an ELF' "kernel of noise" \
	"$RTKVM" run --cpus 0 --allow-shared --kernel "$T/noise"
head -c 6000 "$payload" >"$T/cut"
fails 2 'truncated' "kernel truncated" "$RTKVM" run --cpus 0 --allow-shared --kernel "$T/cut"
sed 's/^\x7fELF\x02/\x7fELF\x01/' "$payload" >"$T/elf32"
fails 2 'not of a 64-bit' "kernel 32-bit" "$RTKVM" run --cpus 0 --allow-shared --kernel "$T/elf32"
truncate -s 40M "$T/big"
fails 2 'larger than the guest' "initrd larger than memory" guest --initrd "$T/big" --append exit:0
truncate -s 31M "$T/big"
fails 2 'does not fit' "initrd that leaves no room" guest --initrd "$T/big" --append exit:0
fails 2 'initrd .* is empty' "initrd empty" guest --initrd "$T/empty" --append exit:0
fails 2 'opening --initrd' "initrd missing" guest --initrd "$T/none" --append exit:0
fails 2 '--append: 70000 characters' "command line too long" \
	guest --append "$(head -c 70000 /dev/zero | tr '\0' x)"

# --- a set-up that fails changes no file and leaves none
mkdir "$T/kept"
echo precious >"$T/kept/precious"
cp "$payload" "$T/kept/kernel"
truncate -s 64K "$T/kept/disk"
mkfifo "$T/kept/pipe"
(cd "$T/kept" && sha256sum precious kernel disk) >"$T/sums"
# undone REGEX NAME OPTION... - it ends with this, and all in $T/kept is as it was
undone() {
	regex=$1 name=$2
	shift 2
	fails 2 "$regex" "$name" timeout -k 5 60 "$RTKVM" run --cpus 0 --allow-shared --memory 32M \
		--kernel "$payload" --append exit:0 "$@"
	is "$(cd "$T/kept" && sha256sum precious kernel disk | cmp - "$T/sums" && echo *)" \
		"disk kernel pipe precious" "$name: nothing is lost, nothing left"
}
cd "$T/kept" || exit
payload=$OLDPWD/$payload
undone 'opening --disk nonexist failed' "no disk" --events precious --disk nonexist
undone 'opening --disk nonexist failed' "no disk, a new console" --console new --virtio-console precious,port=a:new2 \
	--disk nonexist
undone 'opening --freeze nofile failed' "no freeze file" --data d --events precious --freeze nofile
undone '--freeze pipe is not a regular file' "a pipe to freeze" --data d --freeze pipe
undone '--initrd pipe is not a regular file' "a pipe for an initrd" --data d --initrd pipe
undone 'a file that is no socket is there' "no socket" --data precious --ctl disk
undone '--console precious would overwrite --disk precious; name another' "a disk's file" \
	--console precious --disk precious
undone '--data ./precious would overwrite --freeze precious' "the freeze file" --data ./precious --freeze precious
undone '--events ./kernel would overwrite --initrd kernel' "the initrd" --events ./kernel --initrd kernel
undone '--virtio-console disk would overwrite --disk ./disk' "a console on a disk" --virtio-console disk --disk ./disk,ro
undone '--console new and --events ./new are the same file' "one file for two" --console new --events ./new
undone '--data x and --virtio-console x are the same file' "one for data and a port" --data x \
	--virtio-console /dev/null,port=a:x
undone '--disk ./disk and --disk disk are the same disk' "one disk twice" --disk ./disk --disk disk
ln -s target link
for o in "--console link" "--virtio-console /dev/null,port=a:link"; do
	# shellcheck disable=SC2086
	fails 2 'link failed: it is a link to nothing; name the file itself' "${o%% *} on a link to nothing" guest \
		--append exit:0 $o
done
ok "which stays one" test ! -e target
rm link
fails 2 '--virtio-console: - is standard output, which only' "a device on standard output" guest --append exit:0 \
	--virtio-console -
ok "makes no file of that name" test ! -e ./-
fails 2 '--console k would overwrite --kernel k' "the kernel's own file" sh -c 'cp kernel k && "$@"; code=$?
	cmp -s k kernel && rm k; exit $code' sh "$RTKVM" run --cpus 0 --allow-shared --kernel k --console k
ok "which it leaves alone" test ! -e k
run guest --console /dev/null --data /dev/null --events /dev/null --append exit:5
is "$code" 5 "many may write to /dev/null: $errs"
for i in 1 2 3; do
	echo "more than the guest will ever say, number $i" >"$T/old$i"
done
run guest --console "$T/old1" --data "$T/old2" --virtio-console "$T/old3" --append "print:hello data:2 exit:5"
is "$code $(cat "$T/old1") $(stat -c %s "$T/old2" "$T/old3" | tr '\n' ' ')" "5 hello 2 0 " \
	"a run that begins replaces what the files held: $errs"
# a set-up that waits for a reader: others may choose CPUs meanwhile, and a signal ends it
"$RTKVM" run --kernel "$payload" --placement auto --vcpus 1 --allow-shared --memory 32M --append exit:0 --data new \
	--events pipe 2>/dev/null &
pid=$!
await $pid test -e new
ok "it waits for who reads its events" test -e new
run timeout 20 "$RTKVM" run --kernel "$payload" --placement auto --vcpus 1 --allow-shared --memory 32M --append exit:5
is "$code" 5 "--placement auto beside one that waits: $errs"
kill -TERM $pid
end_of $pid
is "$code $(echo *)" "3 disk kernel pipe precious" "SIGTERM while it waits: exit code 3, and nothing is left"
cd "$OLDPWD" || exit
payload=${payload#"$PWD/"}

# --- memory and CPUs
bad() {
	why=$1
	shift
	fails 2 "$why" "$*" "$RTKVM" run --kernel "$payload" --append exit:0 "$@"
}
bad 'at least 2M' --cpus 0 --allow-shared --memory 0
bad 'no multiple of 4096' --cpus 0 --allow-shared --memory 33554433
bad 'this machine has' --cpus 0 --allow-shared --memory 100T --hugepages off
bad 'huge pages: wanted' --cpus 0 --allow-shared --memory 512G --hugepages 1G
bad '--cpus is missing' --allow-shared
bad 'empty' --cpus '' --allow-shared
bad '--vcpus is missing' --placement auto
bad '--vcpus goes with --placement auto' --cpus 0 --vcpus 1
bad '"best" is not one of the choices: auto$' --placement best --vcpus 1
bad 'out of range' --placement auto --vcpus 0
bad 'out of range' --placement auto --vcpus 129
bad 'CPU list' --cpus 1-x --allow-shared
bad 'two vCPUs' --cpus 0:0,1:0 --allow-shared
bad '--cpus: CPU list "0,0": CPU 0 carries two vCPUs' --cpus 0,0 --allow-shared
bad '--timeout: "18446744073s" is too large' --cpus 0 --allow-shared --timeout 18446744073s
bad 'option "--a\?b\?\[2Jc" is not one of its options' \
	--cpus 0 --allow-shared $'--a\nb\e[2Jc'
long=$(printf 'x%.0s' {1..200})
fails 2 '^rtkvm run: --cpus: CPU list "x+\[\.\.\.\]x+": a CPU number is missing at "x{20}"$' "a long list" \
	"$RTKVM" run --kernel "$payload" --cpus "$long$long$long$long$long"
fails 2 '^rtkvm run: opening --console /x+\[\.\.\.\]x+/x+ failed: No such file or directory$' "a long path" \
	guest --console "/$long/$long/$long/$long/$long"
bad 'does not exist' --cpus 4000 --allow-shared
bad 'at most 128' --cpus 0-500 --allow-shared
bad 'housekeeping is not online' --cpus 0 --allow-shared --housekeeping 4000
bad 'given twice' --cpus 0 --cpus 0
bad 'out of range' --cpus 0 --allow-shared --fifo 99
bad 'no vCPU 1' --cpus 0 --allow-shared --ordinary 0-1
bad 'not auto, off or a number' --cpus 0 --allow-shared --lapic-timer-advance fast
bad 'out of range' --cpus 0 --allow-shared --lapic-timer-advance 1000000
bad '--nx-huge-pages: "on"' --cpus 0 --allow-shared --nx-huge-pages on
bad '--irqchip: "none"' --cpus 0 --allow-shared --irqchip none
[ -s /sys/devices/system/cpu/isolated ] && [ "$(cat /sys/devices/system/cpu/isolated)" ] || {
	bad 'is not isolated .*; boot the host with isolcpus=' --cpus 0
	bad 'is not isolated .*; boot the host with isolcpus=' --cpus 0 --allow-tick
	bad 'no CPU of this machine is isolated; boot it with isolcpus=' --placement auto --vcpus 1
	guest --placement auto 2>"$T/.err" || : # --cpus is given, too
	like "$(cat "$T/.err")" 'contradict each other' "--cpus and --placement auto"
	run "$RTKVM" run --kernel "$payload" --append exit:3 --memory 32M --placement auto \
		--vcpus 1 --allow-shared
	is "$code" 3 "--placement auto --allow-shared: vCPU 0 on a housekeeping CPU"
	like "$errs" '^rtkvm run: placement: no CPU is isolated.*shares a housekeeping' "and says so"
}
if [ "$cpus" -ge 2 ]; then
	bad 'is not isolated|carries a vCPU; separate them' --cpus 0 --housekeeping 0
else
	skip 1 "one CPU"
fi

# --- whose CPU it is: on a host whose CPUs are isolated, by a file of ours bound over the kernel's
if [ "$(id -u)" = 0 ] && [ "$cpus" -ge 2 ] && unshare -mpf --mount-proc true 2>/dev/null; then
	sysfs=/sys/devices/system/cpu
	on_isolated() { # LIST COMMAND...
		echo "$1" >"$T/isolated"
		unshare -m sh -c 'mount --bind "$1" /sys/devices/system/cpu/isolated && shift && exec "$@"' \
			sh "$T/isolated" "${@:2}"
	}
	# where no process is but these: others' threads, which may be pinned to any CPU, do not count
	cat >"$T/claimed" <<-'EOF'
		rm -f "$0.by"
		perl -e 'use Fcntl qw(:flock :DEFAULT); sysopen F, shift, O_RDONLY or die; flock F, LOCK_SH or die;
			$| = 1; print "locked\n"; sleep 60' /sys/devices/system/cpu/cpu0 >"$0.by" &
		until grep -qs locked "$0.by"; do sleep 0.05; done
		"$@"
		code=$?
		kill $!
		exit $code
	EOF
	beside() { # LIST COMMAND...: and another process has claimed CPU 0 of these
		on_isolated "$1" unshare -pf --mount-proc sh "$T/claimed" "${@:2}"
	}
	holder() { # FILE: who has locked it, as soon as somebody has
		for _ in $(seq 200); do
			awk -v i=":$(stat -c %i "$1")\$" '$2 == "FLOCK" && $6 ~ i { print $5; exit }' /proc/locks | grep . && break
			sleep 0.05
		done
	}
	run beside 0-1 "$RTKVM" run --kernel "$payload" --memory 32M --append exit:7 --placement auto \
		--vcpus 1 --allow-shared
	is "$code" 7 "--placement auto --allow-shared beside a claimed CPU: $errs"
	like "$errs" 'placement: CPU 1: isolated, not nohz_full, no busy SMT sibling' "takes the one that is free"
	run beside 0-1 "$RTKVM" run --kernel "$payload" --memory 32M --append exit:7 --placement auto \
		--vcpus 2 --allow-shared
	is "$code" 7 "two vCPUs, one free CPU and no housekeeping: $errs"
	like "$errs" "placement: CPU 0-1: isolated, not nohz_full.*; shared, as too few are nobody's: CPU 0 claimed by process [0-9]+ \\(perl " \
		"shares, and says whose it is"
	fails 2 'isolated there are 0: 0 claimed by process ([0-9]+) \(perl .*; end process \1, isolate more' \
		"--placement auto for more than is left" beside 0 "$RTKVM" run --kernel "$payload" --memory 32M \
		--append exit:0 --placement auto --vcpus 1 --allow-tick
	run on_isolated 0-1 unshare -pf --mount-proc "$RTKVM" run --kernel "$payload" --memory 32M --append exit:7 \
		--placement auto --vcpus 1 --allow-tick --housekeeping 0
	is "$code" 7 "--placement auto leaves --housekeeping its CPU: $errs"
	like "$errs" 'placement: CPU 1: isolated, not nohz_full' "and takes another"
	fails 2 '^rtkvm sample: --cpus: CPU 0 wanted alone, but process [0-9]+ \(perl .*; wait for its end or' \
		"sample of a claimed CPU" beside 0 "$RTKVM" sample --cpus 0 --duration 1s --out "$T/busy"
	ok "leaves nothing" test ! -e "$T/busy"
	fails 2 '^rtkvm cyclictest: --cpus: CPU 0 wanted alone, but process [0-9]+ ' "cyclictest of one" \
		beside 0 "$RTKVM" cyclictest --host --cpus 0 --duration 2s --out "$T/busy"
	fails 2 '^rtkvm bench: --cpu: CPU 0 wanted alone, but process [0-9]+ ' "QEMU on one" \
		beside 0 "$RTKVM" bench gap --vmm qemu --cpu 0 --allow-tick --duration 100ms
	fails 2 '^rtkvm doctor: --measure: CPU 0 wanted alone, but process [0-9]+ ' "doctor's busy thread on one" \
		beside 0 "$RTKVM" doctor --cpus 0 --measure 2s
	run on_isolated 0 flock -s $sysfs/cpu0 "$RTKVM" sample --cpus 0 --duration 100ms --out "$T/handed"
	is "$code" 0 "a claim that is handed over is our own: $errs"
	on_isolated 1 "$RTKVM" hwlat --cpus 1 --duration 60s --evidence counters --out "$T/hwlat" >/dev/null 2>&1 &
	other=$(holder $sysfs/cpu1)
	fails 2 "CPU 1 wanted alone, but process $other \\(.*rtkvm hwlat --cpus 1 .*; name others, or use --allow-shared" \
		"a guest on a CPU that hwlat watches" on_isolated 1 "$RTKVM" run --kernel "$payload" --cpus 1 \
		--allow-tick --fifo 5 --memory 32M --append exit:0
	kill -INT "$other"
	wait
	cat >"$T/c.ini" <<-EOF
		[campaign]
		name = c
		smoke = yes
		[phase p]
		run = sample
		cpus = 0
		duration = 1s
		[phase q]
		run = hwlat
		cpus = 0
		duration = 1s
	EOF
	run on_isolated 0 "$RTKVM" campaign run --quiet --out "$T/campaign" "$T/c.ini"
	is "$(jq -c '[.phases[] | .attempts[0].jobs | length]' "$T/campaign/campaign.json")" '[1,1]' \
		"a campaign's instruments are started: $errs"
	is "$(jq -r '.phases[].attempts[].jobs[].said // empty' "$T/campaign/campaign.json" | grep 'wanted alone')" "" \
		"and measure on the CPUs that it has claimed"
else
	skip 16 "no namespaces, or one CPU"
fi

# --- a cgroup that has no room: files of its own, bound over the real ones
if [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then
	mkdir -p "$T/cg/a"
	echo 10485760 >"$T/cg/memory.max"
	echo 0 >"$T/cg/memory.current"
	echo 0::/a >"$T/group"
	cat >"$T/mounts" <<-EOF
		none $T/cg cgroup2 rw 0 0
	EOF
	fails 2 'cg/memory.max leaves 10 of 10 MiB; raise it' "a limit of an ancestor cgroup" \
		unshare -m sh -c 'mount --bind "$1/group" /proc/$$/cgroup &&
			mount --bind "$1/mounts" /proc/$$/mounts && shift && exec "$@"' sh "$T" \
		"$RTKVM" run --kernel "$payload" --cpus 0 --allow-shared --memory 32M --hugepages off
else
	skip 1 "no mount namespaces"
fi

# --- a partition of cgroup v2: where there is none, the reason (vmm-lab.t has one)
v2=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
if [ -z "$v2" ]; then
	bad 'cgroup v2 is not mounted' --cpus 0 --cpuset-partition "rtkvm-test-$$" --allow-tick
elif ! grep -qw cpuset "$v2/cgroup.controllers"; then
	bad 'has no cpuset controller' --cpus 0 --cpuset-partition "rtkvm-test-$$" --allow-tick
else
	skip 1 "this host has the cpuset controller, and CPUs that others use"
fi
bad 'no name for a cgroup' --cpus 0 --cpuset-partition ../x --allow-tick
bad 'give one' --placement auto --vcpus 1 --cpuset-partition x

# --- no KVM, no rights
if unshare -m true 2>/dev/null; then
	fails 2 'opening /dev/kvm failed: No such file.*rtkvm lab' "no /dev/kvm" unshare -m sh -c \
		'mount -t tmpfs none /dev && exec "$@"' sh "$RTKVM" run --kernel "$payload" --cpus 0 \
		--allow-shared --memory 32M
else
	skip 1 "no mount namespaces"
fi
chmod 755 "$T"
fails 2 'Permission denied|not permitted' "no root: one sentence" setpriv --reuid 65534 --clear-groups \
	"$RTKVM" run --kernel "$payload" --cpus 0 --allow-shared --memory 32M

# --- signals
interrupt() {
	"$RTKVM" run --kernel "$payload" --cpus 0 --allow-shared --memory 32M --timeout 60s \
		--append "mark:1 halt" --events "$T/ev" >/dev/null 2>"$T/.err" &
	pid=$!
	await $pid grep -qs init "$T/ev"
	kill "-$1" $pid
	end_of $pid
}
for sig in INT TERM HUP; do
	rm -f "$T/ev"
	interrupt $sig
	is "$code" 3 "SIG$sig: exit code 3"
	is "$(ended .outcome)" interrupted "SIG$sig: the last event"
done
rm -f "$T/ev"
before=$(find "$T" | sort)
interrupt KILL 2>/dev/null
is "$code" 137 "kill -9 ends it"
is "$(find "$T" | grep -v '/ev$' | sort)" "$before" "and leaves no file"
is "$(find /proc/[0-9]*/task -maxdepth 2 -name comm -exec grep -lx vcpu0 {} + 2>/dev/null |
	grep -c "/$pid/")" 0 "and no thread"

# --- a reader that stops reading
mkfifo "$T/pipe"
# shellcheck disable=SC2217 # it only holds the pipe open
sleep 30 <"$T/pipe" &
sleeper=$!
on_exit "kill $sleeper 2>/dev/null"
fails 2 'not ended after|takes nothing' "a stalled console reader stalls the guest, not the limit" \
	guest --console "$T/pipe" --timeout 3s --append "chars:200000 exit:0"
kill $sleeper
done_testing

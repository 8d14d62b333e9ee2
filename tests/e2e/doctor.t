#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# doctor.t - rtkvm doctor on saved trees: golden output, every check both ways, collect, bad input
#
# RTKVM_GOLDEN=write makes the expected files anew; look at the difference before you keep it.
. tests/e2e/tap.sh

trees=tests/fixtures/doctor
statuses=$T/statuses

# The report, what went to stderr, and the exit code; the tree's place on this disk left out.
report() { # ROOT ARGS...
	local root=$1
	shift
	run "$RTKVM" doctor --root "$root" "$@"
	printf '%s\n' "$out"
	[ -z "$errs" ] || printf 'stderr: %s\n' "$errs"
	echo "exit $code"
}

for tree in "$trees"/*.tree; do
	name=$(basename "$tree" .tree)
	root=$T/$name
	read -ra args < <(sed -n 's/^#args: //p' "$tree")
	"$trees/unpack" "$tree" "$root"
	report "$root" "${args[@]}" >"$T/$name.out"
	[ "${RTKVM_GOLDEN:-}" != write ] || cp "$T/$name.out" "$trees/$name.out"
	ok "$name: report as expected" diff -u "$trees/$name.out" "$T/$name.out"

	run "$RTKVM" doctor --root "$root" "${args[@]}" --json
	[ "$name" != arm64-6.1 ] || continue
	printf '%s\n' "$out" | jq -r '.checks[] | .status + " " + .id' >>"$statuses"
	is "$(printf '%s' "$out" | jq -r .verdict)" "$([ "$code" = 0 ] && echo pass || echo fail)" \
		"$name: JSON says what the exit code says"
	failed=$(printf '%s' "$out" | jq -r '[.checks[] | select(.status == "fail")][0].id // "ok"')
	is "$("$RTKVM" doctor --root "$root" "${args[@]}" --gate)" "$failed" \
		"$name: the gate's word is the first failed check"

	# What was collected is enough to judge the machine again; spoilt files are not collected.
	[ "$name" != garbage ] || continue
	"$RTKVM" doctor --root "$root" --collect "$T/$name.tgz" >/dev/null
	mkdir "$T/again"
	tar -C "$T/again" -xzf "$T/$name.tgz"
	if [ "$name" = container-6.1 ]; then
		sed '/^FAIL  timer.migration/,/do:/d; /fail, /d' "$T/$name.out" >"$T/want"
		report "$T/again" "${args[@]}" | sed '/^n.a   timer.migration/d; /fail, /d' >"$T/got"
	else
		sed 's/first pps-report/first task/' "$T/$name.out" >"$T/want"
		report "$T/again" "${args[@]}" >"$T/got"
	fi
	ok "$name: collected and judged again, the same" diff -u "$T/want" "$T/got"
	rm -rf "$T/again"
done

# A drop-in that assigns GRUB's words anew is harmless before ours, not after it.
root=$T/intel-6.1-stock
ours=$root/etc/default/grub.d/zz-rtkvm-tune.cfg
# shellcheck disable=SC2016 # GRUB's variable, not the shell's
echo 'GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT x"' >"$ours"
like "$("$RTKVM" doctor --root "$root" --cpus 2-7)" 'pass  boot.grub-drop-in' "one before ours"
cp "$root/etc/default/grub.d/99-mine.cfg" "$root/etc/default/grub.d/zzz-mine.cfg"
like "$("$RTKVM" doctor --root "$root" --cpus 2-7)" \
	'FAIL  boot.grub-drop-in .*/zzz-mine.cfg assigns it anew$' "one after ours"
mv "$root/etc/default/grub.d/zzz-mine.cfg" "$root/etc/default/grub.d/ZZZ-mine.cfg"
like "$("$RTKVM" doctor --root "$root" --cpus 2-7)" \
	'FAIL  boot.grub-drop-in .*/ZZZ-mine.cfg assigns it anew, before ours or after it' \
	"one that is after ours where names are not sorted by bytes"

# irqbalance without a list leaves out what was isolated at boot, and nothing else.
root=$T/amd-6.12-stock
balance() { # WHAT CPUS WANT
	like "$("$RTKVM" doctor --root "$root" --cpus "$2")" "$3" "irqbalance with $1"
}
balance "the older list only" 4-7 'FAIL  irq.irqbalance +it runs, and IRQBALANCE_BANNED_CPULIST is not set'
echo '#IRQBALANCE_BANNED_CPULIST=' >"$root/etc/default/irqbalance"
balance "no list" 4-7 'pass  irq.irqbalance +it has no list, and leaves out what was isolated at boot'
rm "$root/etc/default/irqbalance"
balance "no file" 4-7 'pass  irq.irqbalance +it has no list'
balance "no file, before the boot" 3-7 \
	'FAIL  irq.irqbalance +it runs with no list, and CPU 3 was not isolated at boot'
mkfifo "$root/etc/default/irqbalance"
balance "a file that is none" 4-7 'FAIL  irq.irqbalance +not known: .*/etc/default/irqbalance'

# Cache of their own is what a group has that is exclusive and has no other CPU.
cp -a "$T/intel-6.1-rt/." "$T/cache"
group=$T/cache/sys/fs/resctrl/rtkvm
shares() { # WHAT WANT
	like "$("$RTKVM" doctor --root "$T/cache")" "$2" "$1"
}
shares "an exclusive group" 'pass  cache.resctrl'
echo shareable >"$group/mode"
shares "a group that shares every way" 'warn  cache.resctrl +CPU 2-7 share the cache with others'
rm "$group/mode"
shares "one of an unknown kind" 'warn  cache.resctrl +not known: .*rtkvm/mode'
mkdir "$group.3"
echo exclusive | tee "$group/mode" >"$group.3/mode"
echo 2,4-7 >"$group/cpus_list"
echo 3 >"$group.3/cpus_list"
shares "two exclusive groups" 'pass  cache.resctrl'
echo 1,3 >"$group.3/cpus_list"
shares "one with a housekeeping CPU" 'warn  cache.resctrl +CPU 3 shares the cache with others'

# The same where nothing is mounted, or the kernel could not.
rm -rf "$T/cache/sys/fs/resctrl"
config=$(echo "$T"/cache/boot/config-*)
shares "a kernel without resctrl, where the profile's variables do nothing" \
	'n/a   cache.resctrl +the kernel is without X86_CPU_RESCTRL'
echo CONFIG_X86_CPU_RESCTRL=y >>"$config"
shares "resctrl not mounted" 'warn  cache.resctrl +nothing is divided: resctrl is not mounted'

# What sets knobs at boot, and probes that no event's directory shows; collected, without addresses.
root=$T/cache
mkdir -p "$root/sys/kernel/debug/kprobes" "$root/etc/systemd/system/multi-user.target.wants"
: >"$root/etc/systemd/system/multi-user.target.wants/cpupower.service"
list=$root/sys/kernel/debug/kprobes/list
printf 'ffffffff8f3c1a20  k  do_exit+0x0    [DISABLED]\n' >"$list"
like "$("$RTKVM" doctor --root "$root")" 'pass  tracing.idle' "a kprobe that is not armed"
printf 'ffffffff8f3c1a40  r  vfs_read+0x0    [FTRACE]\n' >>"$list"
run "$RTKVM" doctor --root "$root"
like "$out" 'warn  tracing.idle +a kprobe is set at vfs_read.0x0' "one that is"
like "$out" 'warn  services.conflicts +cpupower.service is enabled' "cpupower at boot"
report "$root" >"$T/want"
"$RTKVM" doctor --root "$root" --collect "$T/probes.tgz" >/dev/null
mkdir "$T/again"
tar -C "$T/again" -xzf "$T/probes.tgz"
report "$T/again" >"$T/got"
ok "all of it is collected" diff -u "$T/want" "$T/got"
ok "but where the kernel lies" sh -c "! grep -r ffffffff8f '$T/again'"
rm -rf "$T/again"

# No check that cannot pass, none that cannot fail. (The measured ones: tests/unit/measure.c.)
"$RTKVM" doctor --list >"$T/list"
missing=$(cut -f1 "$T/list" | grep -v ^measured | while read -r id; do
	grep -qx "pass $id" "$statuses" || echo "no tree where $id passes"
	grep -qxE "(fail|warn) $id" "$statuses" || echo "no tree where $id fails"
done)
is "$missing" "" "every check has a tree in which it passes and one in which it fails"

# The man page lists the checks, in their order, with their words.
sed -n 's/^\.It Cm \([a-z][a-z0-9]*\.[a-z0-9-]*\) Pq \([a-z]*\), \([a-z]*\)$/\1 \2 \3/p' \
	docs/rtkvm-doctor.1 >"$T/man"
ok "rtkvm-doctor(1) lists every check" diff -u <(cut -f1-3 "$T/list" | tr '\t' ' ') "$T/man"
# A PREEMPT_RT kernel starts irq_work/N at 1, where a vCPU is too.
cp -a "$T/intel-6.1-rt" "$T/started"
sed -i 's/ 2 1 0 0$/ 1 1 0 0/' "$T/started/proc/313/task/313/stat"
run "$RTKVM" doctor --root "$T/started"
like "$out" 'FAIL  tasks.priorities +irq_work/3 has priority 1, a vCPU 1' "irq_work/N as it starts"
run "$RTKVM" doctor --explain sched.fair-server
like "$out" "from 6.12" "explain tells the kernels"
like "$out" "do:" "explain tells the remedy"

# Collected: nothing private.
"$trees/unpack" "$trees/intel-6.1-rt.tree" "$T/private"
printf 'x root=UUID=5ec2e7 hostname=alice ip=10.0.0.1 isolcpus=2-7 quiet\n' >"$T/private/proc/cmdline"
printf 'GRUB_CMDLINE_LINUX_DEFAULT="ip=10.0.0.1 secret"\n# alice\n' >"$T/private/etc/default/grub"
mkdir -p "$T/private/proc/300/task/300"
sed 's/^1 (systemd)/300 (alice-app)/; s/ 0 0 0 0$/ 5 0 0 0/' "$T/private/proc/1/task/1/stat" \
	>"$T/private/proc/300/task/300/stat"
cp "$T/private/proc/1/task/1/status" "$T/private/proc/300/task/300/"
printf 'kernel.hostname = alice\nvm.swappiness=1\n' >"$T/private/etc/sysctl.d/a.conf"
ok "collect" "$RTKVM" doctor --root "$T/private" --collect "$T/private.tar" >"$T/log"
mkdir "$T/p"
tar -C "$T/p" -xf "$T/private.tar"
ok "no private word is in it" sh -c "! grep -raE '5ec2e7|10\\.0\\.0\\.1|secret|alice-app|gnulinux-alice' '$T/p'"
like "$(cat "$T/p/proc/cmdline")" 'isolcpus=2-7' "what matters is in it"
ok "a tar of GNU tar's liking" tar -tf "$T/private.tar" >/dev/null

# Bad input: one line, exit 2.
good=$T/intel-6.1-rt
fails 2 'opening the tree .*No such file' "no such tree" "$RTKVM" doctor --root "$T/none"
fails 2 'cpuinfo failed' "an empty tree" "$RTKVM" doctor --root "$T/p/dev"
fails 2 'backwards' "a list that runs backwards" "$RTKVM" doctor --root "$good" --cpus 5-2
fails 2 'is empty' "an empty list" "$RTKVM" doctor --root "$good" --cpus ''
fails 2 'no check "nonsense"' "an unknown check" "$RTKVM" doctor --explain nonsense
fails 2 'exclude each other' "two outputs" "$RTKVM" doctor --json --gate
fails 2 'needs the machine itself' "a saved tree cannot be measured" \
	"$RTKVM" doctor --root "$good" --measure 2s
fails 2 'from 2s to 1h' "a measurement too short" "$RTKVM" doctor --measure 1s
fails 2 'needs the machine itself' "timers of a saved tree" "$RTKVM" doctor --root "$good" --timer
fails 2 'goes with' "timers and a gate" "$RTKVM" doctor --timer --gate
fails 2 'from 1s to 1h' "timers for no time" "$RTKVM" doctor --timer=1ms
fails 2 'duration|number|unit' "timers for a time that is none" "$RTKVM" doctor --timer=soon
fails 2 'CPU 4095|cannot|not online|failed' "timers of a CPU that is not there" \
	"$RTKVM" doctor --timer=1s --cpus 4095
fails 2 'unexpected "extra"' "a word too many" "$RTKVM" doctor extra
fails 2 'writing .*failed' "no place for the archive" \
	"$RTKVM" doctor --root "$good" --collect "$T/none/x.tar"
ok "nothing is left of it" sh -c "! ls '$T'/*.tmp 2>/dev/null"
for bad in proc/cpuinfo proc/cmdline proc/sys/kernel/osrelease sys/devices/system/cpu/online \
	sys/devices/system/cpu/isolated; do
	rm -rf "$T/bad"
	cp -a "$good" "$T/bad"
	rm "$T/bad/$bad"
	mkfifo "$T/bad/$bad"
	fails 2 "$bad" "a pipe for /$bad" timeout 10 "$RTKVM" doctor --root "$T/bad"
	rm "$T/bad/$bad"
	head -c 20000000 /dev/zero | tr '\0' 5 >"$T/bad/$bad"
	fails 2 "$bad|not an x86-64" "no end of /$bad" "$RTKVM" doctor --root "$T/bad"
done
rm -rf "$T/bad"
cp -a "$good" "$T/bad"
echo garbage >"$T/bad/sys/devices/system/cpu/isolated"
fails 2 'isolated holds no CPU list' "garbage in isolated" "$RTKVM" doctor --root "$T/bad"
ln -sf /etc/passwd "$T/bad/proc/sys/vm/stat_interval"
echo 2-7 >"$T/bad/sys/devices/system/cpu/isolated"
run "$RTKVM" doctor --root "$T/bad"
like "$out" 'n/a   vm.stat-interval .*there is no' "a link out of the tree leads nowhere"

# The directories of sysctl.d(5): a name in one hides it in those after, so does a link to /dev/null.
mkdir -p "$T/bad/etc/sysctl.d" "$T/bad/run/sysctl.d" "$T/bad/usr/local/lib/sysctl.d" "$T/bad/dev"
sysctl() { "$RTKVM" doctor --root "$T/bad" | sed -n 's/^\([a-z]*\) *services.sysctl *\(.*\)/\1 \2/p'; }
echo 'kernel.timer_migration = 1' | tee "$T/bad/usr/local/lib/sysctl.d/90-x.conf" >"$T/bad/run/sysctl.d/90-y.conf"
is "$(sysctl)" "warn kernel.timer_migration=1 in /run/sysctl.d/90-y.conf" "sysctl.d in /run"
ln -s /dev/null "$T/bad/etc/sysctl.d/90-y.conf"
is "$(sysctl)" "warn kernel.timer_migration=1 in /usr/local/lib/sysctl.d/90-x.conf" "in /usr/local/lib, the other masked"
: >"$T/bad/etc/sysctl.d/90-x.conf"
is "$(sysctl)" "pass none" "and masked by an empty one"

# A kernel that carries its configuration with it: judged alike, and collected.
rm -rf "$T/bad"
cp -a "$good" "$T/bad"
release=$(cat "$good/proc/sys/kernel/osrelease")
gzip -c "$good/boot/config-$release" >"$T/bad/proc/config.gz"
rm "$T/bad/boot/config-$release"
report "$good" >"$T/want"
report "$T/bad" >"$T/got"
ok "the configuration in /proc/config.gz" diff -u "$T/want" "$T/got"
"$RTKVM" doctor --root "$T/bad" --collect "$T/config.tgz" >/dev/null
mkdir "$T/again"
tar -C "$T/again" -xzf "$T/config.tgz"
report "$T/again" >"$T/got"
ok "is collected" sh -c "grep -q '^pass  kernel.config ' '$T/got' && ! grep 'not known' '$T/got'"
rm -rf "$T/again"

# --timer reads the advance while the flat guest runs: here from a debugfs of our own, in which it
# moves, for so long that a slow machine has it in the first half. The directory of the bench's process
# counts, a stranger's does not.
timer_in_fake() { # DURATION VALUE...: each for a fifth of a second, over and over where the last is "again"
	local dir=$T/timer debug=$T/timer/debug/kvm duration=$1 doctor bench values
	shift
	values=("$@")
	rm -rf "$dir"
	mkdir -p "$debug/1-7/vcpu0" "$dir/parameters"
	echo 4900 >"$debug/1-7/vcpu0/lapic_timer_advance_ns"
	echo -1 >"$dir/parameters/lapic_timer_advance_ns"
	# shellcheck disable=SC2016 # the inner shell's
	unshare --mount sh -c 'mount --bind "$1/debug" /sys/kernel/debug &&
		mount --bind "$1/parameters" /sys/module/kvm/parameters &&
		exec "$2" doctor "--timer=$3" --json --cpus 1' sh "$dir" "$RTKVM" "$duration" \
		>"$dir/out" 2>&1 &
	doctor=$!
	until bench=$(pgrep -P $doctor -f ' bench timer ') || ! kill -0 $doctor 2>/dev/null; do sleep 0.05; done
	mkdir -p "$debug/$bench-7/vcpu0"
	while kill -0 $doctor 2>/dev/null; do
		case ${values[0]:-} in
		again) values=("$@") ;;
		"") ;;
		*) # in one piece
			echo "${values[0]}" >"$dir/new"
			mv "$dir/new" "$debug/$bench-7/vcpu0/lapic_timer_advance_ns"
			values=("${values[@]:1}")
			;;
		esac
		sleep 0.2
	done
	wait $doctor
	code=$?
	out=$(cat "$dir/out")
}
if [ -w /dev/kvm ] && [ -d /sys/kernel/debug ] && unshare --mount true 2>/dev/null; then
	timer_in_fake 4s 1000 1200 1500 1800 1900
	is "$(printf '%s' "$out" | jq -c '.cpus[] | [.cpu, .advance_ns, .settled]')" "[1,1900,true]" \
		"--timer: an advance that moves and settles"
	is "$(printf '%s' "$out" | jq -c '[.takes_fixed, (has("lapic_timer_adv_ns") | not)]')" \
		"$(printf '%s' "$out" | jq -c '[true, .cpus[0].conditions != "hardware"]')" \
		"a fixed one is offered on hardware only"
	timer_in_fake 3s 1000 4900 again
	is "$code $(printf '%s' "$out" | jq -r '.cpus[] | .settled')" "1 false" \
		"--timer: one that does not settle"
	like "$(printf '%s' "$out" | jq -r '.cpus[].remark')" 'has not settled' "and that is said"
	timer_in_fake 3s 1000
	is "$(printf '%s' "$out" | jq -r '.cpus[].advance_ns')" 1000 "--timer: one that never moves"
else
	skip 5 "--timer: no /dev/kvm, debugfs or mount name space"
fi


# On the machine that runs this: an answer, whatever it is.
run "$RTKVM" doctor
ok "this machine gets an answer" test "$code" -le 1
run "$RTKVM" doctor --cpus "$(($(nproc) - 1))" --measure 2s
ok "and can be watched" test "$code" -le 1
like "$out" '(pass|FAIL)  measured.tick' "the tick is judged"
# somebody's guest may run there meanwhile
like "$out" '(pass|FAIL)  measured.pause .* us|n/a   measured.pause +every isolated CPU serves a guest' \
	"the longest pause is told"

done_testing

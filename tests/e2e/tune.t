#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# tune.t - rtkvm tune on saved trees: plan, set, set again, put back; lists of CPUs; bad input
. tests/e2e/tap.sh

trees=tests/fixtures/doctor
host=profiles/realtime-virtual-host

unpack() { # NAME: a fresh tree in $T/NAME
	rm -rf "${T:?}/$1"
	"$trees/unpack" "$trees/$1.tree" "$T/$1"
}

# What each file is, and when it was written; our own state left out.
state() {
	find "$1" -type f ! -path '*/rtkvm/*' -exec stat -c '%n %Z %i %a' {} + | sort
}

tune() { "$RTKVM" tune --root "$@"; }

# What is left to differ in a saved tree, line by line: what the kernel takes at boot only, and
# threads, which no kernel is there to change.
left_to_differ() { # ROOT LIST
	local file is name
	"$RTKVM" tune --root "$1" --set "isolated_cores=$2" show >"$T/show"
	while read -r name; do
		tr ' ' '\n' <"$1/proc/cmdline" | grep -qxF -e "$name" ||
			echo "/proc/cmdline: $name is not there; it takes a boot"
	done < <(sed -n 's/^boot //p' "$T/show")
	sed -n 's/^module \(.*\) \(.*\)=\(.*\)$/\1 \2 \3/p' "$T/show" | while read -r module name want; do
		file=/sys/module/$module/parameters/$name
		[ -e "$1$file" ] || continue
		is=$(cat "$1$file")
		case $want$is in
		"$want$want" | 0N | 1Y | 0never) continue ;;
		esac
		echo "$file is $is, expected $want; it takes a boot (update-initramfs -u first where the initramfs has the module), or a reload of the module"
	done
	sed -n 's/^\([0-9]*\) (\(kthreadd\|rcuop\/[0-9]*\|kworker\/u.*\)).*/\2 (\1) may run on isolated CPUs/p' \
		"$1"/proc/*/task/*/stat
	sed -n 's/^\([0-9]*\) (\(ksoftirqd\/[1-9]\)).* 0 0 0 0$/\2 (\1) has priority 0, expected 2/p' \
		"$1"/proc/*/task/*/stat
}

# There and back, on every machine.
for tree in "$trees"/*.tree; do
	name=$(basename "$tree" .tree)
	case $name in
	arm64* | garbage | container* | guest*) continue ;;
	esac
	unpack "$name"
	rm -rf "$T/$name/boot/grub2"
	cp -a "$T/$name" "$T/before"
	list=$("$RTKVM" tune --root "$T/$name" cpus auto)
	run tune "$T/$name" --set "isolated_cores=$list" start
	is "$code" 0 "$name: start with $list"
	state "$T/$name" >"$T/first"
	run tune "$T/$name" --set "isolated_cores=$list" start
	is "$out" "0 settings changed" "$name: start again changes nothing"
	state "$T/$name" >"$T/second"
	ok "$name: and writes nothing" cmp "$T/first" "$T/second"
	run tune "$T/$name" --set "isolated_cores=$list" verify
	is "$(printf '%s\n' "$errs" | sed 's/^rtkvm tune: //' | sort)" \
		"$(left_to_differ "$T/$name" "$list" | sort)" "$name: nothing differs but what takes a boot"
	run tune "$T/$name" stop
	is "$out" "kept: not a full rollback" "$name: a plain stop keeps all"
	run tune "$T/$name" stop full_rollback
	is "$code" 0 "$name: stop"
	rm -rf "$T/$name/run/rtkvm" "$T/$name/var/lib/rtkvm"
	find "$T/$name" "$T/before" -type d -empty -delete
	# a tree's file of choices has no kernel that would show the others again
	ok "$name: byte for byte as before" \
		diff -r -x enabled -x policy "$T/before" "$T/$name"
	rm -rf "$T/before"
done

# A smaller set than before: what is no longer asked for is put back.
unpack intel-6.1-stock
t=$T/intel-6.1-stock
rm -rf "$t/boot/grub2"
ok "start with 2-7" tune "$t" --set isolated_cores=2-7 start >/dev/null
cpu3=$t/sys/devices/system/cpu/cpu3/cpufreq
echo 1000000 >"$t/sys/devices/system/cpu/cpu3/cpufreq/scaling_min_freq"
run tune "$t" --set isolated_cores=2-7 verify
is "$(printf '%s\n' "$errs" | sed 's/^rtkvm tune: //' | sort | comm -23 - <(left_to_differ "$t" 2-7 | sort))" \
	"/sys/devices/system/cpu/cpu3/cpufreq/scaling_min_freq is 1000000, expected 3300000" \
	"what has drifted differs besides"
ok "again with what has drifted" tune "$t" --set isolated_cores=2-7 start >/dev/null
is "$(cat "$cpu3/scaling_min_freq")" 3300000 "it is set"
ok "start with 4-7" tune "$t" --set isolated_cores=4-7 start >/dev/null
is "$(cat "$cpu3/scaling_min_freq")" 1000000 "a CPU that is no longer isolated is as it was"
like "$(cat "$t/etc/tuned/bootcmdline")" 'isolcpus=managed_irq,domain,4-7 ' "the new list boots"
ok "stop" tune "$t" stop full_rollback >/dev/null

# tuned starts the old profile again after it has refused a list, and hands that list over.
unpack intel-6.1-stock
rm -rf "$t/boot/grub2"
export TUNED_isolated_cores=4-7
ok "start with 4-7" tune "$t" start >/dev/null
state "$t" >"$T/first"
TUNED_isolated_cores=0-3
fails 2 'CPU 0 cannot be isolated' "a refused list, and nothing was in force" \
	"$RTKVM" tune --root "$T/intel-6.1-rt" start
ok "stop" tune "$t" stop full_rollback >/dev/null
run tune "$t" start
is "$code" 0 "start with the refused list"
like "$errs" 'CPU 0 cannot be isolated.*isolated_cores stays 4-7, as it was' "that is said"
ok "what was in force is so again" diff <(cut -d' ' -f1 "$T/first") <(state "$t" | cut -d' ' -f1)
like "$(cat "$t/etc/tuned/bootcmdline")" 'isolcpus=managed_irq,domain,4-7 ' "with the CPUs of before"
fails 2 'CPU 0 cannot be isolated' "and verification goes on to refuse it" \
	"$RTKVM" tune --root "$t" verify
unset TUNED_isolated_cores
ok "stop" tune "$t" stop full_rollback >/dev/null

# What somebody else has changed since stays theirs.
ok "start" tune "$t" --set isolated_cores=3-7 start >/dev/null
echo '# mine' >>"$t/etc/default/irqbalance"
echo 20 >"$t/proc/sys/vm/stat_interval"
run tune "$t" stop full_rollback
like "$errs" 'irqbalance has been edited since, it stays' "an edited file stays, and that is said"
like "$(cat "$t/etc/default/irqbalance")" '# mine' "it is there"
is "$(cat "$t/proc/sys/vm/stat_interval")" 20 "so does a setting of somebody else"

# And what came between two activations.
unpack intel-6.1-stock
rm -rf "$t/boot/grub2"
cp "$t/etc/default/irqbalance" "$T/irqbalance"
ok "start with 3-7" tune "$t" --set isolated_cores=3-7 start >/dev/null
echo 'IRQBALANCE_ARGS=--banirq=9' >>"$t/etc/default/irqbalance"
ok "start with 4-7" tune "$t" --set isolated_cores=4-7 start >/dev/null
run tune "$t" stop full_rollback
is "$(cat "$t/etc/default/irqbalance")" "$(cat "$T/irqbalance")
IRQBALANCE_ARGS=--banirq=9" "a line that somebody added in between stays, ours go"

# Red Hat keeps irqbalance's configuration elsewhere.
unpack intel-6.1-stock
rm -rf "$t/boot/grub2"
mkdir -p "$t/etc/sysconfig"
mv "$t/etc/default/irqbalance" "$t/etc/sysconfig/irqbalance"
cp "$t/etc/sysconfig/irqbalance" "$T/irqbalance"
ok "start with irqbalance of Red Hat" tune "$t" --set isolated_cores=4-7 start >/dev/null
like "$(cat "$t/etc/sysconfig/irqbalance")" '^IRQBALANCE_BANNED_CPULIST=4-7$' "it leaves them out"
ok "stop" tune "$t" stop full_rollback >/dev/null
ok "it is as before" cmp "$T/irqbalance" "$t/etc/sysconfig/irqbalance"

# With no file irqbalance has no list until the boot: it gets one where it looks for it.
unpack amd-6.12-stock
for name in default sysconfig; do
	unpack intel-6.1-stock
	rm -rf "$t/boot/grub2" "$t/etc/default/irqbalance"
	mkdir -p "$t/usr/lib/systemd/system"
	printf '[Service]\nEnvironmentFile=-/usr/lib/irqbalance/defaults.env\nEnvironmentFile=-%s\n' \
		"/etc/$name/irqbalance" >"$t/usr/lib/systemd/system/irqbalance.service"
	ok "start where irqbalance reads /etc/$name/irqbalance" \
		tune "$t" --set isolated_cores=4-7 start >/dev/null
	is "$(cat "$t/etc/$name/irqbalance")" "IRQBALANCE_BANNED_CPULIST=4-7
IRQBALANCE_BANNED_CPUS=f0" "it has its list there"
	is "$(find "$t/etc" -name irqbalance | wc -l)" 1 "and nowhere else"
	run tune "$t" --set isolated_cores=4-7 start
	is "$out" "0 settings changed" "once is enough"
	rm "$t/etc/$name/irqbalance"
	run tune "$t" --set isolated_cores=4-7 verify
	like "$errs" "/etc/$name/irqbalance is not what the profile wrote" "verified"
	ok "start again" tune "$t" --set isolated_cores=4-7 start >/dev/null
	ok "stop" tune "$t" stop full_rollback >/dev/null
	ok "it is gone with the profile" test ! -e "$t/etc/$name/irqbalance"
done
unpack intel-6.1-stock
rm -rf "$t/boot/grub2" "$t/etc/default/irqbalance"
run tune "$t" --set isolated_cores=4-7 start
ok "no irqbalance, no file" sh -c "! find '$t/etc' -name irqbalance | grep ."
ok "and nothing to say" sh -c "! printf '%s' '$errs' | grep irqbalance"
ok "stop" tune "$t" stop full_rollback >/dev/null
cp -a "$T/amd-6.12-stock/proc/171" "$t/proc/"
run tune "$t" --set isolated_cores=4-7 start
like "$errs" 'irqbalance runs and reads neither .*give it IRQBALANCE_BANNED_CPULIST=4-7' \
	"one that is started in a way of somebody's own: that is said"
ok "stop" tune "$t" stop full_rollback >/dev/null

# A failure half way leaves nothing behind. (A directory cannot be read as a setting.)
unpack intel-6.1-stock
rm -rf "$t/boot/grub2"
rm "$t/proc/sys/vm/compaction_proactiveness"
mkdir "$t/proc/sys/vm/compaction_proactiveness"
cp -a "$t" "$T/before"
fails 2 'compaction_proactiveness.*nothing was changed' "a setting that fails" \
	"$RTKVM" tune --root "$t" --set isolated_cores=2-7 start
rm -rf "${t:?}/run" "${t:?}/var"
find "$t" "$T/before" -type d -empty -delete
ok "nothing was changed" diff -r "$T/before" "$t"
rm -rf "$T/before"

# Kernel files that are none: one sentence, nothing changed.
for kind in pipe endless; do
	unpack intel-6.1-stock
	rm -rf "$t/boot/grub2"
	rm "$t/proc/sys/vm/compaction_proactiveness"
	case $kind in
	pipe) mkfifo "$t/proc/sys/vm/compaction_proactiveness" ;;
	endless) head -c 20000000 /dev/zero | tr '\0' 5 >"$t/proc/sys/vm/compaction_proactiveness" ;;
	esac
	fails 2 'compaction_proactiveness.*nothing was changed' "a setting that is a file of the kind: $kind" \
		timeout 10 "$RTKVM" tune --root "$t" --set isolated_cores=2-7 start
	ok "no file of ours is left" sh -c "! ls '$t'/etc/default/grub.d/zz-rtkvm* \
		'$t'/etc/modprobe.d/rtkvm* '$t'/run/rtkvm/*.knobs 2>/dev/null | grep ."
done

# Killed half way: the next start mends it, the next stop puts it back.
unpack intel-6.1-stock
rm -rf "$t/boot/grub2"
cp -a "$t" "$T/before"
mkdir -p "$t/run/rtkvm"
"$RTKVM" tune --root "$t" --set isolated_cores=2-7 start >/dev/null
echo 1 >"$t/proc/sys/vm/stat_interval" # as if it had not come to this one
echo half >"$t/etc/tuned/bootcmdline.4711.tmp" # and had been writing this one
ok "start after a kill" tune "$t" --set isolated_cores=2-7 start >/dev/null
is "$(cat "$t/proc/sys/vm/stat_interval")" 120 "it is finished"
ok "and half a file is gone" test ! -e "$t/etc/tuned/bootcmdline.4711.tmp"
ok "stop" tune "$t" stop full_rollback >/dev/null
is "$(cat "$t/proc/sys/vm/stat_interval")" 1 "and put back to what it was at first"
rm -rf "$T/before"

# The same with a real end, wherever it comes.
for us in 1000 4000 8000 12000 20000 40000; do
	unpack intel-6.1-stock
	rm -rf "$t/boot/grub2"
	cp -a "$t" "$T/before"
	(
		timeout -s KILL "$(printf '0.%06d' $us)" "$RTKVM" tune --root "$t" \
			--set isolated_cores=2-7 start
		true # the shell says that it was killed
	) >/dev/null 2>&1
	ok "start after a kill at $us us" tune "$t" --set isolated_cores=2-7 start >/dev/null
	run tune "$t" --set isolated_cores=2-7 start
	is "$out" "0 settings changed" "it is whole"
	ok "stop" tune "$t" stop full_rollback >/dev/null
	rm -rf "${t:?}/run" "${t:?}/var"
	find "$t" "$T/before" -type d -empty -delete
	ok "and all is as before" diff -r -x enabled "$T/before" "$t"
	rm -rf "$T/before"
done

# An /etc that cannot be written: one sentence, nothing half done.
unpack intel-6.1-stock
rm -rf "$t/boot/grub2"
cp -a "$t" "$T/before"
if unshare --mount true 2>/dev/null; then
	# shellcheck disable=SC2016 # the inner shell's
	fails 2 'ead-only file system.*nothing was changed' "a read-only /etc" unshare --mount sh -c \
		'mount --bind "$2/etc" "$2/etc" && mount -o remount,bind,ro "$2/etc" &&
		exec "$1" tune --root "$2" --set isolated_cores=2-7 start' sh "$RTKVM" "$t"
	rm -rf "${t:?}/run" "${t:?}/var"
	find "$t" "$T/before" -type d -empty -delete
	ok "nothing was changed" diff -r "$T/before" "$t"
else
	skip 3 "a read-only /etc: no mount name space"
fi
rm -rf "$T/before"

# Boot loaders: none that is Debian's GRUB, and two.
unpack intel-6.1-stock
rm -rf "$t/boot/grub" "$t/boot/grub2"
run tune "$t" --set isolated_cores=2-7 start
is "$code" 0 "without GRUB"
like "$errs" "not Debian's GRUB: the parameters do not reach it; give it the words of /etc/tuned/bootcmdline" \
	"that is said"
like "$(cat "$t/etc/tuned/bootcmdline")" 'isolcpus=managed_irq,domain,2-7' "and the words are there"
ok "stop" tune "$t" stop full_rollback >/dev/null
unpack intel-6.1-stock
mkdir -p "$t/boot/grub2"
echo 'linux /vmlinuz' >"$t/boot/grub2/grub.cfg"
run tune "$t" --set isolated_cores=2-7 start
is "$code" 0 "with two GRUB configurations"
like "$errs" '/boot/grub2/grub.cfg is not Debian' "the one that is not reached is named"
ok "stop" tune "$t" stop full_rollback >/dev/null

# GRUB is only looked at on the live machine: the tree becomes one, with processes and a network of its
# own, and an update-grub that finds no kernel of this system.
unpack intel-6.1-stock
rm -rf "$t/boot/grub2"
mkdir -p "$t/b" "$t/bin"
cp "$RTKVM" "$t/b/rtkvm"
cp -r "$host" "$t/b/profile"
ln -s /b/rtkvm "$t/proc/self/exe"
: >"$t/dev/null"
ldd "$RTKVM" /bin/sh | grep -o '/[^ ]*[.]so[^ ]*' | sort -u | while read -r lib; do
	mkdir -p "$t$(dirname "$lib")"
	cp -L "$lib" "$t$lib"
done
cp -L /bin/sh "$t/bin/sh"
printf '#!/bin/sh\n' >"$t/b/update-grub"
chmod +x "$t/b/update-grub"
printf '### BEGIN /etc/grub.d/%s ###\nlinux /vmlinuz\n' 10_linux_xen 40_custom >"$t/boot/grub/grub.cfg"
live() { # as tuned's script calls it
	TUNED_isolated_cores=2-7 PATH=$PATH:/b unshare --mount --pid --net --fork chroot "$t" /b/rtkvm "$@"
}
if live --version >/dev/null 2>&1; then
	by_hand='put the words of /etc/tuned/bootcmdline there by hand$'
	run live tune --profile /b/profile start
	is "$code" 0 "without an entry that could have the parameters"
	like "$errs" "grub.cfg has no entry of this system's kernels \(10_linux, 10_linux_zfs\); $by_hand" \
		"that is said after update-grub, and what to do"
	run live tune --profile /b/profile verify
	is "$code" 1 "it does not verify"
	like "$errs" "no entry of this system's kernels \(10_linux, 10_linux_zfs\); update-grub, or $by_hand" \
		"for which the same is said, and to try update-grub first"
	ok "stop" live tune --profile /b/profile stop full_rollback >/dev/null
else
	skip 5 "a live machine of its own: not root, or a program that needs more of /proc"
fi

# Queues and cache: only where they are asked for.
unpack intel-6.1-stock
rm -rf "$t/boot/grub2"
mkdir -p "$t/sys/fs/resctrl/info/L3"
printf '7ff\n' >"$t/sys/fs/resctrl/info/L3/cbm_mask"
printf '1\n' >"$t/sys/fs/resctrl/info/L3/min_cbm_bits"
printf 'L3:0=7ff;1=7ff\n' >"$t/sys/fs/resctrl/schemata"
printf '0-7\n' >"$t/sys/fs/resctrl/cpus_list"
rm -rf "$t/sys/fs/resctrl/rtkvm"
cp -a "$t" "$T/before"
# the kernel makes a group's files; here they lie ready
mkdir "$t/sys/fs/resctrl/rtkvm"
for f in schemata cpus_list mode; do : >"$t/sys/fs/resctrl/rtkvm/$f"; done
cat_l3=(--set isolated_cores=2-7 --set resctrl_l3_ways=4)
ok "start with cache ways" tune "$t" "${cat_l3[@]}" start >/dev/null
is "$(cat "$t/sys/fs/resctrl/schemata")" "L3:0=7f;1=7f" "the others lose them"
is "$(cat "$t/sys/fs/resctrl/rtkvm/schemata")" "L3:0=780;1=780" "the group has them"
is "$(cat "$t/sys/fs/resctrl/rtkvm/cpus_list" "$t/sys/fs/resctrl/rtkvm/mode")" "2-7
exclusive" "with the isolated CPUs, and nobody else"
run tune "$t" "${cat_l3[@]}" start
is "$out" "0 settings changed" "once is enough"
echo 'L3:0=7ff;1=7f' >"$t/sys/fs/resctrl/schemata"
run tune "$t" "${cat_l3[@]}" verify
like "$errs" 'resctrl/schemata is not L3:0=7f;1=7f' "verified"
mv "$t/sys/fs/resctrl/schemata" "$T/schemata"
mkdir "$t/sys/fs/resctrl/schemata"
fails 2 'resctrl/schemata' "what cannot be put back is an error" \
	"$RTKVM" tune --root "$t" stop full_rollback
rmdir "$t/sys/fs/resctrl/schemata"
mv "$T/schemata" "$t/sys/fs/resctrl/schemata"
ok "and is not forgotten: the next stop does it" tune "$t" stop full_rollback >/dev/null
rm -rf "${t:?}/run" "${t:?}/var"
find "$t" "$T/before" -type d -empty -delete
ok "all is as before" diff -r -x enabled "$T/before" "$t"
rm -rf "$T/before"
fails 2 'resctrl_l3_ways=11 is out of range: the cache has 11 ways' "all ways" \
	"$RTKVM" tune --root "$t" --set isolated_cores=2-7 --set resctrl_l3_ways=11 start
fails 2 'resctrl_mb_others' "no percentage" \
	"$RTKVM" tune --root "$t" --set isolated_cores=2-7 --set resctrl_mb_others=101 start
run tune "$t" --set isolated_cores=2-7 --set resctrl_mb_others=50 start
like "$errs" 'this processor or kernel cannot divide that, it is left out' "what is not there is said"
is "$code" 0 "and no error"
fails 2 'netdev_queue_count' "no number of queues" \
	"$RTKVM" tune --root "$t" --set isolated_cores=2-7 --set netdev_queue_count=0 start
ok "tuned 2.20's nproc, with its newline" env TUNED_netdev_queue_count="4
" "$RTKVM" tune --root "$t" --set isolated_cores=2-7 show >/dev/null
ok "stop" tune "$t" stop full_rollback >/dev/null
run tune "$t" --set isolated_cores=2-7 --set lapic_timer_adv_ns=1840 show
like "$out" '^set /sys/module/kvm/parameters/lapic_timer_advance_ns 1840$' "a fixed timer advance"
run tune "$t" --set isolated_cores=2-7 --set psi=Y show
ok "pressure stall information stays where it is wanted" \
	sh -c "! printf '%s' '$out' | grep -q psi="

# Lists of CPUs: on 8 CPUs, 2 sockets, hyperthreads. LIST<TAB>what the gate says
unpack two-socket-6.1
unpack smt-6.1
while IFS=$'\t' read -r tree list want; do
	got=$("$RTKVM" tune --root "$T/$tree" gate "$list")
	like "$got" "^$want" "gate on $tree: '$list'"
done <<'LISTS'
intel-6.1-stock	2-7	ok$
intel-6.1-stock	2,4,6	ok$
intel-6.1-stock	1-7:2/4	ok$
intel-6.1-stock	auto	ok$
intel-6.1-stock	 3 	ok$
intel-6.1-stock		CPU list is empty
intel-6.1-stock	all	CPU list "all"  a CPU number is missing
intel-6.1-stock	1-N	.*number is missing
intel-6.1-stock	N	.*number is missing
intel-6.1-stock	0-7	no housekeeping CPU
intel-6.1-stock	0	CPU 0 cannot be isolated
intel-6.1-stock	0-3	CPU 0 cannot be isolated
intel-6.1-stock	8	CPU 8 is not online
intel-6.1-stock	2-8	CPU 8 is not online
intel-6.1-stock	7-2	.*runs backwards
intel-6.1-stock	0-7:2/4	CPU 0 cannot
intel-6.1-stock	2-7:2	.*a stride is USED/GROUP
intel-6.1-stock	2-7:0/2	.*selects nothing
intel-6.1-stock	2-7:3/2	.*selects nothing
intel-6.1-stock	2-7:1/0	.*selects nothing
intel-6.1-stock	2,	.*number is missing
intel-6.1-stock	,2	.*number is missing
intel-6.1-stock	2,,3	.*number is missing
intel-6.1-stock	2 3	.*unexpected
intel-6.1-stock	2-	.*number is missing
intel-6.1-stock	-2	.*number is missing
intel-6.1-stock	2-3-4	.*unexpected
intel-6.1-stock	2;3	.*unexpected
intel-6.1-stock	0x4	.*unexpected
intel-6.1-stock	two	.*number is missing
intel-6.1-stock	4294967298	.*CPU numbers end
intel-6.1-stock	99999999999999999999	.*CPU numbers end
intel-6.1-stock	^0	.*number is missing
intel-6.1-stock	${isolated_cores}	.*number is missing
smt-6.1	2-3	CPU 2 and CPU 6 share a core
smt-6.1	2-3,6-7	ok$
two-socket-6.1	4-7	the memory node of CPU 4 has no housekeeping
two-socket-6.1	1-3,5-7	ok$
LISTS
is "$("$RTKVM" tune --root "$T/smt-6.1" cpus auto)" 1-3,5-7 "auto leaves a core, not half of one"
is "$("$RTKVM" tune --root "$T/two-socket-6.1" cpus auto)" 1-3,5-7 "auto leaves one per node"
unpack hybrid-6.18
is "$("$RTKVM" tune --root "$T/hybrid-6.18" cpus auto)" 1-3 "auto takes performance cores only"
ok "the gate never has a colon" sh -c "! '$RTKVM' tune --root '$T/smt-6.1' gate x: | grep -q :"

# Variables, as files are written by people.
unpack intel-6.1-stock
vars=$t/etc/tuned/realtime-virtual-host-variables.conf
rm -f "$vars"
run "$RTKVM" tune --root "$t" show
like "$out" '^boot nohz_full=1-7$' "without the file: auto, as in the profile"
printf 'isolated_cores=\n' >"$vars"
fails 2 'empty' "a list without a value is none" "$RTKVM" tune --root "$t" show
printf 'isolated_cores = 2-5 # four\r\nnonsense=1\r\nisolate_managed_irq=N\r\nhugepages_1g=4' >"$vars"
run "$RTKVM" tune --root "$t" show
like "$out" '^boot isolcpus=domain,2-5$' "spaces, comments, carriage returns, unknown names"
like "$out" '^boot hugepages=4$' "no newline at the end"
# The file that Debian's tuned 2.20 brings, as users have edited it.
cat >"$vars" <<'OLD'
#
# Variable settings below override the definitions from the
# /etc/tuned/realtime-variables.conf file.
#
# Examples:
# isolated_cores=2,4-7
isolated_cores=4-7

# Uncomment the 'isolate_managed_irq=Y' bellow if you want to move kernel
isolate_managed_irq=Y
netdev_queue_count=4
OLD
run "$RTKVM" tune --root "$t" show
like "$out" '^boot isolcpus=managed_irq,domain,4-7$' "an old user's file"
like "$out" '^queues 4$' "and its queues"
printf 'isolated_cores=2-5\nhugepages_1g=4 init=/bin/sh\n' >"$vars"
fails 2 'hugepages_1g has a character' "a value that would become another parameter" \
	"$RTKVM" tune --root "$t" show
# shellcheck disable=SC2016 # tuned's variable, not the shell's
printf 'isolated_cores=${f:calc_isolated_cores:1}\n' >"$vars"
fails 2 'number is missing' "what only tuned can work out" "$RTKVM" tune --root "$t" show
fails 2 'empty' "an empty list" "$RTKVM" tune --root "$t" --set isolated_cores= start

# nx_huge_pages once switched off for good takes no write any more, and needs none.
unpack intel-6.1-stock
rm -rf "$t/boot/grub2"
mkdir -p "$t/sys/module/kvm/parameters"
echo never >"$t/sys/module/kvm/parameters/nx_huge_pages"
ok "start with nx_huge_pages=never" tune "$t" --set isolated_cores=2-7 start >/dev/null
is "$(cat "$t/sys/module/kvm/parameters/nx_huge_pages")" never "it stays"
run tune "$t" --set isolated_cores=2-7 verify
is "$(printf '%s\n' "$errs" | grep nx_huge_pages)" "" "and is as it should be"

# What nobody may read, as debugfs under lockdown, is not verified.
unpack amd-6.12-stock
lock=$T/amd-6.12-stock
chmod 0 "$lock"/sys/kernel/debug/sched/fair_server/cpu2/runtime
powerless=(setpriv "--bounding-set=-dac_override,-dac_read_search" "$RTKVM" tune --root "$lock" --set isolated_cores=2-3)
like "$("${powerless[@]}" verify 2>&1)" 'fair_server/cpu2/runtime.*can neither be set nor checked' \
	"what cannot be read is told"
differ() { "$@" verify 2>&1 | grep ' settings differ' || echo none; }
is "$(differ "${powerless[@]}")" "$(differ "$RTKVM" tune --root "$lock" --set isolated_cores=2-3)" \
	"and differs, as it would if it were seen"

# The kernel knows every parameter that the profile sets, and the conditions are those of the CPU.
run "$RTKVM" tune --root "$t" --set isolated_cores=2-7 show
like "$out" '^module kvm_intel ple_gap=0$' "Intel's option on Intel"
like "$("$RTKVM" tune --root "$t" --set isolated_cores=2-7 verify 2>&1)" \
	'kvm_intel/parameters/ple_gap is 128, expected 0; .*update-initramfs -u' "an option that is not in force"
release=$(cat "$t/proc/sys/kernel/osrelease")
mkdir -p "$t/lib/modules/$release"
printf 'kernel/arch/x86/kvm/kvm.ko\nkernel/arch/x86/kvm/kvm-intel.ko\n' \
	>"$t/lib/modules/$release/modules.builtin"
ok "start where KVM is part of the kernel" tune "$t" --set isolated_cores=2-7 start >/dev/null
like "$(cat "$t/etc/tuned/bootcmdline")" ' kvm.nx_huge_pages=0 kvm_intel.ple_gap=0' \
	"its options go to the command line"
ok "and to no file for modprobe" test ! -e "$t/etc/modprobe.d/rtkvm-tune.conf"
ok "stop" tune "$t" stop full_rollback >/dev/null
unpack amd-6.12-stock
run "$RTKVM" tune --root "$T/amd-6.12-stock" --set isolated_cores=4-7 show
like "$out" '^module kvm_amd pause_filter_count=0$' "AMD's on AMD"
like "$out" 'fair_server/cpu7/runtime 0' "the fair server of the isolated CPUs"
ok "and of those only" sh -c "! printf '%s' '$out' | grep -q fair_server/cpu3"
run "$RTKVM" tune --root "$T/amd-6.12-stock" --set isolated_cores=4-7 --set fair_server=Y show
ok "or none" sh -c "! printf '%s' '$out' | grep -q fair_server"
run "$RTKVM" tune --root "$T/amd-6.12-stock" --profile profiles/realtime-virtual-guest \
	--set isolated_cores=4-7 show
like "$out" '^boot no-kvmapf$' "the guest's profile"
ok "leaves power alone" sh -c "! printf '%s' '$out' | grep -qE 'cpufreq|pm_qos|mce'"

# Installation: before and after tuned 2.23.
mkdir -p "$T/old/usr/lib/tuned" "$T/new/usr/lib/tuned/profiles"
ok "install for tuned 2.20" "$RTKVM" tune --root "$T/old" install >/dev/null
ok "it is where 2.20 looks" test -x "$T/old/etc/tuned/realtime-virtual-host/script.sh"
ok "install for tuned 2.23" "$RTKVM" tune --root "$T/new" install >/dev/null
ok "it is where 2.23 looks" test -f "$T/new/etc/tuned/profiles/realtime-virtual-guest/tuned.conf"
echo isolated_cores=3 >"$T/old/etc/tuned/realtime-virtual-host-variables.conf"
ok "install again" "$RTKVM" tune --root "$T/old" install >/dev/null
is "$(cat "$T/old/etc/tuned/realtime-virtual-host-variables.conf")" isolated_cores=3 \
	"a variables file is kept"
echo realtime-virtual-host >"$T/old/etc/tuned/active_profile"
fails 2 'active; tuned-adm off first' "an active profile is not removed" \
	"$RTKVM" tune --root "$T/old" remove
: >"$T/old/etc/tuned/active_profile"
ok "remove" "$RTKVM" tune --root "$T/old" remove
ok "it is gone" test ! -e "$T/old/etc/tuned/realtime-virtual-host"
mkdir -p "$T/upgraded/usr/lib/tuned"
ok "install for tuned 2.20" "$RTKVM" tune --root "$T/upgraded" install >/dev/null
mkdir "$T/upgraded/usr/lib/tuned/profiles"
ok "tuned is upgraded: install again" "$RTKVM" tune --root "$T/upgraded" install >/dev/null
is "$(cd "$T/upgraded/etc/tuned" && find . -name tuned.conf | sort)" \
	"./profiles/realtime-virtual-guest/tuned.conf
./profiles/realtime-virtual-host/tuned.conf" "it is where the new one looks, and nowhere else"
ok "install for tuned 2.20, upgrade, remove" sh -c "rm -r '$T/upgraded/usr/lib/tuned/profiles' &&
	'$RTKVM' tune --root '$T/upgraded' install && mkdir '$T/upgraded/usr/lib/tuned/profiles' &&
	'$RTKVM' tune --root '$T/upgraded' remove" >/dev/null
is "$(find "$T/upgraded/etc/tuned" -name tuned.conf)" "" "it is gone from both places"
mkdir -p "$T/own/usr/lib/tuned" "$T/own/etc/tuned/realtime-virtual-host"
echo '[main]' >"$T/own/etc/tuned/realtime-virtual-host/tuned.conf"
fails 2 'realtime-virtual-host is a profile of somebody else; rename it first' \
	"a profile of one's own in that place" "$RTKVM" tune --root "$T/own" install
ok "nothing is installed" test ! -e "$T/own/etc/tuned/realtime-virtual-guest"
ok "remove leaves it" sh -c "'$RTKVM' tune --root '$T/own' remove && \
	grep -q main '$T/own/etc/tuned/realtime-virtual-host/tuned.conf'"
fails 2 'tuned is not installed' "no tuned" "$RTKVM" tune --root "$T/hybrid-6.18" install

# Bad input: one line, exit 2.
fails 2 'action is missing' "no action" "$RTKVM" tune
fails 2 '"dance" is not an action' "an unknown action" "$RTKVM" tune dance
fails 2 'takes NAME=VALUE' "a variable without a value" "$RTKVM" tune --set x start
# not the default profile: were it not refused, it should find no settings
fails 2 'use tuned-adm profile by-hand' "start of the live machine by hand" \
	env -u TUNED_isolated_cores "$RTKVM" tune --profile "$T/none/by-hand" start
run env TUNED_isolated_cores=auto "$RTKVM" tune --profile "$T/none/by-hand" start
is "$code $(printf '%s\n' "$errs" | grep -c tuned-adm)" "2 0" "tuned may: $errs"
fails 2 'settings failed|No such file' "no such profile" \
	"$RTKVM" tune --root "$t" --profile "$T/none" --set isolated_cores=2 show
mkdir "$T/broken"
echo 'set /proc/x' >"$T/broken/settings"
fails 2 'settings, line 1: set takes' "a broken settings file" \
	"$RTKVM" tune --root "$t" --profile "$T/broken" --set isolated_cores=2 show
mkdir -p "$t/var/lib/rtkvm"
echo '{' >"$t/var/lib/rtkvm/tune.files"
fails 2 'tune.files' "a broken journal" "$RTKVM" tune --root "$t" --set isolated_cores=2-7 start
ok "every profile is whole" sh -c "for f in tuned.conf script.sh settings variables.conf; do
	test -f $host/\$f && test -f profiles/realtime-virtual-guest/\$f || exit 1; done"

done_testing

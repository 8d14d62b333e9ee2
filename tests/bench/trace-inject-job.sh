#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# trace-inject-job.sh GUEST INJECT SIGNS COUNT MIN MAX VMM HOST_KINDS GUEST_KINDS - in the lab: record
# host and guest while the guest's measured thread is made late for known reasons, from within and from here.
# Results: host.dat, host.json, truth (of the host), console, err; the guest's trace and truth in
# guest.data or, from QEMU, the directory guest.
set -u
guest=$1 inject=$2 signs=$3 count=$4 min=$5 max=$6 vmm=$7 host_kinds=$8 guest_kinds=$9
host_s=$((count * (max + 300) * 4 / 1000 + 40)) # while the host injects: 3 or 4 kinds
shipped_mb=256
cd "$RTKVM_RESULTS" || exit 2
tmp=$(mktemp -d)
out=$PWD
drain=

# the kernel unpacks one archive after the other
mkdir "$tmp/extra"
cp "$inject" "$tmp/extra/inject"
cp "$(dirname "$0")/trace-inject-guest.sh" "$tmp/extra/job.sh"
(cd "$tmp/extra" && find . | cpio -o -H newc 2>/dev/null) >"$tmp/extra.cpio"
{ cat "$guest/initrd"; head -c $((-$(stat -c %s "$guest/initrd") & 3)) /dev/zero; cat "$tmp/extra.cpio"; } >"$tmp/initrd"

job=$(rtkvm trace job --buffer 32M -- "sh /job.sh $count $min $max $host_s $guest_kinds") || exit 2
append="console=ttyS0 quiet panic=-1 isolcpus=managed_irq,domain,1 nohz_full=1 rcu_nocbs=1 irqaffinity=0 nosoftlockup"

case $vmm in
rtkvm)
	printf '%s\n' "$append rtkvm.exec=\"$job\"" >"$tmp/append"
	cat >"$tmp/vmm" <<END
exec rtkvm run --cpus 2-3 --memory 512M --kernel $guest/vmlinuz --initrd $tmp/initrd \
	--slow-exit $(((min + max) / 2))ms --freeze "\$RTKVM_TRACE_FREEZE" --data $out/guest.data --console $out/console \
	--events $out/events --timeout 20m --append "\$(cat "$tmp/append")"
END
	;;
qemu)
	# QEMU takes 2 ms for a byte of the data port: its guest leaves all in memory that is a file here
	ship="cd /out;tar cf - .|dd of=/dev/mem bs=64k seek=$((shipped_mb * 16)) conv=notrunc;rm /out/*"
	printf '%s\n' "$append memmap=192M\$${shipped_mb}M rtkvm.exec=\"($job);r=\$?;$ship;exit \$r\"" >"$tmp/append"
	# a device whose back end has no room makes the vCPU's thread wait
	"$inject" drain "$tmp/slow" "$min" "$max" &
	drain=$!
	until [ -p "$tmp/slow" ]; do
		kill -0 $drain || exit 2
		sleep 0.1
	done
	# vCPU threads are put where rtkvm run puts its own, once QEMU has made them
	cat >"$tmp/vmm" <<END
qemu-system-x86_64 -M microvm,acpi=on,pit=off,pic=off,rtc=off -m 512 -smp 2 -accel kvm \
	-object memory-backend-file,id=ram,size=512M,mem-path=$tmp/ram,share=on -machine memory-backend=ram \
	-cpu host -nodefaults -no-user-config -display none -no-reboot -name guest,debug-threads=on \
	-serial file:$out/console -kernel $guest/vmlinuz -initrd $tmp/initrd -append "\$(cat "$tmp/append")" \
	-device isa-debug-exit,iobase=0xf4,iosize=4 \
	-chardev null,id=data -device isa-debugcon,iobase=0x5e0,chardev=data \
	-chardev file,id=slow,path=$tmp/slow -device isa-debugcon,iobase=0x5ec,chardev=slow &
qemu=\$!
echo \$qemu >$tmp/qemu
for i in 0 1; do
	until tid=\$(grep -lx "CPU \$i/KVM" /proc/\$qemu/task/*/comm 2>/dev/null) && [ -n "\$tid" ]; do
		kill -0 \$qemu || break
		sleep 0.1
	done
	tid=\${tid%/comm}
	taskset -pc \$((i + 2)) \${tid##*/} && chrt -f -p 1 \${tid##*/}
done >/dev/null
wait \$qemu
# the guest's exit code 0
[ \$? = 1 ]
END
	;;
esac

# wait for a word on the guest's console
console() {
	for _ in $(seq 1500); do
		grep -qs "$1" console && return 0
		kill -0 "$recorder" 2>/dev/null || break
		sleep 0.2
	done
	echo "the guest did not say $1"
	return 1
}

# QEMU cannot be told where the recording is stopped; KVM can
freeze=
[ "$vmm" = rtkvm ] || freeze=--freeze
# shellcheck disable=SC2086 # one word or none
rtkvm trace record $freeze --out host.dat --buffer 256M -- sh "$tmp/vmm" >vmm.out 2>err &
recorder=$!
echo -1 >/proc/sys/kernel/sched_rt_runtime_us # a throttled hog is none
start=$(date +%s)
if console "GUEST DONE"; then
	for kind in $host_kinds; do
		case $kind in
		stall)
			"$inject" tick 50
			echo "READY"
			until [ -e "$signs/done" ]; do sleep 0.2; done
			;;
		stop) "$inject" stop "$count" "$min" "$max" 200 "$(cat "$tmp/qemu")" >>truth ;;
		*) "$inject" "$kind" "$count" "$min" "$max" 200 3 >>truth ;;
		esac || echo "$kind failed"
	done
	echo "injected: $(($(date +%s) - start)) s"
fi
wait $recorder
code=$?
if [ -e "$tmp/ram" ]; then
	mkdir guest
	tail -c +$(((shipped_mb << 20) + 1)) "$tmp/ram" | tar xf - -C guest
fi
echo "recorded: $(($(date +%s) - start)) s, exit code $code"
cat err
[ -z "$drain" ] || kill "$drain"
rm -r "$tmp"
exit "$code"

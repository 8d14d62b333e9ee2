#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# boot-job GUEST_DIR VMLINUX ROUNDS [LKVM] - in the lab: start of the VMM's process to the guest's
# INIT mark, ours, QEMU's microvm and, with a bzImage, kvmtool's in turn; one line a start: SET VMM
# MILLISECONDS
# shellcheck disable=SC2086 # $pages is a list of options
set -u
guest=$1 vmlinux=$2 rounds=$3 lkvm=${4:-}
append='console=ttyS0 panic=-1 rtkvm.exec="exit 0"'
huge=/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages
tmp=$(mktemp -d)

now() {
	date +%s%N
}

ours() {
	mkfifo "$tmp/events"
	start=$(now)
	rtkvm run --kernel "$1" --initrd "$guest/initrd" --cpus 2 --memory 256M --timeout 120s \
		--console "$tmp/console" --events "$tmp/events" --append "$append" &
	while read -r line; do
		case $line in *'"name":"init"'*) end=$(now) ;; esac
	done <"$tmp/events"
	wait $! || exit 1
	rm "$tmp/events"
	echo "$set rtkvm $(((end - start) / 1000000))"
}

qemu() {
	mkfifo "$tmp/mark"
	start=$(now)
	qemu-system-x86_64 -M microvm,acpi=on,pit=off,pic=off,rtc=off$machine $pages -m 256 -smp 1 \
		-accel kvm -cpu host -nodefaults -no-user-config -display none -no-reboot \
		-serial "file:$tmp/console" -kernel "$1" -initrd "$guest/initrd" -append "$append" \
		-device isa-debug-exit,iobase=0xf4,iosize=4 \
		-chardev "file,id=mark,path=$tmp/mark" -device isa-debugcon,iobase=0x5e4,chardev=mark &
	dd bs=1 count=1 <"$tmp/mark" >/dev/null 2>&1
	end=$(now)
	kill -9 $!
	wait $! 2>/dev/null
	rm "$tmp/mark"
	echo "$set qemu $(((end - start) / 1000000))"
}

# It has no port that tells: the kernel's own word, which comes before /init runs, has to do.
kvmtool() {
	mkfifo "$tmp/lines"
	start=$(now)
	"$lkvm" run --kernel "$1" --initrd "$guest/initrd" --cpus 1 --mem 256 --network mode=none \
		--console serial --params "$append" >"$tmp/lines" 2>&1 </dev/null &
	end=
	while read -r line; do
		case $line in *'Run /init as init'*)
			end=$(now)
			kill -9 $!
			break
			;;
		esac
	done <"$tmp/lines"
	wait $! 2>/dev/null
	rm "$tmp/lines"
	[ -z "$end" ] || echo "$set lkvm $(((end - start) / 1000000))"
}

cat "$guest/vmlinuz" "$guest/initrd" "$vmlinux" >/dev/null # none of them pays for the files
# as a real-time host has it: else each second a SCHED_FIFO vCPU is stopped for 50 ms, here for longer
echo -1 >/proc/sys/kernel/sched_rt_runtime_us
for _ in $(seq "$rounds"); do
	set=bzImage-4K pages='' machine=''
	ours "$guest/vmlinuz"
	qemu "$guest/vmlinuz"
	[ -z "$lkvm" ] || kvmtool "$guest/vmlinuz"
	set=ELF-4K
	ours "$vmlinux"
	qemu "$vmlinux"
	set=bzImage-2M machine=,memory-backend=ram
	pages="-object memory-backend-memfd,id=ram,size=256M,hugetlb=on,hugetlbsize=2M"
	echo 136 >$huge
	ours "$guest/vmlinuz"
	qemu "$guest/vmlinuz"
	echo 0 >$huge
done
rm -r "$tmp"

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# vmm-vfio-job GUEST_DIR - in a lab with an IOMMU: the disk behind it, given to a Debian guest; for
# each start NAME.code, NAME.err, NAME.con and NAME.ev in $RTKVM_RESULTS
set -u
guest=$1
cd "$RTKVM_RESULTS" && rm -rf -- * || exit 2 # of a machine that hung

disk=0000:00:1e.0
start() {
	name=$1
	shift
	rtkvm run --kernel "$guest/vmlinuz" --initrd "$guest/initrd" --memory 256M --timeout 60s --name "$name" \
		--events "$name.ev" --console "$name.con" "$@" --vfio $disk 2>"$name.err"
	echo $? >"$name.code"
}
driver() { # what has it now
	basename "$(readlink -f /sys/bus/pci/devices/$disk/driver)"
}

start host --cpus 2-3 # the host's driver has it still
modprobe vfio-pci
echo vfio-pci >/sys/bus/pci/devices/$disk/driver_override
echo $disk >/sys/bus/pci/drivers/virtio-pci/unbind
echo $disk >/sys/bus/pci/drivers_probe
driver >bound

# vCPU 1 reads, one request at a time: its queue's interrupts are its own. One that gets no answer
# waits for ever, and cannot be killed
job='grep virtio0-req /proc/interrupts; n=0
(taskset -c 1 dd if=/dev/vda of=/dev/null bs=4k count=256 iflag=direct 2>/dev/null; >/read) &
until [ -e /read ] || [ $n = 300 ]; do sleep 0.1; n=$((n + 1)); done
grep virtio0-req /proc/interrupts; [ -e /read ] || exit 8; sha256sum </dev/vda
dd if=/dev/zero of=/dev/vda bs=4k count=1 conv=notrunc,fsync 2>/dev/null
echo 3 >/proc/sys/vm/drop_caches; sha256sum </dev/vda; exit 9'
rt='isolcpus=managed_irq,domain,1 nohz_full=1 rcu_nocbs=1 irqaffinity=0 nosoftlockup'
(
	for _ in $(seq 1500); do
		grep -qs '"init"' given.ev && break
		sleep 0.1
	done
	start second --cpus 1 --allow-shared
) &
# a guest that the emulation stops as a whole says nothing any more: it is made to tell where it
# stood, and another one is tried
stopped() { # TRY
	for _ in $(seq 100); do
		sleep 0.5
		[ -e "tried.$1" ] && return
	done
	rtkvm ctl --vm given nmi
}
for n in 1 2; do
	stopped $n &
	start given --cpus 2-3 \
		--append "console=ttyS0 quiet panic=-1 unknown_nmi_panic $rt rtkvm.exec=\"$job\""
	: >tried.$n
	grep -qE '"outcome":"(timeout|panic)"' given.ev || break
	cp given.con "stopped.$n"
done
wait
echo >/sys/bus/pci/devices/$disk/driver_override
echo $disk >/sys/bus/pci/drivers/vfio-pci/unbind
echo $disk >/sys/bus/pci/drivers_probe
driver >after

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# rtkvm run --vfio in a lab whose machine has an (emulated) IOMMU: the disk behind it goes to a guest
# shellcheck source=tests/e2e/tap.sh
. tests/e2e/tap.sh

[ -n "${RTKVM_LONG:-}" ] || skip_all "a lab of its own, one or two minutes: RTKVM_LONG=1 runs it"
need_lab_guest

R=$T/results
head -c 2M /dev/urandom >"$T/disk"
before=$(sha256sum <"$T/disk" | cut -d' ' -f1)
run env PATH="$PWD/tests/e2e/iommu:$PATH" LAB_DISK="$T/disk" "$RTKVM" lab run --flavour fast \
	--cmdline 'intel_iommu=on isolcpus=managed_irq,domain,2-3 nohz_full=2-3 rcu_nocbs=2-3 irqaffinity=0-1' \
	--share "$build" --share "$PWD/tests" --results "$R" --tries 3 --timeout 5m -- \
	sh "$PWD/tests/e2e/vmm-vfio-job.sh" "$guest"
tell_tries "$T/.err"
is "$code" 0 "the lab ran: $(printf '%s' "$errs" | tail -n 1)"

ended() {
	jq -c "select(.event==\"ended\")|$1" "$R/given.ev"
}
interrupts() { # of vCPU 1's queue there, at the first or the last look
	printf '%s\n' "$con" | grep virtio0-req.1 | "$1" -n 1 | awk '{ print $3 }'
}
is "$(cat "$R/host.code")" 2 "a function that the host's driver has"
like "$(cat "$R/host.err")" 'wanted driver vfio-pci, got virtio-pci; bind it' "is refused"
is "$(cat "$R/bound")" vfio-pci "bound to vfio-pci"
for stopped in "$R"/stopped.*; do
	[ ! -e "$stopped" ] || tail -n 60 "$stopped" | tr -d '\r' | sed 's/^/# a guest that stopped: /'
done
is "$(cat "$R/given.code")" 9 "the guest's job runs: $(cat "$R/given.err")"
[ "$(cat "$R/given.code")" = 9 ] || tail -n 12 "$R/given.con" | sed 's/^/# /'
con=$(tr -d '\r' <"$R/given.con")
after=$(head -c 4K /dev/zero | cat - <(tail -c +4097 "$T/disk") | sha256sum | cut -d' ' -f1)
is "$(printf '%s\n' "$con" | grep -oE '^[0-9a-f]{64}' | tr '\n' ' ')" "$before $after " \
	"its driver reads the disk, and what it has written, by DMA"
is "$(sha256sum <"$T/disk" | cut -d' ' -f1)" "$after" "which has reached it"
echo "# interrupts of vCPU 1's queue: $(interrupts head), 256 reads later $(interrupts tail)"
ok "each request has its interrupt, on the vCPU that asked" \
	test $(($(interrupts tail) - $(interrupts head))) -ge 256
is "$(ended '.vcpus[1].window|[.userspace_exits,.exits]')" '[0,{}]' \
	"which does not leave the guest for requests or interrupts"
is "$(cat "$R/second.code")" 2 "another VM that wants it meanwhile"
like "$(cat "$R/second.err")" 'opening /dev/vfio/[0-9]* failed: .* busy; another VM has it' "is refused"
is "$(cat "$R/after")" virtio-pci "afterwards the host may have it back"
done_testing

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# devices on the PCI bus of rtkvm run, straight on /dev/kvm, with a payload that drives a disk by hand
# shellcheck source=tests/e2e/tap.sh
. tests/e2e/tap.sh

payload=build/guests/flat/virtio.elf
[ -w /dev/kvm ] || skip_all "no usable /dev/kvm"
[ "$(id -u)" = 0 ] || skip_all "SCHED_FIFO and locked memory need root"
[ -r "$payload" ] || skip_all "$payload is not built"

guest() {
	timeout -s KILL 120 "$RTKVM" run --kernel "$payload" --cpus 0 --allow-shared --memory 32M --timeout 60s \
		--events "$T/ev" "$@"
}
ended() {
	jq -c "select(.event==\"ended\")|$1" "$T/ev"
}
truncate -s 1M "$T/disk"
truncate -s 64K "$T/other"

# --- a disk
run guest --disk "$T/disk" --append "disk:40"
is "$code" 0 "sectors are written and read back: $errs"
is "$out" "disk disk" "under the file's name"
want=$(perl -e 'for $s (0..39) { print map { chr(($s * 31 + $_ * 7) & 255) } 0..511 }' | sha256sum)
is "$(head -c $((40 * 512)) "$T/disk" | sha256sum)" "$want" "and are in the file"
is "$(ended '.vcpus[0].window|[.userspace_exits,.exits]')" '[1,{"io":1}]' \
	"no kick and no interrupt leaves the guest: the one exit of the window is its own end"
is "$(ended '.devices|map([.name,.vhost,.requests,.interrupts,.broken])')" '[["disk0",false,82,82,false]]' \
	"each was one request with one interrupt"
ok "kicks arrived: $(ended .devices[0].kicks)" test "$(ended .devices[0].kicks)" -gt 0
run guest --irqchip full --disk "$T/disk" --append "disk:4"
is "$code" 0 "with the whole irqchip in the kernel, too: $errs$out"
run guest --disk "$T/disk" --append "move"
is "$code" 0 "the guest may put it elsewhere: $errs$out"
run guest --disk "$T/disk,ro" --append "readonly"
is "$code" 0 "a read-only disk takes no write: $errs$out"
run guest --disk "$T/disk" --append "errors"
is "$code" 0 "wrong requests end in an I/O error each: $errs$out"
run guest --disk "$T/disk" --append "break"
is "$code" 0 "a broken rule of the queue breaks the device, a reset mends it: $errs"
is "$out" "broken rules 12" "all of them"
is "$(ended '.devices[0]|[.broken,.resets>=12]')" '[false,true]' "which is counted"
run guest --append "disk:1"
is "$code $out" "1 failed: no such virtio device on the PCI bus" "without the option there is no bus"
is "$(ended .devices)" null "and no device"

# --- a console: its reader leaves after a line; then a file on a full disk
perl -MIO::Socket::UNIX -e '
	my $listener = IO::Socket::UNIX->new(Local => shift, Listen => 1) or die;
	my $vm = $listener->accept;
	print scalar <$vm>;
' "$T/reader" >"$T/heard" &
reader=$!
await $reader test -S "$T/reader"
run guest --virtio-console "$T/reader" --append "console:500"
is "$code $out" "0 all lines taken" "a reader that leaves takes nobody along: $errs"
wait $reader
is "$(cat "$T/heard")" "a line of the guest" "it has heard the guest"
run guest --virtio-console /dev/full --append "console:5"
is "$code $out" "0 all lines taken" "nor does a full disk: $errs"
run guest --virtio-console "$T/hvc" --append "console:3"
is "$(cat "$T/hvc")" "$(printf 'a line of the guest\n%.0s' 1 2 3)" "a file has every line: $errs"

# --- its thread
rm "$T/ev"
run guest --hold --name "virtio-$$" --disk "$T/disk" --disk "$T/other,ro,cpu=$(($(nproc) - 1))" --rng \
	--virtio-console "$T/hvc" --append "disk:1" &
pid=$!
await $pid grep -qs started "$T/ev"
status=$("$RTKVM" ctl --vm "virtio-$$" status --json)
is "$(jq -c '[.devices[].name]' <<<"$status")" '["disk0","disk1","rng0","console0"]' "ctl status: the devices"
is "$(jq -c '[.threads[]|select(.name|test("[a-z]0|disk1"))|[.name,.policy,.seccomp,.capabilities]]' <<<"$status")" \
	'[["disk0","other",2,0],["disk1","other",2,0],["rng0","other",2,0],["console0","other",2,0]]' \
	"a thread each, SCHED_OTHER, filtered, without capabilities"
is "$(jq -r '.threads[]|select(.name=="disk1").cpus' <<<"$status")" "$(($(nproc) - 1))" "on its CPU"
"$RTKVM" ctl --vm "virtio-$$" quit
wait $pid

# --- a hostile guest
hostile=build/guests/flat/hostile.elf
hypercalls=1
[ -d /sys/module/kvm_pvm ] && hypercalls=0 # it never ends one
run timeout -s KILL 120 "$RTKVM" run --kernel "$hostile" --cpus 0 --fifo 0 --allow-shared --memory 64M \
	--timeout 60s --disk "$T/disk" --rng --virtio-console "$T/hvc" --console /dev/null \
	--append "seed=7 ms=2000 hypercalls=$hypercalls"
is "$code" 0 "random accesses to ports, addresses and the bus: $errs"

# --- bad input
fails 2 'opening --disk .*/none failed: No such file' "a disk that there is not" \
	guest --disk "$T/none"
cramped() { # no room to place guest memory in: which error comes first tells what is looked at first
	(ulimit -v 1000000 && guest "$@")
}
fails 2 'mapping 32 MiB of guest memory .* failed' "without room for guest memory" \
	cramped --disk "$T/disk"
fails 2 'opening --disk .*/none failed: No such file' "a wrong device is told before that" \
	cramped --disk "$T/none"
fails 2 'Is a directory' "a directory" guest --disk "$T"
fails 2 'is neither a file nor a block device' "a terminal" guest --disk /dev/null,ro
: >"$T/empty"
fails 2 'has 0 bytes, less than a sector' "an empty file" guest --disk "$T/empty"
fails 2 'is given twice' "twice the same" guest --disk "$T/disk" --disk "$T/disk"
ln "$T/disk" "$T/same"
fails 2 'disk and --disk .*same are the same disk; leave one out' "the same by another name" guest --disk "$T/disk" --disk "$T/same"
fails 2 '"cache" is none of its settings; it is FILE' "an unknown setting" guest --disk "$T/disk,cache"
fails 2 "CPU 1000 given by a device's cpu= is not online .those are 0.*; choose from those" \
	"a CPU that there is not" guest --disk "$T/disk,cpu=1000"
fails 2 'CPU 0 carries a vCPU and by cpu= the thread of a device; separate them' "a vCPU's CPU" \
	"$RTKVM" run --kernel "$payload" --cpus 0 --cpuset-partition "virtio-$$" --allow-tick \
	--memory 32M --timeout 10s --events "$T/ev" --disk "$T/disk,cpu=0" --append "disk:1"
fails 2 'opening --virtio-console .*/no/file failed' "a console's file that cannot be made" \
	guest --virtio-console "$T/no/file"
fails 2 '"x" is not NAME:PATH' "a port without a path" guest --virtio-console "$T/hvc,port=x"
fails 2 'names two ports' "two ports of a name" \
	guest --virtio-console "$T/hvc,port=a:/dev/null,port=a:/dev/null"
perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => shift, Listen => 1)' "$T/sock"
fails 2 'nobody listens at' "a socket of nobody" guest --virtio-console "$T/sock"
fails 2 'there is no interface none0; make it: ip tuntap add' "an interface that there is not" \
	guest --net tap=none0
fails 2 'lo is no tap interface|taking interface lo' "one that is no tap" guest --net tap=lo
fails 2 'tap=NAME is missing' "no interface at all" guest --net mac=52:54:00:12:34:56
fails 2 'is no MAC address' "half a MAC address" guest --net tap=x,mac=52:54:00
fails 2 'is a MAC address of many' "a multicast one" guest --net tap=x,mac=01:00:5e:00:00:01
fails 2 'cid=N is missing' "vsock without an address" guest --vsock ""
if [ ! -e /dev/vhost-vsock ]; then
	fails 2 'has no /dev/vhost-vsock; load it' "vsock on a host without it" guest --vsock cid=3
else
	skip 1 "this host has vhost-vsock"
fi
fails 2 'is no PCI address' "no address" guest --vfio 1:0.0
fails 2 'there is no such PCI function' "a function that there is not" guest --vfio ffff:1f:1f.7
function=$(find /sys/bus/pci/devices -mindepth 1 -printf '%f\n' 2>/dev/null | head -n 1)
if [ "$function" ] && [ ! -e "/sys/bus/pci/devices/$function/iommu_group" ]; then
	fails 2 "wanted an IOMMU group, got none: the host's IOMMU is off" "a host without an IOMMU" \
		guest --vfio "$function"
else
	skip 1 "no PCI, or an IOMMU"
fi
mkfifo "$T/fifo"
fails 2 'nobody reads the pipe' "a pipe without a reader" guest --virtio-console "$T/fifo"
done_testing

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Multiboot-1 images under rtkvm run: our own, and the KVM project's unit tests where
# RTKVM_UNIT_TESTS names the directory with their .flat files
# shellcheck source=tests/e2e/tap.sh
. tests/e2e/tap.sh

image=build/guests/flat/mboot.elf32
[ -w /dev/kvm ] || skip_all "no usable /dev/kvm"
[ "$(id -u)" = 0 ] || skip_all "SCHED_FIFO and locked memory need root"
[ -r "$image" ] || skip_all "$image is not built"
last=$(($(nproc) - 1))
[ $last -gt 1 ] && last=1

guest() {
	"$RTKVM" run --cpus 0-$last --allow-shared --memory "${memory:-64M}" --timeout 90s "$@"
}

# --- what the image finds
run guest --kernel "$image"
is "$code" 0 "the image's checks pass: $errs"
is "$out" "mboot.elf32
lower 639
upper $((64 * 1024 - 1024))
ram $((0x9fc00 + (63 << 20)))
modules 0
cpus $((last + 1))
max_cpus $((last + 1))
ram_size $((64 << 20))" "memory, CPUs, no module"
echo "module's text" >"$T/mod"
run guest --kernel "$image" --append "one two=3" --initrd "$T/mod"
is "$(printf '%s\n' "$out" | head -n 1)" "mboot.elf32 one two=3" "the command line behind the image's name"
like "$out" "^mod 14$" "the module's name and length"
like "$out" "^module's text$" "and its bytes"
run guest --kernel "$image" --exit-code qemu
is "$code" 1 "--exit-code qemu: 0 is 1"

# --- an image without ELF: the same bytes by address fields
perl -e '
	my $load = 0x200000; my ($magic, $flags) = (0x1badb002, 0x10003);
	my $code = "\xb0\x2a\xe6\xf4\xeb\xfe"; # mov $42, %al; out %al, $0xf4; jmp .
	print pack("V8", $magic, $flags, -($magic + $flags) & 0xffffffff, $load, $load, 0, 0,
		$load + 32), $code;' >"$T/flat"
run guest --kernel "$T/flat"
is "$code" 42 "address fields instead of ELF: $errs"
run guest --kernel "$T/flat" --exit-code qemu
is "$code" 85 "QEMU's exit code is v * 2 + 1"

# --- bad images
fails 2 'truncated' "an image cut off" sh -c 'head -c 5000 "$1" >"$2"; shift 2; exec "$@"' sh \
	"$image" "$T/cut" "$RTKVM" run --cpus 0 --allow-shared --kernel "$T/cut"
perl -e 'print pack("V3", 0x1badb002, 4, -(0x1badb002 + 4) & 0xffffffff), "x" x 100' >"$T/video"
fails 2 'demands what this machine does not have \(flags 0x4\)' "an image that wants a video mode" \
	guest --kernel "$T/video"
perl -e 'print pack("V3", 0x1badb002, 0, -0x1badb002 & 0xffffffff), "x" x 100' >"$T/none"
fails 2 'neither a 32-bit x86 ELF file nor says' "a header and nothing else" guest --kernel "$T/none"
fails 2 'give (it|the guest) more with --memory' "too little memory" "$RTKVM" run --cpus 0 \
	--allow-shared --memory 2M --kernel "$T/flat"

# --- the KVM project's own. Exit code 0 is success, 38 their way to say that a test skipped itself;
# QEMU makes 1 and 77 of them. Where KVM or the processor does not do as they want it is no fault of
# the VMM's: then QEMU, on the same /dev/kvm, finds the same and ends the same way
qemu_guest() { # IMAGE
	timeout 60 qemu-system-x86_64 -nodefaults -no-reboot -device pc-testdev -vnc none -serial stdio \
		-device isa-debug-exit,iobase=0xf4,iosize=0x4 -device pci-testdev -m 128 -smp $((last + 1)) \
		-machine accel=kvm,kernel_irqchip=split -cpu host,arch-capabilities=off -kernel "$1"
}
subtests() {
	tr -d '\r' | grep -aE '^(PASS|FAIL|SKIP|XPASS|XFAIL|SUMMARY)'
}
found() { # CODE OUTPUT - what a test says and how it ends; an even code is not the guest's
	printf '%s\n' "$2" | subtests
	if [ $(($1 % 2)) = 1 ]; then echo "exit code $1"; else echo "no exit code"; fi
}
unit_test() { # NAME
	memory=128M run guest --exit-code qemu --kernel "$RTKVM_UNIT_TESTS/$1.flat"
	if [ "$code" = 1 ] || [ "$code" = 77 ] || ! command -v qemu-system-x86_64 >/dev/null; then
		like "$code" '^(1|77)$' "kvm-unit-tests: $1: $(printf '%s' "$errs$out" | tail -n 1)"
		return
	fi
	ours=$(found "$code" "$out")
	[ "$ours" != "no exit code" ] || ours="nothing: $errs"
	run qemu_guest "$RTKVM_UNIT_TESTS/$1.flat"
	is "$ours" "$(found "$code" "$out")" "kvm-unit-tests: $1: finds what it finds under QEMU"
}
names="dummy setjmp smptest idt_test tsc tsc_adjust rmap_chain tscdeadline_latency"
# what interprets privileged code does not know all of it
[ -d /sys/module/kvm_pvm ] || names="$names apic msr eventinj"
for name in $names; do
	if [ -r "${RTKVM_UNIT_TESTS:-/none}/$name.flat" ]; then
		unit_test "$name"
	else
		skip 1 "RTKVM_UNIT_TESTS names no directory with kvm-unit-tests' $name.flat"
	fi
done
done_testing

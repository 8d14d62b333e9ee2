#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The guest's init, under QEMU's emulation without any KVM: marks, job, frames, exit code
# shellcheck source=tests/e2e/tap.sh
# shellcheck disable=SC2154 # code, out, errs come from run
. tests/e2e/tap.sh

command -v qemu-system-x86_64 >/dev/null || skip_all "no qemu-system-x86_64 (make deps)"
run "$RTKVM" guest build
[ "$code" = 0 ] || case $errs in
*"apt knows no package"* | *"downloading package"*) skip_all "no Debian packages: $errs" ;;
esac
is "$code" 0 "guest build: $errs"
image=$("$RTKVM" guest list --json | jq -r '.[] | select(.name == "debian-rt").path')

# boot JOB... - run a guest with that rest of a command line; $code is the byte it wrote to the exit
# port (its lower 7 bits: QEMU's exit code is twice that and 1), 200 none; console, data and marks
# lie in $T
boot() {
	rm -f "$T/console" "$T/data" "$T/mark"
	timeout 300 qemu-system-x86_64 -M q35 -accel tcg -smp 2 -m 512 -nodefaults -display none \
		-no-reboot -kernel "$image/vmlinuz" -initrd "$image/initrd" \
		-append "console=ttyS0 panic=-1 quiet $*" \
		-chardev "file,id=c,path=$T/console" -serial chardev:c \
		-device isa-debug-exit,iobase=0xf4,iosize=1 \
		-chardev "file,id=d,path=$T/data" -device isa-debugcon,iobase=0x5e0,chardev=d \
		-chardev "file,id=m,path=$T/mark" -device isa-debugcon,iobase=0x5e4,chardev=m \
		</dev/null >"$T/qemu" 2>&1
	code=$?
	if [ $((code % 2)) = 1 ]; then code=$((code / 2)); else code=200; fi
	sed -i 's/\r$//' "$T/console"
}

# frames - "NAME LENGTH SHA" of each frame in $T/data, an independent reader of lib/abi.h's format
frames() {
	perl -MCompress::Zlib -MDigest::SHA -e '
		local $/; binmode STDIN; my $d = <STDIN>; my $at = 0;
		while ($at < length $d) {
			my ($magic, $crc, $len, $name) = unpack "V V Q< Z48", substr $d, $at, 64;
			die "magic" unless $magic == 0x464b5452;
			my $body = $name eq "" ? "" : substr $d, $at + 64, $len;
			my $head = pack "V V Q< a48", $magic, 0, $len, substr $d, $at + 16, 48;
			die "crc of $name" unless $crc == crc32($head . $body);
			$name = "END" if $name eq "";
			print "$name $len ", substr(Digest::SHA::sha1_hex($body), 0, 8), "\n";
			$at += 64 + length $body;
		}' <"$T/data" 2>&1 | sort
}
sha() {
	sha1sum | cut -c 1-8
}

boot 'rtkvm.exec="echo hello; grep Cpus_allowed_list /proc/self/status; : >/out/empty;' \
	'seq 100000 >/out/numbers; mkdir /out/dir; ln -s numbers /out/link; sleep 1000 & exit 42"'
is "$code" 42 "the job's exit code is the exit port's"
is "$(cat "$T/console")" "hello
Cpus_allowed_list:	0" "the job's output is on the console; it runs on CPU 0"
is "$(od -An -tu1 "$T/mark" | tr -s ' ')" " 1 4 2 3" "marks: init, booted, job start, job end"
is "$(frames)" "END 2 da39a3ee
empty 0 da39a3ee
numbers $(seq 100000 | wc -c) $(seq 100000 | sha)" "regular files of /out arrive, checked and counted"

boot 'rtkvm.exec="no-such-program --really"'
is "$code" 127 "a program that does not exist is 127"
like "$(cat "$T/console")" 'no-such-program' "and named on the console"
is "$(frames)" "END 0 da39a3ee" "the end frame comes all the same"

boot 'rtkvm.exec="cyclictest -q -t 1 -p 95 -i 1000 -l 100 --json=/out/c.json && ' \
	'hackbench -l 1 -g 1 && for p in oslat signaltest; do $p --help >/dev/null 2>&1;' \
	'[ $? -lt 126 ] || exit 9; done"'
is "$code" 0 "rt-tests run: $(tail -n 3 "$T/console")"
like "$(frames)" '^c.json ' "and leave results"

boot 'rtkvm.exec="head -c 68000000 /dev/zero >/out/big"'
is "$code" 125 "a file that is too long: init's own exit code"
like "$(cat "$T/console")" 'rtkvm init: /out/big is too long: 68000000 bytes' "and why"

boot 'rtkvm.exec="touch /out/0123456789012345678901234567890123456789012345678"'
is "$code" 125 "a name that is too long: init's own exit code"

boot 'rtkvm.exec="kill -9 $$"'
is "$code" $((137 % 128)) "a job that a signal ends is 128 and its number (QEMU keeps 7 bits)"

boot '"rtkvm.exec=exit 7" other="a b"'
is "$code" 7 "the kernel's quotes may stand around the whole parameter"
done_testing

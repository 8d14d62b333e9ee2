#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# tuned-guest.sh DISK IMAGE OUT - a guest's initramfs with the Debian system of the lab's disk in it
#
# DISK: the lab's, IMAGE: the directory of a guest image, whose init runs the job. Python, D-Bus and
# tuned are Debian's; what a guest without devices has no use for stays behind. rtkvm is installed
# as by make install, the job's script lies in /.
set -eu
disk=$1 image=$2 out=$3
here=$(dirname "$0")
bin=$(dirname "${RTKVM:-build/rtkvm}")
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

debugfs -R "rdump / $root" "$disk" >/dev/null 2>&1
test -x "$root/usr/sbin/tuned"
rm -rf "$root"/boot/{grub,vmlinuz*} "$root/lost+found" "$root"/usr/{share,lib,lib/ipxe}/{qemu,grub,zoneinfo,perl} \
	"$root"/usr/lib/x86_64-linux-gnu/{perl,gconv,qemu} "$root"/usr/bin/{qemu*,perl*} \
	"$root"/etc/grub.d "$root"/etc/default/grub "$root"/var/{cache,lib/dpkg,lib/apt}
mkdir -p "$root"/{out,dev,proc,sys,tmp,run,usr/local/bin,usr/local/lib/rtkvm}
(cd "$root" && cpio -idu --quiet --no-absolute-filenames init 'etc/modules') <"$image/initrd"
: >"$root/etc/modules"
cp "$bin/rtkvm" "$root/usr/local/bin/"
cp -r "$bin/profiles" "$root/usr/local/lib/rtkvm/"
rm -f "$root"/usr/local/lib/rtkvm/profiles/*.[od]
cp "$here/profiles-in-guest.sh" "$root/"
(cd "$root" && find . | sort | cpio -o -H newc --quiet) >"$out.tmp"
mv "$out.tmp" "$out"

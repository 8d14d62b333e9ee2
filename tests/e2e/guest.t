#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# rtkvm guest: what is built, that it is the same each time, and everything that can be wrong
# shellcheck source=tests/e2e/tap.sh
# shellcheck disable=SC2154 # code, out, errs come from run
. tests/e2e/tap.sh

command -v apt-get >/dev/null || skip_all "no apt: guest images are made of Debian packages"
apt-cache show linux-image-rt-amd64 >/dev/null 2>&1 ||
	skip_all "apt has no package lists (apt-get update)"

sum() {
	sha256sum "$1" | cut -d ' ' -f 1
}

empty() {
	[ ! -e "$1" ] || [ -z "$(ls -A "$1")" ]
}

# left DIR - temporary files anywhere below it
left() {
	find "$1" -name '*.tmp' -o -name 'tmp.*'
}

# --- what is built

run "$RTKVM" guest build --out "$T/one"
is "$code" 0 "builds an image: $errs"
like "$out" 'built, kernel .*-rt-amd64' "says which kernel"
is "$(ls "$T/one")" "$(printf 'initrd\nmanifest.json\nvmlinuz')" "vmlinuz, initrd, manifest, nothing else"
is "$(jq -r '.files.initrd.sha256, .files.vmlinuz.sha256' "$T/one/manifest.json")" \
	"$(sum "$T/one/initrd")
$(sum "$T/one/vmlinuz")" "the manifest's checksums are the files'"
is "$(jq -r '.packages | map(.name) | join(" ")' "$T/one/manifest.json" |
	sed 's/linux-image-[^ ]*/KERNEL/')" "busybox-static rt-tests libc6 libnuma1 KERNEL" \
	"the manifest names every package"
is "$(jq -r '.packages[] | select(.name == "rt-tests").version' "$T/one/manifest.json")" \
	"$(apt-cache show --no-all-versions rt-tests | sed -n 's/^Version: //p')" \
	"with the version apt has"
is "$(tail -c +515 "$T/one/vmlinuz" | head -c 4)" HdrS \
	"vmlinuz is a kernel: it has the header of the x86 boot protocol"

# an independent reader of the archive
cpio -it --quiet <"$T/one/initrd" >"$T/names" 2>/dev/null
for name in init bin/busybox bin/sh usr/bin/cyclictest usr/bin/oslat usr/bin/hackbench \
	lib64/ld-linux-x86-64.so.2 lib/x86_64-linux-gnu/libc.so.6 etc/modules; do
	ok "the initrd has $name" grep -qx "$name" "$T/names"
done
is "$(cpio -itv --quiet <"$T/one/initrd" 2>/dev/null | awk '{ print $3, $4 }' | sort -u)" \
	"root root" "everything in it belongs to root"

run "$RTKVM" guest build --out "$T/one"
like "$code $out" '^0 .*up to date' "a second time there is nothing to do"

# --- byte for byte the same: other directories, another cache, another time, umask and zone

sleep 1
run env RTKVM_HOME="$T/home" TZ=Asia/Tokyo LC_ALL=C bash -c 'umask 077; "$0" guest build' "$RTKVM"
is "$code" 0 "builds from nothing: $errs"
is "$(sum "$T/home/guests/debian-rt/initrd")" "$(sum "$T/one/initrd")" \
	"the same packages make the same initrd, byte for byte"
is "$(left "$T/home")" "" "no temporary file is left"

run env RTKVM_HOME="$T/home" "$RTKVM" guest list
like "$out" '^debian-rt .*-rt-amd64' "list shows it"
run env RTKVM_HOME="$T/home" "$RTKVM" guest list --json
is "$(printf '%s' "$out" | jq -r '.[0].name')" debian-rt "list --json shows it"
echo '{' >"$T/home/guests/debian-rt/manifest.json"
fails 2 'manifest.json' "a damaged manifest is told" env RTKVM_HOME="$T/home" "$RTKVM" guest list
run env RTKVM_HOME="$T/home" "$RTKVM" guest build
like "$code $out" '^0 .*built' "and build makes the image anew"
rm -r "$T/home/guests"

# --- bad input

fails 2 'action is missing' "no action" "$RTKVM" guest
fails 2 'not an action' "unknown action" "$RTKVM" guest bild
fails 2 'one argument too many' "extra argument" "$RTKVM" guest build debian
fails 2 'kernel.*rt or generic' "unknown kernel" "$RTKVM" guest build --kernel bsd
fails 2 '--name' "unknown option" "$RTKVM" guest build --name x
fails 2 'not a usable path' "empty --out" "$RTKVM" guest build --out ''

mkdir "$T/bin"
for p in sh sha256sum dpkg-deb; do ln -s "$(command -v $p)" "$T/bin/$p"; done
fails 2 'starting apt-cache failed' "no apt" \
	env PATH="$T/bin" "$RTKVM" guest build --out "$T/none"
ok "nothing is left" test ! -e "$T/none"

mkdir "$T/lists"
cat >"$T/apt.conf" <<EOF
Dir::State::lists "$T/lists";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "/dev/null";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
EOF
fails 2 'knows no package linux-image-rt-amd64; run apt-get update' "apt has no lists" \
	env APT_CONFIG="$T/apt.conf" "$RTKVM" guest build --out "$T/none"
ok "nothing is left" test ! -e "$T/none"

# /etc/apt, which is read after this file, may name a proxy that works
cat >"$T/apt.conf" <<'EOF'
Dir::Etc::parts "/dev/null";
Dir::Etc::main "/dev/null";
Acquire::http::Proxy "http://127.0.0.1:9";
Acquire::https::Proxy "http://127.0.0.1:9";
EOF
fails 2 'downloading package .* failed' "no network" \
	env APT_CONFIG="$T/apt.conf" RTKVM_HOME="$T/offline" "$RTKVM" guest build
ok "no image is left" empty "$T/offline/guests"
is "$(left "$T/offline")$(find "$T/offline" -name '*.deb')" "" "nor half a package"

: >"$T/file"
fails 2 "$T/file failed" "--out is a file" "$RTKVM" guest build --out "$T/file"
fails 2 '/proc/x failed' "--out cannot be made" "$RTKVM" guest build --out /proc/x
ok "a file in the way is left alone" test -f "$T/file"

if [ "$(id -u)" = 0 ] && mkdir "$T/small" &&
	mount -t tmpfs -o size=10m none "$T/small" 2>/dev/null; then
	on_exit "umount $T/small"
	fails 2 'No space left' "disk full" "$RTKVM" guest build --out "$T/small/g"
	ok "nothing is left" empty "$T/small"
	fails 2 'failed' "disk full in the cache" env RTKVM_HOME="$T/small" "$RTKVM" guest build
	ok "no image is left" empty "$T/small/guests"
	is "$(left "$T/small")" "" "nor half a package"
else
	skip 5 "no root to mount a small file system"
fi

# --- interrupted

RTKVM_HOME=$T/int "$RTKVM" guest build >/dev/null 2>"$T/err" </dev/null &
pid=$!
until pgrep -P $pid apt-get >/dev/null || ! kill -0 $pid 2>/dev/null; do sleep 0.02; done
kill -INT $pid
wait $pid
is $? 3 "Ctrl-C ends it with 3"
is "$(wc -l <"$T/err")" 1 "and one line"
ok "no image is left" empty "$T/int/guests"
is "$(left "$T/int")" "" "nor half a package"
run env RTKVM_HOME="$T/int" "$RTKVM" guest build
is "$(sum "$T/int/guests/debian-rt/initrd")" "$(sum "$T/one/initrd")" "the next build is whole"
done_testing

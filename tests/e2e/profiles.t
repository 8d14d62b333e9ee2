#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# profiles.t - the tuned profiles under Debian's tuned, in the lab: three boots of one disk,
# the second with guests: two to be left in peace, and one with Debian's tuned
#
# TUNED=DIR: another tuned on the host, a tree that "make install DESTDIR=DIR" of its sources has left.
. tests/e2e/tap.sh

[ -z "${RTKVM##*/san/*}" ] && skip_all "emulated machines are tested with the plain build"
command -v qemu-system-x86_64 >/dev/null || skip_all "no qemu-system-x86_64"
if ! "$RTKVM" lab build --flavour full >"$T/build" 2>&1; then
	skip_all "the lab's disk cannot be built: $(tail -n 1 "$T/build")"
fi
image=$(dirname "$RTKVM")/guests/debian-rt
disk=$(dirname "$RTKVM")/lab/disk
mkdir "$T/guest"
if "$RTKVM" guest build >"$T/build" 2>&1; then
	ok "a guest with Debian's tuned is made" tests/e2e/tuned-guest.sh "$disk" "$image" \
		"$T/guest/initrd"
fi

stage() { # NAME LAB-OPTION...
	local name=$1
	shift
	mkdir -p "$T/$name"
	[ ! -d "$image" ] || set -- "$@" --share "$image" --share "$T/guest"
	[ -z "${TUNED:-}" ] || set -- "$@" --share "$TUNED"
	"$RTKVM" lab run --disk "$T/disk" --share "$PWD/tests/e2e" --results "$T/$name" \
		--timeout 40m "$@" -- \
		"RTKVM_IMAGE=$image RTKVM_TUNED_GUEST=$T/guest/initrd RTKVM_TUNED=${TUNED:-} bash $PWD/tests/e2e/profiles-in-lab.sh $name" >"$T/$name.log" 2>&1
	is $? 0 "$name: the lab ran"
	while read -r line; do
		case $line in
		"ok "*) ok "$name: ${line#ok }" true ;;
		"skip "*) skip 1 "$name: ${line#skip }" ;;
		*) ok "$name: ${line#not ok }" false ;;
		esac
	done <"$T/$name/tests"
	if grep -q '^not ok' "$T/$name/tests"; then
		sed 's/^/# /' "$T/$name.log"
	fi
}

stage fresh --cmdline quiet
stage booted --cmdline-from-image
stage stock --cmdline-from-image

done_testing

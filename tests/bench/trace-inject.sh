#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# trace-inject.sh OUT COUNT VMM HOST_KINDS GUEST_KINDS - run the injections in the lab
# Truth is known by the TSC: of the lab's machine for truth and the guest's /out/truth, of this
# machine for OUT/stalls, whose difference is constant. Run it from the top.
set -u
out=$1 count=$2 vmm=$3 host_kinds=$4 guest_kinds=$5
rtkvm=${RTKVM:-$PWD/build/rtkvm}
build=$(dirname "$(realpath "$rtkvm")")
mkdir -p "$out/signs" || exit 2
out=$(realpath "$out")
mkfifo "$out/said" || exit 2
trap 'kill "$lab" 2>/dev/null; rm -f "$out/said"' EXIT

"$rtkvm" lab run --flavour fast --kernel rt --cpus 4 --memory 4G --share "$build" --share "$PWD/tests" \
	--share "$out/signs" --pid-file "$out/pid" --results "$out" --timeout 25m -- \
	sh "$PWD/tests/bench/trace-inject-job.sh" "$build/guests/debian-rt" "$build/tests/tools/inject" \
	"$out/signs" "$count" "$vmm" "$host_kinds" "$guest_kinds" \
	>"$out/said" 2>"$out/lab.err" </dev/null &
lab=$!
while IFS= read -r line; do
	echo "# $line" >&2
	[ "$line" = READY ] || continue
	"$build/tests/tools/inject" stop "$count" 20 40 250 "$(cat "$out/pid")" >"$out/stalls"
	: >"$out/signs/done"
done <"$out/said"
wait "$lab"
code=$?
[ $code = 0 ] || sed 's/^/# /' "$out/lab.err" >&2
exit $code

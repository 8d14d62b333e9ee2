#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# trace-inject.sh OUT COUNT MIN MAX VMM HOST_KINDS GUEST_KINDS - run the injections in the lab, each of
# MIN to MAX ms. Truth is known by the TSC: of the lab's machine for truth and the guest's /out/truth,
# of this machine for OUT/stalls; their difference is constant, and in OUT/ticks. Run it from the top.
set -u
out=$1 count=$2 min=$3 max=$4 vmm=$5
shift 5
rtkvm=${RTKVM:-$PWD/build/rtkvm}
build=$(dirname "$(realpath "$rtkvm")")
inject=$build/tests/tools/inject
mkdir -p "$out/signs" || exit 2
out=$(realpath "$out")
mkfifo "$out/said" || exit 2
trap 'kill "$lab" 2>/dev/null; rm -f "$out/said"' EXIT

# other work on this machine makes the emulated one stand still
nice -n -15 "$rtkvm" lab run --flavour fast --kernel rt --cpus 4 --memory 4G --share "$build" --share "$PWD/tests" \
	--share "$out/signs" --pid-file "$out/pid" --results "$out" --timeout 25m -- \
	sh "$PWD/tests/bench/trace-inject-job.sh" "$build/guests/debian-rt" "$inject" \
	"$out/signs" "$count" "$min" "$max" "$vmm" "$@" \
	> >("$inject" stamp >"$out/said") 2>"$out/lab.err" </dev/null &
lab=$!
while IFS= read -r line; do
	case $line in
	TSC*) echo "$line" >>"$out/ticks" ;;
	READY)
		nice -n -19 "$inject" stop "$count" "$min" "$max" 250 "$(cat "$out/pid")" >"$out/stalls"
		: >"$out/signs/done"
		;;
	*) echo "# $line" >&2 ;;
	esac
done <"$out/said"
wait "$lab"
code=$?
[ $code = 0 ] || sed 's/^/# /' "$out/lab.err" >&2
exit $code

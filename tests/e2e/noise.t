#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# rtkvm noise: proof of work, nothing left behind however it ends
# shellcheck source=tests/e2e/tap.sh
. tests/e2e/tap.sh

fails 2 'name a load' "no load" "$RTKVM" noise -c 0
fails 2 'no load "music"' "an unknown load" "$RTKVM" noise music -c 0
fails 2 'cpus is missing' "no CPUs" "$RTKVM" noise fork
fails 2 'needs --dir' "disk without a directory" "$RTKVM" noise disk -c 0
fails 2 'at least 2 CPUs' "ipi on one CPU" "$RTKVM" noise ipi -c 0
fails 2 'offline or not' "a CPU that is not there" "$RTKVM" noise fork -c 4000 -D 1s

run "$RTKVM" noise fork -c 0 -D 1s --interval 250ms
is "$code" 0 "a load that works"
ok "a line an interval" [ "$(printf '%s\n' "$out" | jq -s length)" -ge 3 ]
is "$(printf '%s\n' "$out" | jq -sc 'map([.load, .unit]) | unique')" '[["fork","forks"]]' \
	"each names the load"
is "$(printf '%s\n' "$out" | jq -s '(map(.count) | add) == .[-1].total')" true "counts add up"
fails 4 'floor 1000000000' "a floor that is not reached is inconclusive" \
	"$RTKVM" noise fork -c 0 -D 1s --floor 1000000000

for kind in compile net vm hackbench stress-cpu; do
	[ "$kind" != vm ] || [ -w /dev/kvm ] || { skip 1 "no usable /dev/kvm"; continue; }
	tool=${kind%%-*}
	case $tool in
	compile) tool=cc ;;
	net | vm) tool=true ;;
	stress) tool=stress-ng ;;
	esac
	if ! command -v "$tool" >/dev/null; then
		skip 1 "no $tool"
		continue
	fi
	: >"$T/lines"
	(cd "$T" && exec "$RTKVM" noise "$kind" -c 0 -D 60s --interval 100ms --dir "$T") >"$T/lines" &
	noise=$!
	for _ in $(seq 300); do
		grep -q '"count":[1-9]' "$T/lines" && break
		sleep 0.1
	done
	kill -INT "$noise"
	wait "$noise" && code=0 || code=$?
	is "$code" 0 "$kind works"
done

descendants() {
	ps -eo ppid=,pid= | awk -v p="$1" '{ up[$2] = $1 } END { for (c in up) {
		for (a = c; a > 1 && a != p; a = up[a]); if (a == p && c != p) print c } }'
}
for kind in signal hackbench; do
	: >"$T/lines"
	"$RTKVM" noise "$kind" -c 0 >"$T/lines" 2>/dev/null &
	noise=$!
	for _ in $(seq 100); do
		[ -s "$T/lines" ] && break
		sleep 0.1
	done
	below=$(descendants "$noise")
	ok "$kind has processes" [ -n "$below" ]
	kill -KILL "$noise"
	wait "$noise" 2>/dev/null
	left="?"
	for _ in $(seq 100); do
		left=
		for pid in $below; do
			case $(ps -o stat= -p "$pid") in "" | Z*) ;; *) left="$left $pid" ;; esac
		done
		[ -z "$left" ] && break
		sleep 0.1
	done
	is "$left" "" "kill -9 takes them along"
done
done_testing

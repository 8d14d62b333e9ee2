#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A guest that does everything it can at random ends its own VM at most: the VMM neither crashes nor
# grows. Seconds here, the same acts each time; tests/bench/hostile takes a minute of others each time.
# shellcheck source=tests/e2e/tap.sh
. tests/e2e/tap.sh
# shellcheck source=tests/e2e/hostile.sh
. tests/e2e/hostile.sh

payload=build/guests/flat/hostile.elf
[ -w /dev/kvm ] || skip_all "no usable /dev/kvm"
[ "$(id -u)" = 0 ] || skip_all "SCHED_FIFO and locked memory need root"
[ -r "$payload" ] || skip_all "$payload is not built"

survives() { # SEED MS [OPTION...]
	hostile "$payload" "$@"
	is "$code" 0 "seed $1: it ran to its end: $errs"
	is "$errs" "" "and the VMM said nothing"
	ok "it did something: ${actions:-0} actions" test "${actions:-0}" -gt 100
	ok "memory stays: $rss_first to $rss_most KiB" \
		test "${rss_first:-0}" -gt 0 -a "$rss_most" -le $((${rss_first:-0} + 256))
	ok "and so do descriptors: $fds_first to $fds_most" test "$fds_most" -gt 0 -a "$fds_most" -le "${fds_first:-0}"
	is "$(cat "$T/switch")" 0 "the freeze port still does its one thing"
}
for seed in 1 2 3; do
	survives $seed 4000
done
devices
survives 4 4000 "${devices[@]}"
echo "# $(jq -c 'select(.event=="ended").devices|map([.name,.kicks,.requests,.resets])' "$T/ev")"
is "$cards" "$kinds" "it had devices of $kinds kinds"
is "$(jq -c 'select(.event=="ended").devices|[(map(.kicks > 0 and .resets > 0)|all), any(.requests > 0)]' "$T/ev")" \
	'[true,true]' "which it kicked and reset, and which served it"
done_testing

# shellcheck shell=bash disable=SC2034 # the results are for who sources it
# SPDX-License-Identifier: GPL-2.0-only
# hostile.sh - sourced by the hostile guest's test and benchmark
#
# hostile PAYLOAD SEED MS - run it; sets $code, $errs, $actions, and what the VMM's process had
# once the guest ran, and the most it ever had: $rss_first, $rss_most (KiB), $fds_first, $fds_most
hostile() {
	local pid n status hypercalls=1

	[ -d /sys/module/kvm_pvm ] && hypercalls=0 # it never ends one
	echo 1 >"$T/switch"
	"$RTKVM" run --kernel "$1" --cpus 0 --fifo 0 --allow-shared --memory 64M --timeout $(($3 * 10 + 60000))ms \
		--freeze "$T/switch" --console "$T/console" --events /dev/null \
		--append "seed=$2 ms=$3 hypercalls=$hypercalls" 2>"$T/hostile.err" </dev/null &
	pid=$!
	rss_first='' rss_most=0 fds_first='' fds_most=0
	while kill -0 $pid 2>/dev/null; do
		sleep 0.3
		status=$(grep -s VmRSS /proc/$pid/status) || continue
		n=$(find /proc/$pid/fd 2>/dev/null | wc -l)
		[ "$n" -gt 1 ] && [ "$(cat "$T/switch")" = 0 ] || continue # it acts: all is set up
		status=$(echo "$status" | tr -dc 0-9)
		[ "$rss_first" ] || rss_first=$status fds_first=$n
		# the most seen: a last look may find half of a process that ends
		[ "$status" -le "$rss_most" ] || rss_most=$status
		[ "$n" -le "$fds_most" ] || fds_most=$n
	done
	wait $pid
	code=$?
	errs=$(cat "$T/hostile.err")
	actions=$(tr -d '\0' <"$T/console" | sed -n 's/^actions //p' | tail -n 1)
}

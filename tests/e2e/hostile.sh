# shellcheck shell=bash disable=SC2034 # the results are for who sources it
# SPDX-License-Identifier: GPL-2.0-only
# hostile.sh - sourced by the hostile guest's test and benchmark
network=() devices=() kinds=0

# devices - in $devices the options of $kinds kinds of devices, with $T/disk; a network card, on an
# interface in a network of its own ($network goes before the command), where the system can make one
devices() {
	local cpu=$(($(nproc) - 1))

	truncate -s 1M "$T/disk"
	kinds=3
	devices=(--disk "$T/disk,cpu=$cpu" --rng --virtio-console "/dev/null,port=a:/dev/null")
	network=(unshare -n sh -c 'ip tuntap add rtkvm0 mode tap && ip link set rtkvm0 up && exec "$@"' sh)
	if "${network[@]}" true 2>/dev/null; then
		kinds=4
		devices+=(--net "tap=rtkvm0,cpu=$cpu")
	else
		network=()
	fi
}

# hostile PAYLOAD SEED MS [OPTION...] - run it; sets $code, $errs, $actions, $cards (devices that it
# found), and what the VMM's process had once the guest ran, and the most it ever had: $rss_first,
# $rss_most (KiB); $fds_first, $fds_most: what it had in two looks in a row, as the VMM opens files for a
# moment when a guest writes a mark
hostile() {
	local pid n both was=0 status hypercalls=1 payload=$1 seed=$2 ms=$3

	shift 3
	[ -d /sys/module/kvm_pvm ] && hypercalls=0 # it never ends one
	echo 1 >"$T/switch"
	"${network[@]}" "$RTKVM" run --kernel "$payload" --cpus 0 --fifo 0 --allow-shared --memory 64M \
		--timeout $((ms * 10 + 60000))ms --freeze "$T/switch" --console "$T/console" --events "$T/ev" \
		--append "seed=$seed ms=$ms actions=1000 hypercalls=$hypercalls" "$@" 2>"$T/hostile.err" </dev/null &
	pid=$!
	rss_first='' rss_most=0 fds_first='' fds_most=0
	while kill -0 $pid 2>/dev/null; do
		sleep 0.2
		status=$(grep -s VmRSS /proc/$pid/status) || continue
		n=$(find /proc/$pid/fd 2>/dev/null | wc -l)
		[ "$n" -gt 1 ] && [ "$(cat "$T/switch")" = 0 ] || continue # it acts: all is set up
		status=$(echo "$status" | tr -dc 0-9)
		both=$((n < was ? n : was))
		[ "$was" = 0 ] || [ "$rss_first" ] || rss_first=$status fds_first=$both # the second look: it runs in
		# the most seen: a last look may find half of a process that ends
		[ "$status" -le "$rss_most" ] || rss_most=$status
		[ "$both" -le "$fds_most" ] || fds_most=$both
		was=$n
	done
	wait $pid
	code=$?
	errs=$(cat "$T/hostile.err")
	cards=$(tr -d '\0' <"$T/console" | sed -n 's/^devices //p' | tail -n 1)
	actions=$(tr -d '\0' <"$T/console" | sed -n 's/^actions //p' | tail -n 1)
}

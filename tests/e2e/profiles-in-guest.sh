#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# profiles-in-guest.sh activate|verify - the part of profiles.t that runs in a guest of the lab's host
#
# The root is an initramfs: what a disk would keep from one boot to the next is printed by activate
# (a tar in base64) and lies in /kept.tar for verify.
stage=$1
log=/var/log/tuned/tuned.log
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin
export PATH LC_ALL=C

check() { # NAME COMMAND...
	local name=$1
	shift
	if "$@"; then
		echo "ok $name"
	else
		echo "not ok $name"
	fi
}

mount -t tmpfs run /run
mkdir -p /run/dbus /run/tuned /run/lock /var/log/tuned
hostname guest
[ ! -e /kept.tar ] || tar -C / -xf /kept.tar
dbus-daemon --system --fork --nopidfile

start_tuned() {
	tuned -l -P /run/tuned/tuned.pid >/run/tuned.out 2>&1 &
	for _ in $(seq 300); do
		tuned-adm active >/dev/null 2>&1 && return 0
		sleep 0.5
	done
	cat /run/tuned.out "$log"
	return 1
}

case $stage in
activate)
	rtkvm tune install
	check "tuned runs in the guest" start_tuned
	check "tuned-adm profile realtime-virtual-guest exits 0" \
		tuned-adm profile realtime-virtual-guest
	tail -n 5 "$log"
	# shellcheck disable=SC1091 # written by tuned
	. /etc/tuned/bootcmdline
	echo "cmdline $TUNED_BOOT_CMDLINE"
	echo "kept begins"
	tar -C / -cz etc/tuned var/lib/rtkvm etc/modprobe.d 2>/dev/null | base64
	echo "kept ends"
	;;
verify)
	check "the guest has booted with what its profile wrote" grep -q \
		'isolcpus=managed_irq,domain,1 .*nohz_full=1 .*no-kvmapf' /proc/cmdline
	check "tuned starts with the profile of the last boot" start_tuned
	for _ in $(seq 120); do
		grep -qs "static tuning from profile 'realtime-virtual-guest' applied" "$log" && break
		sleep 1
	done
	check "tuned-adm verify exits 0" tuned-adm verify
	tail -n 5 "$log"
	rtkvm doctor --guest >/run/doctor
	grep -A3 '^FAIL' /run/doctor
	check "doctor --guest has no failure" sh -c \
		"grep -q '^pass' /run/doctor && ! grep '^FAIL' /run/doctor"
	tail -n 1 /run/doctor
	;;
esac
echo "end $stage"

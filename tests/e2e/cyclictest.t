#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# rtkvm cyclictest with real guests: under rtkvm run and under QEMU, side by side in one lab, and
# guests that panic, power off, hang or have no cyclictest
# shellcheck source=tests/e2e/tap.sh
. tests/e2e/tap.sh

guest=build/guests/debian-rt
for tool in qemu-system-x86_64 cpio gzip; do
	command -v $tool >/dev/null || skip_all "no $tool"
done
"$RTKVM" guest build --out $guest >"$T/log" 2>&1 || skip_all "no guest image: $(tail -n 1 "$T/log")"
"$RTKVM" lab --flavour fast build >"$T/log" 2>&1 || skip_all "no lab: $(tail -n 1 "$T/log")"

# A faulty guest is the good one with another program in cyclictest's place: a second archive
# behind the first replaces the file.
faulty() { # NAME SCRIPT_TEXT
	mkdir -p "$T/share/$1" "$T/overlay/usr/bin"
	printf '%s\n' "$2" >"$T/overlay/usr/bin/cyclictest"
	chmod 755 "$T/overlay/usr/bin/cyclictest"
	cp $guest/vmlinuz $guest/manifest.json "$T/share/$1"
	(cd "$T/overlay" && find . | cpio -o -H newc --quiet | gzip) >"$T/overlay.gz"
	cat $guest/initrd "$T/overlay.gz" >"$T/share/$1/initrd"
}
mkdir -p "$T/share/good"
cp $guest/vmlinuz $guest/initrd $guest/manifest.json "$T/share/good"
faulty panic '#!/bin/sh
echo c >/proc/sysrq-trigger'
faulty poweroff '#!/bin/sh
poweroff -f'
faulty absent '#!/nonexistent'
faulty hang '#!/bin/sh
sleep 1000'

cat >"$T/share/job" <<'EOF'
#!/bin/bash
# in the lab: every case leaves CASE.code, CASE.err and, where there is one, its run directory
cd "$RTKVM_RESULTS" && rm -rf -- * || exit 1 # of a machine that hung
ct() { # CASE GUEST OPTION...
	local name=$1 guest=$2
	shift 2
	rtkvm cyclictest --guest "$RTKVM_SHARE/$guest" --cpus 0:1,1:2,2:3 --allow-shared --memory 256M \
		--no-report --out "$PWD/$name" "$@" >"$name.out" 2>"$name.err" &
	harness=$!
}
end() { # CASE
	wait $harness
	echo $? >"$1.code"
}
until_job() { # CASE - cyclictest runs in the guest
	for _ in $(seq 600); do
		grep -qs job_start "$1/events.jsonl" && return
		sleep 0.2
	done
}
for vmm in rtkvm qemu; do
	ct $vmm good --vmm $vmm --duration 5s --smoke
	end $vmm
done
ct limit good --duration 2s
end limit
for fault in panic poweroff absent; do
	ct $fault $fault --duration 2s
	end $fault
done
ct hang hang --duration 2s --timeout 60s
end hang
ct killed good --duration 60s
until_job killed
kill -KILL "$(jq -r 'select(.event == "started").pid' killed/events.jsonl)"
end killed
ct interrupted good --duration 60s
until_job interrupted
sleep 20 # its threads are read back after a second, of an emulated machine
kill -INT $harness
end interrupted
ct dead good --duration 60s
until_job dead
kill -KILL $harness
left() {
	pgrep -l 'rtkvm|qemu'
	find /sys/kernel/tracing/instances -name 'rtkvm-*'
	grep HugePages_Rsvd /proc/meminfo | grep -v ' 0$'
}
for _ in $(seq 150); do # a guest's memory and the counters' instances take their time to go
	left >left
	[ -s left ] || break
	sleep 0.2
done
true
EOF
chmod +x "$T/share/job"

"$RTKVM" lab --flavour fast --share "$T/share" --results "$T/results" --tries 3 --timeout 15m \
	run "$T/share/job" >"$T/log" 2>&1
code=$?
is $code 0 "the lab ran"
if [ $code = 0 ]; then
	tell_tries "$T/log"
else
	sed 's/^/# /' "$T/log"
fi
schema=$PWD/build/tests/tools/schema
schema_text=$PWD/docs/run.schema.json
cd "$T/results" || exit 1
for vmm in rtkvm qemu; do
	ok "$vmm: run.json follows the schema" "$schema" "$schema_text" $vmm/run.json
	is "$(cat $vmm.code 2>/dev/null)" 0 "$vmm: exit 0"
	[ "$(cat $vmm.code 2>/dev/null)" = 0 ] || sed 's/^/# /' $vmm.err "$T/log"
	is "$(jq -r .verdict $vmm/run.json)" pass "$vmm: verdict"
	is "$(jq -r .conditions $vmm/run.json)" emulated "$vmm: conditions"
	is "$(jq '[.cpus[] | select(.samples > 0)] | length' $vmm/run.json)" 2 "$vmm: both vCPUs measured"
	is "$(jq -r '.guest.realtime + " " + .guest.isolated + " " + .guest.nohz_full' $vmm/run.json)" \
		"1 1-2 1-2" "$vmm: a PREEMPT_RT guest, its vCPUs 1-2 isolated"
	is "$(jq -c '[.inforce.vcpus[] | [.index, .cpu, .policy]]' $vmm/run.json)" \
		'[[0,1,"other"],[1,2,"fifo"],[2,3,"fifo"]]' "$vmm: vCPU threads pinned, FIFO where measured"
	is "$(jq '.window.exits.msr > 0 and .window.exits_lost == 0' $vmm/run.json)" true \
		"$vmm: VM exits counted by reason, none lost"
	is "$(jq -c '[.window.userspace_exits, .window.page_faults]' $vmm/run.json)" "[0,0]" \
		"$vmm: no user-space exit, no page fault on the measured vCPUs"
	is "$(jq '.vmm.overhead_bytes > 0 and .vmm.start_to_init_ns > 0' $vmm/run.json)" true \
		"$vmm: memory overhead and start-to-init are there"
	is "$(cd $vmm && echo *)" \
		"console.log cyclictest.json cyclictest.txt events.jsonl latency.log run.json" "$vmm: files"
done
is "$(cat limit.code)" 4 "a latency limit on an emulated machine: inconclusive"
while IFS='|' read -r name code want; do
	is "$(cat "$name.code")" "$code" "$name: exit $code"
	like "$(cat "$name.err")" "$want" "$name: says so"
	is "$(wc -l <"$name.err")" 1 "$name: in one line"
	is "$(jq -r .verdict "$name/run.json")" incomplete "$name: run.json"
done <<'EOF'
panic|2|the guest panicked while cyclictest ran
poweroff|2|the guest powered off while cyclictest ran
absent|2|the guest has no cyclictest
hang|2|did not end within 60 s: stopped while cyclictest ran
killed|2|the VMM was killed by signal 9 while cyclictest ran
interrupted|3|interrupted while cyclictest ran
EOF
is "$(jq -c '.cpus[] | .samples > 0 and (.over > 0 or (.samples + .missed == .expected and .expected < 60000 * 5))' interrupted/run.json | uniq)" \
	true "interrupted: and so are the samples"
is "$(jq '.window.exits.msr > 0' interrupted/run.json)" true "interrupted: VM exits up to then are kept"
is "$(cat left)" "" "kill -9 of the harness leaves no process and no trace instance"
is "$(jq -r .verdict dead/run.json)" incomplete "and an incomplete run"
done_testing

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# rtkvm run where the kernel has core scheduling and utilization clamps (Debian's have neither; in
# rtkvm lab with a kernel that has, this runs, too): what is in force is read from outside
# shellcheck source=tests/e2e/tap.sh
. tests/e2e/tap.sh

payload=build/guests/flat/script.elf
[ -w /dev/kvm ] || skip_all "no usable /dev/kvm"
[ "$(id -u)" = 0 ] || skip_all "SCHED_FIFO and locked memory need root"
[ -r "$payload" ] || skip_all "$payload is not built"
clamp=/proc/sys/kernel/sched_util_clamp_min

# prctl(2): PR_SCHED_CORE, PR_SCHED_CORE_GET of one thread; nothing where the kernel cannot tell
cookie() { # TID
	perl -e '$c = pack("Q", 0);
		syscall(157, 62, 0, $ARGV[0] + 0, 0, $c) or print unpack("Q", $c), "\n"' "$1"
}
cookies() { # PID: the different ones of its threads
	for tid in /proc/"$1"/task/*; do cookie "${tid##*/}"; done | sort -u
}
vms=()
start() { # NAME CPU OPTION... - until it ends by itself or is told to: $vm is its process
	"$RTKVM" run --kernel "$payload" --cpus "$2" --allow-shared --memory 32M --timeout 60s --name "core$1.$$" \
		--events "$T/$1.ev" "${@:3}" >/dev/null 2>"$T/$1.err" &
	vm=$!
	vms+=("$vm")
	await $vm grep -qs '"started"' "$T/$1.ev"
}
quit() { # NAME...
	for name; do "$RTKVM" ctl --vm "core$name.$$" quit >/dev/null; done
	wait "${vms[@]}"
	vms=()
}
status() { # NAME
	"$RTKVM" ctl --vm "core$1.$$" status
}

# --- a core of which the two threads are online, and one that is left for everybody else
pair=$(cat /sys/devices/system/cpu/cpu*/topology/thread_siblings_list 2>/dev/null | sort -nu |
	grep -E '^[0-9]+[-,][0-9]+$' | tail -n 1)
ours=${pair%%[-,]*} other=${pair##*[-,]}
if [ -z "$(cookie $$)" ]; then
	skip 9 "no core scheduling here: a kernel with CONFIG_SCHED_CORE, and cores with two threads"
elif [ -z "$pair" ] || [ "$(nproc --all)" -le 2 ]; then
	skip 9 "no core with two threads online, and one beside it"
else
	start plain "$ours" --hold
	is "$(cookies $vm)" 0 "a VMM's threads have no cookie by themselves"
	like "$(status plain)" 'no core scheduling cookie' "which rtkvm ctl status says"
	quit plain

	start a "$ours" --hold --core-sched
	a=$(cookies $vm)
	like "$a" '^[1-9][0-9]*$' "--core-sched: all of its threads have one cookie"
	is "$(jq -c 'select(.event=="started").vcpus[0].core_cookie' "$T/a.ev")" true "which the started event tells"
	like "$(status a)" 'shares its core with nobody' "and rtkvm ctl status"
	start b "$other" --hold --core-sched
	b=$(cookies $vm)
	like "$b" '^[1-9][0-9]*$' "so have those of a second one, on the core's other thread"
	ok "the cookies $a and $b differ" test "$a" != "$b"
	quit a b

	# what a busy process gets of the core's other thread in two seconds in which the vCPU is busy
	taskset -c "$other" perl -e '1 while 1' &
	busy=$!
	on_exit "kill $busy 2>/dev/null"
	used() { # its CPU time, in ticks of 10 ms
		awk '{ print $14 + $15 }' /proc/$busy/stat
	}
	gets() { # NAME OPTION...: $got
		start "$1" "$ours" --append "mark:2 spin:30000" "${@:2}"
		await "$vm" grep -qs job_start "$T/$1.ev"
		before=$(used)
		sleep 2
		got=$(($(used) - before))
		quit "$1"
	}
	gets shared
	shared=$got
	gets apart --core-sched
	kill $busy
	ok "a busy process there: $shared ticks beside a plain vCPU" test "$shared" -gt 50
	ok "and $got beside one of --core-sched" test "$got" -lt $((shared / 4))
fi

# --- utilization clamps
if [ ! -e $clamp ]; then
	skip 3 "this kernel has no utilization clamps (CONFIG_UCLAMP_TASK)"
else
	was=$(cat $clamp)
	on_exit "echo $was >$clamp"
	echo 1024 >$clamp
	start clamped 0 --hold
	is "$(jq -c 'select(.event=="started").vcpus[0].uclamp_min' "$T/clamped.ev")" 1024 \
		"full utilization, as the started event tells"
	tid=$(jq -c 'select(.event=="started").vcpus[0].tid' "$T/clamped.ev")
	told=$(sed -n 's/^effective uclamp.min *: *//p' "/proc/$vm/task/$tid/sched" 2>/dev/null)
	is "${told:-1024}" 1024 "and the scheduler"
	quit clamped
	echo 512 >$clamp
	fails 2 'wanted a utilization clamp of 1024, 512 is in force; set kernel.sched_util_clamp_min=1024' \
		"what the host's limit cuts off is refused" "$RTKVM" run --kernel "$payload" --cpus 0 \
		--allow-shared --memory 32M --append exit:0
fi
done_testing

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# vmm-lab-job GUEST_DIR TOOLS_DIR VMLINUX - in the lab: a Debian guest under rtkvm run, every way it can end;
# for each start NAME.code, NAME.err, NAME.con and NAME.ev in $RTKVM_RESULTS
set -u
guest=$1 tools=$2 vmlinux=$3
cd "$RTKVM_RESULTS" && rm -rf -- * || exit 2 # of a machine that hung

limit=150s kernel=$guest/vmlinuz
start() {
	name=$1
	shift
	rtkvm run --kernel "$kernel" --initrd "$guest/initrd" --memory 256M --timeout "$limit" \
		--events "$name.ev" --console "$name.con" "$@" 2>"$name.err"
	echo $? >"$name.code"
}

# until FILE, NAME.ev or NAME.con, has TEXT, or the run of that NAME has ended
until_said() { # TEXT FILE
	for _ in $(seq 1500); do
		grep -qs "$1" "$2" && return
		[ ! -e "${2%.*}.code" ] || return
		sleep 0.2
	done
}

pid_of() { # NAME: of its VMM
	sed -n 's/.*"started".*"pid":\([0-9]*\).*/\1/p' "$1.ev"
}

base='console=ttyS0 quiet panic=-1'
rt='isolcpus=managed_irq,domain,1 nohz_full=1 rcu_nocbs=1 irqaffinity=0 nosoftlockup'
job='cat /proc/cpuinfo; cat /sys/devices/system/clocksource/clocksource0/current_clocksource
cyclictest -m -q -p95 --policy=fifo -a 1 -t 1 -i 200 -D 8 --json=/out/c.json >/dev/null
echo again; exit 42'

# the copy goes on while cyclictest runs; then each disk is read once more
disks='(cat /dev/vdc >/vsock; chmod +x /vsock; timeout 100 /vsock echo 1234 /got
echo vsock $(sha256sum </got)) &
dd if=/dev/vda of=/dev/vdb bs=64k conv=fsync 2>/dev/null & taskset -c 1 cyclictest -m -q -p95 \
--policy=fifo -a 1 -t 1 -i 500 -D 2 >/dev/null; wait; sha256sum </dev/vda; sha256sum </dev/vdb
echo over hvc0 >/dev/hvc0; for n in /sys/class/virtio-ports/*/name; do d=${n%/name}
[ $(cat $n) = log ] && echo over a port >/dev/${d##*/}; done
for i in 0 1; do ip addr add 10.99.$i.2/24 dev eth$i; ip link set eth$i up; done
for i in 0 1; do ping -c 3 -s 1400 -W 20 10.99.$i.1; done; cat /sys/class/net/eth1/address
dd if=/dev/hwrng bs=16 count=1 2>/dev/null | wc -c; grep virtio /proc/interrupts; exit 7'
# a real-time host keeps huge pages, where its isolated CPUs are: its guests' second-level tables
# are then complete at once
huge() {
	echo "$1" >/sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages
}
# pages of 1 GiB, which only boot can reserve, for a program without a kernel
giga=/sys/devices/system/node/node1/hugepages/hugepages-1048576kB/nr_hugepages
rtkvm run --kernel "$guest/../flat/script.elf" --cpus 2 --memory 1G --hugepages 1G --timeout 60s \
	--events giga.ev --console giga.con --append exit:7 2>giga.err
echo $? >giga.code
echo 0 >$giga

# a vCPU that is never idle, where real-time tasks are limited and more urgent ones come
echo 500000 >/proc/sys/kernel/sched_rt_runtime_us
rtkvm run --kernel "$guest/../flat/script.elf" --cpus 3 --memory 32M --timeout 60s --trace-switches \
	--events busy.ev --console busy.con --append "mark:2 spin:3000 mark:3 exit:0" 2>busy.err &
for _ in $(seq 20); do chrt -f 50 taskset -c 3 true; done
wait

huge 136
# a real-time host has no such limit
echo -1 >/proc/sys/kernel/sched_rt_runtime_us

# the VMM's threads: id, name, CPUs it may use
threads_of() { # NAME
	sed -n '/^Name:/{s/.*\t//;h}; /^Pid:/{s/.*\t//;G;s/\n/ /;h}
		/^Cpus_allowed_list:/{s/.*\t//;H;x;s/\n/ /;p}' /proc/"$(pid_of "$1")"/task/*/status >"$1.threads"
}

# the measurement; what other threads of the VMM may use is looked at while it runs
(
	until_said job_start cyclictest.ev
	rtkvm ctl stats --json >ctl.stats # first: the window stays open for seconds only
	rtkvm ctl status --json >ctl.status
	threads_of cyclictest
	limit=30s # should it be too late, and those CPUs free
	start second --placement auto --vcpus 1 --append "$base" # beside it: CPU 2-3 are taken
) &
start cyclictest --cpus 2-3 --trace-switches --data cyclictest.data --append "$base $rt rtkvm.exec=\"$job\""
wait
huge 0
# a disk to read, one to write, a console: kept off the isolated vCPU while it is measured
dd if=/dev/urandom of=disk.in bs=64k count=48 2>/dev/null
truncate -s 3M disk.out
# a socket's other end, as a disk: what the guest runs
dd if=/dev/urandom of=vsock.in bs=64k count=4 2>/dev/null
dd if="$tools/vsock" of=vsock.program bs=64k conv=sync 2>/dev/null
modprobe -a tun vhost_net vhost_vsock
for i in 0 1; do
	ip tuntap add rtkvm$i mode tap
	ip addr add 10.99.$i.1/24 dev rtkvm$i
	ip link set rtkvm$i up
done
# one network card is the kernel's to serve, the other the VMM's
(
	until_said job_start virtio.ev
	threads_of virtio
	"$tools/vsock" send 77 1234 <vsock.in >vsock.out 2>vsock.err
) &
start virtio --cpus 2-3 --vsock cid=77 --net tap=rtkvm0 --net tap=rtkvm1,mac=52:54:00:00:00:07,cpu=0 \
	--disk disk.in,ro --disk disk.out --disk vsock.program,ro --rng --virtio-console hvc,port=log:hvc.log \
	--append "$base $rt rtkvm.exec=\"$disks\""
wait
sha256sum disk.in disk.out | cut -d' ' -f1 >virtio.sums
sha256sum vsock.in vsock.out | cut -d' ' -f1 >vsock.sums
rm disk.in disk.out vsock.program
ip link del rtkvm0
ip link del rtkvm1
start poweroff --cpus 2 --irqchip full --append "$base rtkvm.exec=\"poweroff -f\""
start reset --cpus 2 --append "$base rtkvm.exec=\"reboot -f\""
start panic --cpus 2 --append "$base rdinit=/nothing"
start crash --cpus 2 --append "$base rtkvm.exec=\"echo c >/proc/sysrq-trigger\""
# a hung guest is paused, resumed, told to say where it is, and ended
(
	until_said job_start hang.ev
	rtkvm ctl pause >ctl.pause
	rtkvm ctl resume >>ctl.pause
	rtkvm ctl nmi
	until_said 'NMI: ' hang.con
	rtkvm ctl quit
) &
start hang --cpus 2 --append "$base rtkvm.exec=\"sleep 1000\""
wait
limit=5s
start late --cpus 2 --append "$base rtkvm.exec=\"sleep 1000\""
limit=150s
start shared --cpus 1 --append "$base"
start three --placement auto --vcpus 3 --append "$base"
# another guest has claimed CPU 2, and no thread of it is there yet
flock -o /sys/devices/system/cpu/cpu2 rtkvm run --kernel "$guest/../flat/script.elf" --placement auto \
	--vcpus 1 --memory 32M --timeout 60s --events claimed.ev --append exit:7 2>claimed.err
echo $? >claimed.code
flock -o /sys/devices/system/cpu/cpu2 rtkvm run --kernel "$guest/../flat/script.elf" --placement auto \
	--vcpus 2 --memory 32M --timeout 60s --append exit:7 2>claimed2.err
echo $? >claimed2.code
# CPU 1 is not isolated: a partition of its own makes it so, while the run lasts
partition() {
	cat /sys/fs/cgroup/rtkvm-test/cpuset.cpus.partition \
		/sys/fs/cgroup/rtkvm-test/cpuset.cpus.effective
	for t in /proc/"$(pid_of "$1")"/task/*; do
		echo "$(cat "$t/comm") $(cat "$t/cgroup") $(sed -n 's/^Cpus_allowed_list:\t//p' "$t/status")"
	done
}
end_in_partition() { # NAME SIGNAL: look at it while the guest runs, then end it
	until_said '"init"' "$1.ev"
	partition "$1" >"$1.partition" 2>&1
	rtkvm ctl --vm "$(pid_of "$1")" status >"$1.status" 2>&1
	kill "-$2" "$(pid_of "$1")"
}
mkdir /sys/fs/cgroup/session
cat /sys/fs/cgroup/cgroup.subtree_control >part.before
end_in_partition part TERM &
(
	read -r pid _ </proc/self/stat
	echo "$pid" >/sys/fs/cgroup/session/cgroup.procs
	start part --cpus 1 --allow-tick --cpuset-partition rtkvm-test \
		--append "$base rtkvm.exec=\"sleep 1000\""
)
wait
ls -d /sys/fs/cgroup/rtkvm-test >part.left 2>&1
cat /sys/fs/cgroup/cgroup.subtree_control >part.after
end_in_partition crash2 KILL &
start crash2 --cpus 1 --allow-tick --cpuset-partition rtkvm-test \
	--append "$base rtkvm.exec=\"sleep 1000\""
wait
ls -d /sys/fs/cgroup/rtkvm-test >crash2.left 2>&1
mkdir /sys/fs/cgroup/rtkvm-taken
start taken --cpus 1 --allow-tick --cpuset-partition rtkvm-taken --append "$base" # recovers, too
ls -d /sys/fs/cgroup/rtkvm-test >crash2.recovered 2>&1
rmdir /sys/fs/cgroup/rtkvm-taken /sys/fs/cgroup/session

huge 136
kernel=$vmlinux # an ELF file, which starts by PVH
start huge --placement auto --vcpus 1 --no-exit hlt --lapic-timer-advance 2500 --timer-residual --trace-switches --rt-delay --append "$base rtkvm.exec=\"cat /proc/version; exit 0\""
grep HugePages_Free /proc/meminfo >huge.free
cat /sys/module/kvm/parameters/lapic_timer_advance_ns >huge.advance
mountpoint -q /sys/kernel/tracing || mount -t tracefs none /sys/kernel/tracing
ls /sys/kernel/tracing/instances >huge.instances
kernel=$guest/vmlinuz

# host and guest are recorded until the guest's first wake-up that is late by 1 ms, or for 5 s
traced=$(rtkvm trace job -- cyclictest -mq -p95 -a1 -t1 -i2000 -D5 -b1000)
cat >trace.sh <<END
rtkvm run --kernel $guest/vmlinuz --initrd $guest/initrd --memory 256M --timeout $limit --cpus 2-3 \
	--data traced.data --freeze "\$RTKVM_TRACE_FREEZE" --console traced.con --events traced.ev \
	--append "$base $rt rtkvm.exec=\"$(printf '%s' "$traced" | sed 's/[\\$`]/\\&/g')\""
END
rtkvm trace record --out traced.dat -- sh trace.sh 2>traced.err
echo $? >traced.code

# kill -9 in mid-run
(
	until_said '"init"' killed.ev
	kill -9 "$(pid_of killed)"
) &
start killed --cpus 2 --append "$base rtkvm.exec=\"sleep 1000\""
wait
grep HugePages_Free /proc/meminfo >killed.free
grep -lx 'vcpu[0-9]*' /proc/[0-9]*/task/*/comm 2>/dev/null | wc -l >killed.threads

# one CPU: a guest has it, another shares it and stays when the first one ends, a third wants it
flat() {
	name=$1
	shift
	exec rtkvm run --kernel "$guest/../flat/script.elf" --cpus 2 --memory 32M --timeout 60s \
		--events "$name.ev" --console "$name.con" "$@" 2>"$name.err"
}
stays() { # NAME OPTION... - until it is killed: $pid
	flat "$@" --hold &
	pid=$!
	until_said '"started"' "$1.ev"
}
stays alone
alone=$pid
stays shares --allow-shared
kill "$alone"
wait "$alone"
(flat third --append exit:0)
echo "$? process $pid" >third.code
kill "$pid"
wait "$pid"
(flat fourth --append exit:0)
echo $? >fourth.code

# a guest that sets its TSC back
(flat tsc-set --append "tsc:1000000000 spin:300 exit:5")
echo $? >tsc-set.code

# a host that mitigates iTLB multihit, and a guest that is trusted
nx=/sys/module/kvm/parameters/nx_huge_pages
echo force >$nx
(flat nx-keep --append exit:0)
(flat nx-off --nx-huge-pages off --append exit:0)
echo off >$nx

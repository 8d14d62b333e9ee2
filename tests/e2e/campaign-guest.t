#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# rtkvm campaign with real guests, in the lab: the smoke campaign as init writes it, two guests at
# once, from one command; then a guest whose VMM is killed, and one that is stopped dead
# shellcheck source=tests/e2e/tap.sh
. tests/e2e/tap.sh

guest=build/guests/debian-rt
for tool in qemu-system-x86_64 jq; do
	command -v $tool >/dev/null || skip_all "no $tool"
done
"$RTKVM" guest build --out $guest >"$T/log" 2>&1 || skip_all "no guest image: $(tail -n 1 "$T/log")"
"$RTKVM" lab --flavour fast build >"$T/log" 2>&1 || skip_all "no lab: $(tail -n 1 "$T/log")"
mkdir -p "$T/share/guest"
cp $guest/vmlinuz $guest/initrd $guest/manifest.json "$T/share/guest"

cat >"$T/share/job" <<'EOF'
#!/bin/bash
# in the lab: the directories smoke and killed, and the exit codes
cd "$RTKVM_RESULTS" || exit 1
rtkvm campaign init --preset smoke --image "$RTKVM_SHARE/guest" smoke.ini
rtkvm campaign run --out smoke smoke.ini 2>smoke.err
echo $? >smoke.code

cat >killed.ini <<END
[campaign]
name = killed
smoke = yes
[guest g0]
image = $RTKVM_SHARE/guest
memory = 256M
cpus = 0:0,1:2
allow-shared = yes
[phase guest]
run = cyclictest
guests = g0
interval = 1ms
duration = 10s
segment = 5s
END
rtkvm campaign run --quiet --out killed killed.ini 2>killed.err &
campaign=$!
until_job() { # DIRECTORY
	for _ in $(seq 600); do
		grep -qs job_start "$1/events.jsonl" && return
		sleep 0.2
	done
}
until_job killed/01-guest/1-g0
kill -KILL "$(jq -r 'select(.event == "started").pid' killed/01-guest/1-g0/events.jsonl)"
until_job killed/01-guest/2-g0
kill -KILL $campaign # the harness and its guest go with it
wait $campaign
rtkvm campaign resume --quiet killed 2>>killed.err
echo $? >killed.code
pgrep -c 'rtkvm' >left
EOF
share=$T/share
sed -i "s|\$RTKVM_SHARE|$share|g" "$share/job"
start=$(date +%s)
"$RTKVM" lab run --flavour fast --share "$share" --results "$T/out" --timeout 40m -- \
	bash "$share/job" >"$T/log" 2>&1 || sed 's/^/# /' "$T/log"
echo "# $(($(date +%s) - start)) s in the lab"

cd "$T/out" || exit 1
verdict=$(jq -r .verdict smoke/run.json)
# an emulated machine that is busy besides may not finish a load's round in a slice: not a failure
like "$(cat smoke.code)$verdict" '^(0pass|4inconclusive)$' "the smoke campaign"
[ "$verdict" = pass ] || jq -r '.reasons[]' smoke/run.json | sed 's/^/# /'
is "$(jq -c '[.phases[] | [.name, .status]]' smoke/run.json)" \
	'[["doctor","done"],["hw","done"],["host-idle","done"],["host-fork","done"],["idle_idle","done"],["fork_idle","done"],["mem_fork","done"]]' \
	"every phase is done"
is "$(jq -c '[.cpus[].instrument] | unique | map(select(startswith("h") | not))' smoke/run.json)" \
	'["fork_idle/g0","fork_idle/g1","idle_idle/g0","idle_idle/g1","mem_fork/g0","mem_fork/g1"]' \
	"two guests in each guest phase"
is "$(jq -c '[.cpus[] | select(.instrument | startswith("hw") | not) | .samples + .missed == .expected] | unique' smoke/run.json)" \
	'[true]' "every period is accounted for"
is "$(jq -sc '[.[] | select(.count > 0) | .load] | unique' smoke/loads.jsonl)" \
	'["fork","memory","signal"]' "three loads proved their work"
for file in report.html summary.md junit.xml report.ktap plots/histogram.svg; do
	ok "with $file" test -s smoke/$file
done

is "$(cat killed.code)" 0 "a VMM killed, then the campaign killed: resume completes"
is "$(jq -c '.cpus[] | [.instrument, .expected, .samples + .missed == .expected]' killed/run.json)" \
	'["guest",10000,true]' "with all periods and no more"
is "$(jq -c '[.phases[0].attempts[].status]' killed/run.json)" '["broken","lost","whole","whole"]' \
	"in the attempts that took"
is "$(cat left)" 0 "no process is left"
done_testing

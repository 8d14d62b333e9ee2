# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck disable=SC2034 # out is for the tests
# tap.sh - TAP for the end-to-end tests: . tests/e2e/tap.sh, assertions, done_testing
#
# $RTKVM is the program under test, $T a directory of this test's own that goes with it.
# A sanitizer finding of the program is a failure of the test that ran it.

# TAP goes to a descriptor of its own, so that a test may redirect what its command prints
exec 9>&1

RTKVM=${RTKVM:-$PWD/build/rtkvm}
T=$(mktemp -d "${TMPDIR:-/tmp}/rtkvm-test.XXXXXX")
tap_n=0
tap_bad=0
tap_done=0

# on_exit COMMAND - run it when the test ends, however it ends (last one first)
tap_exit=
on_exit() {
	tap_exit="$*
$tap_exit"
}

tap_cleanup() {
	tap_code=$?
	trap - EXIT INT TERM
	eval "$tap_exit"
	rm -rf "$T"
	if [ "$tap_done" = 0 ]; then
		echo "# the test ended early, code $tap_code" >&9
		exit 1
	fi
	[ "$tap_bad" = 0 ] || exit 1
	exit 0
}
trap tap_cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# skip_all REASON - nothing here can run on this machine; where it just did and failed, it is no skip
skip_all() {
	if [ -n "${RTKVM_AGAIN:-}" ]; then
		echo "# it did run, but now: $*" >&9
		exit 1
	fi
	echo "1..0 # SKIP $*" >&9
	tap_done=1
	exit 0
}

# skip N REASON - N tests that cannot run
skip() {
	tap_k=$1
	shift
	while [ "$tap_k" -gt 0 ]; do
		tap_n=$((tap_n + 1))
		tap_k=$((tap_k - 1))
		echo "ok $tap_n # SKIP $*" >&9
	done
}

# ok NAME COMMAND... - passes when the command succeeds
ok() {
	tap_name=$1
	shift
	tap_n=$((tap_n + 1))
	if "$@"; then
		echo "ok $tap_n - $tap_name" >&9
	else
		tap_bad=$((tap_bad + 1))
		echo "not ok $tap_n - $tap_name" >&9
		echo "# failed: $*" >&9
		return 0
	fi
}

# is GOT WANT NAME
is() {
	tap_n=$((tap_n + 1))
	if [ "$1" = "$2" ]; then
		echo "ok $tap_n - $3" >&9
	else
		tap_bad=$((tap_bad + 1))
		echo "not ok $tap_n - $3" >&9
		printf '%s\n' "$1" | sed 's/^/#  got: /' >&9
		printf '%s\n' "$2" | sed 's/^/# want: /' >&9
	fi
}

# like TEXT REGEX NAME - extended regular expression
like() {
	tap_n=$((tap_n + 1))
	if printf '%s\n' "$1" | grep -Eq -- "$2"; then
		echo "ok $tap_n - $3" >&9
	else
		tap_bad=$((tap_bad + 1))
		echo "not ok $tap_n - $3" >&9
		printf '%s\n' "$1" | sed 's/^/#  got: /' >&9
		echo "# want: $2" >&9
	fi
}

# run COMMAND... - sets $code, $out (stdout) and $errs (stderr)
run() {
	"$@" >"$T/.out" 2>"$T/.err" </dev/null 9>&- && code=0 || code=$?
	out=$(cat "$T/.out")
	errs=$(cat "$T/.err")
	if grep -q -e 'ERROR: AddressSanitizer' -e 'runtime error:' "$T/.err"; then
		echo "# sanitizer: $*" >&9
		sed 's/^/# /' "$T/.err" >&9
		tap_bad=$((tap_bad + 1))
	fi
}

# fails CODE REGEX NAME COMMAND... - ends with CODE and exactly one line on stderr that matches
fails() {
	want_code=$1 want_text=$2 tap_name=$3
	shift 3
	run "$@"
	tap_n=$((tap_n + 1))
	if [ "$code" = "$want_code" ] && [ "$(printf '%s\n' "$errs" | wc -l)" = 1 ] &&
		printf '%s\n' "$errs" | grep -Eq -- "$want_text"; then
		echo "ok $tap_n - $tap_name" >&9
	else
		tap_bad=$((tap_bad + 1))
		echo "not ok $tap_n - $tap_name" >&9
		echo "# command: $*" >&9
		echo "# code $code, want $want_code; stderr, want one line like: $want_text" >&9
		printf '%s\n' "$errs" | sed 's/^/#   /' >&9
	fi
}

# await PID COMMAND... - until it succeeds, the process has ended, or a minute is over
await() {
	tap_pid=$1
	tap_k=1200
	shift
	while [ "$tap_k" -gt 0 ] && ! "$@" && kill -0 "$tap_pid" 2>/dev/null; do
		tap_k=$((tap_k - 1))
		sleep 0.05
	done
}

# end_of PID - waits for its end, a minute at most; sets $code
end_of() {
	await "$1" false
	kill -KILL "$1" 2>/dev/null
	wait "$1" && code=0 || code=$?
}

# need_lab_guest - the lab and a guest's image in it, or nothing is tested; sets $build and $guest
need_lab_guest() {
	command -v qemu-system-x86_64 >/dev/null || skip_all "no qemu-system-x86_64 (make deps)"
	build=$(dirname "$(realpath "$RTKVM")")
	guest=$build/guests/debian-rt
	run "$RTKVM" guest build --out "$guest"
	[ "$code" = 0 ] || skip_all "no guest image: $errs"
	run "$RTKVM" lab build --flavour fast
	[ "$code" = 0 ] || skip_all "no lab: $errs"
}

# tell_tries FILE - what rtkvm lab --tries said there of machines that did not last, and how their consoles
# ended: told, whatever comes of it
tell_tries() {
	tac "$1" | sed -n '/: another machine is tried$/,$p' | tac |
		sed -n -e '/^--- the end of the lab/,/^---$/ { s/^/# /p }' \
			-e '/: another machine is tried$/s/^/# /p' | LC_ALL=C tr -cd '\n\t -~' >&9
}

# done_testing - the plan; without it the test counts as ended early
done_testing() {
	echo "1..$tap_n" >&9
	tap_done=1
}

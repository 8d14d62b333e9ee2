#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The structure as stated: one-way includes, headers that stand alone, no writable globals, a man
# page for each verb, a test for each module.
# shellcheck source=tests/e2e/tap.sh
. tests/e2e/tap.sh

# rule FILE - the row of layers.txt that applies: the longest FROM that FILE lies under
rule() {
	awk -v f="$1" '!/^#/ && NF { if ((f == $1 || index(f, $1 "/") == 1) && length($1) > n) {
		n = length($1); $1 = ""; row = $0 } } END { print row }' tests/layers.txt
}

bad_arrows() {
	git ls-files '*.c' '*.h' | grep -v '^tests/' | while read -r f; do
		allowed=$(rule "$f")
		sed -n 's/^#include "\([^"]*\)".*/\1/p' "$f" | while read -r h; do
			case $h in
			*/*) ;;
			*) echo "$f includes $h without its folder"; continue ;;
			esac
			[ -e "$h" ] || continue # generated: checked by the compiler
			hit=no
			for a in $allowed; do
				case $h in "$a" | "$a"/*) hit=yes ;; esac
			done
			[ $hit = yes ] || echo "$f includes $h, but may include:$allowed"
		done
	done
}
ok "git lists the sources" test "$(git ls-files '*.c' | wc -l)" -gt 100
is "$(bad_arrows)" "" "every include follows tests/layers.txt"

# results/record.h is below the instruments: nothing heavy may hang on it
record_heavy() {
	flags=$(pkg-config --cflags json-c)
	# shellcheck disable=SC2086
	echo '#include "results/record.h"' | gcc -std=gnu17 -D_GNU_SOURCE -I. -Ibuild $flags -M -xc - |
		tr ' ' '\n' | grep -E '/(gsl|sqlite3)' || :
}
if [ -e results/record.h ]; then
	is "$(record_heavy)" "" "results/record.h pulls in neither GSL nor SQLite"
fi

lonely() {
	flags=$(pkg-config --cflags libtracefs libtraceevent json-c gsl sqlite3 libseccomp)
	git ls-files '*.h' | while read -r h; do
		# shellcheck disable=SC2086
		echo "#include \"$h\"" | gcc -std=gnu17 -D_GNU_SOURCE -I. -Ibuild $flags -Wall -Werror \
			-fsyntax-only -xc - 2>/dev/null || echo "$h does not compile alone"
	done
}
is "$(lonely)" "" "every header compiles alone"

# lib/stop.c holds the one flag that a signal handler needs
writable() {
	find build -name '*.o' -not -path 'build/san/*' -not -path 'build/tests/*' \
		-not -path 'build/guests/*' -not -path 'build/lab/*' |
		while read -r o; do
			objdump -t "$o" | awk -v o="$o" '$3 == "O" && $4 ~ /^\.t?(data|bss)/ &&
				$4 !~ /^\.data\.rel\.ro/ && $NF != "stop_flag" { print o, $NF }'
		done
}
is "$(writable)" "" "no writable globals but lib/stop.c's flag"

# a guest's process: no report's library in it, and nothing to search for and relocate at its start
run_program=$(dirname "$RTKVM")/vmm/rtkvm-run
is "$(readelf -hd "$run_program" | grep -cE 'Type: +DYN|NEEDED')" 1 "rtkvm-run needs no shared library"

verbs() {
	sed -n 's/^\t{ "\([a-z]*\)", .*/\1/p' main.c
}
no_page() {
	for v in $(verbs); do
		[ -e "docs/rtkvm-$v.1" ] || echo "docs/rtkvm-$v.1 is missing"
		"$RTKVM" "$v" --help >/dev/null 2>&1 || echo "rtkvm $v --help fails"
	done
}
is "$(no_page)" "" "each verb has a man page and --help"

no_comment() {
	git ls-files '*.c' '*.h' '*.S' '*.sh' '*.t' '*.asl' tests/check tests/lint tests/demo tests/deps |
		while read -r f; do
			head -n 2 "$f" | grep -q 'SPDX-License-Identifier: GPL-2.0-only' || echo "$f"
		done
}
is "$(no_comment)" "" "each source file names its licence"

done_testing

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Every reader of foreign bytes, under the sanitizers, over its corpus and seeded mutations of it.
# make fuzz FUZZ_SECONDS=600 runs the same targets under libFuzzer.
# shellcheck source=tests/e2e/tap.sh
. tests/e2e/tap.sh

found=0
for src in tests/fuzz/*.c; do
	name=$(basename "$src" .c)
	[ "$name" = driver ] && continue
	found=1
	run timeout 120 "build/san/tests/fuzz/$name" "tests/fuzz/corpus/$name" 2000
	is "$code" 0 "$name: $out"
	[ "$code" = 0 ] || printf '%s\n' "$errs" | head -n 30 | sed 's/^/# /'
done
[ $found = 1 ] || skip_all "no fuzz target is built yet"

# make fuzz's own script, with a compiler whose targets end like this
tree=$T/tree
mkdir -p "$tree/tests/fuzz" "$T/bin"
cp tests/fuzz/guided "$tree/tests/fuzz"
: >"$tree/tests/fuzz/one.c" && : >"$tree/tests/fuzz/two.c"
cat >"$T/bin/clang" <<-'END'
	#!/bin/sh
	while [ "$1" != -o ]; do shift; done
	printf '#!/bin/sh\necho "$0 ran"; exit %s\n' "$TARGETS_END" >"$2"
	chmod +x "$2"
END
chmod +x "$T/bin/clang"
guided() { # EXIT_CODE_OF_TARGETS
	run env -C "$tree" PATH="$T/bin:$PATH" TARGETS_END="$1" bash tests/fuzz/guided 1 -Wall -lz lib.c
}
guided 0
is "$code $(printf '%s\n' "$out" | grep -c ' ran$')" "0 2" "make fuzz runs each target"
guided 77
is "$code $(printf '%s\n' "$out" | grep -c ' ran$')" "77 1" "and stops at the first that finds something"
done_testing

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
done_testing

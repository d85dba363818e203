# Each fuzz target takes its seeds, and a moment of changes to them, without a crash, hang or leak.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$abs_top_srcdir/tests/harness/tap.sh"

[ -x tests/fuzz/build/seeds ] || tap_skip_all "no clang"

for target in $FUZZ_TARGETS; do
	out=$("$abs_top_srcdir/tests/fuzz/run" -q -t 1 "$target" 2>&1)
	status=$?
	tap_comment <<<"$out"
	tap_ok $status "fuzz-$target finds nothing"
done
tap_done

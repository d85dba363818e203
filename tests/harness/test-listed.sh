# A test that no list names is a test that never runs.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$abs_top_srcdir/tests/harness/tap.sh"

cd "$abs_top_srcdir" || exit 1
for test in $(find tests -name 'test-*.sh' -o -name 'test-*.c' | sort); do
	grep -qF "${test%.c}" $(find tests -name '*.mk')
	tap_ok $? "$test is in a list"
done
tap_done

# A scenario that no test names is one that never runs.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$abs_top_srcdir/tests/integration/functions.sh"

for scenario in $("$scenarios" --list); do
	grep -qwF -e "$scenario" "$abs_top_srcdir"/tests/integration/test-*.sh
	tap_ok $? "$scenario is in a test"
done
tap_done

# mprotect(2) splits VMAs and no event tells of it.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$abs_top_srcdir/tests/integration/functions.sh"
try_scenarios protect-read protect-none protect-fork protect-segv protect-crowded

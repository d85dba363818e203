# Trees, sessions and zombies; exec and exit with nearly everything owed.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$abs_top_srcdir/tests/integration/functions.sh"
try_scenarios exit-owing exec-owing signal-stack zombies tree sessions small-tree

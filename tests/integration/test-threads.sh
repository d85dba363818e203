# Threads that fault, fork, discard and move in one address space.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$abs_top_srcdir/tests/integration/functions.sh"
try_scenarios threads-random threads-same threads-fork threads-churn

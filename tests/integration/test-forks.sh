# What a restored task forks owns its parent's memory, whether or not the kernel has it already.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$abs_top_srcdir/tests/integration/functions.sh"
try_scenarios fork-both fork-chain fork-wide fork-storm fork-write fork-write-words

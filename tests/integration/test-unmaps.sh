# What is unmapped before it was fetched is never copied back.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$abs_top_srcdir/tests/integration/functions.sh"
try_scenarios unmap-parts unmap-reuse unmap-by-mmap

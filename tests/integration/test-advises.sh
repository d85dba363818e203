# madvise(2): what is discarded reads as zero, and children inherit what they should.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$abs_top_srcdir/tests/integration/functions.sh"
try_scenarios discard discard-and-look let-free populate wipe-on-fork keep-on-fork dont-fork \
	remove-shared

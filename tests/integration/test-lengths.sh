# Events over more bytes than an int or 32 bits hold, in memory of which little is filled.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$abs_top_srcdir/tests/integration/functions.sh"
try_scenarios unmap-2.5g unmap-4.5g discard-2.5g move-4.5g

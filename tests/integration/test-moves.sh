# Owed pages follow their memory through mremap(2).
# SPDX-License-Identifier: GPL-2.0-or-later
. "$abs_top_srcdir/tests/integration/functions.sh"
try_scenarios move-whole move-over move-middle move-grow move-shrink move-dontunmap move-ping-pong \
	move-trade

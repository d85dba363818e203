# Programs without privileges, with filters and with blocked signals are lazy like any other.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$abs_top_srcdir/tests/integration/functions.sh"
try_scenarios unprivileged filtered pending

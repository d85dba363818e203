# Memory of unusual shapes, and memory that is not lazy beside memory that is.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$abs_top_srcdir/tests/integration/functions.sh"
try_scenarios sparse heap locked stack beside huge-pages even-stack

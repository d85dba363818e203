# A few trials of the fault bench: whoever is killed, no program sees a wrong byte.
# SPDX-License-Identifier: GPL-2.0-or-later
exec bash "$abs_top_srcdir/tests/faults/run" -t -n 20

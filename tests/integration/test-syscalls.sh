# Faults that the kernel takes on a program's behalf.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$abs_top_srcdir/tests/integration/functions.sh"
try_scenarios syscall-files syscall-streams syscall-small syscall-foreign

# Memory that several processes share: all ways to its bytes, and who has filled it.
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Of the modes only transparent mode does anything about such memory: the others see one scenario.
. "$abs_top_srcdir/tests/integration/functions.sh"

criu=$CRIU

# filled MIB: so much of it was not CRIU's work, and nothing of that took a second way
filled()
{
	local log=$case/transparent/restore.log

	grep -q "filling $1 MiB of shared memory" "$log" || {
		grep "faultin" "$log" | tap_comment
		die "the log says nothing of $1 MiB"
	}
	! grep -q "faultin.*shared memory of" "$log" || {
		grep "faultin" "$log" | tap_comment
		die "it was not copied"
	}
}

# try_shared NAME MIB: the scenario in all modes; so much of it is not filled by CRIU
try_shared()
{
	attempt "$1: dump" dump_scenario "$1"
	case=$tmp/$1
	try_modes "$1"
	[ ! -d "$case/transparent" ] || attempt "$1: $2 MiB are not CRIU's work" filled "$2"
	remove_case "$1"
}

# No task has anything else that is lazy.
nothing_else()
{
	trap '[ $? -eq 0 ] || tell_restore' EXIT
	printf 'minimum-size = 0\neager = heap anon\n' >"$tmp/eager.conf"
	FAULTIN_CONFIG=$tmp/eager.conf
	restore transparent
	filled "$1"
	[ -z "$(engines)" ] || die "there is an engine"
	check_verdict
	rm "$case/run/stay"
	until_true 10 no_orphans || die "the tasks did not end"
}

# Nobody can have a userfaultfd: not by right, and not from the device.
no_userfaultfd()
{
	trap '[ $? -eq 0 ] || tell_restore' EXIT
	cat >"$tmp/criu" <<-END
		#!/bin/sh
		exec unshare -m sh -c '! [ -e /dev/userfaultfd ] || mount --bind /dev/null /dev/userfaultfd || exit
			exec "\$0" "\$@"' $criu "\$@"
	END
	chmod +x "$tmp/criu"
	CRIU=$tmp/criu
	restore transparent
	grep -q "faultin.*shared memory of pid $root is written" "$work/restore.log" ||
		die "the log does not say that it is written"
	check_verdict
	rm "$case/run/stay"
	until_true 10 no_orphans || die "the tasks did not end"
}

# try_without NAME: without a userfaultfd
try_without()
{
	attempt "$1: dump" dump_scenario "$1"
	case=$tmp/$1
	if [ "$(cat /proc/sys/vm/unprivileged_userfaultfd)" != 0 ]; then
		tap_skip "$1" "everybody may have a userfaultfd here"
	else
		attempt "$1: restored" no_userfaultfd
	fi
	remove_case "$1"
}

try_shared siblings 24
all_modes=$modes
modes=
for mode in $all_modes; do
	case $mode in plain | transparent) modes="$modes $mode" ;; esac
done
try_shared halves 0 # by no one to be written to as a whole
try_shared pieces 15
try_shared file 16
try_shared file-child 16
try_shared sealed 0
try_shared read-only 0
try_shared sysv 16 # of two segments the one that is attached

attempt "siblings, and nothing else: dump" dump_scenario siblings
case=$tmp/siblings
attempt "siblings, and nothing else: restored" nothing_else 24
remove_case siblings

try_without weak-mapped
try_without weak-file
tap_done

# Shared anonymous memory that is lazy, too (lazy-shared = yes): what becomes of it while it is owed.
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Nothing is drained here but what somebody waits for, so all of it is owed when the tasks begin.
. "$abs_top_srcdir/tests/integration/functions.sh"
. "$abs_top_srcdir/tests/integration/disk.sh"

[ -e "$plugin_dir/faultin.so" ] || tap_skip_all "there is no $plugin_dir/faultin.so"

settings='minimum-size = 0\nlazy-shared = yes\nlog-level = debug\n'

tell_lazy()
{
	tell_restore
	tail_log "$work/faultin.log" 40
}

# left_out MIB: so much of it was neither CRIU's work nor filled before the tasks ran
left_out()
{
	grep -q "leaving out $1 MiB of shared memory" "$work/restore.log" ||
		die "the log says nothing of $1 MiB"
	! grep "faultin.*shared memory.*is not lazy" "$work/restore.log" | grep -v "$2" ||
		die "it was not lazy"
}

# The verdict, and the end of all.
judge()
{
	check_verdict
	"$faultin" complete >"$tmp/complete" 2>&1 || until_true 10 no_engines ||
		die "complete: $(<"$tmp/complete")"
	check_engine transparent
	check_end transparent
}

restored()
{
	trap '[ $? -eq 0 ] || tell_lazy' EXIT
	restore transparent
	left_out "$1" "${2-nothing}"
	judge
}

# try_lazy NAME MIB: on demand, and beside a drain
try_lazy()
{
	attempt "$1: dump" dump_scenario "$1"
	case=$tmp/$1
	printf "$settings"'drain = demand\n' >"$FAULTIN_CONFIG"
	attempt "$1: on demand" restored "$2"
	kill_orphans || until_true 10 kill_orphans
	printf "$settings" >"$FAULTIN_CONFIG"
	attempt "$1: drained" restored "$2"
	kill_orphans || until_true 10 kill_orphans
	remove_case "$1"
}

# owed: of shared memory, in pages
owed()
{
	"$faultin" status --json | python3 -c '
import json, sys
spaces = json.load(sys.stdin)["sessions"][0]["spaces"]
print(sum(s["pages"]["owed"] for s in spaces if s["segment"]))'
}

# begin NAME PAGES: a restore in which nobody does anything yet
begin()
{
	trap '[ $? -eq 0 ] || tell_lazy' EXIT
	printf "$settings"'drain = demand\n' >"$FAULTIN_CONFIG"
	rm -rf "${tmp:?}/$1"
	dump_scenario "$1"
	rm "$case/run/go"
	restore transparent
	[ "$(owed)" -eq "$2" ] || die "$(owed) pages of shared memory are owed, and not $2"
	"$faultin" status | grep -q 'shared memory' || die "status does not name it"
}

# engine_of: the process that does the work
engine_of()
{
	local keeper pid comm

	for keeper in $(engines); do
		for pid in $keeper $(cat "/proc/$keeper/task/$keeper/children"); do
			read -r comm <"/proc/$pid/comm"
			[ "$comm" != faultin-engine ] || echo "$pid"
		done
	done 2>/dev/null
}

has_other_engine()
{
	local now

	now=$(engine_of)
	[ -n "$now" ] && [ "$now" != "$killed" ] && "$faultin" status >/dev/null 2>&1
}

# served_by NUMBER: that engine of the session has taken over
served_by()
{
	grep -q "engine $1 goes on" "$work/faultin.log"
}

kill_engine()
{
	killed=$(engine_of)
	kill -KILL "$killed" || die "there is no engine"
	until_true 20 has_other_engine || die "no engine took over"
}

waits_for_page()
{
	grep -q userfault "/proc/$root/wchan"
}

# One dies when all is owed, one when somebody waits for it, one at some moment while it is filled, if it
# is not too late for that.
survives()
{
	begin siblings 6144
	kill_engine
	[ "$(owed)" -eq 6144 ] || die "$(owed) pages of shared memory are owed to the next engine"
	killed=$(engine_of)
	kill -STOP "$killed" || die "there is no engine"
	: >"$case/run/go"
	until_true 10 waits_for_page || die "the task wants nothing"
	kill -KILL "$killed"
	until_true 10 served_by 3 || die "no engine took over"
	killed=$(engine_of)
	[ -z "$killed" ] || kill -KILL "$killed" 2>/dev/null
	judge
	remove_case siblings
}

dumped_again()
{
	begin siblings 6144
	mkdir "$case/next"
	FAULTIN_BIN=$faultin timeout -k 5 120 "$CRIU" dump -t "$root" -D "$case/next" \
		--libdir "$plugin_dir" -o dump.log -v4 9>&- || {
		tail_log "$case/next/dump.log"
		die "the second dump fails"
	}
	until_true 10 no_orphans || die "something lives on: $(orphans)"
	rm -rf "$case/img"
	mv "$case/next" "$case/img"
	: >"$case/run/go"
	restore_and_judge plain
	remove_case siblings
}

# waits_for_disk PAGES: the segment of so many pages has had a fault
waits_for_disk()
{
	"$faultin" status --json | python3 -c '
import json, sys
spaces = json.load(sys.stdin)["sessions"][0]["spaces"]
sys.exit(not any(s["segment"] and s["pages"]["lazy"] == '"$1"' and s["faults"] for s in spaces))'
}

# The disk does not answer for one segment: the other one is served.
hangs()
{
	local file size

	printf "$settings"'drain = demand\n' >"$FAULTIN_CONFIG"
	trap 'finish_with_disk tell_lazy' EXIT
	insert_disk
	rm "$case/run/go"
	find_pages 8388608 8388609
	restore transparent
	echo "hang $file 0 8388608" >"$troubles"
	: >"$case/run/go"
	until_true 20 waits_for_disk 2048 || die "nobody waits for the disk"
	: >"$case/run/next"
	until_true 30 [ -s "$case/run/other" ] || die "the other segment waits, too"
	! judged || die "nothing hangs"
	: >"$troubles"
	judge
}

# It is filled before the tasks run, and the log says why.
not_lazy()
{
	trap '[ $? -eq 0 ] || tell_lazy' EXIT
	printf "$settings" >"$FAULTIN_CONFIG"
	rm -rf "${tmp:?}/$1"
	dump_scenario "$1"
	CRIU=${restorer:-$CRIU}
	restore transparent
	grep -q "faultin.*$2" "$work/restore.log" || die "the log does not say why it is not lazy"
	check_verdict
	rm "$case/run/stay"
	until_true 10 no_orphans || die "something lives on: $(orphans)"
	remove_case "$1"
}

for name in pool-forks pool-removes pool-moves pool-writes; do
	try_lazy "$name" 8
done
try_lazy pool-holes 6
attempt "engines die" survives
kill_orphans || until_true 10 kill_orphans
attempt "a checkpoint of it" dumped_again
kill_orphans || until_true 10 kill_orphans
if can_have_disk; then
	attempt "pool-two: dump" dump_scenario pool-two
	case=$tmp/pool-two
	attempt "a disk that hangs" hangs
	remove_case pool-two
else
	tap_skip "a disk that hangs" "$reason"
fi
attempt "a private mapping" not_lazy pool-private "is not lazy: somebody has a private mapping"
kill_orphans || until_true 10 kill_orphans
attempt "locked memory" not_lazy pieces "is not lazy: some of it is locked"
kill_orphans || until_true 10 kill_orphans

# Of an engine that is none: says that it is ready, and ends.
engine_program=$tmp/short-lived
printf '#!/bin/sh\nprintf "\\0" >&4\n' >"$engine_program"
chmod +x "$engine_program"
attempt "an engine that is gone" not_lazy pool-moves "restoring eagerly"
kill_orphans || until_true 10 kill_orphans
engine_program=

if [ "$(cat /proc/sys/vm/unprivileged_userfaultfd)" != 0 ]; then
	tap_skip "no userfaultfd" "everybody may have one here"
else
	# not by right, and not from the device
	restorer=$tmp/criu
	cat >"$restorer" <<-END
		#!/bin/sh
		exec unshare -m sh -c '! [ -e /dev/userfaultfd ] || mount --bind /dev/null /dev/userfaultfd || exit
			exec "\$0" "\$@"' $CRIU "\$@"
	END
	chmod +x "$restorer"
	attempt "no userfaultfd" not_lazy weak-mapped "is not lazy: .*/dev/userfaultfd"
	kill_orphans || until_true 10 kill_orphans
fi
tap_done

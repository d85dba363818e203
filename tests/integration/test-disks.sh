# A disk that cannot be read, or does not answer: it is the trouble of who needs it, and of nobody else.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$abs_top_srcdir/tests/integration/functions.sh"

. "$abs_top_srcdir/tests/integration/disk.sh"

can_have_disk || tap_skip_all "$reason"

# number NAME: in the summary
number()
{
	sed -n "s/.*\"$1\": *\([0-9]*\).*/\1/p" "$work/summary.json"
}

# Nine pages near the end of the large memory.
unreadable()
{
	local before_criu=pause_drain first

	trap 'finish_with_disk tell_restore' EXIT
	insert_disk
	find_pages 120000000 200000000
	first=$((size / 4096 * 7 / 8 * 4096))
	restore serve
	echo "eio $file $((first + 100)) $((first + 8 * 4096 + 100))" >"$troubles"
	"$faultin" resume "$engine" || die "cannot resume"
	check_verdict
	[ "$(<"$case/run/buses")" = 9 ] || die "$(<"$case/run/buses") pages could not be read, not 9"
	check_engine serve
	[ "$(number poisoned)" = 9 ] || die "the summary says $(number poisoned)"
	[ "$(grep -c 'cannot read the image for the page at .* poisoned' "$work/engine.log")" = 9 ] ||
		die "the log does not name the pages"
	rm "$case/run/stay"
	until_true 10 no_orphans
}

# done_are NUMBER...: these tasks have seen all of their memory
done_are()
{
	local number

	for number; do
		[ -s "$case/run/done-$number" ] || return 1
	done
}

# The disk does not answer for one task.  The others get what they want, from the same threads.
hanging()
{
	local before_criu=pause_drain

	trap 'finish_with_disk tell_restore' EXIT
	insert_disk
	rm -f "$case"/run/done-* "$case/run/go"
	find_pages 20000000 40000000
	restore serve
	echo "hang $file 0 $size" >"$troubles" # CRIU wanted some of it
	: >"$case/run/go"
	"$faultin" resume "$engine" || die "cannot resume"
	until_true 30 done_are 0 1 2 || die "others wait, too: $(ls "$case/run")"
	! done_are 3 || die "nothing hangs"
	"$faultin" status --json "$engine" >"$work/status.json" || die "no status"
	until_true 20 grep -q 'waits for the disk' "$work/engine.log" ||
		die "the log does not say who waits"
	: >"$troubles"
	check_verdict
	check_engine serve
	[ "$(number poisoned)" = 0 ] || die "there are poisoned pages"
	rm "$case/run/stay"
	until_true 10 no_orphans
}

# goes_on NUMBER: that engine serves
goes_on()
{
	grep -q "engine $1 goes on" "$work/engine.log"
}

kill_engine()
{
	local pid

	for pid in $(<"/proc/$engine/task/$engine/children"); do
		[ "$(<"/proc/$pid/comm")" != faultin-engine ] || kill -KILL "$pid"
	done
}

# Threads that wait for the disk die with their engine: the next one does not wait for it.
hanging_and_killed()
{
	local before_criu=pause_drain

	trap 'finish_with_disk tell_restore' EXIT
	insert_disk
	rm -f "$case"/run/done-* "$case/run/go"
	find_pages 20000000 40000000
	restore serve
	echo "hang $file 0 $size" >"$troubles"
	: >"$case/run/go"
	"$faultin" resume "$engine" || die "cannot resume"
	until_true 20 grep -q 'waits for the disk' "$work/engine.log" || die "nobody waits"
	kill_engine
	until_true 20 goes_on 2 || die "the next engine waits for the disk"
	until_true 30 done_are 0 1 2 || die "others wait, too: $(ls "$case/run")"
	kill_engine
	until_true 20 goes_on 3 || die "the one after it waits for the disk"
	! done_are 3 || die "nothing hangs"
	: >"$troubles"
	check_verdict
	check_engine serve
	rm "$case/run/stay"
	until_true 10 no_orphans
}

# The scenario latency is measured by tests/faults/neighbour.
attempt "bus: dump" dump_scenario bus
case=$tmp/bus
attempt "pages that cannot be read" unreadable
attempt "neighbours: dump" dump_scenario neighbours
case=$tmp/neighbours
attempt "a disk that hangs" hanging
attempt "a disk that hangs, and engines that are killed" hanging_and_killed
tap_done

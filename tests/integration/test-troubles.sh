# What goes wrong around a restore that is under way: no program sees a wrong byte.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$abs_top_srcdir/tests/integration/functions.sh"

# The engine's pid, below its keeper.
engine_of()
{
	local pid comm

	for pid in $(cat "/proc/$1/task/$1/children"); do
		read -r comm <"/proc/$pid/comm" && [ "$comm" = faultin-engine ] && echo "$pid"
	done
}

# restore_from_copy MODE: of an image that may be harmed
restore_from_copy()
{
	cp -r "$case/img" "$case/copy"
	mv "$case/img" "$case/safe"
	mv "$case/copy" "$case/img"
	restore "$1"
}

put_image_back()
{
	rm -rf "$case/img"
	mv "$case/safe" "$case/img"
}

# The image is deleted while it is needed, and the engine dies, so that another one needs it, too.
deleted()
{
	local before_criu=pause_drain

	trap '[ $? -eq 0 ] || tell_restore; put_image_back' EXIT
	restore_from_copy serve
	rm -rf "$case/img"
	mkdir "$case/img"
	kill -KILL "$(engine_of "$engine")" || die "there was no engine"
	"$faultin" resume "$engine" || die "cannot resume"
	until_true 60 judged || die "no verdict in 60 s"
	[ "$(<"$case/run/result")" = ok ] || die "the program saw wrong memory"
	check_engine serve
	grep -q '"engines": *2' "$work/summary.json" || die "there was no second engine"
	rm "$case/run/stay"
	until_true 10 no_orphans
	check_nothing_left serve
}

# What is cut off cannot be read: SIGBUS, and never zeros.
truncated()
{
	local file

	trap '[ $? -eq 0 ] || tell_restore; put_image_back; kill_orphans' EXIT
	restore_from_copy serve
	for file in "$case"/img/pages-*.img; do
		truncate -s "$1" "$file"
	done
	until_true 60 judged || die "no verdict in 60 s"
	if [ -s "$case/run/result" ]; then
		! grep -v 'wait status 0x[0-9a-f]*$' "$case/run/result" || die "the program saw wrong memory"
	else
		[ "$(end_of "$root")" = "signal 7" ] || die "the task ended with: $(end_of "$root")"
	fi
	rm -f "$case/run/stay"
	until_true 20 eval '! kill -0 $engine 2>/dev/null' || die "the engine did not end"
}

memory=/sys/fs/cgroup/memory

leave_cgroup()
{
	local pid

	for pid in $(cat "$memory/faultin-test/cgroup.procs"); do
		kill -KILL "$pid"
	done
	until_true 10 rmdir "$memory/faultin-test"
} 2>/dev/null

# A full memory cgroup stops the program until there is room, and nobody else.
full_cgroup()
{
	local file=$memory/faultin-test/memory.limit_in_bytes before_criu=pause_drain

	trap '[ $? -eq 0 ] || tell_restore; leave_cgroup' EXIT
	mkdir "$memory/faultin-test" || die "cannot make a cgroup"
	echo 1 >"$memory/faultin-test/memory.oom_control" # wait instead of killing
	restore serve
	echo "$root" >"$memory/faultin-test/cgroup.procs"
	echo 1 >"$memory/faultin-test/memory.move_charge_at_immigrate" 2>/dev/null
	echo 24M >"$file" || die "cannot set a limit"
	"$faultin" resume "$engine" || die "cannot resume"
	nap 1
	[ ! -s "$case/run/result" ] || die "the limit limits nothing: $(<"$case/run/result")"
	kill -0 "$engine" || die "the session ended"
	echo -1 >"$file"
	until_true 60 judged || die "no verdict in 60 s"
	[ "$(<"$case/run/result")" = ok ] || die "the program saw wrong memory"
	check_engine serve
	rm "$case/run/stay"
	until_true 10 no_orphans
	check_nothing_left serve
}

attempt "survive: dump" dump_scenario survive
case=$tmp/survive
attempt "the image is deleted, and the engine killed" deleted
attempt "pages files are cut off at the start" truncated 0
attempt "pages files are cut off in the middle" truncated 20000000
if [ -e "$memory/memory.oom_control" ]; then
	attempt "threads-random: dump" dump_scenario threads-random # it forks nothing: fork would fail
	case=$tmp/threads-random
	attempt "a full memory cgroup" full_cgroup
else
	tap_skip "a full memory cgroup" "there is no memory controller of version 1 at $memory"
fi
tap_done

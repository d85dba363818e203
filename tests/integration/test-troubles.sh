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
	rm -rf "$case/img" "$case/chain"
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
	check_verdict
	check_engine serve
	grep -q '"engines": *2' "$work/summary.json" || die "there was no second engine"
	rm "$case/run/stay"
	until_true 10 no_orphans
	check_nothing_left serve
}

# What is cut off cannot be read: SIGBUS, and never zeros.
truncated()
{
	local file before_criu=pause_drain

	trap '[ $? -eq 0 ] || tell_restore; put_image_back; kill_orphans' EXIT
	restore_from_copy serve
	for file in "$case"/img/pages-*.img; do
		truncate -s "$1" "$file"
	done
	"$faultin" resume "$engine" 2>/dev/null # the task may be gone, and the session with it
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

	for pid in $(cat "$memory/faultin-test-$$/cgroup.procs"); do
		kill -KILL "$pid"
	done
	until_true 10 rmdir "$memory/faultin-test-$$"
} 2>/dev/null

# A full memory cgroup stops the program until there is room, and nobody else.
full_cgroup()
{
	local file=$memory/faultin-test-$$/memory.limit_in_bytes before_criu=pause_drain

	trap '[ $? -eq 0 ] || tell_restore; leave_cgroup' EXIT
	mkdir "$memory/faultin-test-$$" || die "cannot make a cgroup"
	echo 1 >"$memory/faultin-test-$$/memory.oom_control" # wait instead of killing
	restore serve
	echo "$root" >"$memory/faultin-test-$$/cgroup.procs"
	echo 1 >"$memory/faultin-test-$$/memory.move_charge_at_immigrate" 2>/dev/null
	echo 24M >"$file" || die "cannot set a limit"
	"$faultin" resume "$engine" || die "cannot resume"
	nap 1
	[ ! -s "$case/run/result" ] || die "the limit limits nothing: $(<"$case/run/result")"
	kill -0 "$engine" || die "the session ended"
	echo -1 >"$file"
	check_verdict
	check_engine serve
	rm "$case/run/stay"
	until_true 10 no_orphans
	check_nothing_left serve
}

# largest_child PID: its child with the most memory
largest_child()
{
	local pid

	for pid in $(cat "/proc/$1/task/$1/children"); do
		echo "$(cut -d ' ' -f 1 "/proc/$pid/statm") $pid"
	done | sort -n | sed -n '$s/.* //p'
}

done_are()
{
	local number

	for number; do
		[ -s "$case/run/done-$number" ] || return 1
	done
}

# One task of four has too little memory: the others, served by the same threads, have what they want.
full_cgroup_of_one()
{
	local file=$memory/faultin-test-$$/memory.limit_in_bytes before_criu=pause_drain

	trap '[ $? -eq 0 ] || tell_restore; leave_cgroup; : >"$case/run/go"' EXIT
	rm -f "$case"/run/done-* "$case/run/go"
	mkdir "$memory/faultin-test-$$" || die "cannot make a cgroup"
	echo 1 >"$memory/faultin-test-$$/memory.oom_control"
	restore serve
	largest_child "$root" >"$memory/faultin-test-$$/cgroup.procs" # 24 MiB
	echo 8M >"$file" || die "cannot set a limit"
	: >"$case/run/go"
	"$faultin" resume "$engine" || die "cannot resume"
	until_true 30 done_are 0 1 2 || die "others wait, too: $(ls "$case/run")"
	! done_are 3 || die "the limit limits nothing"
	echo -1 >"$file"
	check_verdict
	check_engine serve
	rm "$case/run/stay"
	until_true 10 no_orphans
	check_nothing_left serve
}

# The kernel kills a task that there is no memory for: nobody waits for it any more.
killed_for_memory()
{
	local before_criu=pause_drain

	trap '[ $? -eq 0 ] || tell_restore; leave_cgroup' EXIT
	mkdir "$memory/faultin-test-$$" || die "cannot make a cgroup"
	restore serve
	echo "$root" >"$memory/faultin-test-$$/cgroup.procs"
	echo 24M >"$memory/faultin-test-$$/memory.limit_in_bytes" || die "cannot set a limit"
	"$faultin" resume "$engine" || die "cannot resume"
	until_true 30 ended "$root" || die "the task lives"
	[ "$(end_of "$root")" = "signal 9" ] || die "the task ended with: $(end_of "$root")"
	[ ! -e "$case/run/result" ] || die "the task saw wrong memory before it was killed"
	check_engine serve
	until_true 10 no_orphans
	check_nothing_left serve
}

# A chain of images is deleted, parents and all.
deleted_chain()
{
	local before_criu=pause_drain

	trap '[ $? -eq 0 ] || tell_restore; put_image_back' EXIT
	mv "$case/img" "$case/safe"
	mkdir "$case/chain" "$case/chain/level0" "$case/chain/level1" "$case/chain/level2"
	ln -s ../level1 "$case/chain/level0/parent"
	ln -s ../level2 "$case/chain/level1/parent"
	cp "$case/safe/inventory.img" "$case/chain/level1"
	cp "$case/safe/inventory.img" "$case/chain/level2"
	"$tools/split-image" 5 100 "$case/safe" "$case"/chain/level[012] || die "cannot split"
	cp -n "$case"/safe/*.img "$case/chain/level0"
	ln -s chain/level0 "$case/img"
	restore serve
	rm -rf "$case/chain" "$case/img"
	kill -KILL "$(engine_of "$engine")" || die "there was no engine"
	"$faultin" resume "$engine" || die "cannot resume"
	check_verdict
	check_engine serve
	grep -q '"engines": *2' "$work/summary.json" || die "there was no second engine"
	rm "$case/run/stay"
	until_true 10 no_orphans
	check_nothing_left serve
}

attempt "survive: dump" dump_scenario survive
case=$tmp/survive
attempt "the image is deleted, and the engine killed" deleted
attempt "a chain of images is deleted, and the engine killed" deleted_chain
attempt "pages files are cut off at the start" truncated 0
attempt "pages files are cut off in the middle" truncated 20000000
if [ -e "$memory/memory.oom_control" ]; then
	attempt "threads-random: dump" dump_scenario threads-random # it forks nothing: fork would fail
	case=$tmp/threads-random
	attempt "a full memory cgroup" full_cgroup
	attempt "a task that is killed for memory" killed_for_memory
	attempt "neighbours: dump" dump_scenario neighbours
	case=$tmp/neighbours
	attempt "a full memory cgroup of one task" full_cgroup_of_one
else
	tap_skip "a full memory cgroup" "there is no memory controller of version 1 at $memory"
fi
tap_done

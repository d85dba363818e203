# Transparent mode when something of it cannot be had: the restore is eager, and right.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$abs_top_srcdir/tests/integration/functions.sh"

case=$tmp/fork-both

# Of an engine that is none: says that it is ready, and ends.
cat >"$tmp/short-lived" <<'END'
#!/bin/sh
printf '\0' >&4
END
chmod +x "$tmp/short-lived"

logged()
{
	grep -q "faultin.*$1" "$work/restore.log"
}

# judge: after a restore by CRIU alone
judge()
{
	check_verdict
	check_end transparent
}

# eager PROGRAM WORDS: with this engine, and these words in the log
eager()
{
	trap '[ $? -eq 0 ] || tell_restore' EXIT
	engine_program=$1
	restore transparent
	logged "$2" || die "the log says nothing of '$2'"
	judge
}

forbidden()
{
	trap '[ $? -eq 0 ] || tell_restore' EXIT
	echo "mode = lazy-socket" >"$tmp/forbids.conf"
	FAULTIN_CONFIG=$tmp/forbids.conf
	restore transparent
	logged "mode does not allow" || die "the log does not say why"
	logged "serves the pages" && die "there was an engine"
	judge
}

kept_eager()
{
	trap '[ $? -eq 0 ] || tell_restore' EXIT
	printf 'minimum-size = 0\neager = heap anon\n' >"$tmp/eager.conf"
	FAULTIN_CONFIG=$tmp/eager.conf
	restore transparent
	logged "nothing that could be lazy" || die "the log does not say why"
	judge
}

# Images may be on storage that nobody can write to, and the view must leave nothing there.
read_only()
{
	local before after

	trap '[ $? -eq 0 ] || tell_restore; umount "$case/img"' EXIT
	mount --bind "$case/img" "$case/img" && mount -o remount,bind,ro "$case/img" ||
		die "cannot mount"
	before=$(ls -lR --time-style=full-iso "$case/img")
	(restore_and_judge transparent) || exit # its trap is its own
	work=$case/transparent
	after=$(ls -lR --time-style=full-iso "$case/img")
	[ "$before" = "$after" ] || die "the image has changed"
	logged "leaving out" || die "it was not lazy"
}

# The engine dies when the task has run for a moment, needed or not any more.
engine_dies()
{
	local pid comm

	trap '[ $? -eq 0 ] || tell_restore' EXIT
	restore transparent
	for pid in $(engines); do
		for pid in $(cat "/proc/$pid/task/$pid/children" 2>/dev/null); do
			comm=
			{ read -r comm <"/proc/$pid/comm"; } 2>/dev/null
			[ "$comm" != faultin-engine ] || kill -KILL "$pid" 2>/dev/null || true
		done
	done
	check_verdict
	check_engine transparent
	rm "$case/run/stay"
	until_true 10 no_orphans
	check_nothing_left transparent
}

# CRIU has marked none of its pages, 32 MiB and more.
unmarked()
{
	restore_and_judge transparent
	work=$case/transparent
	logged "leaving out [3-9][0-9] MiB" || die "it was not lazy"
}

attempt "even-stack: dump" dump_scenario even-stack
case=$tmp/even-stack
attempt "a stack pointer at the beginning of a page" unmarked
remove_case even-stack
case=$tmp/fork-both
attempt "fork-both: dump" dump_scenario fork-both
attempt "an engine that is gone before it has anything" eager "$tmp/short-lived" "eagerly"
attempt "an engine that cannot be started" eager /bin/false "restoring eagerly"
attempt "forbidden by the settings" forbidden
attempt "all that is lazy is to be eager" kept_eager
attempt "the image cannot be written to" read_only
attempt "the engine dies" engine_dies
tap_done

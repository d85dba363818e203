# Tasks that are killed while nearly everything is owed: no trouble for the engine.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$abs_top_srcdir/tests/integration/functions.sh"

# kill_when_restored MODE SECONDS: kills the root task so long after the restore
kill_when_restored()
{
	trap '[ $? -eq 0 ] || tell_restore' EXIT
	restore "$1"
	nap "$2"
	kill -KILL "$root" || die "the task was not there to be killed"
	until_true 10 ended "$root" || die "the task did not end"
	[ "$(end_of "$root")" = "signal 9" ] || die "the task ended with: $(end_of "$root")"
	[ ! -e "$case/run/result" ] || die "the task saw wrong memory before it was killed"
	check_engine "$1"
	until_true 5 no_orphans
	check_nothing_left "$1"
}

attempt "linger: dump" dump_scenario linger
case=$tmp/linger
for mode in $modes; do
	for seconds in 0.001 0.01 0.1; do
		if can_mode "$mode"; then
			attempt "killed after $seconds s: $mode" kill_when_restored "$mode" "$seconds"
			kill_orphans || until_true 10 kill_orphans
		else
			tap_skip "killed after $seconds s: $mode" "$reason"
		fi
	done
done
tap_done

# A service manager that stores descriptors, as systemd does: everybody of a session is killed at once, the
# service is started anew, and nothing is wrong.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$abs_top_srcdir/tests/integration/functions.sh"

# The manager in faultin's place; @refused is the name of an entry that it has no room for.
manager=$tmp/manager
refused=-
cat >"$tmp/served" <<END
#!/bin/sh
exec "$tools/manager" "$manager" "\$(cat "$tmp/refused")" "$faultin" "\$@"
END
chmod 755 "$tmp/served"
program=$faultin
faultin=$tmp/served

# The session's processes: the service, and its children.
everybody()
{
	local pid=$(<"$manager/pid")

	echo "$pid" $(<"/proc/$pid/task/$pid/children")
}

keepers_and_engine()
{
	set -- $(everybody)
	[ $# -eq 4 ] # the starter is one of them
}

is_ready()
{
	[ -e "$manager/ready" ]
}

# has NAME...: the manager has these entries
has()
{
	local name

	for name; do
		grep -qx "+${name//./\\.}" "$manager/log" || return 1
	done
}

# What came and did not go.
stored()
{
	sed -n 's/^+//p' "$manager/log" | sort >"$tmp/came"
	sed -n 's/^-//p' "$manager/log" | sort >"$tmp/went"
	comm -23 "$tmp/came" "$tmp/went"
}

# At once: nobody may do anything between.
kill_everybody()
{
	local all

	until_true 10 keepers_and_engine || die "not everybody is there:" $(everybody)
	all=$(everybody)
	rm -f "$manager/ready"
	kill -STOP $all
	kill -KILL $all 2>/dev/null # the starter dies with the first
}

# A restore that is paused and whose tasks do nothing until let_go.
begin()
{
	trap '[ $? -eq 0 ] || tell_service' EXIT
	rm -rf "$manager" "${tmp:?}/$1"
	mkdir "$manager"
	echo "$refused" >"$tmp/refused"
	before_criu=pause_service
	dump_scenario "$1"
	rm "$case/run/go"
	restore serve
}

tell_service()
{
	tell_restore
	tail_log "$manager/log"
}

pause_service()
{
	until_true 10 is_ready || die "the service is not ready"
	"$program" pause "$(<"$manager/pid")" || die "cannot pause"
}

# The session of a service that was started again has the name that it had.
resume()
{
	local name

	for name in "$FAULTIN_RUNTIME_DIR"/*; do
		"$program" resume "${name##*/}" 2>/dev/null # it may be complete
	done
}

let_go()
{
	: >"$case/run/go"
}

# The verdict is right, the session ends as ever, and the manager holds nothing any more.
end()
{
	resume
	check_verdict
	check_engine serve
	rm "$case/run/stay"
	until_true 10 ended "$root" || die "the task did not end"
	until_true 10 no_orphans
	check_nothing_left serve
	[ -z "$(stored)" ] || die "still stored:" $(stored)
	[ -z "$(ls "$FAULTIN_RUNTIME_DIR")" ] || die "left behind: $(ls "$FAULTIN_RUNTIME_DIR")"
	remove_case "${case##*/}"
}

# With tasks that fork afterwards.
goes_on()
{
	begin fork-both
	until_true 10 has fi.s1 fi.t1 || die "the manager does not have the userfaultfd and the task"
	kill_everybody
	until_true 20 is_ready || die "the service does not come back"
	let_go
	grep -q 'all processes of the session had died' "$work/engine.log" || die "nobody has died"
	end
}

returns_twice()
{
	begin survive
	until_true 10 has fi.s1 fi.t1 || die "the manager does not have the userfaultfd and the task"
	kill_everybody
	until_true 20 is_ready || die "the service does not come back"
	kill_everybody
	until_true 20 is_ready || die "the service does not come back again"
	[ ! -s "$case/run/result" ] || die "the program does not wait"
	let_go
	[ "$(grep -c '^start' "$manager/log")" -eq 3 ] || die "not three starts"
	end
}

forked()
{
	[ -e "$case/run/forked" ] && [ "$(wc -l <"$case/run/forked")" -eq 3 ]
}

# Three generations that were forked after the restore, and wait.
goes_on_with_children()
{
	begin fork-and-hold
	let_go
	until_true 30 forked || die "it has not forked"
	until_true 10 has fi.s1 fi.s2 fi.s3 || die "not every space is stored:" $(stored)
	kill_everybody
	until_true 20 is_ready || die "the service does not come back"
	: >"$case/run/again"
	end
}

# What is not stored is closed when everybody dies: its task must not run on.
stops_what_is_lost()
{
	refused=fi.s1
	begin survive
	until_true 10 is_ready
	kill_everybody
	until_true 30 ended "$root" || die "the task lives on without its memory"
	# Of the service, or of zeros that it came across before.
	[[ "$(end_of "$root")" = signal* ]] || die "the task ended with: $(end_of "$root")"
	[ ! -s "$case/run/result" ] || die "it saw: $(<"$case/run/result")"
	until_true 30 eval '! kill -0 $engine 2>/dev/null' || die "the service does not end"
	wait "$engine"
	[ $? -eq 1 ] || die "no failure"
	grep -q 'a userfaultfd is missing' "$work/engine.out" || die "it is not said"
	[ -z "$(stored)" ] || die "still stored:" $(stored)
	remove_case "${case##*/}"
}

# Before CRIU has come nobody depends on what is stored.
begins_again()
{
	trap '[ $? -eq 0 ] || tell_service' EXIT
	refused=-
	rm -rf "$manager"
	mkdir "$manager"
	echo "$refused" >"$tmp/refused"
	before_criu=die_waiting
	dump_scenario fork-both
	restore serve
	end
}

die_waiting()
{
	until_true 10 is_ready || die "the service is not ready"
	kill_everybody
	until_true 20 is_ready || die "the service does not come back"
}

serves_or_gives_up()
{
	ended "$root" || { is_ready && keepers_and_engine; }
}

# It dies again and again: no manager is patient for ever, and what it closes then is lost.
gives_up()
{
	local i

	refused=-
	begin survive
	until_true 10 has fi.s1 fi.t1 || die "the manager does not have the userfaultfd and the task"
	# Three times in ten seconds, and this machine may be slow.
	for i in {1..20}; do
		until_true 20 serves_or_gives_up || die "the service does not come back"
		! ended "$root" || break
		kill_everybody
	done
	[ "$i" -gt 3 ] || die "it gives up after $((i - 1)) deaths"
	ended "$root" || die "the task lives on"
	until_true 30 eval '! kill -0 $engine 2>/dev/null' || die "the service does not end"
	wait "$engine"
	[ $? -eq 1 ] || die "no failure"
	[ ! -s "$case/run/result" ] || die "it saw: $(<"$case/run/result")"
	grep -q 'again and again' "$work/engine.log" || die "it is not said"
	[ -z "$(stored)" ] || die "still stored:" $(stored)
	remove_case "${case##*/}"
}

for what in goes_on returns_twice goes_on_with_children stops_what_is_lost begins_again gives_up; do
	attempt "$what" "$what"
	kill_orphans || until_true 10 kill_orphans
done
tap_done

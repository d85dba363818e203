# Another program takes over a session whose tasks fork, move and discard, and nothing is wrong or lost.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$abs_top_srcdir/tests/integration/functions.sh"

command -v python3 >/dev/null || tap_skip_all "there is no python3"

# A program of the test's own, which can be exchanged.
install_program()
{
	cp "$abs_top_builddir/faultin" "$tmp/new" && chmod 755 "$tmp/new" && mv "$tmp/new" "$tmp/faultin"
}
install_program
faultin=$tmp/faultin
asker=$abs_top_builddir/faultin

# says MEMBER: of the session
says()
{
	"$asker" status --json "$engine" | python3 -c '
import json, sys
print(json.load(sys.stdin)["sessions"][0][sys.argv[1]])' "$1"
}

# A restore of the scenario that is paused, and whose tasks do nothing until let_go: so it lasts.
begin()
{
	trap '[ $? -eq 0 ] || tell_restore' EXIT
	before_criu=pause_drain
	rm -rf "${tmp:?}/$1"
	dump_scenario "$1"
	rm "$case/run/go"
	restore serve
}

let_go()
{
	: >"$case/run/go"
}

# The verdict, and that the session ends as ever, under the pid that it had.
end()
{
	"$asker" resume "$engine" 2>/dev/null # it may be complete
	check_verdict
	check_engine serve
	rm "$case/run/stay"
	until_true 10 ended "$root" || die "the task did not end"
	until_true 10 no_orphans
	check_nothing_left serve
	[ -z "$(ls "$FAULTIN_RUNTIME_DIR")" ] || die "left behind: $(ls "$FAULTIN_RUNTIME_DIR")"
	remove_case "${case##*/}"
}

# refused WORDS: no other program takes over
refused()
{
	"$asker" upgrade "$engine" >"$tmp/out" 2>&1
	[ $? -eq 1 ] || die "$1 has taken over"
	grep -q 'goes on with the program that it had' "$tmp/out" || die "it is not said: $(<"$tmp/out")"
}

# What does not start is no loss, and what is put in its place later is taken.
takes_over()
{
	local i

	begin survive
	install_program
	"$asker" upgrade "$engine" >"$tmp/out" || die "upgrade: exit status $?"
	grep -q "^session $engine: .* -> " "$tmp/out" || die "it is not said: $(<"$tmp/out")"
	printf '\177ELF and nothing else' >"$tmp/new" && chmod 755 "$tmp/new"
	mv "$tmp/new" "$tmp/faultin"
	refused "what is no program"
	cp "$(command -v false)" "$tmp/new" && mv "$tmp/new" "$tmp/faultin"
	refused "what ends at once"
	rm "$tmp/faultin"
	refused "what is not there"
	install_program
	chmod o+w "$tmp/faultin"
	refused "what anybody could have written"
	[ "$(says refused_upgrades)" = 4 ] || die "$(says refused_upgrades) refused"
	install_program
	[ "$(says upgrades)" = 1 ] || die "$(says upgrades) upgrades"
	let_go
	for i in 1 2 3 4; do
		"$asker" upgrade "$engine" >"$tmp/out" 2>&1 ||
			[ $? -eq 3 ] || die "upgrade $i: $(<"$tmp/out")" # 3: it is complete
	done
	end
}

# The request as a signal to the process that others know; and what has taken over is as hard to kill as what
# was before.
survives_deaths_afterwards()
{
	local i heir pid engine_pid

	begin fork-both
	for i in 1 2; do
		kill -USR2 "$engine"
		until_true 30 eval '[ "$(says upgrades)" = '"$i"' ]' || die "upgrade $i does not come"
	done
	until_true 10 eval '[ "$(wc -w <<<"$(engines)")" -eq 1 ]' || die "one heir is expected:" $(engines)
	heir=$(engines)
	for pid in $(<"/proc/$heir/task/$heir/children"); do
		[ "$(<"/proc/$pid/comm")" != faultin-engine ] || engine_pid=$pid
	done
	kill -KILL "$engine_pid" "$heir"
	until_true 10 ended "$heir" || die "the heir does not die"
	let_go
	end
}

# The session is what it was, whoever serves it.
changes_nothing()
{
	local waiter

	begin fork-both
	"$asker" wait "$engine" &
	waiter=$!
	"$asker" upgrade || die "upgrade: exit status $?"
	[ "$(says upgrades)" = 1 ] || die "$(says upgrades) upgrades"
	[ "$(says engines)" = 2 ] || die "$(says engines) engines"
	[ "$(says state)" = draining ] || die "it is $(says state)"
	kill -0 "$engine" || die "the session's first process has ended"
	kill -0 "$waiter" || die "who waits does not wait"
	let_go
	"$asker" resume "$engine" || die "it does not obey"
	wait "$waiter" || die "who waits has got exit status $?"
	end
}

attempt "a task that changes its memory, and broken programs" takes_over
kill_orphans || until_true 10 kill_orphans
attempt "by SIGUSR2, and deaths afterwards" survives_deaths_afterwards
kill_orphans || until_true 10 kill_orphans
attempt "a session is as it was" changes_nothing
kill_orphans || until_true 10 kill_orphans
tap_done

# What is still being restored lazily can be checkpointed again, and nothing is missing from the image.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$abs_top_srcdir/tests/integration/functions.sh"

[ -e "$plugin_dir/faultin.so" ] || tap_skip_all "there is no $plugin_dir/faultin.so"

# dump_again [OPTION...]: the restored tree, into $case/next; false when CRIU fails
dump_again()
{
	rm -rf "$case/next"
	mkdir "$case/next"
	FAULTIN_BIN=$faultin timeout -k 5 120 "$CRIU" "${verb-dump}" -t "$root" -D "$case/next" \
		--libdir "$plugin_dir" -o dump.log -v4 "$@" 9>&-
}

tell_dump()
{
	grep -sE 'Error|Warn|faultin' "$case/next/dump.log" | tail -n 30 | tap_comment
	tell_restore
}

owes()
{
	"$faultin" status --json "$engine" | python3 -c '
import json, sys
print(json.load(sys.stdin)["sessions"][0]["pages"]["owed"])'
}

# The second image in place of the first, restored without laziness; judged as ever.
judge_next()
{
	rm -rf "$case/img"
	mv "$case/next" "$case/img"
	: >"$case/run/go"
	: >"$case/run/again"
	restore_and_judge plain
}

# begin SCENARIO: a paused lazy restore of it; $held is set when it does nothing yet.
begin()
{
	trap '[ $? -eq 0 ] || tell_dump' EXIT
	rm -rf "${tmp:?}/$1"
	before_criu=pause_drain
	dump_scenario "$1"
	[ -z "${held-}" ] || rm "$case/run/go"
	restore serve
	before_criu=
}

completes()
{
	held=1
	begin fork-both
	[ "$(owes)" -gt 16000 ] || die "$(owes) pages are owed, and all should be"
	dump_again || die "the second dump fails: $?"
	check_engine serve
	until_true 10 ended "$root" || die "the dumped task lives on"
	judge_next
	remove_case fork-both
}

has_forked()
{
	[ -e "$case/run/forked" ] && [ "$(wc -l <"$case/run/forked")" -eq 3 ]
}

completes_forks()
{
	begin fork-and-hold
	until_true 30 has_forked || die "it does not fork"
	[ "$(owes)" -gt 48000 ] || die "$(owes) pages are owed, and all of three processes should be"
	dump_again || die "the second dump fails: $?"
	check_engine serve
	until_true 10 ended "$root" || die "the dumped tasks live on"
	judge_next
	remove_case fork-and-hold
}

# A pre-dump of the tree, then a dump that has it as its parent.
completes_before_pre_dump()
{
	held=1
	begin fork-both
	verb=pre-dump dump_again --track-mem || die "the pre-dump fails: $?"
	check_engine serve
	mv "$case/next" "$case/before"
	dump_again || die "the dump fails: $?"
	judge_next
	remove_case fork-both
}

# freeze_session STOP|CONT
freeze_session()
{
	local pid

	for pid in $engine $(<"/proc/$engine/task/$engine/children"); do
		kill -"$1" "$pid"
	done
}

# Nobody can bring in what is owed: no image, and the tasks go on.
refuses()
{
	held=1
	begin fork-both
	FAULTIN_RUNTIME_DIR=$tmp/elsewhere dump_again && die "an incomplete image was made"
	grep -q 'Error (faultin): .* would be missing from this checkpoint' "$case/next/dump.log" ||
		die "CRIU's log does not say why"
	grep -q 'no session that can be reached serves it' "$case/next/dump.log" ||
		die "CRIU's log does not say that there is no session"
	freeze_session STOP
	dump_again && die "an incomplete image was made"
	freeze_session CONT
	grep -q "session $engine does not answer" "$case/next/dump.log" ||
		die "CRIU's log does not say that the session does not answer"
	# the dump has asked it to complete
	: >"$case/run/go"
	"$faultin" resume "$engine"
	check_verdict
	check_engine serve
	rm "$case/run/stay"
	until_true 10 ended "$root" || die "the task did not end"
	remove_case fork-both
}

# By hand, for a CRIU without the plugin.
completes_by_hand()
{
	held=1
	begin fork-both
	"$faultin" complete --tree "$root" || die "complete --tree: exit status $?"
	check_engine serve
	"$faultin" complete --tree "$root" || die "complete --tree, when all is there: exit status $?"
	"$faultin" complete --tree "$root" 1 2>"$tmp/err"
	[ $? -eq 2 ] || die "a tree and a session are taken"
	: >"$case/run/go"
	check_verdict
	rm "$case/run/stay"
	until_true 10 ended "$root" || die "the task did not end"
	remove_case fork-both
}

# try WORDS FUNCTION
try()
{
	attempt "$1" "$2"
	kill_orphans || until_true 10 kill_orphans
}

try "a dump completes what is owed" completes
try "a dump completes forked children, too" completes_forks
if "$CRIU" check --feature mem_dirty_track >/dev/null 2>&1; then
	try "a pre-dump completes what is owed" completes_before_pre_dump
else
	tap_skip "a pre-dump completes what is owed" "the kernel does not track changes of memory"
fi
try "a dump fails when nobody can complete" refuses
try "complete --tree" completes_by_hand
tap_done

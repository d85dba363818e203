# faultin hook: a container is tied to its restore, and nothing that a runtime says can fail it.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$abs_top_srcdir/tests/integration/functions.sh"

# hook STAGE STATE: what it says is in $tmp/said; it never fails
hook()
{
	printf '%s' "$2" | "$faultin" hook "$1" >"$tmp/said" 2>&1 || die "hook $1: exit status $?"
}

silent()
{
	[ ! -s "$tmp/said" ] || {
		tail_log "$tmp/said"
		die "the hook has said something"
	}
}

session_says()
{
	"$faultin" status "$engine" >"$tmp/text" || die "cannot ask the session"
	grep -q "$1" "$tmp/text" || {
		tail_log "$tmp/text"
		die "the session does not say '$1'"
	}
}

end_restore()
{
	kill -KILL "$root"
	until_true 10 ended "$root" || die "the task did not end"
	check_engine serve
	until_true 5 no_orphans
	check_nothing_left serve
}

survives_anything()
{
	local state

	for state in '' '{' '[]' '{}' '{"id":7}' '{"id":"a b"}' '{"id":"../x"}' "$(printf '\377\376')"; do
		hook createRuntime "$state"
		[ -s "$tmp/said" ] || die "nothing was said about '$state'"
	done
	hook createRuntime '{"id":"web","pid":-1,"annotations":7}'
	silent
	hook sometime '{"id":"web"}'
	[ -s "$tmp/said" ] || die "nothing was said about an unknown stage"
	"$faultin" hook --nonsense </dev/null >"$tmp/said" 2>&1 || die "hook --nonsense: exit status $?"
	FAULTIN_RUNTIME_DIR=$tmp/none hook poststop '{"id":"web"}'
	silent
}

# the end of its input never comes
waits_not_for_ever()
{
	"$faultin" hook createRuntime <&9 >"$tmp/said" 2>&1 || die "exit status $?"
}

names_the_container()
{
	trap '[ $? -eq 0 ] || tell_restore' EXIT
	before_criu=pause_drain
	restore serve
	hook createRuntime '{"ociVersion":"1.0.2","id":"other","status":"created","pid":1}'
	silent
	session_says "draining, paused, $case/img\$"
	hook createRuntime "{\"ociVersion\":\"1.0.2\",\"id\":\"web\",\"status\":\"created\",\"pid\":$root}"
	silent
	session_says "draining, paused, $case/img, container web\$"
	# somebody else's stop is not its
	hook poststop '{"id":"other","status":"stopped"}'
	silent
	hook poststop '{"id":"web","status":"stopped"}'
	grep -q "container web has stopped while session $engine still owed it" "$tmp/said" || {
		tail_log "$tmp/said"
		die "nothing was said at the stop"
	}
	grep -q "this is container 'web'" "$work/engine.log" || die "the log does not name the container"
	end_restore
}

# A runtime's shape: a process that has started both CRIU and the hook.
applies_annotations()
{
	trap '[ $? -eq 0 ] || tell_restore' EXIT
	before_criu=pause_drain
	restore serve
	hook poststart "{\"id\":\"web\",\"pid\":$root,\"annotations\":{\"org.faultin.drain\":\"later\"}}"
	grep -q "'later' is no value of drain" "$tmp/said" || die "a bad annotation was not named"
	session_says "draining, paused"
	hook poststart "{\"id\":\"web\",\"pid\":$root,\"annotations\":{\"org.faultin.drain-rate\":\"4K\"}}"
	silent
	session_says "draining, paused, at most 4 KiB/s"
	hook poststart "{\"id\":\"web\",\"pid\":$root,\"annotations\":{\"org.faultin.drain\":\"eager\"}}"
	silent
	check_engine serve
	end_restore
}

attempt "whatever it is given, it does not fail" survives_anything
attempt "it does not wait for ever" waits_not_for_ever
attempt "dump" dump_scenario linger
case=$tmp/linger
attempt "it names the container" names_the_container
kill_orphans || until_true 10 kill_orphans
attempt "it applies annotations" applies_annotations
kill_orphans || until_true 10 kill_orphans
tap_done

# tests/integration/functions.sh - dump a scenario once, restore it in many ways, judge each.
# SPDX-License-Identifier: GPL-2.0-or-later
#
# To be sourced first by every test here.  It starts the test anew under tools/reap, so that all that
# a restore leaves behind is the child of a process that we know: "nothing is left behind" and the
# engine's exit status are facts, not guesses.
#
# A scenario (programs/scenario.h) judges its own memory.  The modes that it is restored in:
#   plain    criu restore: the control
#   peer     criu lazy-pages, criu restore --lazy-pages: to develop and compare, not in `make check`
#            (it hangs on some scenarios and corrupts others)
#   serve    faultin serve in its place
#   plugin   criu restore --lazy-pages --libdir, with nothing else running
#   transparent
#            criu restore --libdir: the plugin makes it lazy, CRIU does not know
#
# Control sockets are the test's own, in $tmp/sessions.
#
# Environment: FI_MODES (default "plain serve plugin transparent"), FI_KEEP (set: the files of failures stay),
# TMPDIR; and what tests/harness/run-shell gives.
#
# Functions that check exit instead of returning a status: the shell ignores a status too easily.
# `attempt` runs them in a subshell and makes one TAP result of it.

. "$abs_top_srcdir/tests/harness/tap.sh"

tools=$abs_top_builddir/tests/integration/tools
scenarios=$abs_top_builddir/tests/integration/programs/scenarios
faultin=$abs_top_builddir/faultin
plugin_dir=$abs_top_builddir/plugin/.libs
modes=${FI_MODES:-plain serve plugin transparent}
serve_options= # more of them, of words without spaces

[ "$(id -u)" -eq 0 ] || tap_skip_all "CRIU wants root"
[ -n "${CRIU:-}" ] || CRIU=$(command -v criu) || tap_skip_all "there is no CRIU: see ./bootstrap criu"
[ -x "$CRIU" ] || tap_skip_all "CRIU is set to '$CRIU', which cannot be run"

if [ -z "${REAP_PID:-}" ]; then
	tmp=$(mktemp -d "${TMPDIR:-/tmp}/faultin-test.XXXXXX") || exit 1
	export tmp
	: >"$tmp/ends"
	exec "$tools/reap" "$tmp/ends" bash "$0" "$@"
fi

# Sleeping without a process for it: reading a pipe that nobody writes.
mkfifo "$tmp/never" || exit 1
export FAULTIN_RUNTIME_DIR=$tmp/sessions
# Not the settings of this machine; and what is dumped here is small.
export FAULTIN_CONFIG=$tmp/faultin.conf
echo "minimum-size = 0" >"$FAULTIN_CONFIG"
exec 9<>"$tmp/never"

# nap SECONDS
nap()
{
	read -r -t "$1" -u 9 || true
}

clean_up()
{
	[ -n "${FI_KEEP:-}" ] && [ "$tap_failed" -ne 0 ] && {
		echo "# the files of what failed are in $tmp"
		return
	}
	rm -rf "$tmp"
}
trap clean_up EXIT
# A trap for EXIT runs only when the shell exits by itself.
trap 'exit 143' TERM
trap 'exit 130' INT HUP

# die WORDS: ends the attempt, and says why.
die()
{
	echo "# $*"
	exit 1
}

# attempt WORDS COMMAND [ARGUMENT...]: one TAP result.
attempt()
{
	local words=$1 start=$EPOCHREALTIME status

	shift
	("$@")
	status=$?
	tap_ok "$status" "$words"
	echo "# took $(((${EPOCHREALTIME/./} - ${start/./}) / 1000)) ms"
	return 0
}

# until_true SECONDS COMMAND...: false when it did not become true in time.  SECONDS are those of a machine
# that has nothing else to do; another one is given more.
until_true()
{
	local limit=$((${EPOCHREALTIME/./} + $1 * 4000000))

	shift
	until "$@"; do
		[ "${EPOCHREALTIME/./}" -lt "$limit" ] || return 1
		nap 0.01
	done
}

# Pids of what was orphaned and is alive: reap's children apart from the shell of this test.
orphans()
{
	local pid left=

	for pid in $(<"/proc/$REAP_PID/task/$REAP_PID/children"); do
		[ "$pid" = $$ ] || left="$left $pid"
	done
	echo $left
}

# has_told: how those that are gone have ended is in $tmp/ends by now.  reap writes it a moment later, and then
# waits for others.
has_told()
{
	local stat

	read -r stat <"/proc/$REAP_PID/stat"
	[[ $stat = *') S '* ]]
}

no_orphans()
{
	[ -z "$(orphans)" ] && has_told
}

# Pids of orphans that are engines, which the plugin starts out of everybody's sight.
engines()
{
	local pid comm

	for pid in $(orphans); do
		comm=
		{ read -r comm <"/proc/$pid/comm"; } 2>/dev/null
		case $comm in faultin*) echo "$pid" ;; esac
	done
}

no_engines()
{
	[ -z "$(engines)" ] && has_told
}

tell_orphans()
{
	local pid

	for pid in $(orphans); do
		echo "# left behind: $pid $(tr '\0' ' ' <"/proc/$pid/cmdline")" \
			"($(grep State "/proc/$pid/status"))"
	done 2>/dev/null
}

# Kills what an attempt left, so that the next one can have the pids.
kill_orphans()
{
	local pid

	for pid in $(orphans); do
		kill -KILL "$pid" 2>/dev/null
	done
	no_orphans
}

# ended PID: it has ended and was reaped.  end_of PID: how, as "exit 0".
ended()
{
	grep -q "^$1 " "$tmp/ends"
}

end_of()
{
	sed -n "s/^$1 [^ ]* //p" "$tmp/ends"
}

# tail_log FILE [LINES]
tail_log()
{
	[ ! -s "$1" ] || {
		echo "# --- ${1#"$tmp/"}"
		tail -n "${2:-25}" "$1" | tap_comment
	}
}

# find_python MODULE: in $python, a python3 that has it.  The first in PATH may be somebody's own,
# without the distribution's modules.
find_python()
{
	for python in python3 /usr/bin/python3; do
		! "$python" -c "import $*" 2>/dev/null || return 0
	done
	return 1
}

# --- dumping ------------------------------------------------------------------------------------

# dump_scenario NAME: leaves the dump in $case/img and lets restored copies go.
dump_scenario()
{
	local pid

	case=$tmp/$1
	mkdir -p "$case/img" "$case/run"
	: >"$tmp/ends"
	("$scenarios" "$1" "$case/run" 9>&- &) # an orphan: reaped at once when it is dumped
	until_true 60 test -s "$case/run/ready" || die "$1 was not ready in 60 s"
	pid=$(<"$case/run/ready")
	timeout -k 5 120 "$CRIU" dump -t "$pid" -D "$case/img" -o dump.log -v4 9>&- || {
		tail_log "$case/img/dump.log"
		die "cannot dump $1"
	}
	until_true 10 no_orphans || die "the dumped tree lives on:" $(orphans)
	: >"$case/run/go"
}

remove_case()
{
	[ -n "${FI_KEEP:-}" ] && [ "$tap_failed" -ne 0 ] || rm -rf "${tmp:?}/$1"
}

# --- restoring ----------------------------------------------------------------------------------

# The engine of a mode, ready before the restore starts; its pid is in $engine.
start_engine()
{
	engine=
	case $1 in
	peer)
		"$CRIU" lazy-pages -D "$case/img" -W "$work" -o engine.log -v4 9>&- &
		;;
	serve)
		"$faultin" serve -D "$case/img" -W "$work" -o engine.log -v4 \
			--json "$work/summary.json" $serve_options >"$work/engine.out" 2>&1 9>&- &
		;;
	*)
		return
		;;
	esac
	engine=$!
	until_true 20 eval '[ -S "$work/lazy-pages.socket" ] || ! kill -0 $engine 2>/dev/null'
	[ -S "$work/lazy-pages.socket" ] || {
		wait "$engine"
		die "the engine did not listen (exit status $?)"
	}
	[ -z "${before_criu-}" ] || $before_criu
}

# For before_criu, what a test does between the engine's start and CRIU's.
pause_drain()
{
	"$faultin" pause "$engine" || die "cannot pause"
}

# engine_pid: of `faultin serve`, the process that does the work
engine_pid()
{
	local pid comm

	for pid in $(<"/proc/$engine/task/$engine/children"); do
		read -r comm <"/proc/$pid/comm"
		[ "$comm" != faultin-engine ] || echo "$pid"
	done
}

# stop_task: $root asks for nothing more
stop_task()
{
	kill -STOP "$root"
	until_true 10 grep -q '^State:.T' "/proc/$root/status" || die "the task does not stop"
}

# is_at_rest: every fault has been answered and counted, and nothing has changed since this was asked last
is_at_rest()
{
	local before=$figures

	figures=$("$faultin" status --json "$engine" | "${python:-python3}" -c '
import json, sys
s = json.load(sys.stdin)["sessions"][0]
print(s["faults"] == s["latency_ns"]["count"], s["faults"], s["pages"])')
	[ "${figures%% *}" = True ] && [ "$figures" = "$before" ]
}

# await_rest: what a stopped task had asked for is there; of a drain that is paused, and an engine that has not died
await_rest()
{
	local figures=

	until_true 10 is_at_rest || die "not every fault is answered: $figures"
}

# Waits for the engine, which has to end by itself while the tasks live on, with exit status 0.
check_engine()
{
	local status ends

	case $1 in
	peer | serve)
		until_true 30 eval '! kill -0 $engine 2>/dev/null' || {
			kill -ABRT "$engine"
			die "the engine did not end in 30 s"
		}
		wait "$engine"
		status=$?
		[ "$status" -eq 0 ] || die "the engine's exit status is $status"
		;;
	plugin | transparent)
		until_true 30 no_engines || die "the engine did not end in 30 s"
		ends=$(grep ' faultin' "$tmp/ends") || die "the plugin started no engine"
		ends=$(grep -v ' exit 0$' <<<"$ends") && die "the engine failed: $ends"
		! grep -q 'faultin.*eagerly' "$work/restore.log" || die "it was not lazy"
		;;
	esac
}

check_nothing_left()
{
	until_true 5 no_orphans || {
		tell_orphans
		die "processes were left behind"
	}
	case $1 in
	serve | plugin | transparent)
		[ ! -e "$work/lazy-pages.socket" ] || die "lazy-pages.socket was left behind"
		;;
	esac
	if [ "$1" = serve ]; then
		[ -s "$work/summary.json" ] || die "--json left no summary"
	fi
}

# restore MODE: one restore of $case, from $work, with $engine_program as the plugin's engine, if set; $root is
# the pid of the restored root.
#
# The pid may be taken for a moment by somebody else on this machine: that is no verdict on us.
restore()
{
	local try lazy=()

	case $1 in
	peer | serve) lazy=(--lazy-pages) ;;
	plugin) lazy=(--lazy-pages --libdir "$plugin_dir") ;;
	transparent) lazy=(--libdir "$plugin_dir") ;;
	esac
	for try in 1 2 3 4 5; do
		work=$case/$1
		rm -rf "$work" "$case/run/result"
		mkdir "$work"
		: >"$tmp/ends"
		: >"$case/run/stay"
		start_engine "$1"
		FAULTIN_BIN=${engine_program:-$faultin} timeout -k 5 60 "$CRIU" restore -d "${lazy[@]}" -D "$case/img" \
			-W "$work" --pidfile pid -o restore.log -v4 >"$work/restore.out" 2>&1 9>&-
		status=$?
		[ "$status" -ne 0 ] || break
		grep -q "Can't fork for .*: File exists" "$work/restore.log" || break
		echo "# try $try: a pid was taken"
		[ -z "$engine" ] || wait "$engine"
		kill_orphans
		nap 1
	done
	[ "$status" -eq 0 ] || die "criu restore: exit status $status"
	root=$(<"$work/pid")
}

tell_restore()
{
	local log

	tail_log "$case/run/result"
	for log in restore.out engine.out engine.log; do
		tail_log "$work/$log" 40
	done
	grep -sE 'Error|Warn|faultin' "$work/restore.log" | tail -n 30 | tap_comment
	tail_log "$tmp/ends"
	tell_orphans
}

judged()
{
	[ -s "$case/run/result" ] || ended "$root"
}

# The program has judged its memory, and found it right.
check_verdict()
{
	until_true 60 judged || die "no verdict in 60 s"
	[ -s "$case/run/result" ] || die "no verdict: the task ended with: $(end_of "$root")"
	[ "$(<"$case/run/result")" = ok ] || die "the program saw wrong memory"
}

# check_end MODE: it ends well when it is told to, and nothing is left
check_end()
{
	rm "$case/run/stay"
	until_true 10 ended "$root" || die "the task did not end"
	[ "$(end_of "$root")" = "exit 0" ] || die "the task ended with: $(end_of "$root")"
	check_nothing_left "$1"
}

# restore_and_judge MODE: restores, waits for the verdict, the engine's end, and silence.
restore_and_judge()
{
	trap '[ $? -eq 0 ] || tell_restore' EXIT
	restore "$1"
	check_verdict
	check_engine "$1"
	check_end "$1"
}

# can_mode MODE: whether it can be tried here; says the reason in $reason.
can_mode()
{
	reason=
	case $1 in
	serve) [ -x "$faultin" ] || reason="there is no $faultin" ;;
	plugin | transparent) [ -e "$plugin_dir/faultin.so" ] || reason="there is no $plugin_dir/faultin.so" ;;
	esac
	[ -z "$reason" ]
}

# try_modes WORDS: a restore of $case in each mode.
try_modes()
{
	local mode

	for mode in $modes; do
		if can_mode "$mode"; then
			attempt "$1: $mode" restore_and_judge "$mode"
			kill_orphans || until_true 10 kill_orphans
		else
			tap_skip "$1: $mode" "$reason"
		fi
	done
}

# try_scenario NAME: a dump, and a restore of it in each mode.
try_scenario()
{
	attempt "$1: dump" dump_scenario "$1"
	case=$tmp/$1
	[ ! -e "$case/run/go" ] || try_modes "$1"
	remove_case "$1"
}

# try_scenarios NAME...: and the plan.
try_scenarios()
{
	local name

	for name; do
		try_scenario "$name"
	done
	tap_done
}

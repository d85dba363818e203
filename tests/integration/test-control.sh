# Running restores can be looked at, waited for and steered, by the figures of the report.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$abs_top_srcdir/tests/integration/functions.sh"

command -v python3 >/dev/null || tap_skip_all "there is no python3"

# look: what the session says of itself, in $tmp/look
look()
{
	"$faultin" status --json "$engine" >"$tmp/look" || die "cannot ask the session"
}

# says EXPRESSION: of s, the session's object, and p, its pages
says()
{
	python3 -c '
import json, sys
s = json.load(open(sys.argv[1]))["sessions"][0]
p = s["pages"]
sys.exit(not eval(sys.argv[2]))' "$tmp/look" "$1" || {
		tap_comment <"$tmp/look"
		die "not so: $1"
	}
}

# value EXPRESSION
value()
{
	python3 -c '
import json, sys
s = json.load(open(sys.argv[1]))["sessions"][0]
p = s["pages"]
print(eval(sys.argv[2]))' "$tmp/look" "$1"
}

# reported EXPRESSION: of r, the final report
reported()
{
	python3 -c '
import json, sys
r = json.load(open(sys.argv[1]))
sys.exit(not eval(sys.argv[2]))' "$work/summary.json" "$1" || {
		tap_comment <"$work/summary.json"
		die "not so in the report: $1"
	}
}

end_task()
{
	kill -KILL "$root"
	until_true 10 ended "$root" || die "the task did not end"
	until_true 5 no_orphans
	check_nothing_left serve
	[ -z "$(ls "$FAULTIN_RUNTIME_DIR")" ] || die "left behind: $(ls "$FAULTIN_RUNTIME_DIR")"
}

pauses_and_completes()
{
	local before

	trap '[ $? -eq 0 ] || tell_restore' EXIT
	before_criu=pause_drain
	restore serve
	stop_task
	await_rest
	look
	says 's["state"] == "draining" and s["drain"]["paused"] and s["tasks"] == 1'
	says 'p["drained"] == 0 and p["lazy"] - p["owed"] == p["demanded"] + p["dropped"]'
	says 's["latency_ns"]["count"] == s["faults"] > 0'
	says '0 < s["latency_ns"]["p50"] <= s["latency_ns"]["p99"] <= s["latency_ns"]["max"]'
	says 's["image"] == "'"$case/img"'" and s["engines"] == 1'
	says "s['spaces'][0]['pid'] == $root and s['spaces'][0]['pages'] == p"
	before=$(value 'p["owed"]')
	nap 0.3
	look
	says "p['owed'] == $before"
	"$faultin" status "$engine" >"$tmp/text" || die "status: exit status $?"
	tap_comment <"$tmp/text"
	grep -q "^session $engine: draining, paused, $case/img\$" "$tmp/text" || die "no such session"
	grep -Eq "^ +$root +$root scenarios +\[\.+\]   0 % +$before " "$tmp/text" || die "no such task"
	"$faultin" complete "$engine" || die "complete: exit status $?"
	check_engine serve
	reported "r['pages']['lazy'] == $(value 'p["lazy"]')"
	reported "r['pages']['demanded'] == $(value 'p["demanded"]') and r['faults'] == $(value 's["faults"]')"
	reported "r['pages']['drained'] == $before"
	end_task
}

# The drain goes on where it was, as slowly as it was, and who waits goes on waiting.
outlives_its_engine()
{
	local waiter owed

	trap '[ $? -eq 0 ] || tell_restore' EXIT
	before_criu=pause_drain
	restore serve
	"$faultin" wait "$engine" &
	waiter=$!
	kill -KILL "$(engine_pid)"
	look
	says 's["engines"] == 2 and s["drain"]["paused"] and p["drained"] == 0 and p["owed"] > 0'
	kill -0 "$waiter" || die "the waiter did not wait"
	"$faultin" resume "$engine" || die "resume: exit status $?"
	wait "$waiter" || die "wait: exit status $?"
	check_engine serve
	end_task
	"$faultin" wait "$engine" 2>"$tmp/err"
	[ $? -eq 3 ] || die "it is waited for what is not there"
	[ "$("$faultin" status)" = "no session is running" ] || die "a session is seen that is not there"
}

# 4 MiB a second: never more, and something.
keeps_a_rate()
{
	local from to

	trap '[ $? -eq 0 ] || tell_restore' EXIT
	before_criu=pause_drain
	restore serve
	stop_task
	await_rest
	"$faultin" rate "$engine" 4M || die "rate: exit status $?"
	look
	from=$(value 's["now_us"]')
	"$faultin" resume "$engine" || die "resume: exit status $?"
	until_true 20 eval 'look; [ "$(value "p[\"drained\"] > 256")" = True ]' ||
		die "the drain does not go on"
	# a chunk of 256 KiB may be given before it counts
	says "(p['drained'] - 64) * 4096 <= 4 * 2**20 * (s['now_us'] - $from) / 1e6 and p['owed'] > 0"
	"$faultin" rate "$engine" 0 || die "rate 0: exit status $?"
	check_engine serve
	end_task
}

# Whoever asks while the session ends learns how, or that there is none any more.
tells_everybody_the_end()
{
	local waiters=() waiter status heard=0

	: >"$tmp/err"
	trap '[ $? -eq 0 ] || tell_restore' EXIT
	before_criu=pause_drain
	restore serve
	stop_task
	"$faultin" resume "$engine" || die "resume: exit status $?"
	# there are places for 32
	while [ "${#waiters[@]}" -lt 24 ] && [ -e "$FAULTIN_RUNTIME_DIR/$engine" ]; do
		"$faultin" wait "$engine" 2>>"$tmp/err" &
		waiters+=($!)
		nap 0.02
	done
	for waiter in "${waiters[@]}"; do
		wait "$waiter"
		status=$?
		[ "$status" -eq 0 ] || [ "$status" -eq 3 ] || {
			tap_comment <"$tmp/err"
			die "wait: exit status $status"
		}
		[ "$status" -ne 0 ] || heard=$((heard + 1))
	done
	echo "# $heard of ${#waiters[@]} have heard of the end"
	check_engine serve
	end_task
}

# Those who connect and do no more, and those who send rubbish.
survives_visitors()
{
	trap '[ $? -eq 0 ] || tell_restore' EXIT
	before_criu=pause_drain
	restore serve
	python3 - "$FAULTIN_RUNTIME_DIR/$engine" "$faultin" "$engine" <<'END' || die "the session was disturbed"
import os, socket, subprocess, sys

def visit(text=b""):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    s.settimeout(20)
    s.sendall(text)
    return s

idle = [visit() for _ in range(25)] + [visit(b'{"version":1,') for _ in range(25)]
for text in b"\n", b"\0\n", b"[" * 4000 + b"\n", b"x" * 5000, b"{}\n", b'{"version":2}\n', os.urandom(3000) + b"\n":
    s = visit()
    try:
        s.sendall(text)
        assert b'"ok":false' in s.makefile("rb").readline(), text
    except (BrokenPipeError, ConnectionResetError):
        pass
lazy = [visit(b'{"version":1,"command":"status"}\n') for _ in range(40)]
answer = visit(b'{"version":1,"command":"status"}\nand more').makefile("rb").readline()
assert b'"ok":true' in answer, answer
subprocess.check_call([sys.argv[2], "status", sys.argv[3]], stdout=subprocess.DEVNULL)
END
	"$faultin" complete || die "complete: exit status $?"
	check_engine serve
	end_task
}

# A session that ends otherwise
fails()
{
	local waiter

	trap '[ $? -eq 0 ] || tell_restore' EXIT
	before_criu=
	work=$case/serve
	rm -rf "$work"
	mkdir "$work"
	start_engine serve
	until_true 10 test -S "$FAULTIN_RUNTIME_DIR/$engine" || die "there is no socket"
	[ "$(stat -c %a "$FAULTIN_RUNTIME_DIR" "$FAULTIN_RUNTIME_DIR/$engine" | tr '\n' ' ')" = "700 600 " ] ||
		die "others can ask"
	"$faultin" wait "$engine" 2>"$tmp/err" &
	waiter=$!
	# the listener, and the waiter's connection
	until_true 10 eval '[ "$(grep -c "/$engine\$" /proc/net/unix)" -ge 2 ]' || die "nobody waits"
	kill -TERM "$engine"
	wait "$waiter"
	[ $? -eq 1 ] || die "what was stopped is called complete"
	grep -q stopped "$tmp/err" || die "said: $(cat "$tmp/err")"
	wait "$engine" && die "the engine's exit status is 0"
	return 0
}

# A directory that others can write to holds no sockets, and the restore goes on without.
mistrusts_directories()
{
	trap '[ $? -eq 0 ] || tell_restore' EXIT
	before_criu=
	mkdir -m 0777 "$tmp/open"
	export FAULTIN_RUNTIME_DIR=$tmp/open
	"$faultin" status 2>"$tmp/err"
	[ $? -eq 1 ] || die "it is asked in a directory of everybody's"
	restore serve
	check_engine serve
	grep -q "no control socket" "$work/engine.log" || die "it says nothing"
	end_task
	ln -s "$tmp/sessions" "$tmp/link"
	FAULTIN_RUNTIME_DIR=$tmp/link "$faultin" status 2>"$tmp/err"
	[ $? -eq 1 ] || die "it follows a link"
}

# What a killed session has left is removed by the next.
sweeps()
{
	trap '[ $? -eq 0 ] || tell_restore' EXIT
	before_criu=
	mkdir -p -m 0700 "$FAULTIN_RUNTIME_DIR"
	python3 -c 'import os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
os.utime(sys.argv[1], (1, 1))' "$FAULTIN_RUNTIME_DIR/1" || die "cannot make a socket"
	[ "$("$faultin" status)" = "no session is running" ] || die "the dead are seen"
	restore serve
	[ ! -e "$FAULTIN_RUNTIME_DIR/1" ] || die "it was not removed"
	check_engine serve
	end_task
}

attempt "linger: dump" dump_scenario linger
case=$tmp/linger
for what in pauses_and_completes outlives_its_engine keeps_a_rate tells_everybody_the_end \
	survives_visitors fails mistrusts_directories sweeps; do
	attempt "${what//_/ }" "$what"
	kill_orphans || until_true 10 kill_orphans
done
tap_done

# top on a terminal: what a person sees, what keys do, sizes, and that the terminal is left as it was.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$abs_top_srcdir/tests/integration/functions.sh"

export PYTHONPATH=$abs_top_srcdir/tests/integration/tools PYTHONDONTWRITEBYTECODE=1
find_python pyte || tap_skip_all "there is no python3 with pyte"
export faultin

# watch: runs standard input, in which top() is a Screen
watch()
{
	"$python" <(
		cat <<'END'
import os, signal, time
from screen import Screen
def top(columns=80, rows=24, *words, **environment):
    return Screen([os.environ["faultin"], "top", "--delay", "0.2", *words], columns, rows, **environment)
def selected(t):
    return [line.split()[0] for line in t.lines() if line.startswith(">")]
END
		cat
	) 9>&- || exit 1
}

# pretend WORD...: sessions that are not (tools/sessions.py)
pretend()
{
	export FAULTIN_RUNTIME_DIR=$tmp/pretended log=$tmp/log
	rm -rf "$FAULTIN_RUNTIME_DIR" "$tmp/ready" "$log"
	"$python" "$abs_top_srcdir/tests/integration/tools/sessions.py" "$FAULTIN_RUNTIME_DIR" "$tmp/ready" \
		"$log" "$@" 9>&- &
	pretender=$!
	trap 'kill "$pretender"' EXIT
	until_true 20 test -e "$tmp/ready" || die "no sessions"
}

without_a_terminal()
{
	"$faultin" top </dev/null >"$tmp/out" 2>"$tmp/err"
	[ $? -eq 1 ] || die "it runs without a terminal"
	[ ! -s "$tmp/out" ] || die "it writes to what is no terminal"
	grep -q "no terminal" "$tmp/err" || die "said: $(cat "$tmp/err")"
	"$faultin" top --delay nonsense 2>/dev/null
	[ $? -eq 2 ] || die "it waits for nonsense"
	"$faultin" top ../x 2>/dev/null
	[ $? -eq 2 ] || die "it takes any name"
	watch <<'END'
t = top(term="no-such-terminal")
t.ends(1)
t.check("'no-such-terminal' is not known" in t.text(), "it does not say what is wrong")
END
}

no_sessions()
{
	watch <<'END'
t = top()
t.shows("faultin top: 0 sessions", "no session is running", "q quit")
t.type("jkpcy st\x1b[B")  # there is nothing to select or to steer
t.type("h")
t.shows("page up, page down")
t.type("q")
t.shows_not("page up, page down")
t.type("q")
t.ends(0)
t.check(b"\x1b[?1049l" in t.raw[-200:], "the screen of before does not come back")
t.check(b"\x1b[?25h" in t.raw[-200:], "the cursor does not come back")
END
}

sessions()
{
	pretend plain hostile failing crowded
	watch <<'END'
t = top(200, 40)
t.shows("4 sessions", "draining", "3.9 MiB/s", "14 us", "80 us", "1200 us", "cccccccccccc",
        "/var/lib/checkpoints/failing", "worker-3", "child", "[.")
t.check(selected(t) == [">1000"], "the first is not selected")
t.type("j")
t.until(lambda: selected(t) == [">1001"], "selects the second")
t.shows("Session 1001:", "\\x1b[31mred")
t.check(b"\x1b]0;" not in t.raw, "a session sends to the terminal")
t.type("\x1bOB")
t.until(lambda: selected(t) == [">1002"], "selects the third")
t.shows("1 spaces could not be served, 3 pages not be read", "failed")
t.type("jjjjj")
t.until(lambda: selected(t) == [">1003"], "stops at the last")
t.shows("worker-0 ", "200 spaces live")
t.type("\x1b[6~")
t.shows("worker-20 ")
t.shows_not("worker-0 ")
t.type("\x1b[6~" * 30)
t.shows("worker-199 ")
t.type("\x1b[5~" * 30)
t.shows("worker-0 ")
t.type("t")
t.shows("sorted by owed")
t.type("t")
t.shows("sorted by faults", "worker-199 ")
t.type("kkkk")
t.until(lambda: selected(t) == [">1000"], "goes back")
t.type("s")
t.shows("sorted by owed")
t.type("ssssS")
t.shows("sorted by session, reversed")
t.until(lambda: [line.split()[0].strip(">") for line in t.lines()[3:7]] == ["1003", "1002", "1001", "1000"],
        "is in reverse order")
t.check(selected(t) == [">1000"], "another is selected")
t.type("q")
t.ends(0)
END
}

steering()
{
	pretend plain plain
	watch <<'END'
log = os.environ["log"]
def logged():
    return open(log).read().split("\n")[:-1] if os.path.exists(log) else []
t = top()
t.shows(">1000", " 1001")
t.type("jp")
t.shows("session 1001: paused")
t.until(lambda: logged() == ["1001 pause"], "pauses")
t.until(lambda: any(line.startswith(">1001") and "paused" in line for line in t.lines()), "shows it")
t.type("r")
t.shows("session 1001: goes on")
t.until(lambda: logged()[1:] == ["1001 resume"], "resumes")
t.type("c")
t.shows("bring in all that is owed")
t.type("n")
t.shows_not("bring in all that is owed")
t.type("c")
t.shows("bring in all that is owed")
t.type("y")
t.shows("session 1001: is being completed", "full speed")
t.check(logged()[2:] == ["1001 complete"], "told: " + repr(logged()))
t.type("q")
t.ends(0)
END
}

sizes()
{
	pretend plain failing mute crowded
	watch <<'END'
t = top()
t.shows(">1000", "does not answer", "ERRORS", "worker-0", "q quit")
for columns, rows, there, missing in (
        (200, 50, ["CONTAINER OR IMAGE", "UID", "P50", "VPID", "worker-3"], []),
        (60, 12, ["DONE", "worker-0"], ["CONTAINER", "P50"]),
        (41, 8, [">1000", "q quit", " 1003"], ["worker", "FAULTS"]),
        (12, 3, [">1000", "q quit"], ["DONE"]),
        (1, 1, [], []),
        (80, 24, ["faultin top: 3 sessions", "FAULTS/S", "worker-3", "help"], ["P50"])):
    t.resize(columns, rows)
    t.shows(*there)
    t.shows_not(*missing)
    t.check(not t.has_ended(), "it ends at %d by %d" % (columns, rows))
t.type("q")
t.ends(0)
END
}

# What does not change is not written again, and nothing is wiped before it is.
without_flicker()
{
	pretend plain crowded
	watch <<'END'
t = top()
t.shows(">1000", "3.9 MiB/s")
begin = len(t.raw)
t.until(lambda: len(t.raw) > begin + 200, "goes on")
written = t.raw[begin:]
t.check(b"\x1b[2J" not in written and b"\x1b[H\x1b[J" not in written, "the screen is wiped")
t.check(b"CHECKPOINTS" not in written and b"FAULTS/S" not in written, "headings are written again")
t.type("\x0c")
t.until(lambda: b"FAULTS/S" in t.raw[begin:], "writes all when it is asked to")
t.type("q")
t.ends(0)
END
}

other_terminals()
{
	pretend plain failing
	watch <<'END'
for environment in {"term": "vt100"}, {"NO_COLOR": "1"}:
    t = top(**environment)
    t.shows(">1000", "worker-3")
    t.type("j")
    t.shows(">1001")
    t.type("q")
    t.ends(0)
    t.check(not any(b"\x1b[3%dm" % color in t.raw for color in range(8)), "colors, though " + repr(environment))
t = top(term="dumb")
t.until(lambda: t.raw.count(b"faultin top: 2 sessions") >= 3, "goes on")
t.check(b">1000" in t.raw and b"worker-3" in t.raw, "not all is shown")
t.type("j")
t.until(lambda: b">1001" in t.raw, "heeds keys")
t.type("q")
t.ends(0)
t.check(b"\x1b" not in t.raw, "escape sequences for a terminal that knows none")
END
}

ends_by_signals()
{
	pretend plain
	watch <<'END'
for term in "xterm-256color", "dumb":
    for number in signal.SIGTERM, signal.SIGHUP:
        t = top(term=term)
        t.shows("worker-3") if term != "dumb" else t.until(lambda: b"worker-3" in t.raw, "begins")
        os.kill(t.pid, number)
        t.ends(-number)
    t = top(term=term)
    t.shows("worker-3") if term != "dumb" else t.until(lambda: b"worker-3" in t.raw, "begins")
    t.type("\x03")
    t.ends(-signal.SIGINT)
t = top()
t.shows("worker-3")
os.close(t.slave)
os.close(t.master)  # nobody looks any more
for _ in range(3000):
    if t.has_ended():
        break
    time.sleep(0.01)
else:
    os.kill(t.pid, signal.SIGKILL)
    print("# it outlives its terminal")
    os._exit(1)
END
}

real_session()
{
	trap '[ $? -eq 0 ] || tell_restore' EXIT
	before_criu=pause_drain
	restore serve
	export engine root
	watch <<'END'
t = top(120, 24)
t.shows(">" + os.environ["engine"], "paused", "scenarios", os.environ["root"])
t.type("cy")
t.shows("no session is running")
t.type("q")
t.ends(0)
END
	check_engine serve
	kill -KILL "$root"
	until_true 10 ended "$root" || die "the task did not end"
	until_true 5 no_orphans
	check_nothing_left serve
}

for what in without_a_terminal no_sessions sessions steering sizes without_flicker other_terminals \
	ends_by_signals; do
	attempt "${what//_/ }" "$what"
done
attempt "linger: dump" dump_scenario linger
case=$tmp/linger
attempt "real session" real_session
kill_orphans || until_true 10 kill_orphans
tap_done

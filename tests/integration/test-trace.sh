# A trace says what happened to each fault, in JSON that others read, whoever dies meanwhile.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$abs_top_srcdir/tests/integration/functions.sh"

command -v python3 >/dev/null || tap_skip_all "there is no python3"
serve_options="--trace trace.json"

# traced EXPRESSION...: of the trace and the summary
traced()
{
	python3 "$abs_top_srcdir/tests/integration/tools/check-trace.py" "$work/trace.json" "$@" ||
		die "the trace is not right"
}

# so_far EXPRESSION...: of the trace as it is now, quietly
so_far()
{
	python3 "$abs_top_srcdir/tests/integration/tools/check-trace.py" "$work/trace.json" "$@" \
		>"$tmp/so-far" 2>&1
}

# Lets the drain go on beside a task that asks for nothing more.
complete()
{
	stop_task
	"$faultin" complete "$engine" || die "complete: exit status $?"
	check_engine serve
}

end_task()
{
	kill -KILL "$root"
	until_true 10 ended "$root" || die "the task did not end"
	until_true 5 no_orphans
	check_nothing_left serve
}

tells_of_each_fault()
{
	trap '[ $? -eq 0 ] || tell_restore' EXIT
	before_criu=pause_drain
	restore serve
	until_true 20 so_far 'len(faults) > 50 and not ended' || {
		tap_comment <"$tmp/so-far"
		die "faults do not come"
	}
	complete
	[ "$(stat -c %a "$work/trace.json")" = 600 ] || die "others may read it"
	traced "$work/summary.json" 'ended and dropped == 0 and len(engines) == 1' \
		'len(faults) == r["faults"] and pages == r["pages"]["demanded"]' \
		'all(e["dur"] <= r["total_us"] for e in faults)' \
		'{e["pid"] for e in faults} == {1} and spaces[1]["comm"] == "scenarios"' \
		"spaces[1]['pid'] == $root and spaces[1]['vpid'] == $root and spaces[1]['image'] == $root" \
		'ends[0]["args"]["drained"] == r["pages"]["drained"]' \
		'[c["args"]["owed"] for c in counters if c["pid"] == 1][0] <= r["pages"]["lazy"]' \
		'[c["args"]["owed"] for c in counters if c["pid"] == 0][-1] == 0' \
		'[e["name"] for e in events if e["name"].startswith("restore ")] == ["restore begins", "restore finished"]'
	is_drawn
	end_task
}

# The same trace over the checkpoint: figures that are counted in another way, and what is no trace of it.
is_drawn()
{
	"$faultin" inspect "$case/img" --trace "$work/trace.json" --json --html "$tmp/page.html" \
		>"$tmp/report.json" || die "inspect: exit status $?"
	python3 - "$work/trace.json" "$tmp/report.json" <<'END' || die "the report is not right"
import json, sys
events = json.load(open(sys.argv[1]))
report = json.load(open(sys.argv[2]))
trace, space = report["trace"], report["trace"]["spaces"][0]
faults = [e for e in events if e.get("cat") == "fault"]
pages = [int(e["args"]["addr"], 16) for e in faults]
assert trace["complete"] and trace["events_missing"] == 0 and len(trace["spaces"]) == 1
assert trace["faults"] == space["faults"] == len(faults) == sum(m["faults"] for m in space["maps"])
assert space["touched"] == len(set(pages)) == sum(m["touched"] for m in space["maps"])
assert space["given"] == sum(m["given"] for m in space["maps"])
assert space["given"] + space["drained"] + space["dropped"] == space["lazy"], space
assert space["lazy"] == report["memory"]["lazy"] == sum(m["lazy"] for m in space["maps"])
assert sum(space["answers"].values()) == len(faults)
for m in space["maps"]:
    if "start" in m:
        inside = [p for p in pages if int(m["start"], 16) <= p < int(m["end"], 16)]
        assert len(inside) == m["faults"] and len(set(inside)) == m["touched"], m
touched = [m["first_us"] for m in space["maps"] if m["faults"]]
assert touched == sorted(touched)
assert [point[1] * 4096 for point in space["points"]] == pages[:20000]
durations = sorted(e["dur"] for e in faults)
assert abs(space["latency_ns"]["max"] / 1000 - durations[-1]) < 0.01
assert durations[0] * 1000 <= space["latency_ns"]["p50"] <= space["latency_ns"]["p99"]
END
	grep -q '"trace": *{' "$tmp/page.html" || die "the page has no trace"
	"$faultin" inspect "$case/img" --trace "$work/trace.json" >"$tmp/text" || die "no text"
	grep -q "^Trace: [0-9]* faults\$" "$tmp/text" || die "the text has no trace"
	head -c -40 "$work/trace.json" >"$tmp/cut.json"
	"$faultin" inspect "$case/img" --trace "$tmp/cut.json" >"$tmp/text" || die "half a line is not forgiven"
	grep -q "was cut off" "$tmp/text" || die "it does not say that it was cut off"
	"$faultin" inspect "$case/img" --trace "$work/summary.json" 2>"$tmp/err"
	[ $? -eq 1 ] && grep -q "is no trace of faultin serve" "$tmp/err" || die "takes what is no trace"
	sed 's/"image":[0-9]*,/"image":1,/' "$work/trace.json" >"$tmp/other.json"
	"$faultin" inspect "$case/img" --trace "$tmp/other.json" 2>"$tmp/err"
	[ $? -eq 1 ] && grep -q "of another checkpoint" "$tmp/err" || die "takes another one's trace"
}

# What the first engine told is there once, and the second one's behind it.
outlives_its_engine()
{
	trap '[ $? -eq 0 ] || tell_restore' EXIT
	before_criu=pause_drain
	restore serve
	until_true 20 so_far 'len(faults) > 20' || die "faults do not come"
	kill -KILL "$(engine_pid)"
	until_true 10 so_far 'not ended' || die "not JSON after the engine's death: $(<"$tmp/so-far")"
	until_true 20 so_far 'len(engines) == 2 and engines[1]["args"]["engine"] == 2' \
		'len([e for e in faults if e["ts"] > engines[1]["ts"]]) > 20' || {
		tap_comment <"$tmp/so-far"
		die "the second engine tells nothing"
	}
	complete
	# The fault at which the engine was killed may be counted already, and not yet written down.
	traced "$work/summary.json" 'ended and dropped == 0 and len(engines) == 2' \
		'len({(e["ts"], e["args"]["addr"]) for e in faults}) == len(faults)' \
		'len(faults) >= r["faults"] - 1' \
		'len([e for e in events if e["name"] == "restore finished"]) == 1'
	end_task
}

follows_forks()
{
	trap '[ $? -eq 0 ] || tell_restore' EXIT
	before_criu=pause_drain
	restore serve
	check_verdict
	"$faultin" complete "$engine" || die "complete: exit status $?"
	check_engine serve
	end_task
	traced "$work/summary.json" 'ended and len(forks) == r["events"]["fork"] > 0' \
		'len(faults) + dropped >= r["faults"] and (dropped or len(faults) == r["faults"])' \
		'{e["args"]["child"] for e in forks} | {1} == {e["pid"] for e in ends}'
	children_have_pids_of_their_own
}

# ... as far as the kernel has told of them in time, and never their parent's.
children_have_pids_of_their_own()
{
	"$faultin" inspect --json "$case/img" --trace "$work/trace.json" >"$tmp/report.json" ||
		die "inspect: exit status $?"
	python3 - "$work/trace.json" "$tmp/report.json" "$root" <<'END' || die "the report names somebody else"
import json, sys
names = {e["pid"]: e["args"] for e in json.load(open(sys.argv[1])) if e["name"] == "process_name"}
spaces = json.load(open(sys.argv[2]))["trace"]["spaces"]
root = int(sys.argv[3])
assert len(spaces) > 1 and len(spaces) == len(names) - 1, spaces
for space in spaces:
    assert space["task"] == root, space
    assert space.get("pid", 0) == names[space["space"]]["vpid"], space
    assert (space.get("pid") == root) == ("parent" not in space), space
END
}

# Its name leads nowhere else, and nobody at its other end can stop the engine.
refuses_links_and_pipes()
{
	mkdir -p "$case/refused"
	ln -s elsewhere "$case/refused/link"
	mkfifo "$case/refused/pipe"
	"$faultin" serve -D "$case/img" -W "$case/refused" --trace link 2>"$tmp/err"
	[ $? -eq 1 ] || die "a link is followed"
	grep -q "cannot create trace 'link'" "$tmp/err" || die "it says: $(<"$tmp/err")"
	exec 8<>"$case/refused/pipe"
	"$faultin" serve -D "$case/img" -W "$case/refused" --trace pipe 2>"$tmp/err"
	[ $? -eq 1 ] || die "a pipe is taken"
	grep -q "'pipe' is not a file that a trace can be in" "$tmp/err" || die "it says: $(<"$tmp/err")"
	[ ! -e "$case/refused/elsewhere" ] || die "something was made"
}

# A restore that nobody but the plugin serves: in a file of its own, by the settings.
is_wanted_by_settings()
{
	local files

	printf 'minimum-size = 0\ntrace = yes\n' >"$tmp/traces.conf"
	FAULTIN_CONFIG=$tmp/traces.conf
	restore_and_judge transparent
	files=("$work"/faultin-trace-*.json)
	[ "${#files[@]}" -eq 1 ] && [ -f "${files[0]}" ] || die "traces: ${files[*]}"
	[ "$(stat -c %a "${files[0]}")" = 600 ] || die "others may read it"
	mv "${files[0]}" "$work/trace.json"
	traced 'ended and len(engines) == 1 and len(ends) > 0'
	"$faultin" inspect "$case/img" --trace "$work/trace.json" >"$tmp/text" || die "inspect: exit status $?"
	grep -q "^Trace: [0-9]* faults\$" "$tmp/text" || die "the text has no trace"
}

attempt "linger: dump" dump_scenario linger
case=$tmp/linger
for what in tells_of_each_fault outlives_its_engine refuses_links_and_pipes; do
	attempt "${what//_/ }" "$what"
	kill_orphans || until_true 10 kill_orphans
done
remove_case linger
attempt "fork-both: dump" dump_scenario fork-both
case=$tmp/fork-both
attempt "follows forks" follows_forks
kill_orphans || until_true 10 kill_orphans
attempt "is wanted by settings" is_wanted_by_settings
kill_orphans || until_true 10 kill_orphans
tap_done

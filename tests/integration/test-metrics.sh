# Metrics are valid OpenMetrics text, say what the status says, and are what the dashboard asks for.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$abs_top_srcdir/tests/integration/functions.sh"

sources=$abs_top_srcdir/tests/integration/tools
doc=$abs_top_srcdir/doc
find_python prometheus_client.openmetrics.parser ||
	tap_skip_all "there is no python3 with prometheus_client"

# pretend WORD...: sessions that are not (tools/sessions.py)
pretend()
{
	export FAULTIN_RUNTIME_DIR=$tmp/pretended
	rm -rf "$FAULTIN_RUNTIME_DIR" "$tmp/ready"
	"$python" "$sources/sessions.py" "$FAULTIN_RUNTIME_DIR" "$tmp/ready" "$tmp/log" "$@" 9>&- &
	pretender=$!
	trap 'kill "$pretender"' EXIT
	until_true 20 test -e "$tmp/ready" || die "no sessions"
}

# valid FILE EXPRESSION...
valid()
{
	"$python" "$sources/check-metrics.py" "$@" 2>"$tmp/why" || {
		tap_comment <"$1"
		tap_comment <"$tmp/why"
		die "it is not as it should be"
	}
}

no_sessions()
{
	"$faultin" metrics >"$tmp/text" || die "exit status $?"
	valid "$tmp/text" 'm("faultin_sessions") == 0' 'm("faultin_sessions_unheard") == 0' \
		'len(samples) == 2'
}

many_sessions()
{
	pretend plain hostile failing
	"$faultin" metrics >"$tmp/text" || die "exit status $?"
	valid "$tmp/text" 'm("faultin_sessions") == 3' \
		'm("faultin_pages_owed", session="1000") == 261144' \
		'm("faultin_pages_total", session="1000", how="drained") == 1000' \
		'm("faultin_pages_total", session="1002", how="poisoned") == 3' \
		'm("faultin_faults_total", session="1000", container="c" * 64) == 1050' \
		'm("faultin_session_seconds", session="1001") == 2.5' \
		'm("faultin_engines_total", session="1002") == 2' \
		'm("faultin_fault_latency_seconds_bucket", session="1000", le="1.6384e-05") == 960' \
		'm("faultin_fault_latency_seconds_bucket", session="1000", le="+Inf") == 1000' \
		'm("faultin_fault_latency_seconds_count", session="1000") == 1000' \
		'm("faultin_fault_latency_seconds_sum", session="1000") == 0.02' \
		'm("faultin_session_state", session="1000", state="draining") == 1' \
		'"\\x0d" in [s.labels["image"] for s in samples if s.name == "faultin_session_info"][1]' \
		"all(s.labels.get('uid', '0') == '$(id -u)' for s in samples)"
	"$faultin" metrics 1002 >"$tmp/text" || die "exit status $?"
	valid "$tmp/text" 'm("faultin_sessions") == 1'
	"$faultin" metrics 7 >"$tmp/text" 2>&1
	[ $? -eq 3 ] || die "a session that is not there has metrics"
}

silent_sessions()
{
	pretend plain mute
	"$faultin" metrics >"$tmp/text" 2>"$tmp/err"
	[ $? -eq 1 ] || die "nobody was missed"
	grep -q "session 1001: it does not answer" "$tmp/err" || die "said: $(cat "$tmp/err")"
	valid "$tmp/text" 'm("faultin_sessions") == 1' 'm("faultin_sessions_unheard") == 1'
}

into_a_file()
{
	local dir=$tmp/collector before

	mkdir "$dir"
	umask 022
	pretend plain
	"$faultin" metrics --output "$dir/faultin.prom" || die "exit status $?"
	valid "$dir/faultin.prom" 'm("faultin_sessions") == 1'
	[ "$(stat -c %a "$dir/faultin.prom")" = 644 ] || die "who collects it cannot read it"
	before=$(stat -c %i "$dir/faultin.prom")
	exec 8<"$dir/faultin.prom" # so that its number is not given again
	(cd "$dir" && "$faultin" metrics -o faultin.prom) || die "exit status $?"
	[ "$(stat -c %i "$dir/faultin.prom")" != "$before" ] || die "it is written in place"
	[ "$(ls -A "$dir")" = faultin.prom ] || die "left behind: $(ls -A "$dir")"
	"$faultin" metrics -o "$tmp/nothing/faultin.prom" 2>"$tmp/err"
	[ $? -eq 1 ] && grep -q "cannot write" "$tmp/err" || die "it does not say that it cannot"
	"$faultin" metrics >/dev/full 2>"$tmp/err"
	[ $? -eq 1 ] || die "a full disk is not seen"
	"$faultin" metrics --output 2>/dev/null
	[ $? -eq 2 ] || die "an option without its value is taken"
}

# The families in the page are those that there are.
documented()
{
	pretend plain
	"$faultin" metrics >"$tmp/text" || die "exit status $?"
	diff <(sed -n 's/^# TYPE \([^ ]*\) .*/\1/p' "$tmp/text" | sort) \
		<(sed -n 's/^\*\(faultin_[a-z_]*\)\*.*/\1/p' "$doc/faultin-metrics.5.scd" |
			sed 's/_total$//' | sort) >"$tmp/diff" || {
		tap_comment <"$tmp/diff"
		die "faultin-metrics(5) lists others"
	}
}

# And whatever the dashboard asks for exists, with the labels that it asks for.
dashboard()
{
	pretend plain
	"$faultin" metrics >"$tmp/text" || die "exit status $?"
	"$python" - "$doc/faultin-grafana.json" "$tmp/text" <<'END' || die "the dashboard asks for what is not there"
import json, re, sys
from prometheus_client.openmetrics import parser
samples = {}
for family in parser.text_string_to_metric_families(open(sys.argv[2]).read()):
    for sample in family.samples:
        samples.setdefault(sample.name, set()).update(sample.labels)
board = json.load(open(sys.argv[1]))
asked = [t["expr"] for p in board["panels"] for t in p.get("targets", [])]
asked += [v["query"]["query"] for v in board["templating"]["list"] if v["type"] == "query"]
assert len(asked) > 8
used = set()
for expression in asked:
    names = re.findall(r"\bfaultin_[a-z_]+", expression)
    assert names, expression
    for name in names:
        assert name in samples, name
        used.add(name)
    for selector in re.findall(r"(faultin_[a-z_]+)\{([^}]*)\}", expression):
        for label in re.findall(r"(\w+)\s*(?:=|!=|=~|!~)", selector[1]):
            assert label in samples[selector[0]] | {"instance", "job"}, (expression, label)
ids = [p["id"] for p in board["panels"]]
assert len(ids) == len(set(ids))
for panel in board["panels"]:
    assert panel["title"] and panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
assert len(used) >= 10, used
END
}

# A real one: its own words, and those of the verb; and what it has counted
real_session()
{
	trap '[ $? -eq 0 ] || tell_restore' EXIT
	before_criu=pause_drain
	restore serve
	stop_task
	await_rest
	"$faultin" status --json "$engine" >"$tmp/status" || die "status: exit status $?"
	"$faultin" metrics >"$tmp/text" || die "metrics: exit status $?"
	"$python" - "$FAULTIN_RUNTIME_DIR/$engine" >"$tmp/own" <<'END' || die "the session has no metrics"
import json, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(b'{"version":1,"command":"metrics"}\n')
reply = json.loads(s.makefile("rb").readline())
assert reply["ok"] and reply["version"] == 1
sys.stdout.write(reply["metrics"])
END
	diff <(grep -v '^faultin_session_seconds' "$tmp/text") \
		<(grep -v '^faultin_session_seconds' "$tmp/own") >"$tmp/diff" || {
		tap_comment <"$tmp/diff"
		die "the session says something else"
	}
	value()
	{
		"$python" -c '
import json, sys
s = json.load(open(sys.argv[1]))["sessions"][0]
print(eval(sys.argv[2]))' "$tmp/status" "$1"
	}
	valid "$tmp/own" "m('faultin_sessions') == 1" \
		"m('faultin_pages_owed', session='$engine') == $(value 's["pages"]["owed"]')" \
		"m('faultin_faults_total') == $(value 's["faults"]') > 0" \
		"m('faultin_fault_latency_seconds_count') == $(value 's["latency_ns"]["count"]') > 0" \
		"0 < m('faultin_fault_latency_seconds_sum') < 100" \
		"m('faultin_drain_paused') == 1" "m('faultin_tasks') == 1"
	"$faultin" complete "$engine" || die "complete: exit status $?"
	check_engine serve
	kill -KILL "$root"
	until_true 10 ended "$root" || die "the task did not end"
	until_true 5 no_orphans
	check_nothing_left serve
}

for what in no_sessions many_sessions silent_sessions into_a_file documented dashboard; do
	attempt "${what//_/ }" "$what"
done
attempt "linger: dump" dump_scenario linger
case=$tmp/linger
attempt "real session" real_session
kill_orphans || until_true 10 kill_orphans
tap_done

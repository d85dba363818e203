# The benchmark runs, says its figures as JSON, and does not overlook wrong pages. How fast anything
# is, is not asked here.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$abs_top_srcdir/tests/harness/tap.sh"

[ "$(id -u)" -eq 0 ] || tap_skip_all "CRIU wants root"
[ -n "${CRIU:-}" ] || tap_skip_all "there is no CRIU: see ./bootstrap criu"
command -v python3 >/dev/null || tap_skip_all "there is no python3"

work=$(mktemp -d "${TMPDIR:-/var/tmp}/faultin-test.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 143' TERM INT HUP

# bench ARGUMENT...: a little of it
bench()
{
	timeout -k 30 240 python3 "$abs_top_srcdir/tests/bench/run" --build "$abs_top_builddir" \
		--dir "$work" --quick --jobs touched-001 --modes plain,serve,plugin "$@" \
		>"$work/out" 2>&1
	status=$?
	tap_comment <"$work/out"
}

bench --json "$work/figures.json"
tap_ok "$status" "a job is done in all our modes"

python3 - "$work/figures.json" 2>&1 <<'END' | tap_comment
import json, sys
document = json.load(open(sys.argv[1]))
assert document["schema"] == 1 and not document["failures"]
assert all(document["setting"][key] for key in ("date", "kernel", "criu", "faultin", "cpu"))
(job,) = document["jobs"]
assert sorted(job["results"]) == ["plain", "plugin", "serve"]
for metrics in job["results"].values():
    for metric in job["shows"]:
        assert metrics[metric]["median"] > 0 and metrics[metric]["unit"] == "ms"
END
tap_ok "${PIPESTATUS[0]}" "the JSON holds what README.md says"

bench --spoil
grep -q 'serve: WRONG' "$work/out"
tap_ok $? "wrong pages are told"
[ "$status" -eq 1 ]
tap_ok $? "wrong pages fail the run"

left=$(find "$work" -mindepth 1 ! -name out ! -name figures.json)
[ -z "$left" ] || tap_comment <<<"$left"
[ -z "$left" ]
tap_ok $? "nothing is left behind"
tap_done

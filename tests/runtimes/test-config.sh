# faultin config: which settings hold, where each comes from, and what is wrong.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$abs_top_srcdir/tests/harness/tap.sh"

faultin=$abs_top_builddir/faultin
tmp=$(mktemp -d "${TMPDIR:-/tmp}/faultin-test.XXXXXX") || exit 1
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/image" "$tmp/bundle"
export FAULTIN_CONFIG=$tmp/system.conf

# says STATUS EXPECTED WORD...: exit status, and both outputs, of faultin config WORD...
says()
{
	local status=$1 expected=$2 said got

	shift 2
	said=$("$faultin" config "$@" 2>&1)
	got=$?
	[ "$got" -eq "$status" ] || echo "# exit status $got, not $status"
	[ "$said" = "$expected" ] || diff <(echo "$expected") <(echo "$said") | tap_comment
	[ "$got" -eq "$status" ] && [ "$said" = "$expected" ]
	tap_ok $? "config ${*//"$tmp/"/}"
}

built_in="mode         = auto             # built in
minimum-size = 16M              # built in
eager        = none             # built in
lazy-shared  = no               # built in
drain        = background       # built in
drain-rate   = 0                # built in
threads      = auto             # built in
log-level    = warning          # built in
log-file     = faultin.log      # built in
trace        = no               # built in"
says 0 "$built_in"
says 0 "" --check
says 0 "$built_in" -D "$tmp/image"

cat >"$FAULTIN_CONFIG" <<-'END'
	# for all
	minimum-size = 1G

	drain = eager  # no patience
	log-file = /var/log/faultin.log
END
printf 'eager = heap\ndrain=demand\n' >"$tmp/image/faultin.conf"
cat >"$tmp/bundle/config.json" <<-'END'
	{ "ociVersion": "1.0.2", "annotations": {
	  "org.faultin.mode": "transparent", "org.faultin.threads": "2", "org.other.mode": "x" } }
END
says 0 "mode         = transparent      # $tmp/bundle/config.json
minimum-size = 1G               # $FAULTIN_CONFIG:2
eager        = heap             # $tmp/image/faultin.conf:1
lazy-shared  = no               # built in
drain        = demand           # $tmp/image/faultin.conf:2
drain-rate   = 0                # built in
threads      = 2                # $tmp/bundle/config.json
log-level    = warning          # built in
log-file     = /var/log/faultin.log # $FAULTIN_CONFIG:5
trace        = no               # built in" -D "$tmp/image" --bundle "$tmp/bundle"

says 0 "mode         = transparent      # $tmp/bundle/config.json
threads      = 2                # $tmp/bundle/config.json" --bundle "$tmp/bundle" --only container /dev/null
says 2 "faultin config: --only wants system, image or container, not 'nobody'
Try 'faultin config --help'." --only nobody

# what is printed is read again
"$faultin" config -D "$tmp/image" >"$tmp/again.conf"
sed 's/ *#.*//' "$tmp/again.conf" >"$tmp/expected"
"$faultin" config "$tmp/again.conf" | sed 's/ *#.*//' | diff "$tmp/expected" - | tap_comment
[ "${PIPESTATUS[2]}" -eq 0 ]
tap_ok $? "what it prints is a faultin.conf"

# a file with errors counts as a whole, and all of them are named
printf 'drain = demand\nmood = off\n\nthreads = many\n' >"$tmp/bad.conf"
says 1 "$tmp/bad.conf:2: unknown key 'mood'
$tmp/bad.conf:4: 'many' is no value of threads, which is 'auto' or from 1 to 16" --check "$tmp/bad.conf"
"$faultin" config "$tmp/bad.conf" 2>/dev/null | diff <(echo "$built_in") - | tap_comment
[ "${PIPESTATUS[1]}" -eq 0 ]
tap_ok $? "a file with an error counts for nothing"

printf 'threads = 2\n' >"$tmp/image/faultin.conf"
says 1 "$tmp/image/faultin.conf:1: threads is not an image's to say" --check -D "$tmp/image"
rm "$tmp/image/faultin.conf"
ln -s ../again.conf "$tmp/image/faultin.conf"
says 1 "$tmp/image/faultin.conf: 'faultin.conf': Too many levels of symbolic links" --check -D "$tmp/image"
says 1 "$tmp/none.conf: there is no such file" --check "$tmp/none.conf"
says 1 "$tmp/none: No such file or directory" --check -D "$tmp/none"

echo '{ "annotations": { "org.faultin.drain": "demand", "org.faultin.log-file": "x",
	"org.faultin.threads": 2 } }' >"$tmp/bundle/config.json"
says 1 "$tmp/bundle/config.json: annotation 'org.faultin.log-file': log-file is not a container's to say
$tmp/bundle/config.json: annotation 'org.faultin.threads': it is not a string" --check --bundle "$tmp/bundle"
echo '{ "annotations": ' >"$tmp/bundle/config.json"
says 1 "$tmp/bundle/config.json: it is not an object of JSON" \
	--check --bundle "$tmp/bundle"
echo '{ "annotations": 7 }' >"$tmp/bundle/config.json"
says 0 "" --check --bundle "$tmp/bundle"

says 2 "faultin config: unknown option '--nonsense'
Try 'faultin config --help'." --nonsense
says 2 "faultin config: unexpected 'b'
Try 'faultin config --help'." a b

if command -v python3 >/dev/null; then
	"$faultin" config --json "$tmp/bad.conf" 2>&1 | python3 -c '
import json, sys
said = json.load(sys.stdin)
assert said["version"] == 1
assert said["settings"]["mode"] == {"value": "auto", "origin": "built in"}, said
assert [(e["line"], e["file"] == sys.argv[1]) for e in said["errors"]] == [(2, True), (4, True)]
' "$tmp/bad.conf" 2>&1 | tap_comment
	[ "${PIPESTATUS[1]}" -eq 0 ]
	tap_ok $? "config --json with errors"
	"$faultin" config --json | python3 -c '
import json, sys
said = json.load(sys.stdin)
assert said["settings"]["drain"] == {"value": "eager", "origin": "system", "file": sys.argv[1],
                                     "line": 4}, said
assert said["errors"] == []
' "$FAULTIN_CONFIG" 2>&1 | tap_comment
	[ "${PIPESTATUS[1]}" -eq 0 ]
	tap_ok $? "config --json"
else
	tap_skip "config --json" "there is no python3"
fi
tap_done

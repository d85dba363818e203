# Sessions of other users: root sees and steers them, others see their own.
# SPDX-License-Identifier: GPL-2.0-or-later
# Anew, where /run is the test's own.
if [ -z "${FI_OWN_RUN:-}" ] && unshare -m true 2>/dev/null; then
	export FI_OWN_RUN=yes
	exec unshare -m bash "$0" "$@"
fi
. "$abs_top_srcdir/tests/integration/functions.sh"

[ -n "${FI_OWN_RUN:-}" ] || tap_skip_all "no namespace of mounts can be made"
mount -t tmpfs none /run || exit 1
unset FAULTIN_RUNTIME_DIR
command -v python3 >/dev/null || tap_skip_all "there is no python3"

other=4711 # nobody's

# as_other COMMAND...
as_other()
{
	XDG_RUNTIME_DIR=/run/user/$other setpriv --reuid "$other" --regid "$other" --clear-groups "$@"
}

# waits_to_serve WHO [COMMAND]: a session that waits for CRIU, in $session
waits_to_serve()
{
	work=$tmp/$1
	mkdir "$work"
	[ "$1" = root ] || chown "$other" "$work"
	$2 "$faultin" serve -D "$case/img" -W "$work" -o engine.log --pidfile pid -d 9>&- ||
		die "serve: exit status $?"
	session=$(<"$work/pid")
}

# sees WORDS: what `status --json` shows as NAME/UID, and the exit status
sees()
{
	local got

	got=$("${@:2}" status --json | python3 -c '
import json, sys
print(*("%s/%s" % (s["name"], s["uid"]) for s in json.load(sys.stdin)["sessions"]))')
	[ "$got" = "$1" ] || die "${*:2} sees '$got', not '$1'"
}

others_sessions()
{
	local own theirs

	chmod 711 "$tmp" "$case"
	chmod -R a+rX "$case/img"
	mkdir -p "/run/user/$other"
	chown "$other" "/run/user/$other"
	chmod 0700 "/run/user/$other"
	waits_to_serve root
	own=$session
	waits_to_serve other as_other
	theirs=$session
	sees "$own/0 $theirs/$other" "$faultin"
	sees "$theirs/$other" as_other "$faultin"
	"$faultin" status >"$tmp/text" || die "status: exit status $?"
	grep -q "^session $theirs of user $other: waiting" "$tmp/text" || {
		tap_comment <"$tmp/text"
		die "it does not say whose session it is"
	}
	"$faultin" pause "$theirs" || die "root cannot steer"
	"$faultin" status "$theirs" | grep -q "of user $other: waiting, paused" || die "it is not paused"
	as_other "$faultin" pause "$own" 2>/dev/null
	[ $? -eq 3 ] || die "others can steer root's session"

	# all: one's own, when something is waited for
	"$faultin" wait 2>"$tmp/err" &
	waiter=$!
	until_true 10 eval '[ "$(grep -c "/$own\$" /proc/net/unix)" -ge 2 ]' || die "nobody waits"
	kill -TERM "$own"
	wait "$waiter"
	[ $? -eq 1 ] || die "wait: it did not end as the session did: $(cat "$tmp/err")"
	grep -q "session $own: stopped" "$tmp/err" || die "said: $(cat "$tmp/err")"
	kill -TERM "$theirs"
	until_true 10 no_orphans || die "they do not end"
}

# Directories and sockets that somebody has prepared for root.
traps()
{
	local dir=/run/user/$other/faultin

	rm -rf "$dir"
	mkdir -m 0700 "$dir"
	chown "$other" "$dir"
	# a third user listens at a socket in it
	python3 - "$dir" "$other" "$tmp/third" <<'END' &
import os, socket, sys
directory, other, ready = sys.argv[1:]
s = socket.socket(socket.AF_UNIX)
s.bind(directory + "/5")
os.seteuid(9)
s.listen(5)
os.seteuid(0)
open(ready, "w").close()
s.settimeout(60)
try:
    c, _ = s.accept()
    sys.exit(1 if c.recv(1) else 0)
except socket.timeout:
    sys.exit(2)
END
	third=$!
	until_true 20 test -e "$tmp/third" || die "the third does not listen"
	"$faultin" status 5 2>"$tmp/err"
	[ $? -eq 1 ] || die "a stranger's socket is asked"
	wait "$third" || die "something was said to a stranger (exit status $?)"
	chmod 0755 "$dir"
	[ "$("$faultin" status)" = "no session is running" ] || die "an open directory is looked at"
	rm -rf "$dir"
	ln -s /run/faultin "$dir"
	[ "$("$faultin" status)" = "no session is running" ] || die "a link is followed"
}

attempt "small-tree: dump" dump_scenario small-tree
case=$tmp/small-tree
attempt "others' sessions" others_sessions
attempt "traps" traps
kill_orphans || until_true 10 kill_orphans
tap_done

# Who is not asked to a session neither disturbs it nor gets anything of it.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$abs_top_srcdir/tests/integration/functions.sh"

command -v python3 >/dev/null || tap_skip_all "there is no python3"

# What another user gets who connects to the sockets in its arguments: the first fence is the files'
# mode, the second is the question who it is, which is met when somebody has opened the first.  All
# connections are kept until the end of the input.
cat >"$tmp/stranger" <<'END'
import array, os, socket, sys

os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
kept = []
for path in sys.argv[2:]:
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20)
    try:
        s.connect(path)
    except PermissionError:
        print("refused")
        continue
    if sys.argv[1] == "task":  # as a task does: a vpid, and a descriptor of nobody's
        try:
            s.sendall(b"\1\0\0\0")
            s.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                array.array("i", [0]))])
        except (BrokenPipeError, ConnectionResetError):
            pass  # it was closed before
    elif sys.argv[1] == "ask":
        try:
            s.sendall(b'{"command":"pause"}\n')
        except (BrokenPipeError, ConnectionResetError):
            pass
    try:
        data, ancillary, _, _ = s.recvmsg(4096, socket.CMSG_SPACE(64))
    except ConnectionResetError:
        data, ancillary = b"", []
    kept.append(s)
    print("given %d bytes and %d messages" % (len(data), len(ancillary)))
END

# stranger HOW PATH: what became of it, in $answer
stranger()
{
	answer=$(python3 "$tmp/stranger" "$@") || die "the stranger failed: $answer"
}

# Everybody may look for the sockets.
open_doors()
{
	chmod 755 "$tmp" "$case" "$work"
}

visit()
{
	local lazy=$work/lazy-pages.socket control=$FAULTIN_RUNTIME_DIR/$engine

	open_doors
	stranger task "$lazy"
	[ "$answer" = refused ] || die "lazy-pages.socket: $answer"
	stranger ask "$control"
	[ "$answer" = refused ] || die "the control socket: $answer"

	chmod 666 "$lazy" "$control"
	chmod 711 "$FAULTIN_RUNTIME_DIR"
	for _ in 1 2 3; do
		stranger task "$lazy"
		[ "$answer" = "given 0 bytes and 0 messages" ] || die "lazy-pages.socket: $answer"
		stranger ask "$control"
		[ "$answer" = "given 0 bytes and 0 messages" ] || die "the control socket: $answer"
	done
	chmod 700 "$FAULTIN_RUNTIME_DIR"
}

# Before CRIU comes, which then finds its place free.
are_sent_away()
{
	local before_criu=visit

	trap '[ $? -eq 0 ] || tell_restore' EXIT
	restore serve
	check_verdict
	check_engine serve
	[ "$(grep -c 'refused a connection from uid 65534' "$work/engine.log")" = 3 ] ||
		die "the log does not tell of them"
	! grep -q 'the drain is paused' "$work/engine.log" || die "a stranger was obeyed"
	rm "$case/run/stay"
	until_true 10 no_orphans
	check_nothing_left serve
}

attempt "tree: dump" dump_scenario tree
case=$tmp/tree
attempt "strangers are sent away" are_sent_away
tap_done

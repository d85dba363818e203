# The command line of `faultin serve` is that of `criu lazy-pages`: each thing is tried on both.
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What CRIU 4.2.1 does and we do not imitate: it leaves the socket behind when it ends; without
# pstree.img it waits for the tasks of an empty tree instead of complaining; it says nothing when all
# went well, where we say one line on standard error or in the log; and it is killed by SIGTERM, of
# which we make an exit status of 1.
. "$abs_top_srcdir/tests/integration/functions.sh"

attempt "small-tree: dump" dump_scenario small-tree
case=$tmp/small-tree
work=$tmp/work

# server peer|serve: the words of the command in $server, and a fresh work directory
set_server()
{
	case $1 in
	peer) server=("$CRIU" lazy-pages) ;;
	serve) server=("$faultin" serve) ;;
	esac
	rm -rf "$work"
	mkdir "$work"
	: >"$tmp/ends"
	rm -f "$case/run/result" "$case/run/stay"
}

listens()
{
	[ -S "$work/lazy-pages.socket" ]
}

# background ARGUMENT...: the server, in the foreground as it sees it; its pid in $engine
background()
{
	"${server[@]}" "$@" >"$tmp/out" 2>"$tmp/err" 9>&- &
	engine=$!
	until_true 10 listens || die "it does not listen: $(cat "$tmp/err")"
}

# expect_end SECONDS STATUS...
expect_end()
{
	local status limit=$1

	shift

	until_true "$limit" eval '! kill -0 $engine 2>/dev/null' || {
		kill -KILL "$engine"
		die "it did not end in $limit s"
	}
	wait "$engine"
	status=$?
	[[ " $* " = *" $status "* ]] || die "exit status $status, expected $*"
}

# run ARGUMENT...: the server; says its exit status in $status
run()
{
	timeout -k 5 60 "${server[@]}" "$@" >"$tmp/out" 2>"$tmp/err" 9>&-
	status=$?
}

restore_it()
{
	timeout -k 5 60 "$CRIU" restore -d --lazy-pages -D "$case/img" -W "$work" --pidfile pid \
		-o restore.log -v4 9>&- || {
		tail_log "$work/restore.log"
		die "criu restore failed"
	}
	root=$(<"$work/pid")
	until_true 30 ended "$root" || die "the task did not end"
	[ "$(<"$case/run/result")" = ok ] || die "the program saw wrong memory"
}

# --- what works ---------------------------------------------------------------------------------

foreground()
{
	set_server "$1"
	background -D "$case/img" -W "$work"
	restore_it
	expect_end 10 0
	[ ! -s "$tmp/out" ] || die "it writes to standard output"
	[ "$(wc -l <"$tmp/err")" -le 1 ] || die "it talks more than needed: $(<"$tmp/err")"
}

log_file()
{
	set_server "$1"
	background -W "$work" -v4 -D "$case/img" -o engine.log
	restore_it
	expect_end 10 0
	[ -s "$work/engine.log" ] || die "no log in the work directory"
	[ "$(stat -c %a "$work/engine.log")" = 600 ] || die "others can read the log"
	[ ! -s "$tmp/err" ] || die "it writes to standard error beside its log"
}

log_to_stderr()
{
	set_server "$1"
	background --verbosity=4 --images-dir "$case/img" --work-dir "$work"
	restore_it
	expect_end 10 0
	[ -s "$tmp/err" ] || die "no log on standard error"
	[ ! -s "$tmp/out" ] || die "it writes to standard output"
}

work_dir_is_images_dir()
{
	set_server "$1"
	cp -r "$case/img" "$work/img"
	(cd "$work/img" && exec "${server[@]}" >"$tmp/out" 2>"$tmp/err" 9>&-) &
	until_true 10 test -S "$work/img/lazy-pages.socket" || die "it does not listen in '.'"
	kill -TERM $!
	wait $!
	return 0
}

# Both directories are relative to where the caller is.
relative_dirs()
{
	set_server "$1"
	cd "$tmp" || exit 1
	background -D small-tree/img -W work
	restore_it
	expect_end 10 0
}

daemon()
{
	local pid fd

	set_server "$1"
	run -d --pidfile engine.pid -o engine.log -v4 -D "$case/img" -W "$work"
	[ "$status" -eq 0 ] || die "exit status $status"
	listens || die "it does not listen when its parent says so"
	pid=$(<"$work/engine.pid") || die "no pidfile in the work directory"
	[ "$(od -An -c "$work/engine.pid" | tr -d ' \n')" = "$pid" ] ||
		die "the pidfile holds more than the digits"
	[ "$(stat -c %a "$work/engine.pid")" = 600 ] || die "the pidfile's mode is not 600"
	kill -0 "$pid" || die "the pidfile names nobody"
	[ "$(cut -d' ' -f6 "/proc/$pid/stat")" = "$pid" ] || die "it has no session of its own"
	[ "$(readlink "/proc/$pid/cwd")" = "$work" ] || die "it is not in the work directory"
	for fd in 0 1 2; do
		[ "$(readlink "/proc/$pid/fd/$fd")" = /dev/null ] || die "descriptor $fd is still open"
	done
	restore_it
	until_true 10 ended "$pid" || die "it did not end"
	[ "$(end_of "$pid")" = "exit 0" ] || die "it ended with: $(end_of "$pid")"
	[ -e "$work/engine.pid" ] || die "it took its pidfile away"
	[ -s "$work/engine.log" ] || die "no log in the work directory"
}

absolute_files()
{
	set_server "$1"
	rm -f "$tmp/abs.pid" "$tmp/abs.log"
	run --daemon --pidfile "$tmp/abs.pid" --log-file "$tmp/abs.log" -v -D "$case/img" -W "$work"
	[ "$status" -eq 0 ] || die "exit status $status"
	[ -e "$tmp/abs.pid" ] && [ -e "$tmp/abs.log" ] || die "files are not where they should be"
	kill -KILL "$(<"$tmp/abs.pid")"
}

# One byte, then the end of the file: it listens.
await_ready()
{
	local bytes

	bytes=$(timeout 60 od -An -tx1 "$tmp/status") || die "the descriptor stays open: $(<"$tmp/err")"
	rm "$tmp/status"
	[ "$bytes" = " 00" ] || die "it wrote '$bytes', expected one byte of zeros: $(<"$tmp/err")"
	listens || die "it does not listen when it says so"
}

# words: what to say beside -D and -W
status_fd()
{
	set_server "$1"
	mkfifo "$tmp/status"
	"${server[@]}" "${@:2}" --status-fd 8 -D "$case/img" -W "$work" >"$tmp/out" 2>"$tmp/err" \
		8>"$tmp/status" 9>&- &
	engine=$!
	await_ready
	[ "$#" -gt 1 ] || kill -TERM "$engine"
	wait "$engine"
	kill_orphans
	return 0
}

stale_socket()
{
	set_server "$1"
	background -D "$case/img" -W "$work"
	kill -KILL "$engine"
	{ wait "$engine"; } 2>/dev/null # the shell tells who was killed
	listens || die "there is no stale socket to try this with"
	mkfifo "$tmp/status"
	"${server[@]}" --status-fd 8 -D "$case/img" -W "$work" >"$tmp/out" 2>"$tmp/err" \
		8>"$tmp/status" 9>&- &
	engine=$!
	await_ready
	restore_it
	expect_end 10 0
}

informs()
{
	set_server "$1"
	run -V
	[ "$status" -eq 0 ] || die "-V: exit status $status"
	grep -q '[0-9]' "$tmp/out" || die "-V says no version"
	run --help
	[ "$status" -eq 0 ] || die "--help: exit status $status"
	for option in --images-dir --work-dir --daemon --pidfile --status-fd --log-file; do
		grep -q -e "$option" "$tmp/out" || die "--help does not know $option"
	done
}

# --- what does not ------------------------------------------------------------------------------

# refuses MODE ARGUMENT...: 1, said on standard error or in the log, and no socket
refuses()
{
	set_server "$1"
	cd "$work" || exit 1
	run "${@:2}"
	[ "$status" -eq 1 ] || die "exit status $status, expected 1"
	[ -s "$tmp/err" ] || [ -s "$tmp/out" ] || die "it does not say why"
	until_true 5 no_orphans || die "it left a daemon behind"
}

pidfile_exists()
{
	set_server "$1"
	echo junk >"$work/engine.pid"
	run -d --pidfile engine.pid -o engine.log -D "$case/img" -W "$work"
	[ "$status" -eq 1 ] || die "exit status $status, expected 1"
	[ "$(<"$work/engine.pid")" = junk ] || die "it overwrote the file"
	until_true 5 no_orphans || die "it left a daemon behind"
	grep -qs 'File exists' "$work/engine.log" "$tmp/err" || die "it does not say why"
}

# The restore fails, with the connection made: its pid is taken by an earlier restore.
restore_fails()
{
	local first

	set_server "$1"
	: >"$case/run/stay"
	background -D "$case/img" -W "$work"
	timeout -k 5 60 "$CRIU" restore -d --lazy-pages -D "$case/img" -W "$work" --pidfile pid \
		-o restore.log 9>&- || die "the first restore failed"
	expect_end 10 0

	first=$(<"$work/pid")
	rm -f "$work/pid" "$work/lazy-pages.socket"
	background -D "$case/img" -W "$work"
	timeout -k 5 60 "$CRIU" restore -d --lazy-pages -D "$case/img" -W "$work" --pidfile pid \
		-o restore.log >/dev/null 2>&1 9>&- && die "the second restore went well"
	expect_end 10 1
	[ -s "$tmp/err" ] || die "it does not say why"

	rm "$case/run/stay"
	until_true 30 ended "$first" || die "the first task did not end"
	[ "$(<"$case/run/result")" = ok ] || die "the first task saw wrong memory"
}

terminated()
{
	set_server "$1"
	background -D "$case/img" -W "$work"
	kill -TERM "$engine"
	expect_end 5 1 143
}

for mode in peer serve; do
	for try in \
		foreground log_file log_to_stderr work_dir_is_images_dir relative_dirs daemon \
		absolute_files stale_socket informs pidfile_exists restore_fails terminated status_fd \
		"status_fd -d" \
		"refuses -D $tmp/nothing" \
		"refuses -D $case/img -W $tmp/nothing" \
		"refuses -D $case/img -o nothing/engine.log" \
		"refuses -D $case/img --no-such-option" \
		"refuses -D $case/img argument" \
		"refuses -D $case/img -W $work --status-fd 77" \
		"refuses -D $case/img --status-fd words" \
		"refuses -d -D $tmp"; do
		words=${try//"$tmp"/TMP}
		if ! can_mode "$mode"; then
			tap_skip "$words: $mode" "$reason"
			continue
		fi
		set -- $try
		attempt "$words: $mode" "$1" "$mode" "${@:2}"
		kill_orphans || until_true 10 kill_orphans
	done
done
tap_done

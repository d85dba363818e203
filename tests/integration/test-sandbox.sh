# The processes of a session have few rights, and no link in the work directory leads them elsewhere.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$abs_top_srcdir/tests/integration/functions.sh"

attempt "small-tree: dump" dump_scenario small-tree
case=$tmp/small-tree
work=$tmp/work

listens()
{
	[ -S "$work/lazy-pages.socket" ]
}

# begin ARGUMENT...: a session in $keeper that listens
begin()
{
	rm -rf "$work"
	mkdir "$work"
	: >"$tmp/ends"
	rm -f "$case/run/result" "$case/run/stay"
	"$faultin" serve -D "$case/img" -W "$work" "$@" >"$tmp/out" 2>"$tmp/err" 9>&- &
	keeper=$!
	until_true 10 listens || die "it does not listen: $(<"$tmp/err")"
	until_true 10 set_engine || die "there is no engine"
}

# set_engine [NOT]: its pid in $engine; not that one
set_engine()
{
	local pid comm

	for pid in $(<"/proc/$keeper/task/$keeper/children"); do
		comm=
		{ read -r comm <"/proc/$pid/comm"; } 2>/dev/null
		[ "$comm" = faultin-engine ] && [ "$pid" != "${1:-}" ] || continue
		engine=$pid
		return 0
	done
	return 1
}

# restore_it [STATUS]: the keeper's at the end; 0 if not said
restore_it()
{
	local status=0

	timeout -k 5 60 "$CRIU" restore -d --lazy-pages -D "$case/img" -W "$work" --pidfile pid \
		-o restore.log -v4 9>&- || {
		tail_log "$work/restore.log"
		die "criu restore failed"
	}
	root=$(<"$work/pid")
	until_true 30 ended "$root" || die "the task did not end"
	[ "$(<"$case/run/result")" = ok ] || die "the program saw wrong memory"
	wait "$keeper" || status=$?
	[ "$status" = "${1:-0}" ] || die "exit status $status"
}

# field PID NAME: of /proc/PID/status
field()
{
	sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status"
}

# The engine is in its role, on top of its keeper's: it listens a moment before that.
confined()
{
	[ "$(field "$engine" Seccomp)" = 2 ] && [ "$(field "$engine" Seccomp_filters)" -ge \
		$(($(field "$keeper" Seccomp_filters) + 1)) ]
}

# capabilities_within PID NUMBER...: it has no other
capabilities_within()
{
	local mask=0 pid=$1 number

	for number in "${@:2}"; do
		mask=$((mask | 1 << number))
	done
	[ $((0x$(field "$pid" CapPrm) & ~mask)) -eq 0 ] || die "capabilities: $(field "$pid" CapPrm)"
	[ "$(field "$pid" CapEff)" = "$(field "$pid" CapPrm)" ] || die "some are not effective"
}

# CAP_DAC_OVERRIDE, _DAC_READ_SEARCH, _FOWNER, _KILL, _NET_ADMIN, _IPC_LOCK, _SYS_PTRACE, _SYS_NICE,
# _SYS_RESOURCE
of_keepers="1 2 3 5 12 14 19 23 24"
of_engines="5 19 23"

has_few_rights()
{
	begin
	until_true 10 confined || die "the engine's system calls are not filtered"
	capabilities_within "$engine" $of_engines
	capabilities_within "$keeper" $of_keepers
	[ "$(field "$engine" NoNewPrivs)$(field "$keeper" NoNewPrivs)" = 11 ] || die "new privileges"
	restore_it
}

# The first was started by a keeper, too; its filter must not be in the way of the next.
so_has_the_next_engine()
{
	local filters first

	begin
	until_true 10 confined || die "the engine's system calls are not filtered"
	"$faultin" status "$keeper" >/dev/null || die "the session is not ready"
	first=$engine
	filters=$(field "$engine" Seccomp_filters)
	kill -KILL "$engine"
	until_true 10 set_engine "$first" || die "there is no second engine"
	until_true 10 confined || die "the second engine's system calls are not filtered"
	[ "$(field "$engine" Seccomp_filters)" = "$filters" ] || die "filters pile up"
	capabilities_within "$engine" $of_engines
	restore_it
}

can_be_switched_off()
{
	begin --no-sandbox
	[ "$(field "$engine" Seccomp)$(field "$engine" NoNewPrivs)" = \
		"$(field $$ Seccomp)$(field $$ NoNewPrivs)" ] || die "there is a sandbox"
	[ "$(field "$engine" CapPrm)" = "$(field $$ CapPrm)" ] || die "capabilities are gone"
	restore_it
}

# plant NAME...: symlinks in a new work directory, to a file of ours
plant()
{
	local name

	rm -rf "$work"
	mkdir "$work" "$work/real"
	echo precious >"$tmp/victim"
	for name; do
		ln -s "$tmp/victim" "$work/$name"
	done
	ln -s real "$work/directory"
}

# refuses WORDS ARGUMENT...
refuses()
{
	timeout -k 5 60 "$faultin" serve -D "$case/img" -W "$work" "${@:2}" >"$tmp/out" 2>"$tmp/err" \
		9>&- && die "it goes on"
	grep -q "$1" "$tmp/err" || die "it does not say why: $(<"$tmp/err")"
	[ "$(<"$tmp/victim")" = precious ] || die "the file behind the link is changed"
	[ -z "$(ls "$work/real")" ] || die "something came to be behind the link"
	until_true 5 no_orphans || die "it left a daemon behind"
}

logs_through_no_link()
{
	plant engine.log
	refuses "log file 'engine.log'" -o engine.log
	refuses "log file 'directory/engine.log'" -o directory/engine.log
	rm "$work/engine.log"
	ln "$tmp/victim" "$work/engine.log"
	refuses "log file 'engine.log'" -o engine.log
}

writes_its_pid_through_no_link()
{
	plant engine.pid
	refuses "pidfile 'engine.pid'" -d --pidfile engine.pid
	refuses "pidfile 'directory/engine.pid'" -d --pidfile directory/engine.pid
}

replaces_a_link_by_its_summary()
{
	begin --json report.json
	echo precious >"$tmp/victim"
	ln -s "$tmp/victim" "$work/report.json"
	restore_it
	[ "$(<"$tmp/victim")" = precious ] || die "the file behind the link is changed"
	[ ! -L "$work/report.json" ] && grep -q '"result"' "$work/report.json" || die "no summary"
	[ "$(stat -c %a "$work/report.json")" = 600 ] || die "others can read the summary"
	[ -z "$(find "$work" -name '.faultin*')" ] || die "a temporary file is left"
}

says_when_its_summary_cannot_be_written()
{
	begin --json report.json
	mkdir "$work/report.json"
	restore_it 1
	grep -q "cannot write 'report.json'" "$tmp/err" || die "it does not say why"
}

for try in has_few_rights so_has_the_next_engine can_be_switched_off logs_through_no_link \
	writes_its_pid_through_no_link replaces_a_link_by_its_summary \
	says_when_its_summary_cannot_be_written; do
	attempt "a session ${try//_/ }" "$try"
	kill_orphans || until_true 10 kill_orphans
done
tap_done

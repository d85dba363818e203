# tests/runtimes/functions.sh - a container around a program that knows its memory, and runtimes.
# SPDX-License-Identifier: GPL-2.0-or-later
#
# To be sourced first.  It starts the test anew in a mount namespace of its own, with an /etc of its
# own (CRIU reads /etc/criu and nowhere else), so that `faultin setup` can be called as a person calls
# it, and nothing of it is seen, or stays, outside.  All else is as in tests/integration/functions.sh.
#
# The cgroups are left to the kernel's defaults (--manage-cgroups-mode ignore): in hybrid hierarchies
# CRIU would dump, and make again, the cgroups of others.

if [ -z "${FI_RUNTIMES_INSIDE:-}" ] && [ "$(id -u)" -eq 0 ]; then
	export FI_RUNTIMES_INSIDE=1
	exec unshare -m bash "$0" "$@"
fi

. "$abs_top_srcdir/tests/integration/functions.sh"

guest=$abs_top_builddir/tests/runtimes/programs/guest
# a private CRIU has its runtimes beside it
PATH=$(dirname "$CRIU"):$(dirname "$(dirname "$CRIU")")/bin:$PATH
export FAULTIN_BIN=$faultin
export FAULTIN_CONFIG=$tmp/faultin.conf

mkdir "$tmp/etc" "$tmp/etc-work"
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$tmp/etc,workdir=$tmp/etc-work" /etc 2>/dev/null ||
	tap_skip_all "no overlay file system can be mounted here"
rm -rf /etc/criu # of this namespace only

# can_runtime: whether $runtime can be tried here; says the reason in $reason.
can_runtime()
{
	reason=
	if ! command -v "$runtime" >/dev/null; then
		reason="there is no $runtime"
	elif ! "$runtime" --version >/dev/null 2>&1; then
		reason="$runtime does not run"
	elif [ "$runtime" = crun ] && ! crun --version | grep -q '+CRIU'; then
		reason="this crun has no CRIU"
	elif [ "$runtime" = crun ] && ! ldconfig -p | grep -qF libcriu.so.2 &&
		! compgen -G "$(dirname "$(dirname "$CRIU")")/lib/*/libcriu.so.2" >/dev/null; then
		reason="there is no libcriu for crun"
	elif [ ! -x "$guest" ]; then
		reason="there is no static C library to build the container's program with"
	fi
	[ -z "$reason" ]
}

# The unified hierarchy alone, of this mount namespace only: crun and podman want it so.
unify_cgroups()
{
	[ "$(stat -f -c %T /sys/fs/cgroup)" != cgroup2fs ] || return 0
	umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup || die "no unified cgroups"
}

# The runtime's own words are in $case/runtime.log.
rt()
{
	: >"$case/runtime.log"
	"$runtime" --root "$case/state" --log "$case/runtime.log" "$@" </dev/null >/dev/null 2>&1 9>&-
}

rt_failed()
{
	tail_log "$case/runtime.log"
	tail_log "$case/work/dump.log"
	tail_log "$case/work/restore.log"
	die "$runtime: $*"
}

# make_bundle MEBIBYTES [JSON-MEMBERS [SHARED]]: with the program in it, and nothing else.
make_bundle()
{
	mkdir -p "$case/bundle/rootfs"/{proc,dev,sys,tmp,work}
	cp "$guest" "$case/bundle/rootfs/guest"
	work=$case/bundle/rootfs/work
	cat >"$case/bundle/config.json" <<-END
		{ "ociVersion": "1.0.2", ${2:-}
		  "process": { "terminal": false, "user": { "uid": 0, "gid": 0 }, "cwd": "/",
		    "args": [ "/guest", "$1", "/work", "${3:-$(($1 / 16))}" ], "env": [ "PATH=/" ], "noNewPrivileges": true,
		    "capabilities": { "bounding": [ "CAP_KILL" ], "effective": [ "CAP_KILL" ],
		      "permitted": [ "CAP_KILL" ] } },
		  "root": { "path": "rootfs", "readonly": false }, "hostname": "guest",
		  "mounts": [
		    { "destination": "/proc", "type": "proc", "source": "proc" },
		    { "destination": "/dev", "type": "tmpfs", "source": "tmpfs",
		      "options": [ "nosuid", "strictatime", "mode=755", "size=65536k" ] },
		    { "destination": "/sys", "type": "sysfs", "source": "sysfs",
		      "options": [ "nosuid", "noexec", "nodev", "ro" ] } ],
		  "linux": { "namespaces": [ { "type": "pid" }, { "type": "network" }, { "type": "ipc" },
		    { "type": "uts" }, { "type": "mount" } ],
		    "resources": { "devices": [ { "allow": false, "access": "rwm" } ] } } }
	END
}

start_container()
{
	[ "$runtime" != crun ] || unify_cgroups
	id=fi-$runtime-$$
	round=0
	rt run -d -b "$case/bundle" "$id" || rt_failed "cannot run a container"
	until_true 60 test -e "$work/ready" || rt_failed "the container was not ready in 60 s"
}

checkpoint_container()
{
	rm -rf "$case/img"
	rt checkpoint --manage-cgroups-mode ignore --image-path "$case/img" --work-path "$case/work" "$id" ||
		rt_failed "cannot checkpoint"
}

# restore_container [OPTION]...: the time that the runtime's command took is in $restore_us.
restore_container()
{
	local start=$EPOCHREALTIME

	rm -f "$case/work/faultin.log"
	rt restore "$@" -d -b "$case/bundle" --manage-cgroups-mode ignore --image-path "$case/img" \
		--work-path "$case/work" "$id" || rt_failed "cannot restore"
	restore_us=$((${EPOCHREALTIME/./} - ${start/./}))
}

# The program looks at its memory, in itself and in its children, and judges.
judge_container()
{
	round=$((round + 1))
	echo "$round" >"$work/go.new"
	mv "$work/go.new" "$work/go"
	until_true 60 test -e "$work/result.$round" || rt_failed "no verdict in 60 s"
	echo "# the container says: $(<"$work/result.$round")"
	[[ $(<"$work/result.$round") == ok\ * ]] || die "the container saw wrong memory"
}

is_stopped()
{
	! "$runtime" --root "$case/state" state "$id" 2>/dev/null | grep -q '"status": "running"'
}

end_container()
{
	rt delete -f "$id"
	until_true 10 no_engines || die "the engine did not end in 10 s"
	until_true 10 is_stopped || die "the container lives on"
}

# Whether the restore was lazy: the engine has served tasks, and has ended well.
was_lazy()
{
	until_true 30 no_engines || die "the engine did not end in 30 s"
	tail_log "$case/work/faultin.log"
	grep -qE '^faultin: complete: 1 tasks, [1-9][0-9]* forks followed, [1-9]' "$case/work/faultin.log" || {
		grep -sE ' faultin: |(faultin)' "$case/work/restore.log" | tap_comment
		die "the restore was not lazy"
	}
}

was_eager()
{
	[ ! -e "$case/work/faultin.log" ] || {
		tail_log "$case/work/faultin.log"
		die "faultin had a part in it"
	}
	! grep -q 'Plugin "faultin"' "$case/work/restore.log" || die "CRIU has loaded the plugin"
}

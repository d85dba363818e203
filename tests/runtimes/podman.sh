# tests/runtimes/podman.sh - podman and its containers.
# SPDX-License-Identifier: GPL-2.0-or-later
#
# To be sourced after functions.sh.  podman's storage and its /run are the test's own, and there is no
# network.  It hands on none of our environment: sessions are in /run/faultin, and what a container wants
# is said by its annotations.

mount -t tmpfs -o mode=755 none /run || tap_skip_all "no memory can be mounted here"
[ ! -d /var/lib/containers ] || mount -t tmpfs none /var/lib/containers
export CONTAINERS_CONF=$tmp/containers.conf
: >"$CONTAINERS_CONF"

unset FAULTIN_CONFIG FAULTIN_RUNTIME_DIR
image=localhost/faultin-guest

can_podman()
{
	can_runtime || return
	if ! command -v podman >/dev/null; then
		reason="there is no podman"
	elif ! podman --version >/dev/null 2>&1; then
		reason="podman does not run"
	else
		make_image
		# it says how it is called
		run_image --rm "$image" /guest
		[ $? -eq 2 ] || reason="podman runs no container here: $(tail -n 1 "$case/podman.log")"
	fi
	[ -z "$reason" ]
}

# What podman says is in $case/podman.log.  It takes no long names for where it runs.
pm()
{
	timeout -k 5 60 podman --root "$case/store" --runroot "/run/podman-$runtime" --tmpdir "/run/libpod-$runtime" \
		--storage-driver vfs --cgroup-manager cgroupfs --events-backend file --hooks-dir "$case/hooks" \
		--runtime "$(command -v "$runtime")" "$@" </dev/null >"$case/podman.log" 2>&1 9>&-
}

pm_failed()
{
	local log

	tail_log "$case/podman.log"
	for log in "$case"/store/*/*/userdata/{dump,restore,faultin}.log; do
		tail_log "$log"
	done
	die "podman with $runtime: $*"
}

make_image()
{
	local hook

	mkdir -p "$case"/{root/{proc,dev,sys,tmp,work},work,hooks}
	cp "$guest" "$case/root/guest"
	tar -C "$case/root" -cf "$case/root.tar" . || die "no archive"
	for hook in start stop; do
		sed "s|@bindir@/faultin|$faultin|" "$abs_top_srcdir/doc/hooks.d/faultin-$hook.json.in" \
			>"$case/hooks/faultin-$hook.json"
	done
	pm import "$case/root.tar" "$image" || pm_failed "cannot import an image"
}

run_image()
{
	pm run --network none --ulimit nofile=1024:1024 --ulimit nproc=1000:1000 --pids-limit=-1 \
		--security-opt seccomp=unconfined --cap-drop all --cgroup-parent "faultin-$$" "$@"
}

# run_container MEBIBYTES SHARED [OPTION]...
run_container()
{
	id=faultin-$runtime-$$
	work=$case/work
	round=0
	run_image -d --name "$id" -v "$work:/work" "${@:3}" "$image" /guest "$1" /work "$2" ||
		pm_failed "cannot run a container"
	until_true 60 test -e "$work/ready" || pm_failed "the container was not ready in 60 s"
}

export_container()
{
	rm -f "$case/exported.tar"
	pm container checkpoint --compress none --export "$case/exported.tar" "$id" ||
		pm_failed "cannot checkpoint"
	pm rm -f "$id" || pm_failed "cannot remove the checkpointed container"
}

# Into podman's storage, and no further.
store_container()
{
	pm container checkpoint "$id" || pm_failed "cannot checkpoint"
}

# The time that podman took is in $restore_us, that of its runtime in $runtime_us.
import_container()
{
	restore_stored --import "$case/exported.tar"
}

# restore_stored [WORD]...: the same, of what is in the storage, or of what the words say
restore_stored()
{
	local start=$EPOCHREALTIME

	[ $# -gt 0 ] || set -- "$id"
	pm container restore --print-stats "$@" || pm_failed "cannot restore"
	restore_us=$((${EPOCHREALTIME/./} - ${start/./}))
	runtime_us=$(sed -n 's/.*"runtime_restore_duration": *\([0-9]*\).*/\1/p' "$case/podman.log")
	echo "# podman container restore took $((restore_us / 1000)) ms"
}

remove_container()
{
	pm rm -f -t 0 "$id" || pm_failed "cannot remove the container"
}

# --manage-cgroups-mode ignore, for which podman has no option; `faultin setup --undo` leaves this line.
leave_cgroups()
{
	local name

	mkdir -p /etc/criu
	for name in runc crun; do
		echo "manage-cgroups=ignore" >"/etc/criu/$name.conf"
	done
}

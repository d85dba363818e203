# podman, unmodified, over runc and over crun: `container restore --import` is lazy after `faultin setup`.
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Its storage and its /run are the test's own, and there is no network.  It hands on none of our
# environment: sessions are in /run/faultin, and what a container wants is said by its annotations.
. "$abs_top_srcdir/tests/runtimes/functions.sh"

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

# What podman says is in $case/podman.log.
pm()
{
	timeout -k 5 60 podman --root "$case/store" --runroot "$case/runroot" --tmpdir "$case/libpod" \
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

run_container()
{
	id=faultin-$runtime-$$
	work=$case/work
	round=0
	run_image -d --name "$id" -v "$work:/work" --annotation org.faultin.drain=demand \
		--annotation org.faultin.minimum-size=0 --annotation org.faultin.log-level=info \
		"$image" /guest 32 /work || pm_failed "cannot run a container"
	until_true 60 test -e "$work/ready" || pm_failed "the container was not ready in 60 s"
}

export_container()
{
	rm -f "$case/exported.tar"
	pm container checkpoint --compress none --export "$case/exported.tar" "$id" ||
		pm_failed "cannot checkpoint"
	pm rm -f "$id" || pm_failed "cannot remove the checkpointed container"
}

import_container()
{
	local start=$EPOCHREALTIME

	pm container restore --import "$case/exported.tar" || pm_failed "cannot restore"
	echo "# podman container restore took $(((${EPOCHREALTIME/./} - ${start/./}) / 1000)) ms"
}

no_sessions()
{
	[ "$("$faultin" status 2>&1)" = "no session is running" ]
}

log_of_engine()
{
	compgen -G "$case/store/*/*/userdata/faultin.log"
}

import_eagerly()
{
	import_container
	judge_container
	[ -z "$(log_of_engine)" ] || die "faultin had a part in it"
}

# While the children of the program look, all but what they have touched is owed; podman has removed
# its copy of the checkpoint before.
import_lazily()
{
	local log full

	import_container
	[ -z "$(compgen -G "$case/store/*/*/userdata/checkpoint")" ] || echo "# podman has kept its copy"
	"$faultin" status | tap_comment
	full=$(compgen -G "$case/store/vfs-containers/*/userdata")
	full=${full%/userdata} full=${full##*/}
	"$faultin" status | grep -qF ", container ${full:0:12}" || die "the session does not name the container"
	judge_container
	"$faultin" complete || die "what is owed does not come"
	until_true 30 no_sessions || die "the engine did not end in 30 s"
	log=$(log_of_engine) || die "the restore was not lazy"
	tail_log "$log"
	grep -qE '^faultin: complete: 1 tasks, [1-9][0-9]* forks followed, [1-9]' "$log" ||
		die "the restore was not lazy, or did not end well"
	# crun calls no hook when it restores
	[ "$runtime" = crun ] || grep -q 'the drain is paused' "$log" || die "the hook has not reached the session"
	judge_container
}

remove_container()
{
	pm rm -f -t 0 "$id" || pm_failed "cannot remove the container"
}

# One exported checkpoint is imported more than once, to save time.
whole_life()
{
	trap 'pm rm -f -t 0 "$id"' EXIT
	run_container
	export_container
	if [ "$runtime" = runc ]; then
		echo "# before setup"
		import_eagerly
		remove_container
	fi
	"$faultin" setup podman --libdir "$plugin_dir" | tap_comment
	echo "# a checkpoint of what is owed"
	import_container
	! no_sessions || die "nothing was owed"
	export_container
	until_true 30 no_sessions || die "the engine did not end in 30 s"
	echo "# after setup"
	import_lazily
	remove_container
	"$faultin" setup podman --undo | tap_comment
	echo "# after --undo"
	import_eagerly
	trap - EXIT
	remove_container
	until_true 10 no_orphans || {
		tell_orphans
		die "processes were left behind"
	}
}

mount -t tmpfs -o mode=755 none /run || tap_skip_all "no memory can be mounted here"
[ ! -d /var/lib/containers ] || mount -t tmpfs none /var/lib/containers
export CONTAINERS_CONF=$tmp/containers.conf
: >"$CONTAINERS_CONF"
for runtime in runc crun; do
	case=$tmp/$runtime
	mkdir "$case"
	unify_cgroups
	if can_podman; then
		mkdir -p /etc/criu
		# CRIU would dump the cgroups of others as well, see above; --undo leaves this line
		for name in runc crun; do
			echo "manage-cgroups=ignore" >"/etc/criu/$name.conf"
		done
		attempt "podman with $runtime: checkpointed while memory is owed, lazy after setup, eager without" whole_life
		kill_orphans || until_true 10 kill_orphans
		rmdir "/sys/fs/cgroup/faultin-$$"{/*,} 2>/dev/null
	else
		tap_skip "podman with $runtime" "$reason"
	fi
	rm -rf /etc/criu
done
tap_done

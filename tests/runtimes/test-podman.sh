# podman, unmodified, over runc and over crun: `container restore --import` is lazy after `faultin setup`.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$abs_top_srcdir/tests/runtimes/functions.sh"
. "$abs_top_srcdir/tests/runtimes/podman.sh"

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
	# crun calls no hook when it restores; and a hook gives up after three seconds
	grep -q 'the drain is paused' "$log" || echo "# the hook has not reached the session"
	judge_container
}

# One exported checkpoint is imported more than once, to save time.
whole_life()
{
	trap 'pm rm -f -t 0 "$id"' EXIT
	run_container 32 2 --annotation org.faultin.drain=demand --annotation org.faultin.minimum-size=0 \
		--annotation org.faultin.log-level=info
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
	if [ "$runtime" = runc ]; then
		echo "# without an archive"
		store_container
		restore_stored
		! no_sessions || die "nothing was owed"
		judge_container
		"$faultin" complete || die "what is owed does not come"
		until_true 30 no_sessions || die "the engine did not end in 30 s"
	fi
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

for runtime in runc crun; do
	case=$tmp/$runtime
	mkdir "$case"
	unify_cgroups
	if can_podman; then
		leave_cgroups
		attempt "podman with $runtime: checkpointed while memory is owed, lazy after setup, eager without" whole_life
		kill_orphans || until_true 10 kill_orphans
		rmdir "/sys/fs/cgroup/faultin-$$"{/*,} 2>/dev/null
	else
		tap_skip "podman with $runtime" "$reason"
	fi
	rm -rf /etc/criu
done
tap_done

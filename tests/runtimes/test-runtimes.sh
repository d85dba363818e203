# runc and crun, unmodified: lazy after `faultin setup`, as ever before it and after --undo.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$abs_top_srcdir/tests/runtimes/functions.sh"

eager_without_us()
{
	restore_container
	judge_container
	was_eager
}

# The children are forked, and look, while all is owed.
restore_lazily()
{
	echo 'drain = demand' >"$FAULTIN_CONFIG"
	restore_container
	judge_container
	"$faultin" complete
	was_lazy
	rm "$FAULTIN_CONFIG"
}

lazy_after_setup()
{
	"$faultin" setup "$runtime" --libdir "$plugin_dir" | tap_comment
	"$faultin" setup "$runtime" --libdir "$plugin_dir" --check >/dev/null || die "setup: it is not so"
	restore_lazily
	judge_container
}

# While nothing but what was touched is there.
checkpoint_of_what_is_owed()
{
	echo 'drain = demand' >"$FAULTIN_CONFIG"
	restore_container
	"$faultin" status | tap_comment
	"$faultin" status | grep -q "container $id\$" || die "the session does not name the container"
	checkpoint_container
	rm "$FAULTIN_CONFIG"
	until_true 30 no_engines || die "the engine did not end in 30 s"
	"$faultin" setup "$runtime" --undo | tap_comment
	[ ! -e /etc/criu ] || die "setup has left something: $(ls -R /etc/criu)"
	restore_container
	judge_container
	was_eager
}

annotated()
{
	"$faultin" setup "$runtime" --libdir "$plugin_dir" >/dev/null || die "setup failed"
	make_bundle 32 '"annotations": { "org.faultin.mode": "off" },'
	restore_container
	judge_container
	[ ! -e "$case/work/faultin.log" ] || die "it was lazy"
	grep -q 'mode does not allow transparent mode' "$case/work/restore.log" || rt_failed "not because of its annotation"
}

# CRIU punches holes into pages files that it has read: not into an image that is still being read.
dedup()
{
	"$faultin" setup "$runtime" --libdir "$plugin_dir" >/dev/null || die "setup failed"
	make_bundle 32
	cp -r "$case/img" "$case/copy"
	echo auto-dedup >>"/etc/criu/$runtime.conf"
	restore_lazily
	diff -r "$case/img" "$case/copy" || die "the image was written to"
	rt delete -f "$id"
	until_true 10 is_stopped || die "the container lives on"
	sed -i /auto-dedup/d "/etc/criu/$runtime.conf"
	restore_container --auto-dedup
	judge_container
	[ ! -e "$case/work/faultin.log" ] || die "it was lazy"
}

# One after the other: what the one leaves, the next restores.
whole_life()
{
	trap 'end_container >/dev/null 2>&1' EXIT
	make_bundle 32
	start_container
	for what in eager_without_us lazy_after_setup checkpoint_of_what_is_owed annotated dedup; do
		[ "$what $runtime" != "dedup crun" ] || continue # crun has no such flag
		checkpoint_container
		echo "# $what"
		"$what"
		echo "# $runtime restore took $((restore_us / 1000)) ms"
	done
	trap - EXIT
	end_container
}

for runtime in runc crun; do
	case=$tmp/$runtime
	mkdir "$case"
	if can_runtime; then
		attempt "$runtime: before setup, after it, checkpointed again, after --undo, annotated" whole_life
	else
		tap_skip "$runtime" "$reason"
	fi
	rm -rf /etc/criu "$FAULTIN_CONFIG"
done
tap_done

# `faultin verify` has no finding on good images, and finds what is planted into bad ones.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$abs_top_srcdir/tests/integration/functions.sh"

here=$abs_top_srcdir/tests/integration
command -v python3 >/dev/null || tap_skip_all "python3 plants the corruptions"

# whole IMAGE
whole()
{
	"$faultin" verify "$1" >"$tmp/out" 2>&1 || {
		tap_comment <"$tmp/out"
		die "it is good, and verify says otherwise"
	}
	tap_comment <"$tmp/out"
}

for name in small-tree fork-both fork-write move-whole move-dontunmap unmap-parts protect-none \
	discard populate wipe-on-fork dont-fork remove-shared threads-random syscall-files \
	syscall-streams signal-stack zombies sessions sparse heap locked stack beside; do
	attempt "$name: dump" dump_scenario "$name"
	attempt "$name: no finding" whole "$tmp/$name/img"
	[ "$name" = small-tree ] || remove_case "$name"
done

# Parents, made out of a real dump.
chain()
{
	case=$tmp/chain
	mkdir -p "$case/level0" "$case/level1"
	cp "$tmp/small-tree/img/inventory.img" "$case/level0"
	cp "$tmp/small-tree/img/inventory.img" "$case/level1"
	ln -s ../level1 "$case/level0/parent"
	"$tools/split-image" 7 50 "$tmp/small-tree/img" "$case/level0" "$case/level1" ||
		die "cannot split small-tree"
	cp -n "$tmp/small-tree/img"/*.img "$case/level0"
	whole "$case/level0"
	tar -C "$case" -cf "$case/chain.tar" level0 level1
	whole "$case/chain.tar"
	"$faultin" inspect "$case/chain.tar" >"$tmp/out" || die "inspect: exit status $?"
	grep -q parent "$tmp/out" || die "the parent's pages are not counted"
	rm "$case/level0/parent"
	! "$faultin" verify --quiet "$case/level0" || die "without the parent it is good, too"
}
attempt "a chain of two, as directories and as an archive" chain

# A directory that an earlier checkpoint was made into, too: a task of that one has ended since.
left_over()
{
	local image=$tmp/left pagemap

	cp -r "$tmp/small-tree/img" "$image"
	pagemap=$(ls "$image"/pagemap-[0-9]*.img | head -n 1)
	cp "$pagemap" "$image/pagemap-99999999.img"
	whole "$image"
	rm "$pagemap"
	! "$faultin" verify "$image" >"$tmp/out" || die "without a task's own pagemap it is good, too"
	rm -r "$image"
}
attempt "what an earlier checkpoint has left" left_over
remove_case chain
remove_case small-tree

dump_rich()
{
	case=$tmp/rich
	mkdir -p "$case/img" "$case/run"
	(python3 "$here/programs/rich.py" "$case/run" 9>&- &)
	until_true 60 test -s "$case/run/ready" || die "it was not ready in 60 s"
	timeout -k 5 120 "$CRIU" dump -t "$(<"$case/run/ready")" -D "$case/img" -o dump.log -v4 9>&- || {
		tail_log "$case/img/dump.log"
		die "cannot dump it"
	}
	until_true 10 no_orphans || die "the dumped tree lives on:" $(orphans)
}
attempt "rich: dump" dump_rich
attempt "rich: no finding" whole "$tmp/rich/img"
if [ -s "$tmp/rich/img/pstree.img" ]; then
	planted=0
	while IFS=$'\t' read -r status words; do
		if [ -z "$words" ]; then
			echo "$status"
			continue
		fi
		tap_ok "$status" "found: $words"
		planted=$((planted + 1))
	done < <(python3 "$here/tools/plant.py" "$faultin" "$tmp/rich/img" "$tmp" 2>&1)
	[ "$planted" -ge 30 ]
	tap_ok $? "at least 30 corruptions were planted ($planted)"
fi
remove_case rich

usage()
{
	local status

	"$faultin" verify "$@" >"$tmp/out" 2>&1
	status=$?
	[ "$status" -eq "$expected" ] || die "exit status $status, expected $expected"
}
expected=2
attempt "no argument: exit status 2" usage
attempt "unknown option: exit status 2" usage --no-such "$tmp"
expected=1
attempt "nothing there: exit status 1" usage "$tmp/no-such"
tap_done

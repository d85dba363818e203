# tests/integration/disk.sh - an image on a disk that is told what troubles to have (tools/disk.c).
# SPDX-License-Identifier: GPL-2.0-or-later
#
# To be sourced after functions.sh.  $troubles is the file that the disk looks into.

troubles=$tmp/troubles

# can_have_disk: false and a reason in $reason
can_have_disk()
{
	reason=
	[ -e /dev/fuse ] || reason="there is no /dev/fuse"
	[ -x "$tools/disk" ] || reason="built without libfuse"
	[ -z "$reason" ]
}

is_mounted()
{
	mountpoint -q "$case/img"
}

# $case's image is on a disk from here on, until eject_disk; its files are in $case/real, too.
insert_disk()
{
	mv "$case/img" "$case/real"
	mkdir "$case/img"
	: >"$troubles"
	"$tools/disk" "$case/real" "$troubles" "$case/img" 2>/dev/null 9>&- &
	disk=$!
	until_true 10 is_mounted || die "the disk is not there"
}

eject_disk()
{
	: >"$troubles"
	kill "$disk"
	wait "$disk" 2>/dev/null
	! is_mounted || umount -l "$case/img"
	rmdir "$case/img"
	mv "$case/real" "$case/img"
}

# The pages file of at least $1 bytes and less than $2, in $file, and its size in $size.
find_pages()
{
	file=$(find "$case/real" -name 'pages-*.img' -size +$(($1 - 1))c -size -"$2"c -printf '%f\n')
	[ -n "$file" ] || die "no pages file of that size:" "$(ls -l "$case/real")"
	size=$(stat -c %s "$case/real/$file")
}

# finish_with_disk TELL: for a trap on exit.  Nobody waits for the disk any more, and it goes; TELL says what there is
# to say of a failure.
finish_with_disk()
{
	local status=$?

	[ "$status" -eq 0 ] || "$1"
	: >"$troubles"
	until_true 20 no_engines
	kill_orphans || until_true 10 kill_orphans
	eject_disk
	exit "$status"
}

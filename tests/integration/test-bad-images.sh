# Images with a truncated, missing, swapped or altered file: refused before anything has happened.
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Plain CRIU is no control here: on a truncated pages file it spins for ever.
. "$abs_top_srcdir/tests/integration/functions.sh"

attempt "small-tree: dump" dump_scenario small-tree
good=$tmp/small-tree/img
root=$(<"$tmp/small-tree/run/ready")
child=
for file in "$good"/mm-*.img; do
	file=${file##*/mm-}
	[ "$file" = "$root.img" ] || child=${file%.img}
done
[ -n "$child" ] || {
	echo "Bail out! the dump has no second task"
	exit 1
}

# Each works on the copy of the image in the current directory.
cut_to() { truncate -s "$2" "$1"; }
cut_by() { truncate -s "-$2" "$1"; }
drop() { rm "$1"; }
empty() { : >"$1"; }
swap() { mv "$1" swapped && mv "$2" "$1" && mv swapped "$2"; }
# flip FILE OFFSET MASK: inverts these bits of the byte at OFFSET (from the end when negative)
flip()
{
	local at=$2 byte

	[ "$at" -ge 0 ] || at=$(($(stat -c %s "$1") + at))
	byte=$(od -An -tu1 -j "$at" -N 1 "$1") || exit 1
	printf "\\$(printf %03o $((byte ^ $3)))" |
		dd of="$1" bs=1 seek="$at" conv=notrunc status=none
}

# damage COMMAND...: a fresh copy of the good image, damaged
damage()
{
	case=$tmp/bad
	rm -rf "$case"
	mkdir -p "$case/img" "$case/work"
	cp --reflink=auto "$good"/*.img "$case/img"
	(cd "$case/img" && "$@") || die "cannot damage the image"
	: >"$tmp/ends"
}

serve_refuses()
{
	local status

	damage "$@"
	# A stale socket is replaced when the engine binds its own, so this file tells whether it did.
	echo untouched >"$case/work/lazy-pages.socket"
	timeout -k 5 20 "$faultin" serve -D "$case/img" -W "$case/work" >"$case/out" 2>&1 9>&-
	status=$?
	tail_log "$case/out" 5
	[ "$status" -eq 1 ] || die "exit status $status, expected 1"
	[ -s "$case/out" ] || die "it does not say why"
	[ "$(cat "$case/work/lazy-pages.socket" 2>/dev/null)" = untouched ] ||
		die "it made a socket before it looked at the image"
	# its keeper's last breath
	until_true 5 no_orphans || {
		tell_orphans
		die "something was left behind"
	}
}

plugin_refuses()
{
	local status

	damage "$@"
	FAULTIN_BIN=$faultin timeout -k 5 20 "$CRIU" restore -d --lazy-pages --libdir "$plugin_dir" \
		-D "$case/img" -W "$case/work" -o restore.log -v4 >"$case/out" 2>&1 9>&-
	status=$?
	tail_log "$case/out" 5
	grep -s Error "$case/work/restore.log" | tail -n 5 | tap_comment
	[ "$status" -ne 0 ] || die "the restore says that it succeeded"
	[ "$status" -ne 124 ] && [ "$status" -ne 137 ] || die "the restore hangs"
	! grep -q 'Forking task' "$case/work/restore.log" || die "a task was created"
	until_true 5 no_orphans || {
		tell_orphans
		die "something was left behind"
	}
	[ ! -e "$case/work/lazy-pages.socket" ] || die "a socket was left behind"
}

# try_damage WORDS COMMAND...
try_damage()
{
	local words=$1 mode

	shift
	for mode in serve plugin; do
		if ! can_mode "$mode"; then
			tap_skip "$words: $mode" "$reason"
			continue
		fi
		attempt "$words: $mode" "${mode}_refuses" "$@"
		kill_orphans || until_true 10 kill_orphans
	done
}

for file in "mm-$root" "pagemap-$root" "pagemap-$child" "core-$child" pstree inventory; do
	name=${file/$root/ROOT}
	name=${name/$child/CHILD}
	try_damage "$name.img is missing" drop "$file.img"
	try_damage "$name.img is empty" empty "$file.img"
	try_damage "$name.img ends within its magic numbers" cut_to "$file.img" 6
	try_damage "$name.img ends within a record" cut_by "$file.img" 3
	try_damage "$name.img has another magic number" flip "$file.img" 5 1
	try_damage "$name.img has a record of 2 GiB" flip "$file.img" 11 128
done

try_damage "pages-1.img is missing" drop pages-1.img
try_damage "pages-1.img is empty" empty pages-1.img
try_damage "pages-1.img lacks a page" cut_by pages-1.img 4096
try_damage "pages-2.img lacks a byte" cut_by pages-2.img 1
try_damage "pages-2.img has a page too many" cut_to pages-2.img "$((
	$(stat -c %s "$good/pages-2.img") + 4096))"

try_damage "the pages files are swapped" swap pages-1.img pages-2.img
try_damage "the pagemap files are swapped" swap "pagemap-$root.img" "pagemap-$child.img"
try_damage "pagemap and mm are swapped" swap "pagemap-$root.img" "mm-$root.img"
try_damage "pstree and inventory are swapped" swap pstree.img inventory.img

# Records of a pagemap: u32 size, then vaddr (08, varint), nr_pages_32 (10), flags (20), nr_pages (28).
# The head, "2 bytes: 08 ID", is at 8..13; the first entry's size at 14..17, its vaddr from 19 on.
try_damage "the pagemap names another pages file" flip "pagemap-$root.img" 13 64
try_damage "a page is not aligned" flip "pagemap-$root.img" 19 1
try_damage "a page is far outside of all memory maps" flip "pagemap-$root.img" 23 32
try_damage "a field of a pagemap entry has another type" flip "pagemap-$root.img" 18 2
try_damage "the last entry has more pages" flip "pagemap-$root.img" -1 64

# Nothing is wrong with it but that nobody could keep account of so much.
claims_too_much()
{
	serve_refuses python3 "$abs_top_srcdir/tests/integration/tools/claim-zeros.py" "$root" "$1"
	grep -q 'lazy pages, and more than 2147483648 cannot be served' "$case/out" ||
		die "it is refused for another reason"
}
if command -v python3 >/dev/null; then
	attempt "8 TiB of lazy zeros" claims_too_much 2147483648
	attempt "64 TiB of lazy zeros" claims_too_much 17179869184
else
	tap_skip "lazy zeros without end" "there is no python3"
fi
tap_done

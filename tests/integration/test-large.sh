# A process of 4 GiB runs again at once, and finds every byte.
# SPDX-License-Identifier: GPL-2.0-or-later

# Writing 4 GiB takes longer than all else here, so not to a disk where there is memory for it.
room=$(df --output=avail -k /dev/shm 2>/dev/null | tail -n 1)
free=$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)
if [ "${room:-0}" -gt $((6 << 20)) ] && [ "$free" -gt $((12 << 20)) ]; then
	export TMPDIR=/dev/shm
fi
. "$abs_top_srcdir/tests/integration/functions.sh"

# restore_ms MODE: how long `criu restore` takes, the best of five, in $best
restore_ms()
{
	local try

	best=
	for try in 1 2 3 4 5; do
		rm -f "$case/run/result"
		restore "$1"
		[ -n "$best" ] && [ "$best" -le "$restore_us" ] || best=$restore_us
		kill -KILL "$root"
		[ -z "$engine" ] || wait "$engine"
		until_true 30 no_orphans || die "something lives on after its task was killed"
	done
	echo "# criu restore, $1: $((best / 1000)) ms"
}

# compare MODE: the restore returns within 1.5 times of what it takes with criu lazy-pages
compare()
{
	local peer

	restore_ms peer
	peer=$best
	restore_ms "$1"
	[ $((best * 2)) -le $((peer * 3)) ] || die "more than 1.5 times as long"
}

attempt "large: dump" dump_scenario large
case=$tmp/large
try_modes large
for mode in serve plugin; do
	words="criu restore takes at most 1.5 times as long as with criu lazy-pages: $mode"
	if ! can_mode "$mode"; then
		tap_skip "$words" "$reason"
	elif [ "$SANITIZERS" = no ]; then # sanitizers are slow, and nobody's speed
		attempt "$words" compare "$mode"
	fi
done
tap_done

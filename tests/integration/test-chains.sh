# Images whose pages lie in parent images: chains of two and three levels made out of a real dump.
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Seen in CRIU 4.2.1: `restore --lazy-pages` leaves every entry with PE_LAZY to the engine, PE_PARENT
# beside it or not, and reads every entry without it at once, from the parent if need be.  Its dump
# writes PE_PARENT without PE_LAZY, so what an incremental dump left in its parents is eager.  Its
# lazy-pages hangs on the first entry with both: it reads the bytes and never copies them.
# In transparent mode the flags mean nothing.
. "$abs_top_srcdir/tests/integration/functions.sh"

# make_chain DUMP NAME SEED LAZY LEVELS: the case NAME out of the case DUMP
make_chain()
{
	local dirs=() i

	case=$tmp/$2
	mkdir -p "$case"
	for ((i = 0; i < $5; i++)); do
		dirs+=("$case/level$i")
		mkdir "${dirs[i]}"
		cp "$tmp/$1/img/inventory.img" "${dirs[i]}"
		[ "$i" -eq 0 ] || ln -s "../level$i" "${dirs[i - 1]}/parent"
	done
	"$tools/split-image" "$3" "$4" "$tmp/$1/img" "${dirs[@]}" || die "cannot split $1"
	cp -n "$tmp/$1/img"/*.img "${dirs[0]}" # what is not split
	ln -s level0 "$case/img"
	ln -s "../$1/run" "$case/run" # where the dumped program looks
	[ "$(stat -Lc %s "$case/img/pages-1.img")" -lt "$(stat -c %s "$tmp/$1/img/pages-1.img")" ] ||
		die "nothing went into the parents"
}

# try_chains SCENARIO [LAZY...]
try_chains()
{
	local levels lazy mode name shares=("${@:2}")

	[ ${#shares[@]} -gt 0 ] || shares=(0 50 100)
	attempt "$1: dump" dump_scenario "$1"
	for levels in 2 3; do
		for lazy in "${shares[@]}"; do
			name=$1-chain-$levels-$lazy
			attempt "$1 in $levels levels, $lazy of 100 inherited pages lazy: split" \
				make_chain "$1" "$name" "$((levels + lazy))" "$lazy" "$levels"
			case=$tmp/$name
			try_modes "$1 in $levels levels, $lazy of 100 inherited pages lazy"
			remove_case "$name"
		done
	done
	remove_case "$1"
}

try_chains fork-both
try_chains tree
try_chains siblings 0 # with shared memory
tap_done

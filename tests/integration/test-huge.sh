# Memory of huge pages, private and shared, beside lazy memory.
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The pool of this machine is made larger for it, and smaller again at the end.
. "$abs_top_srcdir/tests/integration/functions.sh"

pool=/proc/sys/vm/nr_hugepages
wanted=32 # CRIU reserves some more while it dumps

# add_pages NR: others may do the same at the same time
add_pages()
{
	(
		flock 8
		nr=$(($(cat "$pool") + $1))
		echo $((nr > 0 ? nr : 0)) >"$pool"
	) 8<"$pool"
}

# Pages that nobody has or has reserved.
spare_pages()
{
	awk '/^HugePages_Free/ { free = $2 } /^HugePages_Rsvd/ { free -= $2 } END { print free }' /proc/meminfo
}

give_back()
{
	[ "$added" -eq 0 ] || add_pages "-$added"
	clean_up
}

# What is added first may go into pages that there were too many of.
fill_pool()
{
	local round nr

	for round in 1 2; do
		nr=$((wanted - $(spare_pages)))
		[ "$nr" -gt 0 ] || return 0
		add_pages "$nr" || return
		added=$((added + nr))
	done
	[ "$(spare_pages)" -ge "$wanted" ]
}

added=0
trap give_back EXIT
if ! grep -q '^Hugepagesize: *2048 kB' /proc/meminfo; then
	tap_skip_all "huge pages are not of 2 MiB here"
elif ! fill_pool; then
	tap_skip_all "there is no memory for $wanted huge pages"
fi
try_scenarios pool

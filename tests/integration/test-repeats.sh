# Fifty restores in a row, after which the machine is as it was.
# SPDX-License-Identifier: GPL-2.0-or-later
# Anew, where nobody else mounts anything.
if [ -z "${FI_OWN_MOUNTS:-}" ] && unshare -m true 2>/dev/null; then
	export FI_OWN_MOUNTS=yes
	exec unshare -m bash "$0" "$@"
fi
. "$abs_top_srcdir/tests/integration/functions.sh"

# What a restore could leave in the system, beside processes and the files of its work directory: mounts.
# (A socket that still listened would be some process's.)
traces()
{
	sed 's/^[0-9]* [0-9]* //' /proc/self/mountinfo
}

repeat()
{
	local i before

	before=$(traces)
	for ((i = 1; i <= 50; i++)); do
		(restore_and_judge "$1") || die "restore $i of 50 failed"
	done
	diff <(echo "$before") <(traces) | tap_comment
	[ "$before" = "$(traces)" ] || die "mounts were left behind"
	[ -z "$(find "$case/$1" ! -type f ! -type d)" ] || die "something odd was left in the work dir"
}

attempt "small-tree: dump" dump_scenario small-tree
case=$tmp/small-tree
for mode in ${modes/plain/}; do
	if can_mode "$mode"; then
		attempt "50 restores in a row: $mode" repeat "$mode"
	else
		tap_skip "50 restores in a row: $mode" "$reason"
	fi
done
tap_done

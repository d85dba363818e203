# The demonstration shows what it promises, small and with the sample program.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$abs_top_srcdir/tests/harness/tap.sh"

[ "$(id -u)" -eq 0 ] || tap_skip_all "CRIU wants root"
[ -x "${CRIU:-}" ] || tap_skip_all "there is no CRIU: see ./bootstrap criu"

FAULTIN_BUILDDIR=$abs_top_builddir
export FAULTIN_BUILDDIR CRIU

# try NAME OPTION...
try()
{
	local name=$1 dir out rc

	shift
	dir=$(mktemp -d) || exit 1
	out=$(TMPDIR=$dir DEMO_MIB=64 "$abs_top_srcdir/tests/demo/run" --sample "$@" 2>&1)
	rc=$?
	tap_comment <<<"$out"
	[ "$rc" -eq 0 ] && grep -q '^keys .* right after each restore and in the snapshot$' <<<"$out"
	tap_ok $? "$name: every key is right"
	rmdir "$dir" # fails when anything is left in it
	tap_ok $? "$name: no file is left"
}

if [ -e "$abs_top_builddir/plugin/.libs/faultin.so" ]; then
	try "through the plugin"
else
	tap_skip "through the plugin" "it was not built"
fi
try "through faultin serve" --serve

# An engine tells of its end before it has ended, and other tests run the program, too.
for _ in $(seq 600); do
	left=$(pgrep -f "^$abs_top_builddir/(faultin|tests/demo)") || break
	sleep 0.1
done
tap_comment <<<"$left"
[ -z "$left" ]
tap_ok $? "no process is left"
tap_done

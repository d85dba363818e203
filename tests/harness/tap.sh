# tests/harness/tap.sh - the few words that a TAP shell test needs; to be sourced.
# SPDX-License-Identifier: GPL-2.0-or-later

tap_n=0
tap_failed=0

# tap_skip_all REASON: nothing here can be tried on this machine.
tap_skip_all()
{
	echo "1..0 # SKIP $*"
	exit 0
}

# tap_ok STATUS WORDS: one result; 0 is good, as of a command.  Comments with the why come before.
tap_ok()
{
	local status=$1

	shift
	tap_n=$((tap_n + 1))
	if [ "$status" -eq 0 ]; then
		echo "ok $tap_n - $*"
	else
		echo "not ok $tap_n - $*"
		tap_failed=$((tap_failed + 1))
	fi
}

# tap_skip WORDS REASON
tap_skip()
{
	tap_n=$((tap_n + 1))
	echo "ok $tap_n - $1 # SKIP $2"
}

# tap_comment: standard input as comments.
tap_comment()
{
	sed 's/^/# /'
}

# The plan, as the last thing that a test says.
tap_done()
{
	echo "1..$tap_n"
	exit 0
}

# The program has the static probes of faultin-probes(7), with the arguments that it names.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$abs_top_srcdir/tests/harness/tap.sh"

command -v readelf >/dev/null || tap_skip_all "there is no readelf"
grep -q '^#define HAVE_SYS_SDT_H 1' "$abs_top_builddir/config.h" ||
	tap_skip_all "the build had no sys/sdt.h"

# "NAME SIZE..." for each probe of ours, as often as the compiler has put it somewhere: the size of an
# argument in bytes, negative when it has a sign.
found=$(readelf -n "$abs_top_builddir/faultin" | awk '
	$1 == "Provider:" { ours = $2 == "faultin" }
	$1 == "Name:" { name = $2 }
	$1 == "Arguments:" && ours {
		printf "%s", name
		for (i = 2; i <= NF; i++)
			if (match($i, /^-?[0-9]+@/))
				printf " %s", substr($i, 1, RLENGTH - 1)
		print ""
	}' | sort -u)
# space, pid, address, bytes, answer; of a fork, the child's space
expected="copy 4 -4 8 8 4
drain 4 -4 8 8 4
fault 4 -4 8
fork 4 -4 4
park 4 -4 8"

[ "$found" = "$expected" ] || diff <(echo "$expected") <(echo "$found") | tap_comment
[ "$found" = "$expected" ]
tap_ok $? "probes and their arguments"
for probe in $(cut -d ' ' -f 1 <<<"$expected"); do
	grep -q "^\*$probe\*\$" "$abs_top_srcdir/doc/faultin-probes.7.scd"
	tap_ok $? "faultin-probes(7) has $probe"
done
tap_done

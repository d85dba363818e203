# Each header is a contract that can be read, and compiled, alone; those that say extern "C" in C++.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$abs_top_srcdir/tests/harness/tap.sh"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# try COMPILER... HEADER: twice, because a guard that does not guard is a fault too
try()
{
	local header=${*: -1} rc

	printf '#include "%s"\n#include "%s"\n' "$header" "$header" >"$work/$lang.$lang"
	"${@:1:$#-1}" -fsyntax-only -Wall -Werror -D_GNU_SOURCE -DHAVE_CONFIG_H -I"$abs_top_srcdir" \
		-I"$abs_top_builddir" $HEADER_CPPFLAGS "$work/$lang.$lang" >"$work/out" 2>&1
	rc=$?
	tap_comment <"$work/out"
	return $rc
}

cd "$abs_top_srcdir" || exit 1
for header in common/*.h images/*.h images/inspect/*.h restore/*.h plugin/*.h; do
	[ -e "$header" ] || continue
	lang=c
	try $CC -x c "$header"
	tap_ok $? "$header compiles alone as C"
	grep -q 'extern "C"' "$header" || continue
	if [ -z "$CXX_IF_ANY" ]; then
		tap_skip "$header compiles alone as C++" "no C++ compiler"
		continue
	fi
	lang=cc
	try $CXX_IF_ANY -x c++ "$header"
	tap_ok $? "$header compiles alone as C++"
done
tap_done

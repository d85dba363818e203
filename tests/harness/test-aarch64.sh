# What is written for a processor that no test here runs on is compiled at least.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$abs_top_srcdir/tests/harness/tap.sh"

compiler=aarch64-linux-gnu-gcc
cd "$abs_top_srcdir" || exit 1
for file in plugin/inject*.c plugin/task_*.c; do
	if ! command -v "$compiler" >/dev/null; then
		tap_skip "$file compiles for aarch64" "there is no $compiler"
		continue
	fi
	"$compiler" -fsyntax-only -Wall -Wextra -Werror -D_GNU_SOURCE -DHAVE_CONFIG_H -I. \
		-I"$abs_top_builddir" "$file" 2>&1 | tap_comment
	[ "${PIPESTATUS[0]}" -eq 0 ]
	tap_ok $? "$file compiles for aarch64"
done
tap_done

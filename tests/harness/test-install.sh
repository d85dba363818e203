# make install puts everything where distributions look for it, and make uninstall takes it away.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$abs_top_srcdir/tests/harness/tap.sh"

root=$(mktemp -d) || exit 1
trap 'rm -rf "$root"' EXIT

# bindir, plugindir and so on, as they were configured
eval "${INSTALL_DIRS// /;}"

# run TARGET: as if nobody had started us
run()
{
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL "${MAKE:-make}" -C "$abs_top_builddir" -s "$1" \
		DESTDIR="$root" >"$root.out" 2>&1
	tap_ok $? "make $1"
	tap_comment <"$root.out"
	rm -f "$root.out"
}

files()
{
	local page section

	echo "$bindir/faultin"
	echo "$pkglibexecdir/faultin-tools"
	echo "$plugindir/faultin.so"
	echo "$libdir/pkgconfig/faultin.pc"
	echo "$datadir/bash-completion/completions/faultin"
	echo "$datadir/faultin/faultin-grafana.json"
	printf '%s\n' "$docdir"/{NEWS,README.md,SECURITY.md}
	[ ! -e "$abs_top_builddir/doc/faultin.1" ] || for page in "$abs_top_srcdir"/doc/*.scd; do
		page=${page##*/}
		page=${page%.scd}
		echo "$mandir/man${page##*.}/$page"
	done
}

run install
for file in $(files); do
	[ -s "$root$file" ]
	tap_ok $? "$file is there"
done
said=$("$root$bindir/faultin" --version)
[ "$said" = "Version: $(sed -n 's/^Version: //p' "$root$libdir/pkgconfig/faultin.pc")" ]
tap_ok $? "the program and faultin.pc have the same version"
if command -v pkg-config >/dev/null; then
	said=$(PKG_CONFIG_PATH=$root$libdir/pkgconfig pkg-config --variable=plugindir faultin)
	[ "$said" = "$plugindir" ] || echo "# said: $said"
	[ "$said" = "$plugindir" ]
	tap_ok $? "pkg-config says where the plugin is"
else
	tap_skip "pkg-config says where the plugin is" "there is no pkg-config"
fi
run uninstall
for file in $(files); do
	[ ! -e "$root$file" ]
	tap_ok $? "$file is gone"
done
tap_done

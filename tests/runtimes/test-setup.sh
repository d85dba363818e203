# faultin setup: one line in CRIU's configuration, and its undoing, byte for byte.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$abs_top_srcdir/tests/harness/tap.sh"

faultin=$abs_top_builddir/faultin
tmp=$(mktemp -d "${TMPDIR:-/tmp}/faultin-test.XXXXXX") || exit 1
trap 'rm -rf "$tmp"' EXIT
etc=$tmp/etc
lib=$tmp/lib
mkdir "$etc" "$lib" "$tmp/other"
: >"$lib/faultin.so"

# setup STATUS WORD...: its outputs are in $tmp/said
setup()
{
	local status=$1 got

	shift
	"$faultin" setup "$@" --sysconfdir "$etc" >"$tmp/said" 2>&1
	got=$?
	[ "$got" -eq "$status" ] || {
		echo "# setup $*: exit status $got, not $status"
		tap_comment <"$tmp/said"
	}
	[ "$got" -eq "$status" ]
}

# is FILE TEXT: what is in it, byte for byte
is()
{
	printf '%b' "$2" | cmp -s - "$etc/criu/$1" || {
		echo "# $1 is:"
		tap_comment <"$etc/criu/$1"
		return 1
	}
}

line="libdir \"$lib\"\n"

setup 1 runc --check --libdir "$lib" && [ ! -e "$etc/criu" ]
tap_ok $? "--check finds nothing, and makes nothing"
setup 0 runc --libdir "$lib" && is runc.conf "# faultin setup: this file is its own\n$line"
tap_ok $? "a new file"
[ "$(stat -c %a "$etc/criu/runc.conf")" = 644 ]
tap_ok $? "that everybody may read"
setup 0 runc --check --libdir "$lib"
tap_ok $? "--check finds it"
before=$(stat -c %i "$etc/criu/runc.conf")
setup 0 runc --libdir "$lib" && [ "$(stat -c %i "$etc/criu/runc.conf")" = "$before" ]
tap_ok $? "doing it twice changes nothing"
setup 0 runc --undo && [ ! -e "$etc/criu" ]
tap_ok $? "--undo leaves nothing"
setup 0 runc --undo && [ ! -e "$etc/criu" ]
tap_ok $? "twice, too"

mkdir "$etc/criu"
n=0
for text in '' '\n' 'tcp-established' '# a comment\n\n  tcp-close \n' 'log-file x\n#libdir /a\nlibdirs /b\n'; do
	n=$((n + 1))
	printf '%b' "$text" >"$etc/criu/crun.conf"
	chmod 640 "$etc/criu/crun.conf"
	setup 0 crun --libdir "$lib" && is crun.conf "# faultin setup: these two lines are its own\n$line$text" &&
		[ "$(stat -c %a "$etc/criu/crun.conf")" = 640 ]
	tap_ok $? "file $n: the line is before what was there"
	# the plugin has moved
	mkdir -p "$tmp/moved"
	: >"$tmp/moved/faultin.so"
	setup 1 crun --check --libdir "$tmp/moved" && setup 0 crun --libdir "$tmp/moved" &&
		is crun.conf "# faultin setup: these two lines are its own\nlibdir \"$tmp/moved\"\n$text"
	tap_ok $? "file $n: another directory takes its place"
	setup 0 crun --undo && is crun.conf "$text" && [ "$(stat -c %a "$etc/criu/crun.conf")" = 640 ]
	tap_ok $? "file $n: --undo gives back every byte"
done

# what was added later by somebody stays
setup 0 runc --libdir "$lib" && echo 'tcp-close' >>"$etc/criu/runc.conf" && setup 0 runc --undo &&
	is runc.conf 'tcp-close\n'
tap_ok $? "--undo keeps what was added since"

for text in 'libdir /usr/lib/other\n' '  libdir\t"/a b"' "tcp-close\nlibdir $lib/x\n"; do
	printf '%b' "$text" >"$etc/criu/runc.conf"
	setup 1 runc --libdir "$lib" && grep -q "has a libdir of its own" "$tmp/said" && is runc.conf "$text" &&
		setup 1 runc --check --libdir "$lib" && setup 0 runc --undo && is runc.conf "$text"
	tap_ok $? "somebody else's libdir stays: $text"
done
printf 'libdir %s\n' "$lib" >"$etc/criu/runc.conf"
setup 0 runc --libdir "$lib" && is runc.conf "libdir $lib\n" && setup 0 runc --check --libdir "$lib" &&
	setup 0 runc --undo && is runc.conf "libdir $lib\n"
tap_ok $? "somebody else's line that is right already stays"

rm "$etc/criu"/*
printf 'a\n' >"$tmp/other/real.conf"
ln -s "$tmp/other/real.conf" "$etc/criu/default.conf"
setup 0 criu --libdir "$lib" && [ -L "$etc/criu/default.conf" ] && setup 0 criu --undo &&
	[ -L "$etc/criu/default.conf" ] && is default.conf 'a\n'
tap_ok $? "a link stays a link"
setup 0 podman --libdir "$lib" && [ -e "$etc/criu/runc.conf" ] && [ -e "$etc/criu/crun.conf" ] &&
	setup 0 podman --check --libdir "$lib" && setup 0 podman --undo &&
	[ "$(ls "$etc/criu")" = default.conf ]
tap_ok $? "podman: both of its runtimes"
[ "$(ls "$tmp/other")" = real.conf ]
tap_ok $? "nothing else is left behind"

mkdir "$etc/criu/runc.conf"
setup 1 runc --libdir "$lib" && rmdir "$etc/criu/runc.conf"
tap_ok $? "a directory in its place is refused"
setup 1 runc --libdir "$tmp/none" && grep -q "the plugin '$tmp/none/faultin.so'" "$tmp/said"
tap_ok $? "there has to be a plugin"
setup 1 runc --libdir lib
tap_ok $? "a relative directory is refused"
setup 2 docker && setup 2 && setup 2 runc --check --undo && setup 2 runc --nonsense
tap_ok $? "wrong options"
tap_done

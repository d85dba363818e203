# Completion offers the verbs and options that there are.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$abs_top_srcdir/tests/harness/tap.sh"

. "$abs_top_srcdir/doc/faultin.bash"
faultin=$abs_top_builddir/faultin

# offers EXPECTED WORD...: what is offered for the last word, in order of the alphabet
offers()
{
	local expected=$1 offered

	shift
	COMP_WORDS=("$faultin" "$@")
	COMP_CWORD=$#
	_faultin
	offered=$(printf '%s\n' "${COMPREPLY[@]}" | sort -u | tr '\n' ' ')
	[ "$offered" = "$expected " ] || echo "# '$*': offered '$offered', expected '$expected'"
	[ "$offered" = "$expected " ]
	tap_ok $? "faultin $*"
}

offers "inspect" ins
offers "complete config" co
offers "--check" config --ch
offers "serve setup status" s
offers "rate resume" r
offers "verify" v
offers "--help --version" --
offers "--sockets" inspect --so
offers "--maps --mounts" inspect --m
offers "--quiet" verify --q
offers "metrics" m
offers "--output" metrics --o
offers "--watch" status --wa
offers "--help" pause --h
offers "--images-dir --images-dir-fd" serve --im
offers "poststart poststop" hook post
offers "criu crun" setup cr
offers "stack" inspect --kind sta
offers "--dump" inspect -t 1 --du
tap_done

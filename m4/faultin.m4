# m4/faultin.m4 - what configure.ac says more than once.
# SPDX-License-Identifier: GPL-2.0-or-later

# FI_APPEND_FLAGS(VARIABLE, FLAGS)
# Appends to VARIABLE the FLAGS that the compiler takes and to fi_dropped_flags those that it does
# not, because a flag that vanishes in silence is believed to be watching.
AC_DEFUN([FI_APPEND_FLAGS], [
	for fi_flag in $2; do
		AC_MSG_CHECKING([whether $CC takes $fi_flag])
		fi_saved_CFLAGS=$CFLAGS
		CFLAGS="$CFLAGS -Werror $fi_flag"
		AC_COMPILE_IFELSE([AC_LANG_PROGRAM()],
			[AC_MSG_RESULT([yes])
			 $1="$$1 $fi_flag"],
			[AC_MSG_RESULT([no])
			 fi_dropped_flags="$fi_dropped_flags $fi_flag"])
		CFLAGS=$fi_saved_CFLAGS
	done
])

# FI_REQUIRE_DECLS(HEADER, NAMES, WHY)
# Compile-tests constants, in a list with spaces, that nothing works without.
AC_DEFUN([FI_REQUIRE_DECLS], [
	m4_foreach_w([fi_name], [$2], [
	AC_CHECK_DECL(fi_name, [],
		[AC_MSG_ERROR([<$1> lacks fi_name: $3])],
		[[#include <$1>
		]])
	])
])

# FI_SUMMARY(LABEL, VALUE, COST OF "no")
# One line of configure's last word: yes, or no and what it costs, or the value as it is.
AC_DEFUN([FI_SUMMARY], [
	fi_label="$1 ............................................"
	AS_IF([test "x$2" = xno],
		[printf '  %.36s no - %s\n' "$fi_label" "$3"],
		[printf '  %.36s %s\n' "$fi_label" "$2"])
])

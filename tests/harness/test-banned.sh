# The house's laws that grep can see: banned functions, and arrows that point one way.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$abs_top_srcdir/tests/harness/tap.sh"

cd "$abs_top_srcdir" || exit 1

# forbid WORDS EXTENDED-REGEX FOLDER...: no line of C in the folders matches, comments apart
forbid()
{
	local words=$1 regex=$2 found

	shift 2
	# through the environment, since -v would take the backslashes
	found=$(regex=$regex find "$@" -name '*.[ch]' ! -name '*.pb-c.[ch]' -exec \
		awk '
			BEGIN { regex = ENVIRON["regex"] }
			FNR == 1 { inside = 0 }
			{
				line = $0
				if (inside) {
					if (!sub(/^.*\*\//, "", line))
						next
					inside = 0
				}
				gsub(/\/\*([^*]|\*+[^*\/])*\*+\//, "", line)
				sub(/\/\/.*/, "", line)
				inside = sub(/\/\*.*/, "", line)
				if (line ~ regex)
					print FILENAME ":" FNR ": " $0
			}' {} +)
	[ -z "$found" ] || printf '%s\n' "$found" | tap_comment
	[ -z "$found" ]
	tap_ok $? "$words"
}

# calls NAME|NAME...: a regex for calls of these very functions
calls()
{
	printf '(^|[^A-Za-z0-9_.>])(%s)[ \t]*\\(' "$1"
}

all="common images restore plugin"

forbid "no string function without a bound" \
	"$(calls 'strcpy|strcat|stpcpy|sprintf|vsprintf|gets|scanf|sscanf|strtok')" $all
forbid "no number parser without errors" "$(calls 'atoi|atol|atoll|atof')" $all
forbid "no memory off the stack by size" "$(calls 'alloca|strdupa|strndupa')" $all
forbid "no guessable temporary name" "$(calls 'tmpnam|tempnam|mktemp')" $all

forbid "common/ includes nothing above it" '#[ \t]*include[ \t]*"(images|restore|plugin|tests)/' common
forbid "images/ includes nothing above it" '#[ \t]*include[ \t]*"(restore|plugin|tests)/' images
forbid "restore/ includes nothing above it" '#[ \t]*include[ \t]*"(plugin|tests)/' restore
forbid "plugin/ does not include tests" '#[ \t]*include[ \t]*"tests/' plugin

forbid "images/ does not know userfaultfd" 'userfaultfd|UFFDIO_' images
forbid "images/ and common/ do not log" "$(calls 'perror|syslog|vsyslog|warn|warnx|err|errx')|stderr" \
	images common
forbid "images/, common/ and plugin/ never end the process" "$(calls 'exit|abort')" \
	images common plugin
tap_done

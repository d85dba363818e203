# Man pages, --help and the sources say the same.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$abs_top_srcdir/tests/harness/tap.sh"

doc=$abs_top_srcdir/doc
faultin=$abs_top_builddir/faultin

# same WORDS FILE-TEXT OTHER-TEXT: lists, one word a line, neither of them empty
same()
{
	local words=$1 difference

	difference=$(diff <(sort -u <<<"$2") <(sort -u <<<"$3"))
	[ -z "$difference" ] || tap_comment <<<"$difference"
	[ -n "$2" ] && [ -z "$difference" ]
	tap_ok $? "$words"
}

# Options of a --help: in its lines that begin with one.
help_options()
{
	"$@" | sed -nE 's/^ +(-.*)$/\1/p' | sed -E 's/   .*//; s/([^ ,]) [a-z].*/\1/' |
		grep -oE '(^|[ ,])--?[A-Za-z][A-Za-z-]*' | grep -oE -e '-.*'
}

# Options of a man page: in its lines that are an option's headline.
man_options()
{
	grep -E '^\*-' "$1" | grep -oE '\*--?[A-Za-z][A-Za-z-]*\*' | tr -d '*'
}

verbs=$("$faultin" --help | sed -nE 's/^  ([a-z]+) +.*/\1/p')
same "faultin(1) has the verbs of --help" "$verbs" \
	"$(sed -n '/^# VERBS/,/^# OPTIONS/s/^\*\([a-z]*\)\*$/\1/p' "$doc/faultin.1.scd")"
for verb in $verbs; do
	page=faultin-$verb.1.scd
	[ -e "$doc/$page" ]
	tap_ok $? "the verb $verb has a page"
	same "$page has the options of --help" "$(help_options "$faultin" "$verb" --help)" \
		"$(man_options "$doc/$page")"
done

# What the sources add to the report, with the name of the object, which is the variable's.
same "faultin-report.5.scd has the members of the report" \
	"$(grep -oE 'add_number\([a-z]+, "[a-z_]+"|add\(json, "[a-z_]+", json_object_new' \
		"$abs_top_srcdir/restore/report.c" |
		sed -E 's/.*\(([a-z]+), "([a-z_]+)".*/\1.\2/; s/^json\.//')" \
	"$(sed -n '/^# MEMBERS/,/^# EXAMPLE/s/^\*\([a-z_.]*\)\*$/\1/p' "$doc/faultin-report.5.scd")"

# And to the status, what is said of the whole session.
same "faultin-control.5.scd has the members of the status" \
	"$(sed -n '/^static void add_pages/,/^static struct json_object \*to_json/p;/^static void add_rates/,/^}/p' \
		"$abs_top_srcdir/restore/status.c" "$abs_top_srcdir/restore/look.c" |
		sed '/^static void add_space(/,/^}/d; /^static void add_buckets(/,/^}/d' |
		awk 'match($0, /fi_json_object\(.*"[a-z_]+"\)/) { split($0, part, "\""); object = part[2] }
			/^}/ { object = "" }
			match($0, /fi_json_[a-z0-9]+\(&?[a-z>-]*js, [a-z]+, "[a-z_0-9]+",/) {
				split($0, part, "\""); split($0, word, ", ")
				print (word[2] == "to" ? "" : object ".") part[2] }')
latency_ns.buckets
spaces" \
	"$(sed -n '/^# MEMBERS/,/^# SEE/s/^\*\([a-z_.0-9]*\)\*$/\1/p' "$doc/faultin-control.5.scd")"

# What the plugin's page says is handed to the engine.
same "faultin-plugin.7.scd has the engine's arguments" \
	"$(sed -n '/engine_argv\[\] = {/,/};/p' "$abs_top_srcdir/plugin/engine.c" | grep -oE '"--[a-z-]+"' |
		tr -d '"')" \
	"$(sed -n '/^faultin serve --/,/^```/p' "$doc/faultin-plugin.7.scd" | grep -oE -e '--[a-z-]+')"

if command -v scdoc >/dev/null; then
	for page in "$doc"/*.scd; do
		scdoc <"$page" 2>&1 >/dev/null | tap_comment
		[ "${PIPESTATUS[0]}" -eq 0 ]
		tap_ok $? "scdoc takes ${page##*/}"
	done
else
	tap_skip "scdoc takes the pages" "there is no scdoc"
fi
for page in "$doc"/*.scd; do
	grep -qF "doc/${page##*/}" "$doc/local.mk"
	tap_ok $? "${page##*/} is in doc/local.mk"
	# the other pages that it names
	for other in $(grep -oE '\*faultin[a-z.-]*\*\([1-9]\)' "$page" | tr -d '*' | sort -u); do
		[ -e "$doc/$(sed -E 's/\(([1-9])\)/.\1.scd/' <<<"$other")" ]
		tap_ok $? "${page##*/} names $other, which is there"
	done
done
tap_done

/* restore/inspect_options.c - the command line of `faultin inspect`.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include <string.h>

#include "images/inspect/maps.h"
#include "images/inspect/memory.h"
#include "restore/inspect.h"
#include "restore/options.h"

enum {
	OPT_MAPS = 256,
	OPT_FILES,
	OPT_SOCKETS,
	OPT_MOUNTS,
	OPT_NAMESPACES,
	OPT_ENV,
	OPT_DUMP,
	OPT_ALL,
	OPT_PAGES,
	OPT_GREP,
	OPT_DIFF,
	OPT_ESTIMATE,
	OPT_TRACE,
	OPT_PROT,
	OPT_KIND,
	OPT_RANGE,
	OPT_JSON,
	OPT_HTML,
};

static const char short_options[] = ":t:Vh";

static const struct option long_options[] = {
	{ "maps", optional_argument, NULL, OPT_MAPS },
	{ "files", no_argument, NULL, OPT_FILES },
	{ "sockets", no_argument, NULL, OPT_SOCKETS },
	{ "mounts", no_argument, NULL, OPT_MOUNTS },
	{ "namespaces", no_argument, NULL, OPT_NAMESPACES },
	{ "env", no_argument, NULL, OPT_ENV },
	{ "dump", required_argument, NULL, OPT_DUMP },
	{ "all", no_argument, NULL, OPT_ALL },
	{ "pages", no_argument, NULL, OPT_PAGES },
	{ "grep", required_argument, NULL, OPT_GREP },
	{ "diff", required_argument, NULL, OPT_DIFF },
	{ "estimate", no_argument, NULL, OPT_ESTIMATE },
	{ "trace", required_argument, NULL, OPT_TRACE },
	{ "task", required_argument, NULL, 't' },
	{ "prot", required_argument, NULL, OPT_PROT },
	{ "kind", required_argument, NULL, OPT_KIND },
	{ "range", required_argument, NULL, OPT_RANGE },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "html", required_argument, NULL, OPT_HTML },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

/* A number at the begin of @word, decimal, or hexadecimal after "0x"; *@end is what follows. */
static int parse_u64(const char *word, uint64_t *ret, const char **end)
{
	char *stop;

	if (word[0] < '0' || word[0] > '9')
		return -EINVAL; /* no sign, no space */
	errno = 0;
	*ret = strtoull(word, &stop, strncmp(word, "0x", 2) == 0 ? 16 : 10);
	*end = stop;
	return errno ? -EINVAL : 0;
}

static int parse_pid(const char *word, uint32_t *ret, struct fi_error *err)
{
	const char *end;
	uint64_t value;

	if (parse_u64(word, &value, &end) < 0 || *end || value == 0 || value > INT32_MAX)
		return fi_error_set(err, -EINVAL, "'%s' is not the pid of a task", word);
	*ret = (uint32_t)value;
	return 0;
}

static int parse_prot(const char *word, struct fi_filter *filter, struct fi_error *err)
{
	static const char letters[] = "rwx";
	size_t i;

	for (i = 0; i < 3; i++)
		if (!word[i] || (word[i] != letters[i] && word[i] != '-' && word[i] != '?'))
			break;
	if (i < 3 || word[3])
		return fi_error_set(err, -EINVAL,
				    "--prot: '%s' is not a protection such as rw- or r?x", word);
	for (i = 0; i < 3; i++)
		filter->prot[i] = word[i] == '?' ? '\0' : word[i];
	return 0;
}

/* As in /proc/PID/maps, with or without "0x". */
static int parse_range(const char *word, struct fi_filter *filter, struct fi_error *err)
{
	char *end;

	errno = 0;
	filter->start = strtoull(word, &end, 16);
	if (!errno && end != word && *end == '-') {
		const char *second = end + 1;

		filter->end = strtoull(second, &end, 16);
		if (!errno && end != second && !*end && filter->start < filter->end)
			return 0;
	}
	return fi_error_set(err, -EINVAL, "--range: '%s' is not START-END", word);
}

static int parse_dump(const char *word, struct fi_inspect_options *o, struct fi_error *err)
{
	const char *end;

	if (parse_u64(word, &o->dump_addr, &end) < 0 || *end != ',' ||
	    parse_u64(end + 1, &o->dump_len, &end) < 0 || *end || o->dump_len == 0 ||
	    o->dump_len > UINT64_MAX - o->dump_addr)
		return fi_error_set(err, -EINVAL, "--dump: '%s' is not ADDR,LEN", word);
	if (o->dump_len > FI_DUMP_MAX)
		return fi_error_set(err, -EINVAL, "--dump: more than %u MiB",
				    (unsigned)(FI_DUMP_MAX >> 20));
	return 0;
}

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdefABCDEF";
	const char *at = c ? strchr(digits, c) : NULL;

	if (!at)
		return -1;
	return (int)(at - digits) - (at - digits > 15 ? 6 : 0);
}

/* Text as it is; after "hex:" pairs of digits. */
static int parse_pattern(const char *word, struct fi_inspect_options *o, struct fi_error *err)
{
	size_t len = strlen(word), i;

	o->pattern_len = 0;
	if (strncmp(word, "hex:", 4) == 0) {
		word += 4;
		for (i = 0; word[i] && i / 2 < FI_PATTERN_MAX; i += 2) {
			int high = hex_digit(word[i]), low = hex_digit(word[i + 1]);

			if (high < 0 || low < 0)
				return fi_error_set(
					err, -EINVAL,
					"--grep: '%s' are not pairs of hexadecimal digits", word);
			o->pattern[o->pattern_len++] = (uint8_t)(high << 4 | low);
		}
		len = strlen(word) / 2;
	} else if (len <= FI_PATTERN_MAX) {
		memcpy(o->pattern, word, len);
		o->pattern_len = len;
	}
	if (len == 0 || len > FI_PATTERN_MAX)
		return fi_error_set(err, -EINVAL, "--grep: a pattern has 1 to %d bytes",
				    FI_PATTERN_MAX);
	return 0;
}

static int take_option(int c, struct fi_inspect_options *o, struct fi_error *err)
{
	switch (c) {
	case OPT_MAPS:
		o->maps = true;
		return optarg ? parse_pid(optarg, &o->filter.pid, err) : 0;
	case OPT_FILES:
		o->files = true;
		return 0;
	case OPT_SOCKETS:
		o->sockets = true;
		return 0;
	case OPT_MOUNTS:
		o->mounts = true;
		return 0;
	case OPT_NAMESPACES:
		o->namespaces = true;
		return 0;
	case OPT_ENV:
		o->env = true;
		return 0;
	case OPT_ALL:
		o->maps = o->files = o->sockets = o->mounts = o->namespaces = o->env = true;
		return 0;
	case OPT_PAGES:
		o->pages = true;
		return 0;
	case OPT_ESTIMATE:
		o->estimate = true;
		return 0;
	case OPT_TRACE:
		o->trace = optarg;
		return 0;
	case OPT_DIFF:
		o->diff = optarg;
		return 0;
	case OPT_GREP:
		return parse_pattern(optarg, o, err);
	case OPT_DUMP:
		return parse_dump(optarg, o, err);
	case 't':
		return parse_pid(optarg, &o->filter.pid, err);
	case OPT_PROT:
		return parse_prot(optarg, &o->filter, err);
	case OPT_KIND:
		o->filter.kind = optarg;
		return fi_is_vma_kind(optarg)
			       ? 0
			       : fi_error_set(err, -EINVAL, "--kind: there is no kind '%s'",
					      optarg);
	case OPT_RANGE:
		return parse_range(optarg, &o->filter, err);
	case OPT_HTML:
		o->html = optarg;
		o->maps = o->files = o->sockets = o->mounts = o->namespaces = true;
		return 0;
	case OPT_JSON:
		o->json = true;
		return 0;
	case 'V':
		o->version = true;
		return 0;
	case 'h':
		o->help = true;
		return 0;
	default:
		return -EINVAL;
	}
}

int fi_inspect_parse(int argc, char **argv, struct fi_inspect_options *ret, struct fi_error *err)
{
	int c, r;

	*ret = (struct fi_inspect_options){ .path = NULL };
	optind = 0; /* start anew, also after an earlier parse */
	opterr = 0;
	while ((c = getopt_long(argc, argv, short_options, long_options, NULL)) != -1) {
		if (c == ':' || c == '?')
			return fi_option_bad(c, short_options, argc, argv, err);
		r = take_option(c, ret, err);
		if (r < 0)
			return r;
		if (ret->help || ret->version)
			return 0; /* at once, where they stand */
	}
	if (optind == argc)
		return fi_error_set(err, -EINVAL, "name a directory or an archive");
	ret->path = argv[optind++];
	if (optind < argc)
		return fi_error_set(err, -EINVAL, "unexpected '%s'", argv[optind]);
	return 0;
}

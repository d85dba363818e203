/* restore/serve_options.c - the command line of `faultin serve`, which is that of
 * `criu lazy-pages`.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include <stdint.h>
#include <string.h>

#include "restore/options.h"
#include "restore/request.h"
#include "restore/serve.h"

enum {
	OPT_PIDFILE = 256,
	OPT_STATUS_FD,
	OPT_JSON,
	OPT_TRACE,
	OPT_NO_SANDBOX,
	OPT_NO_KEEPER,
	OPT_SETTING,
	OPT_CONTAINER,
	OPT_IMAGES_DIR_FD,
	OPT_PARENT_PIDFD,
	OPT_HANDOVER_FD,
	OPT_LAZY_SHARED,
	OPT_HEIR,
	OPT_REMOTE,
};

static const char short_options[] = ":D:W:do:v::Vh";

static const struct option long_options[] = {
	{ "images-dir", required_argument, NULL, 'D' },
	{ "work-dir", required_argument, NULL, 'W' },
	{ "daemon", no_argument, NULL, 'd' },
	{ "restore-detached", no_argument, NULL, 'd' }, /* CRIU's other name for it */
	{ "pidfile", required_argument, NULL, OPT_PIDFILE },
	{ "status-fd", required_argument, NULL, OPT_STATUS_FD },
	{ "log-file", required_argument, NULL, 'o' },
	{ "verbosity", optional_argument, NULL, 'v' },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ "json", required_argument, NULL, OPT_JSON },
	{ "trace", required_argument, NULL, OPT_TRACE },
	{ "no-sandbox", no_argument, NULL, OPT_NO_SANDBOX },
	{ "no-keeper", no_argument, NULL, OPT_NO_KEEPER },
	{ "drain", required_argument, NULL, OPT_SETTING },
	{ "drain-rate", required_argument, NULL, OPT_SETTING },
	{ "threads", required_argument, NULL, OPT_SETTING },
	{ "container", required_argument, NULL, OPT_CONTAINER },
	/* The plugin's. */
	{ "images-dir-fd", required_argument, NULL, OPT_IMAGES_DIR_FD },
	{ "parent-pidfd", required_argument, NULL, OPT_PARENT_PIDFD },
	{ "handover-fd", required_argument, NULL, OPT_HANDOVER_FD },
	{ "lazy-shared", no_argument, NULL, OPT_LAZY_SHARED },
	/* upgrade.h's. */
	{ "heir", required_argument, NULL, OPT_HEIR },
	/* criu lazy-pages has these; we do not, yet. */
	{ "page-server", no_argument, NULL, OPT_REMOTE },
	{ "address", required_argument, NULL, OPT_REMOTE },
	{ "port", required_argument, NULL, OPT_REMOTE },
	{ "ps-socket", required_argument, NULL, OPT_REMOTE },
	{ "tls", no_argument, NULL, OPT_REMOTE },
	{ "tls-cacert", required_argument, NULL, OPT_REMOTE },
	{ "tls-cacrl", required_argument, NULL, OPT_REMOTE },
	{ "tls-cert", required_argument, NULL, OPT_REMOTE },
	{ "tls-key", required_argument, NULL, OPT_REMOTE },
	{ "tls-no-cn-verify", no_argument, NULL, OPT_REMOTE },
	{ NULL, 0, NULL, 0 },
};

static int parse_number(const char *word, long max, int *ret)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(word, &end, 10);
	if (errno || end == word || *end || value < 0 || value > max)
		return -EINVAL;
	*ret = (int)value;
	return 0;
}

static int parse_fd(const char *name, const char *word, int *ret, struct fi_error *err)
{
	if (parse_number(word, INT32_MAX, ret) < 0)
		return fi_error_set(err, -EINVAL, "--%s: '%s' is not a descriptor", name, word);
	return 0;
}

/* As CRIU's: -v is -v3, each further v one more, -vN is N. */
static int parse_level(const char *word, int *level, struct fi_error *err)
{
	int number;

	if (!word) {
		*level = *level < FI_LOG_INFO ? FI_LOG_INFO : *level + 1;
	} else if (word[0] && strspn(word, "v") == strlen(word)) {
		*level = FI_LOG_INFO + (int)strlen(word);
	} else if (parse_number(word, INT32_MAX, &number) == 0) {
		*level = number;
	} else {
		return fi_error_set(err, -EINVAL, "--verbosity: '%s' is not a number", word);
	}
	if (*level < FI_LOG_ERROR)
		*level = FI_LOG_ERROR;
	if (*level > FI_LOG_DEBUG)
		*level = FI_LOG_DEBUG;
	return 0;
}

/* One that faultin.conf knows by the same name, with the same values. */
static int take_setting(const char *name, const char *word, struct fi_serve_options *o,
			struct fi_error *err)
{
	struct fi_settings settings;
	int r;

	fi_settings_init(&settings);
	settings.drain = o->drain;
	settings.drain_rate = o->drain_rate;
	settings.threads = o->threads;
	r = fi_settings_set(&settings, FI_ORIGIN_SYSTEM, name, word, err);
	o->drain = settings.drain;
	o->drain_rate = settings.drain_rate;
	o->threads = settings.threads;
	return r;
}

static int take_container(const char *id, struct fi_serve_options *o, struct fi_error *err)
{
	if (!fi_container_is_id(id))
		return fi_error_set(err, -EINVAL, "--container: '%s' is no container's id", id);
	o->container = id;
	return 0;
}

static int take_option(int c, const char *name, struct fi_serve_options *o, int *level,
		       struct fi_error *err)
{
	switch (c) {
	case 'D':
		o->images_dir = optarg;
		return 0;
	case 'W':
		o->work_dir = optarg;
		return 0;
	case 'd':
		o->daemon = true;
		return 0;
	case 'o':
		o->log_file = optarg;
		return 0;
	case 'v':
		return parse_level(optarg, level, err);
	case 'V':
		o->version = true;
		return 0;
	case 'h':
		o->help = true;
		return 0;
	case OPT_PIDFILE:
		o->pidfile = optarg;
		return 0;
	case OPT_JSON:
		o->json = optarg;
		return 0;
	case OPT_TRACE:
		o->trace = optarg;
		return 0;
	case OPT_NO_SANDBOX:
		o->no_sandbox = true;
		return 0;
	case OPT_NO_KEEPER:
		o->no_keeper = true;
		return 0;
	case OPT_SETTING:
		return take_setting(name, optarg, o, err);
	case OPT_CONTAINER:
		return take_container(optarg, o, err);
	case OPT_STATUS_FD:
		return parse_fd(name, optarg, &o->status_fd, err);
	case OPT_IMAGES_DIR_FD:
		return parse_fd(name, optarg, &o->images_dir_fd, err);
	case OPT_PARENT_PIDFD:
		return parse_fd(name, optarg, &o->parent_pidfd, err);
	case OPT_HANDOVER_FD:
		return parse_fd(name, optarg, &o->handover_fd, err);
	case OPT_LAZY_SHARED:
		o->lazy_shared = true;
		return 0;
	case OPT_HEIR:
		o->heir = optarg;
		return 0;
	case OPT_REMOTE:
		return fi_error_set(err, -EINVAL,
				    "--%s: pages from a remote page server are not supported yet; "
				    "use 'criu lazy-pages' for this image",
				    name);
	default:
		return -EINVAL;
	}
}

int fi_serve_parse(int argc, char **argv, struct fi_serve_options *ret, struct fi_error *err)
{
	int level = FI_LOG_WARN, index = -1, c;

	*ret = (struct fi_serve_options){
		.images_dir = ".",
		.images_dir_fd = -EBADF,
		.status_fd = -EBADF,
		.parent_pidfd = -EBADF,
		.handover_fd = -EBADF,
	};

	optind = 0; /* start anew, also after an earlier parse */
	opterr = 0;
	while ((c = getopt_long(argc, argv, short_options, long_options, &index)) != -1) {
		int r;

		if (c == ':' || c == '?')
			return fi_option_bad(c, short_options, argc, argv, err);
		r = take_option(c, index >= 0 ? long_options[index].name : "", ret, &level, err);
		if (r < 0)
			return r;
		if (ret->help || ret->version)
			return 0; /* at once, where they stand */
		index = -1;
	}
	if (optind < argc)
		return fi_error_set(err, -EINVAL, "unexpected '%s'", argv[optind]);
	ret->level = (enum fi_log_level)level;
	return 0;
}

/* restore/serve.h - `faultin serve`: takes the place of `criu lazy-pages`.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_RESTORE_SERVE_H
#define FI_RESTORE_SERVE_H

#include <stdbool.h>

#include "common/error.h"
#include "common/settings.h"
#include "restore/log.h"

struct fi_serve_options {
	const char *images_dir; /* relative to the caller's directory, like work_dir */
	const char *work_dir;	/* NULL: the images directory */
	const char *log_file;	/* relative to the work directory; NULL: standard error */
	const char *pidfile;	/* relative to the work directory; daemons only */
	const char *json;	/* relative to the work directory */
	const char *trace;	/* the same */
	const char *container;	/* its id; NULL: none, or not known */
	enum fi_log_level level;
	enum fi_drain drain;
	uint64_t drain_rate; /* bytes a second; 0: no limit */
	unsigned threads;    /* of the drain; 0: as many as there are CPUs, up to some */
	int images_dir_fd;   /* instead of images_dir; -EBADF: none */
	int status_fd;	     /* -EBADF: none */
	int parent_pidfd;    /* -EBADF: none */
	int handover_fd;     /* -EBADF: lazy-pages.socket */
	bool lazy_shared;    /* what tasks share may be handed over, too */
	const char *heir;    /* NULL: a session of our own; else what upgrade.h has to know */
	bool daemon;
	bool no_sandbox;
	bool no_keeper;
	bool help, version;
};

/* Reads the words after "serve".  Returns 0, or -EINVAL said in @err.  The strings are @argv's. */
int fi_serve_parse(int argc, char **argv, struct fi_serve_options *ret, struct fi_error *err);

/* The verb.  @argv[0] is "serve".  Returns the exit code. */
int fi_serve_main(int argc, char **argv);

#endif

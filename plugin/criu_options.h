/* plugin/criu_options.h - whether the CRIU around us restores with --lazy-pages.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * CRIU does not tell its plugins.  What it was told itself is looked up where it was told: on the
 * command line, and in the configuration files that CRIU reads before it.  This works for `criu
 * restore`, whose options are all in these places.
 *
 * It does not work in CRIU's RPC mode (`criu swrk`, `criu service`, libcriu; so runc and crun):
 * there the options arrive in a message that is gone when plugins are loaded.  CRIU keeps them in
 * a global, `opts`, which its dynamic symbol table happens to show; but its layout is private and
 * moves (0x1d8 bytes in Debian's 3.17.1, 0x1f8 in 4.1.1, 0x200 in 4.2.1), and no exported function
 * gives the flag without side effects.  So the answer there is "cannot be told".
 *
 * Nothing here logs or keeps a descriptor open.
 */
#ifndef FI_PLUGIN_CRIU_OPTIONS_H
#define FI_PLUGIN_CRIU_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"

enum fi_restore_kind {
	FI_RESTORE_EAGER,
	FI_RESTORE_DEDUP, /* eager, and the image loses what was restored (--auto-dedup) */
	FI_RESTORE_LAZY,
	FI_RESTORE_UNTOLD, /* RPC mode */
};

/* Where CRIU looks besides its command line.  Each may be NULL: not there. */
struct fi_criu_places {
	const char *global_config; /* FI_CRIU_GLOBAL_CONFIG */
	const char *home;	   /* $HOME, for .criu/default.conf in it */
	const char *config_env;	   /* $CRIU_CONFIG_FILE */
	const char *start_dir;	   /* where CRIU was started, for relative names of files */
};

#define FI_CRIU_GLOBAL_CONFIG "/etc/criu/default.conf"

/* Decides from @cmdline, the @len bytes of /proc/PID/cmdline, and from configuration files as
 * CRIU's own rules choose them: global and user's unless --no-default-config or --config is given,
 * then CRIU_CONFIG_FILE, then --config.  A file that cannot be read is passed over, as CRIU does.
 *
 * Returns an enum fi_restore_kind, or, saying why in @err:
 *   -ENOENT  a configuration file has a relative name and the start directory is not known
 *   -EFBIG   a configuration file of more than a mebibyte
 *   -ENOMEM
 */
int fi_restore_kind(const char *cmdline, size_t len, const struct fi_criu_places *places,
		    struct fi_error *err);

/* The same about this process: /proc/self/cmdline and the environment.  Or what reading gave. */
int fi_restore_kind_here(struct fi_error *err);

/* A list of words, made by the two functions below; release with fi_words_free. */
struct fi_words {
	const char **word; /* nr of them */
	size_t nr;
	char *text; /* where they are */
};

/* The words of @len bytes of strings, each ended by a NUL. */
int fi_words_from_cmdline(const char *cmdline, size_t len, struct fi_words *ret);

/* The words of a CRIU configuration file, as the command line that CRIU makes of it: each line is
 * an option without its "--" and perhaps a value; "#" before a word begins a comment; a word in
 * double quotes may hold blanks and \" . */
int fi_words_from_config(const char *config, size_t len, struct fi_words *ret);

void fi_words_free(struct fi_words *words);
#define fi_auto_words fi_cleanup(fi_words_free)

/* What getopt_long(3), with CRIU's options, finds in words (without a program's name). */
struct fi_criu_options {
	bool lazy_pages, auto_dedup;
	bool restore; /* the verb is among the operands */
};

void fi_criu_options_scan(const struct fi_words *words, size_t first, struct fi_criu_options *ret);

#endif

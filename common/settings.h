/* common/settings.h - what faultin.conf, an image and a container's annotations ask for.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * doc/faultin.conf.5 says what the keys mean.  Four sources, each overriding those before it:
 *   built in   what fi_settings_init gives
 *   system     SYSCONFDIR/faultin.conf: the administrator's
 *   image      faultin.conf in the image directory.  An image is untrusted: it says how it wants to
 *              be restored, and not what is written where, nor with how many threads
 *   container  annotations org.faultin.KEY.  Whoever may start a container writes them: the same,
 *              but for threads, log-level and trace
 * `mode` is special: what an image or a container says can only narrow what the system allows.
 *
 * Each source is taken as a whole or, when there is anything wrong in it, not at all.
 *
 * Nothing here allocates more than a file's text, logs, or needs more than libc: the plugin uses it
 * inside CRIU.
 */
#ifndef FI_COMMON_SETTINGS_H
#define FI_COMMON_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FI_SETTINGS_NAME       "faultin.conf"
#define FI_SETTINGS_ANNOTATION "org.faultin." /* and then a key */
#define FI_SETTINGS_FILE_MAX   65536	      /* bytes of a file */
#define FI_SETTINGS_PATH_MAX   1024	      /* of log-file, with the terminator */
#define FI_SETTINGS_RANGES     64
#define FI_SETTINGS_THREADS    16
#define FI_SETTINGS_BYTES_MAX  (UINT64_C(1) << 50)
#define FI_SETTINGS_VALUE_MAX  4096 /* bytes of any value as text, with the terminator */

/* Which restores are lazy: bits. */
enum fi_mode {
	FI_MODE_OFF = 0,
	FI_MODE_LAZY_SOCKET = 1, /* those that ask CRIU for it (--lazy-pages) */
	FI_MODE_TRANSPARENT = 2, /* those that do not */
	FI_MODE_AUTO = 3,
};

/* Kinds of memory that can be asked to be restored before the tasks run: bits.  Those that never are
 * lazy have none. */
enum fi_memory_kind {
	FI_KIND_HEAP = 1,
	FI_KIND_ANON = 2,   /* other private anonymous memory */
	FI_KIND_FILE = 4,   /* private copies of a file's pages */
	FI_KIND_SHARED = 8, /* shared anonymous memory */
	FI_KIND_HUGETLB = 16,
	FI_KIND_MEMFD = 32,
	FI_KIND_SYSV = 64,
};

enum fi_drain {
	FI_DRAIN_BACKGROUND, /* while nobody waits for a page, as drain_rate allows */
	FI_DRAIN_EAGER,	     /* as fast as can be, children too */
	FI_DRAIN_DEMAND,     /* never: what is touched comes, and nothing else */
};

struct fi_range {
	uint64_t start, end; /* bytes, half open, not empty */
};

enum fi_key {
	FI_KEY_MODE,
	FI_KEY_MINIMUM_SIZE,
	FI_KEY_EAGER,
	FI_KEY_LAZY_SHARED,
	FI_KEY_DRAIN,
	FI_KEY_DRAIN_RATE,
	FI_KEY_THREADS,
	FI_KEY_LOG_LEVEL,
	FI_KEY_LOG_FILE,
	FI_KEY_TRACE,
	FI_KEY_NR,
};

enum fi_origin {
	FI_ORIGIN_BUILT_IN,
	FI_ORIGIN_SYSTEM,
	FI_ORIGIN_IMAGE,
	FI_ORIGIN_CONTAINER,
};

struct fi_settings {
	unsigned mode; /* of enum fi_mode */
	uint64_t
		minimum_size; /* bytes that could be lazy; with fewer, transparent mode is not worth it */
	unsigned eager_kinds;			   /* of enum fi_memory_kind */
	struct fi_range eager[FI_SETTINGS_RANGES]; /* as written: any order, maybe overlapping */
	size_t nr_eager;
	bool lazy_shared; /* shared anonymous memory, too, in transparent mode */
	enum fi_drain drain;
	uint64_t drain_rate;		     /* bytes a second; 0: no limit */
	unsigned threads;		     /* of the drain; 0: as many as make sense */
	int log_level;			     /* CRIU's numbers: 1 errors ... 4 everything */
	char log_file[FI_SETTINGS_PATH_MAX]; /* relative: to the work directory */
	bool trace;			     /* each fault is written down */

	/* Where each value comes from. */
	struct {
		enum fi_origin origin;
		unsigned line; /* of a file; else 0 */
	} from[FI_KEY_NR];
};

/* All of it built in. */
void fi_settings_init(struct fi_settings *settings);

/* Hears of each thing that is wrong: @line of the text (0: of none), and what. */
typedef void (*fi_settings_complain)(void *arg, unsigned line, const char *words);

/* Takes the @len bytes of a file.  @complain, unless it is NULL, hears of all that is wrong.
 *
 * Returns 0, or -EINVAL with the first of it in @err and @settings unchanged. */
int fi_settings_parse(struct fi_settings *settings, enum fi_origin origin, const char *text,
		      size_t len, fi_settings_complain complain, void *arg, struct fi_error *err);

/* Takes one value, such as an annotation's.  Returns 0, or -EINVAL, said in @err. */
int fi_settings_set(struct fi_settings *settings, enum fi_origin origin, const char *key,
		    const char *value, struct fi_error *err);

/* Takes a file of @dirfd (AT_FDCWD: of the working directory).  An image's must be a regular file,
 * and no symlink.  None at all is fine.
 *
 * Returns 1, or 0 when there is no such file; or, said in @err with the file's name, and with
 * @settings unchanged:
 *   -EINVAL  there is something wrong in it
 *   -EFBIG   it has more than FI_SETTINGS_FILE_MAX bytes
 *   -ENOMEM, or what openat(2) and read(2) gave
 */
int fi_settings_read(struct fi_settings *settings, enum fi_origin origin, int dirfd,
		     const char *path, fi_settings_complain complain, void *arg,
		     struct fi_error *err);

/* Where the system's file is: FAULTIN_CONFIG in the environment, else @installed. */
const char *fi_settings_system(const char *installed);

/* "mode", and so on. */
const char *fi_settings_key(enum fi_key key);

/* The value of @key as text that fi_settings_set takes. */
void fi_settings_format(const struct fi_settings *settings, enum fi_key key,
			char ret[FI_SETTINGS_VALUE_MAX]);

#ifdef __cplusplus
}
#endif
#endif

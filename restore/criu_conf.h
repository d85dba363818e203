/* restore/criu_conf.h - our two lines in a configuration file of CRIU.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A comment, by which they are known again, and `libdir DIR`, which has CRIU load the plugins of DIR.
 * They are put before everything else, so that what was there stays as it was, byte for byte.
 *
 * Nothing here opens a file.
 */
#ifndef FI_RESTORE_CRIU_CONF_H
#define FI_RESTORE_CRIU_CONF_H

#include <stdbool.h>
#include <stddef.h>

enum fi_criu_conf {
	FI_CRIU_CONF_NONE,    /* no plugins are asked for */
	FI_CRIU_CONF_OURS,    /* our lines, with that directory */
	FI_CRIU_CONF_OTHER,   /* our lines, with another directory */
	FI_CRIU_CONF_SAME,    /* somebody else's line, with that directory */
	FI_CRIU_CONF_FOREIGN, /* somebody else's line, with another directory */
};

/* What the @len bytes of a file say about @libdir. */
enum fi_criu_conf fi_criu_conf_look(const char *text, size_t len, const char *libdir);

/* The file with our lines before it; @made: there was none, and there will be none again.  Returns a
 * string, for the caller to free, or NULL without memory. */
char *fi_criu_conf_add(const char *text, size_t len, const char *libdir, bool made);

/* The file without our lines, as it was before they were added: @made as it was then.  Returns a
 * string of *@ret_len bytes, for the caller to free; NULL: it has none, or there is no memory
 * (ENOMEM in errno). */
char *fi_criu_conf_remove(const char *text, size_t len, size_t *ret_len, bool *made);

#endif

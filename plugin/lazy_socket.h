/* plugin/lazy_socket.h - who owns lazy-pages.socket in CRIU's work directory.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A server accepts one connection, and that one is CRIU's: so nobody is asked by connecting.
 */
#ifndef FI_PLUGIN_LAZY_SOCKET_H
#define FI_PLUGIN_LAZY_SOCKET_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/error.h"

#define FI_LAZY_SOCKET "lazy-pages.socket"

enum fi_lazy_socket {
	FI_LAZY_SOCKET_NONE,   /* no such file */
	FI_LAZY_SOCKET_STALE,  /* left by a server that is gone */
	FI_LAZY_SOCKET_SERVED, /* some process has it bound */
};

/* Looks at @path (relative names, as usual: to the working directory) without touching its server.
 *
 * Returns an enum fi_lazy_socket, or, saying why in @err:
 *   -EEXIST  it is something else than a socket
 *   or what socket(2), lstat(2) or connect(2) gave
 */
int fi_lazy_socket_look(const char *path, struct fi_error *err);

/* Names one socket file for ever, also against another of the same name. */
struct fi_socket_file {
	dev_t dev;
	ino_t ino; /* 0: none */
};

/* Remembers @path, if it is a socket. */
struct fi_socket_file fi_socket_file(const char *path);

/* Removes @path if it is still that file. */
void fi_socket_file_remove(const struct fi_socket_file *file, const char *path);

#endif

/* restore/custody.h - which open descriptors the session knows.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Keepers and engine share one table of descriptors, so that a dead engine's stay open.  What it had
 * for itself (epoll, sockets, mappings' files) is closed by its heir; so is nothing that the ledger
 * names, and no userfaultfd.
 */
#ifndef FI_RESTORE_CUSTODY_H
#define FI_RESTORE_CUSTODY_H

#include "images/image.h"

/* Closes what nobody keeps; of @image, the pages files are kept (NULL: there are none yet).  Call
 * when all messages that were read are applied, and before anything else is opened.
 *
 * Returns how many userfaultfds there are that nobody knows.  They become orphans: whose they are
 * cannot be said, so the tasks of this session must not run on.  Or a negative errno when the table
 * cannot be read. */
int fi_custody_sweep(const struct fi_image *image);

#endif

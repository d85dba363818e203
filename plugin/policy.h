/* plugin/policy.h - what holds for the restore that the CRIU around us is about to do.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_PLUGIN_POLICY_H
#define FI_PLUGIN_POLICY_H

#include "common/settings.h"
#include "plugin/container.h"

/* Everything that was said about it: built in, by the system's file (FAULTIN_CONFIG, or the
 * installed one), by the image, by the annotations of @container (NULL: none).  To read those,
 * @program, faultin's, is run, but only if there seem to be any.  @images_dirfd stays the caller's.
 *
 * What is wrong somewhere is said in CRIU's log and fails nothing: an image's file, and annotations,
 * are then passed over; without the system's, whatever the administrator wanted to forbid has to be
 * taken for forbidden, so that only restores are lazy that ask for it themselves
 * (FI_MODE_LAZY_SOCKET). */
void fi_policy_find(int images_dirfd, const struct fi_container *container, const char *program,
		    struct fi_settings *ret);

#endif

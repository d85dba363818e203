/* plugin/policy.c - see policy.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "plugin/policy.h"

#include <fcntl.h>

#include "plugin/host_log.h"

void fi_policy_find(int images_dirfd, struct fi_settings *ret)
{
	const char *system = fi_settings_system(FI_SYSTEM_SETTINGS);
	struct fi_error err = { "" };

	fi_settings_init(ret);
	if (fi_settings_read(ret, FI_ORIGIN_SYSTEM, AT_FDCWD, system, NULL, NULL, &err) < 0) {
		fi_host_log(FI_LOG_ERROR, "%s: only restores that ask for it are lazy", err.text);
		ret->mode = FI_MODE_LAZY_SOCKET;
	}
	if (fi_settings_read(ret, FI_ORIGIN_IMAGE, images_dirfd, FI_SETTINGS_NAME, NULL, NULL,
			     &err) < 0)
		fi_host_log(FI_LOG_WARN, "passing over the image's own settings: %s", err.text);
}

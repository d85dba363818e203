/* plugin/policy.c - see policy.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Annotations are JSON, for which the program has a library; here is none but libc.
 */
#include "config.h"

#include "plugin/policy.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "plugin/child.h"
#include "plugin/host_log.h"

#define SPEC_MAX (16U << 20)
#define SPEC	 "config.json" /* in a bundle */

/* --- annotations ----------------------------------------------------------------------------------- */

/* Terminated, of less than @max bytes.  NULL: it cannot be read, or is longer. */
static char *read_all(int fd, size_t max, size_t *ret_len)
{
	size_t len = 0, room = 65536;
	char *text = malloc(room), *grown;
	ssize_t n;

	while (text && (n = read(fd, text + len, room - len - 1)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n > 0)
			len += (size_t)n;
		if (n > 0 && len + 1 < room)
			continue;
		room *= 2;
		grown = n > 0 && room <= max ? realloc(text, room) : NULL;
		if (!grown)
			free(text);
		text = grown;
	}
	if (text)
		text[len] = '\0';
	*ret_len = len;
	return text;
}

/* Whether the bundle's configuration speaks of us. */
static bool seems_annotated(const char *bundle)
{
	fi_auto_free char *text = NULL;
	fi_auto_close int fd = -EBADF;
	char path[PATH_MAX + 16];
	size_t len = 0;

	(void)snprintf(path, sizeof(path), "%s/" SPEC, bundle);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	text = fd < 0 ? NULL : read_all(fd, SPEC_MAX, &len);
	return text && memmem(text, len, FI_SETTINGS_ANNOTATION, strlen(FI_SETTINGS_ANNOTATION));
}

static void __attribute__((noreturn))
become_program(const char *program, const char *bundle, const int *fds)
{
	const char *const argv[] = { "faultin",	 "config", "--only",	"container",
				     "--bundle", bundle,   "/dev/null", NULL };

	fi_child_exec(program, argv, fds, 3);
}

/* What the program prints: the annotations as a faultin.conf.  NULL: there is something wrong. */
static char *ask_program(const char *program, const char *bundle, size_t *ret_len)
{
	fi_auto_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	char *text = NULL;
	int out[2], status = 0;
	pid_t pid;

	if (null < 0 || pipe2(out, O_CLOEXEC) < 0)
		return NULL;
	pid = fi_child_fork();
	if (pid == 0)
		become_program(program, bundle, (const int[]){ null, out[1], null });
	fi_close(&out[1]);
	if (pid > 0)
		text = read_all(out[0], 2 * FI_SETTINGS_FILE_MAX, ret_len);
	fi_close(&out[0]);
	while (pid > 0 && waitpid(pid, &status, __WALL) < 0 && errno == EINTR)
		;
	if (pid < 0 || status != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static void take_annotations(const struct fi_container *container, const char *program,
			     struct fi_settings *settings)
{
	fi_auto_free char *text = NULL;
	struct fi_error err = { "" };
	size_t len = 0;

	if (!seems_annotated(container->bundle))
		return;
	text = ask_program(program, container->bundle, &len);
	if (!text ||
	    fi_settings_parse(settings, FI_ORIGIN_CONTAINER, text, len, NULL, NULL, &err) < 0)
		fi_host_log(FI_LOG_WARN,
			    "passing over the annotations of container %s: `faultin config "
			    "--bundle '%s'` says why",
			    container->id, container->bundle);
}

/* --- all of it ------------------------------------------------------------------------------------- */

void fi_policy_find(int images_dirfd, const struct fi_container *container, const char *program,
		    struct fi_settings *ret)
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
	if (container)
		take_annotations(container, program, ret);
}

/* plugin/plugin.c - faultin.so: CRIU starts the engine by itself.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *   dlopen, init(stage)   at dump, pre-dump and plain restores: nothing.  At `criu restore
 *                         --lazy-pages`: unless somebody serves lazy-pages.socket already, starts
 *                         the engine and returns when it listens and has found the image sound
 *   (the restore)         CRIU connects, the tasks send their userfaultfds: the engine's business
 *   hooks(pid)            at dump and pre-dump: when a lazy restore still owes the task memory, has
 *                         the session bring it in, and waits.  Once before the task is frozen (the
 *                         root's call is for the whole tree, while it runs), and at dump once more
 *                         when all are, since it may be another program's userfaultfd
 *   exit(stage, ret)      after a failed restore: sees that no socket file is left behind
 *   dlclose
 *
 * Nothing is kept between the calls but the name of a file: no descriptor (a restored task might
 * inherit it), no child, no thread, no handler.  A failure is -1 with an explanation in CRIU's log,
 * before any task exists, or before anything of it is dumped.  Hooks say -ENOTSUP otherwise: other
 * plugins have something to do there.
 *
 * The engine is not killed after a failed restore.  It hears of it on CRIU's connection or, when
 * there is none yet, through CRIU's pidfd, and ends by itself.  A signal from here could not be
 * better informed: to kill it while a task lives would close that task's userfaultfd, and let it
 * read zeros for the pages that it is still owed.
 */
#include "config.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "plugin/complete.h"
#include "plugin/criu_abi.h"
#include "plugin/criu_options.h"
#include "plugin/engine.h"
#include "plugin/host_log.h"
#include "plugin/lazy_socket.h"
#include "plugin/program.h"

/* To check an image is a matter of its metadata: of milliseconds, unless storage is in trouble. */
#define START_TIMEOUT_MS 60000

/* The socket file of the engine that init started.  Absolute, as CRIU may change directory. */
static struct {
	struct fi_socket_file file;
	char path[PATH_MAX];
} ours;

/* What the engine wrote, line by line. */
static void log_words(enum fi_log_level level, struct fi_engine_words *words)
{
	char *next = words->text;
	const char *line;

	while ((line = strsep(&next, "\n")))
		if (line[0])
			fi_host_log(level, "%s", line);
}

/* Whether the restore is ours to serve.  Says why not, where that is worth a word. */
static bool wanted(void)
{
	struct fi_error err = { "" };

	switch (fi_restore_kind_here(&err)) {
	case FI_RESTORE_LAZY:
		return true;
	case FI_RESTORE_EAGER:
		return false;
	case FI_RESTORE_UNTOLD:
		fi_host_log(FI_LOG_INFO,
			    "not `criu restore`: whether pages are to be lazy cannot be told, so a "
			    "lazy restore needs `faultin serve` beside it");
		return false;
	default:
		fi_host_log(FI_LOG_WARN, "doing nothing: %s", err.text);
		return false;
	}
}

/* Returns 1 when the socket's name is free, 0 when somebody else serves it, or a negative errno. */
static int claim_socket(struct fi_error *err)
{
	struct fi_socket_file stale;
	int r;

	r = fi_lazy_socket_look(FI_LAZY_SOCKET, err);
	switch (r) {
	case FI_LAZY_SOCKET_SERVED:
		fi_host_log(FI_LOG_INFO, "'%s' is being served already: leaving it alone",
			    FI_LAZY_SOCKET);
		return 0;
	case FI_LAZY_SOCKET_STALE:
		fi_host_log(FI_LOG_INFO, "removing a stale '%s'", FI_LAZY_SOCKET);
		stale = fi_socket_file(FI_LAZY_SOCKET);
		fi_socket_file_remove(&stale, FI_LAZY_SOCKET);
		return 1;
	case FI_LAZY_SOCKET_NONE:
		return 1;
	default:
		return r;
	}
}

/* Removes what an engine that has been killed while starting may have left. */
static void remove_dead_socket(void)
{
	struct fi_socket_file file = fi_socket_file(FI_LAZY_SOCKET);

	if (fi_lazy_socket_look(FI_LAZY_SOCKET, NULL) == FI_LAZY_SOCKET_STALE)
		fi_socket_file_remove(&file, FI_LAZY_SOCKET);
}

static int find_program(char *ret, size_t size, struct fi_error *err)
{
	Dl_info self = { 0 };

	(void)dladdr(&ours, &self);
	return fi_program_find(secure_getenv("FAULTIN_BIN"), self.dli_fname, FI_INSTALLED_PROGRAM,
			       ret, size, err);
}

static int start_engine(struct fi_error *err)
{
	struct fi_engine_words words;
	char program[PATH_MAX];
	int images, r;

	images = criu_get_image_dir();
	if (images < 0)
		return fi_error_set(err, -EBADF, "CRIU has no image directory open");
	r = find_program(program, sizeof(program), err);
	if (r < 0)
		return r;

	r = fi_engine_start(program, images, START_TIMEOUT_MS, &words, err);
	log_words(r < 0 ? FI_LOG_ERROR : FI_LOG_INFO, &words);
	if (r < 0) {
		remove_dead_socket();
		return r;
	}

	fi_host_log(FI_LOG_INFO, "'%s' serves the pages of this restore", program);
	return 0;
}

/* Notes down what exit may have to remove. */
static void remember_socket(void)
{
	char dir[PATH_MAX - sizeof("/" FI_LAZY_SOCKET)];

	if (getcwd(dir, sizeof(dir))) {
		(void)snprintf(ours.path, sizeof(ours.path), "%s/%s", dir, FI_LAZY_SOCKET);
		ours.file = fi_socket_file(ours.path);
	}
}

/* CRIUs that do not know the hooks have no place from where a checkpoint could be held back. */
static void warn_of_old_criu(void)
{
	if (CR_PLUGIN_DESC.max_hooks == 0)
		fi_host_log(FI_LOG_WARN,
			    "this CRIU has no hook for it: if processes are still being restored "
			    "lazily, call `faultin complete` before a checkpoint of them");
}

static int plugin_init(int stage)
{
	struct fi_error err = { "" };
	int r;

	ours.file = (struct fi_socket_file){ 0 };
	if (stage != FI_CRIU_STAGE_RESTORE)
		warn_of_old_criu();
	if (stage != FI_CRIU_STAGE_RESTORE || !wanted())
		return 0;

	r = claim_socket(&err);
	if (r == 0)
		return 0;
	if (r > 0)
		r = start_engine(&err);
	if (r < 0) {
		fi_host_log(FI_LOG_ERROR, "%s", err.text);
		return -1;
	}
	remember_socket();
	return 0;
}

static void say(const char *line)
{
	fi_host_log(FI_LOG_WARN, "%s", line);
}

/* A task is going to be dumped. */
static int on_task(int pid)
{
	struct fi_error err = { "" };
	char program[PATH_MAX];
	int r;

	r = fi_complete_needed(pid, &err);
	if (r == 0)
		return -ENOTSUP;
	if (r > 0) {
		fi_host_log(FI_LOG_INFO,
			    "a lazy restore still owes process %d memory: bringing it in", pid);
		r = find_program(program, sizeof(program), &err);
	}
	if (r == 0)
		r = fi_complete(program, pid, say, &err);
	if (r < 0) {
		fi_host_log(FI_LOG_ERROR, "%s", err.text);
		return -1;
	}
	return -ENOTSUP;
}

static void plugin_exit(int stage, int ret)
{
	if (stage == FI_CRIU_STAGE_RESTORE && ret != 0 && ours.file.ino != 0)
		fi_socket_file_remove(&ours.file, ours.path);
}

struct fi_criu_plugin CR_PLUGIN_DESC = {
	.name = "faultin",
	.init = plugin_init,
	.exit = plugin_exit,
	.version = FI_CRIU_PLUGIN_VERSION,
	.hooks = {
		[FI_CRIU_HOOK_PAUSE_DEVICES] = on_task,
		[FI_CRIU_HOOK_CHECKPOINT_DEVICES] = on_task,
	},
};

/* CRIU refuses plugins with more hooks than it knows. */
static void __attribute__((constructor)) offer_hooks(void)
{
	if (dlsym(RTLD_DEFAULT, FI_CRIU_KNOWS_HOOKS))
		CR_PLUGIN_DESC.max_hooks = FI_CRIU_NR_HOOKS;
}

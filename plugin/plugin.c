/* plugin/plugin.c - faultin.so: CRIU starts the engine by itself.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *   dlopen, init(stage)   at dump and pre-dump: nothing.  At a restore that CRIU was told to make
 *                         lazily: unless somebody serves lazy-pages.socket already, starts the
 *                         engine and returns when it listens and has found the image sound.  At any
 *                         other, if the policy says so: transparent mode begins (transparent.h)
 *   (the restore)         lazy pages: CRIU connects, the tasks send their userfaultfds: the engine's
 *                         business
 *   resume hook(pid)      transparent mode: for each task, before it runs
 *   other hooks(pid)      at dump and pre-dump: when a lazy restore still owes the task memory, has
 *                         the session bring it in, and waits.  Once before the task is frozen (the
 *                         root's call is for the whole tree, while it runs), and at dump once more
 *                         when all are, since it may be another program's userfaultfd
 *   exit(stage, ret)      after a failed restore: sees that no socket file is left behind
 *   dlclose
 *
 * Outside transparent mode nothing is kept between the calls but the name of a file: no descriptor (a
 * restored task might inherit it), no child, no thread, no handler.  With lazy pages, and at dump, a
 * failure is -1 with an explanation in CRIU's log, before any task exists, or before anything of it is
 * dumped; in transparent mode it leaves the restore to CRIU.  Hooks say -ENOTSUP otherwise: other
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
#include "plugin/policy.h"
#include "plugin/program.h"
#include "plugin/task_uffd.h"
#include "plugin/transparent.h"

/* To check an image is a matter of its metadata: of milliseconds, unless storage is in trouble. */
#define START_TIMEOUT_MS 60000

/* The socket file of the engine that init started.  Absolute, as CRIU may change directory. */
static struct {
	struct fi_socket_file file;
	char path[PATH_MAX];
	struct fi_settings settings;
	struct fi_container container; /* its id is empty: none */
} ours;

static struct fi_engine_birth engine = FI_ENGINE_UNBORN;

/* What the engine wrote, line by line. */
static void log_words(enum fi_log_level level, struct fi_engine_words *words)
{
	char *next = words->text;
	const char *line;

	while ((line = strsep(&next, "\n")))
		if (line[0])
			fi_host_log(level, "%s", line);
}

/* Says that the restore is CRIU's alone, and why. */
static void stand_aside(enum fi_log_level level, const char *why)
{
	fi_host_log(level, "restoring eagerly: %s", why);
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

static int start_engine(int images, int handover, int *device, struct fi_error *err)
{
	char program[PATH_MAX];
	const struct fi_engine_order order = {
		.program = program,
		.images_dirfd = images,
		.handover = handover,
		.settings = &ours.settings,
		.container = ours.container.id[0] ? ours.container.id : NULL,
		.timeout_ms = START_TIMEOUT_MS,
		.device = device ? FI_TASK_UFFD_DEVICE : NULL,
	};
	int r;

	r = find_program(program, sizeof(program), err);
	if (r < 0)
		return r;
	return fi_engine_begin(&order, &engine, device, err);
}

static int wait_for_engine(struct fi_error *err)
{
	struct fi_engine_words words;
	int r = fi_engine_wait(&engine, &words, err);

	log_words(r < 0 ? FI_LOG_ERROR : FI_LOG_INFO, &words);
	if (r == 0)
		fi_host_log(FI_LOG_INFO, "'%s' serves the pages of this restore", engine.program);
	return r;
}

static void forget_engine(void)
{
	fi_engine_forget(&engine);
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
	if (CR_PLUGIN_DESC.max_hooks < FI_CRIU_NR_HOOKS)
		fi_host_log(FI_LOG_WARN,
			    "this CRIU has no hook for it: if processes are still being restored "
			    "lazily, call `faultin complete` before a checkpoint of them");
}

/* --lazy-pages: CRIU will connect. */
static int serve_socket(int images)
{
	struct fi_error err = { "" };
	int r;

	r = claim_socket(&err);
	if (r == 0)
		return 0;
	if (r > 0) {
		r = start_engine(images, -EBADF, NULL, &err);
		if (r == 0)
			r = wait_for_engine(&err);
		if (r < 0)
			remove_dead_socket();
	}
	if (r < 0) {
		fi_host_log(FI_LOG_ERROR, "%s", err.text);
		return -1;
	}
	remember_socket();
	return 0;
}

/* A plain restore, which stays one if this fails. */
static void be_transparent(int images)
{
	static const struct fi_transparent_engine how = {
		.start = start_engine,
		.wait = wait_for_engine,
		.forget = forget_engine,
	};
	struct fi_error err = { "" };
	int r = fi_transparent_begin(images, &ours.settings, &how, &err);

	if (r < 0)
		stand_aside(r == -ENODATA ? FI_LOG_INFO : FI_LOG_WARN, err.text);
}

/* What is to hold for this restore, and whose it is. */
static void find_policy(int images)
{
	struct fi_error err = { "" };
	char program[PATH_MAX];
	bool known = fi_container_here(&ours.container);

	if (!known)
		ours.container = (struct fi_container){ .id = "" };
	if (find_program(program, sizeof(program), &err) < 0)
		known = false; /* it will be missed, and complained of, if there is work for it */
	fi_policy_find(images, known ? &ours.container : NULL, program, &ours.settings);
}

static int plugin_init(int stage)
{
	struct fi_error err = { "" };
	int images, kind;

	ours.file = (struct fi_socket_file){ 0 };
	if (stage != FI_CRIU_STAGE_RESTORE) {
		warn_of_old_criu();
		return 0;
	}
	images = criu_get_image_dir();
	kind = fi_restore_kind_here(&err);
	if (images < 0 || kind < 0) {
		fi_host_log(FI_LOG_WARN, "doing nothing: %s",
			    kind < 0 ? err.text : "CRIU has no image directory open");
		return 0;
	}
	find_policy(images);

	/* In RPC mode --lazy-pages cannot be seen; but CRIU gives up at once if nobody serves the
	 * socket then. */
	if (kind == FI_RESTORE_LAZY) {
		if (ours.settings.mode & FI_MODE_LAZY_SOCKET)
			return serve_socket(images);
		stand_aside(FI_LOG_INFO, "mode does not allow lazy pages");
	} else if (!(ours.settings.mode & FI_MODE_TRANSPARENT)) {
		stand_aside(FI_LOG_INFO, "mode does not allow transparent mode");
	} else if (kind == FI_RESTORE_DEDUP || ours.container.auto_dedup) {
		stand_aside(FI_LOG_INFO, "--auto-dedup takes from the image what was restored");
	} else if (kind == FI_RESTORE_UNTOLD &&
		   fi_lazy_socket_look(FI_LAZY_SOCKET, NULL) == FI_LAZY_SOCKET_SERVED) {
		fi_host_log(FI_LOG_INFO, "'%s' is being served: leaving the restore to that",
			    FI_LAZY_SOCKET);
	} else {
		be_transparent(images);
	}
	return 0;
}

static void say(const char *line)
{
	fi_host_log(FI_LOG_WARN, "%s", line);
}

/* A task is restored, and stopped. */
static int on_resume(int pid)
{
	return fi_transparent_on() ? fi_transparent_task(pid) : -ENOTSUP;
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
	fi_transparent_end(ret);
	if (stage == FI_CRIU_STAGE_RESTORE && ret != 0 && ours.file.ino != 0)
		fi_socket_file_remove(&ours.file, ours.path);
}

struct fi_criu_plugin CR_PLUGIN_DESC = {
	.name = "faultin",
	.init = plugin_init,
	.exit = plugin_exit,
	.version = FI_CRIU_PLUGIN_VERSION,
	.max_hooks = FI_CRIU_NR_HOOKS_3_17,
	.hooks = {
		[FI_CRIU_HOOK_RESUME_DEVICES_LATE] = on_resume,
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

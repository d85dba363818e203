/* restore/serve.c - the verb `serve`: from a command line to a session.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The order of things is that of `criu lazy-pages`: images directory, work directory, log, image,
 * socket, daemon, pidfile, status byte.  Everything that can be refused is refused before the
 * socket exists, so that a restore fails before it has made a task.
 *
 * This process becomes the first keeper (keeper.h); from the image on, all is done by the engine.  A
 * later engine finds image and socket as they are.
 */
#include "config.h"

#include "restore/serve.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "images/frozen.h"
#include "restore/durable.h"
#include "restore/keeper.h"
#include "restore/lazysock.h"
#include "restore/ledger.h"
#include "restore/session.h"

static const char usage[] =
	"Usage: faultin serve [-D DIR] [OPTION]...\n"
	"Serve the pages of a checkpoint to one 'criu restore --lazy-pages'.\n"
	"\n"
	"  -D, --images-dir DIR   where the checkpoint is (default: .)\n"
	"  -W, --work-dir DIR     where lazy-pages.socket, logs and pidfiles go\n"
	"                         (default: the images directory)\n"
	"  -d, --daemon           go to the background once the socket is there\n"
	"      --pidfile FILE     write the daemon's pid to FILE\n"
	"      --status-fd FD     write a zero byte to FD and close it once the socket is there\n"
	"  -o, --log-file FILE    log to FILE instead of standard error\n"
	"  -v, --verbosity[=NUM]  log errors (1), warnings (2, the default), more (3: -v, 4: -vv)\n"
	"      --json FILE        write a summary to FILE at the end\n"
	"  -V, --version          print the version\n"
	"  -h, --help             print this\n"
	"\n"
	"The plugin uses two more:\n"
	"      --images-dir-fd FD the checkpoint's directory, opened\n"
	"      --parent-pidfd FD  end when this process ends before the restore is finished\n"
	"\n"
	"Exit code: 0 when every page was served, 1 otherwise.  See faultin-serve(1).\n";

static int open_images(const struct fi_serve_options *options, struct fi_error *err)
{
	int fd;

	if (options->images_dir_fd >= 0)
		return fcntl(options->images_dir_fd, F_DUPFD_CLOEXEC, 3);
	fd = open(options->images_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return fi_error_set(err, -errno, "cannot open images directory '%s': %s",
				    options->images_dir, strerror(errno));
	return fd;
}

static int enter_work_dir(const struct fi_serve_options *options, int images_fd,
			  struct fi_error *err)
{
	if (options->work_dir ? chdir(options->work_dir) == 0 : fchdir(images_fd) == 0)
		return 0;
	return fi_error_set(err, -errno, "cannot change to work directory '%s': %s",
			    options->work_dir ? options->work_dir : options->images_dir,
			    strerror(errno));
}

static int open_log(const struct fi_serve_options *options, int *ret, struct fi_error *err)
{
	if (!options->log_file) {
		fi_log_init(STDERR_FILENO, options->level);
		return 0;
	}
	*ret = open(options->log_file, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	if (*ret < 0)
		return fi_error_set(err, -errno, "cannot create log file '%s': %s",
				    options->log_file, strerror(errno));
	fi_log_init(*ret, options->level);
	return 0;
}

/* Every task of the image and every forked child takes a descriptor. */
static void raise_nofile(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static int detach_stdio(void)
{
	fi_auto_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return -errno;
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (dup2(null, fd) < 0)
			return -errno;
	return 0;
}

static int write_pidfile(const char *name, pid_t pid, struct fi_error *err)
{
	fi_auto_close int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 || dprintf(fd, "%d", (int)pid) < 0)
		return fi_error_set(err, -errno, "cannot write pidfile '%s': %s", name,
				    strerror(errno));
	return 0;
}

static void keep_pipe(int say, int hear)
{
	fi_keep(FI_KEPT_SAY, say);
	fi_keep(FI_KEPT_HEAR, hear);
}

/* In the parent: waits until the daemon's socket is there, and names it. */
static int see_off(const struct fi_serve_options *options, pid_t pid, int hear, int say,
		   struct fi_error *err)
{
	char byte = 0;
	ssize_t n;
	int r = 0;

	do
		n = read(hear, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n != 1)
		r = -ECHILD; /* it has said why */
	if (r == 0 && options->pidfile)
		r = write_pidfile(options->pidfile, pid, err);
	if (r == 0 && write(say, &byte, 1) != 1)
		r = fi_error_set(err, -errno, "the daemon has died");
	return r;
}

/* Returns 0 in the daemon, whose engine has to report, 1 in its parent when the daemon is on its
 * way, or an error there. */
static int become_daemon(const struct fi_serve_options *options, struct fi_error *err)
{
	int up[2], down[2];
	pid_t pid;
	int r;

	if (pipe2(up, O_CLOEXEC) < 0 || pipe2(down, O_CLOEXEC) < 0)
		return fi_error_set(err, -errno, "pipe: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		return fi_error_set(err, -errno, "cannot fork: %s", strerror(errno));
	if (pid == 0) {
		(void)close(up[0]);
		(void)close(down[1]);
		keep_pipe(up[1], down[0]);
		(void)setsid();
		return 0;
	}
	(void)close(up[1]);
	(void)close(down[0]);
	r = see_off(options, pid, up[0], down[1], err);
	(void)close(up[0]);
	(void)close(down[1]);
	if (r < 0)
		(void)waitpid(pid, NULL, 0);
	return r < 0 ? r : 1;
}

static void close_kept(enum fi_kept what)
{
	int fd = fi_kept(what);

	fi_keep(what, -EBADF);
	fi_close(&fd);
}

/* In the engine of a daemon: goes on when the pidfile is written, or is told that it could not be. */
static int report_to_parent(void)
{
	char byte = 0;
	ssize_t n;

	if (fi_kept(FI_KEPT_SAY) < 0)
		return 0;
	if (write(fi_kept(FI_KEPT_SAY), &byte, 1) != 1)
		return -EPIPE;
	do
		n = read(fi_kept(FI_KEPT_HEAR), &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n != 1)
		return -ECHILD; /* the parent has said why */
	close_kept(FI_KEPT_SAY);
	close_kept(FI_KEPT_HEAR);
	return detach_stdio();
}

static int say_ready(const struct fi_serve_options *options, struct fi_error *err)
{
	char byte = 0;
	int r = 0;

	if (fi_kept(FI_KEPT_STATUS) < 0)
		return 0;
	/* The plugin stops reading our standard error when the byte arrives. */
	if (options->parent_pidfd >= 0)
		r = detach_stdio();
	if (r == 0 && write(options->status_fd, &byte, 1) != 1)
		r = fi_error_set(err, -errno, "cannot write to status descriptor %d: %s",
				 options->status_fd, strerror(errno));
	close_kept(FI_KEPT_STATUS);
	return r;
}

static int run(const struct fi_serve_options *options, const struct fi_image *image, int listener,
	       struct fi_error *err)
{
	const struct fi_session_config config = {
		.image = image,
		.listener = listener,
		.parent_pidfd = options->parent_pidfd,
	};
	struct fi_report report;
	struct fi_error json_err;
	int r;

	r = fi_session_run(&config, &report, err);
	fi_report_log(&report);
	if (options->json && fi_report_write(&report, options->json, &json_err) < 0) {
		fi_log(FI_LOG_ERROR, "%s", json_err.text);
		return r < 0 ? r : fi_error_set(err, -EIO, "%s", json_err.text);
	}
	return r;
}

/* The image, read and checked by the first engine, and for all that come after as that has seen
 * it. */
static int get_image(int images_fd, struct fi_image **ret, struct fi_error *err)
{
	fi_auto_image struct fi_image *image = NULL;
	int frozen = fi_kept(FI_KEPT_FROZEN), r;

	if (frozen < 0) {
		r = fi_image_open(images_fd, &image, err);
		if (r < 0)
			return r;
		frozen = fi_image_freeze(image, err);
		if (frozen < 0)
			return frozen;
		fi_keep(FI_KEPT_FROZEN, frozen);
	}
	return fi_image_thaw(frozen, ret, err);
}

static int get_listener(const struct fi_image *image, struct fi_error *err)
{
	int listener = fi_kept(FI_KEPT_LISTENER);

	if (listener >= 0)
		return listener;
	listener = fi_lazysock_listen(err);
	if (listener < 0)
		return listener;
	fi_keep(FI_KEPT_LISTENER, listener);
	fi_log(FI_LOG_INFO, "faultin %s serves %zu tasks at '%s'", PACKAGE_VERSION,
	       fi_image_nr_tasks(image), FI_LAZYSOCK_NAME);
	return listener;
}

struct service {
	const struct fi_serve_options *options;
	int images_fd;
};

static int serve(const struct service *service, struct fi_error *err)
{
	fi_auto_image struct fi_image *image = NULL;
	int listener, r;

	r = get_image(service->images_fd, &image, err);
	if (r < 0)
		return r;
	listener = get_listener(image, err);
	if (listener < 0)
		return listener;
	fi_keeper_ready();
	r = report_to_parent();
	if (r == 0)
		r = say_ready(service->options, err);
	if (r == 0)
		r = run(service->options, image, listener, err);
	fi_lazysock_unlink();
	return r;
}

static void tell(const struct fi_serve_options *options, int r, const struct fi_error *err)
{
	const char *words = err->text[0] ? err->text : strerror(-r);

	if (options->log_file)
		fi_log(FI_LOG_ERROR, "%s", words);
	(void)fprintf(stderr, "faultin serve: %s\n", words);
}

/* In the engine's process. */
static int engine(void *arg)
{
	const struct service *service = arg;
	struct fi_error err = { "" };
	int r = serve(service, &err);

	if (r < 0 && r != -ECHILD)
		tell(service->options, r, &err);
	return r < 0 ? 1 : 0;
}

/* Everything that the keepers and all engines have in common. */
static int prepare(const struct fi_serve_options *options, struct service *service,
		   struct fi_error *err)
{
	int log_fd = -EBADF, r;

	raise_nofile();
	r = fi_durable_create();
	if (r < 0)
		return fi_error_set(err, r, "no memory to share: %s", strerror(-r));
	fi_keep(FI_KEPT_MEMORY, r);
	fi_keep(FI_KEPT_STATUS, options->status_fd);
	fi_keep(FI_KEPT_PARENT, options->parent_pidfd);
	service->images_fd = open_images(options, err);
	if (service->images_fd < 0)
		return service->images_fd;
	fi_keep(FI_KEPT_IMAGES, service->images_fd);
	r = enter_work_dir(options, service->images_fd, err);
	if (r == 0)
		r = open_log(options, &log_fd, err);
	fi_keep(FI_KEPT_LOG, log_fd);
	return r;
}

int fi_serve_main(int argc, char **argv)
{
	struct fi_serve_options options;
	struct service service = { .options = &options, .images_fd = -EBADF };
	struct fi_error err = { "" };
	int r;

	if (fi_serve_parse(argc, argv, &options, &err) < 0) {
		(void)fprintf(stderr, "faultin serve: %s\nTry 'faultin serve --help'.\n", err.text);
		return 1;
	}
	if (options.help) {
		(void)fputs(usage, stdout);
		return 0;
	}
	if (options.version) {
		(void)printf("Version: %s\n", PACKAGE_VERSION);
		return 0;
	}

	r = prepare(&options, &service, &err);
	if (r == 0 && options.daemon)
		r = become_daemon(&options, &err);
	if (r == 1)
		return 0;
	if (r == 0)
		r = fi_keeper_run(engine, &service, &err);
	if (r >= 0)
		return r;
	if (r != -ECHILD) /* the daemon has said what there is to say */
		tell(&options, r, &err);
	return 1;
}

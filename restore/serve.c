/* restore/serve.c - the verb `serve`: from a command line to a session.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The order of things is that of `criu lazy-pages`: images directory, work directory, log, image,
 * socket, daemon, pidfile, status byte.  Everything that can be refused is refused before the
 * socket exists, so that a restore fails before it has made a task.
 */
#include "config.h"

#include "restore/serve.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "restore/lazysock.h"
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

/* Returns 0 in the daemon, 1 in its parent when the daemon is on its way, or an error there. */
static int become_daemon(const struct fi_serve_options *options, struct fi_error *err)
{
	int go[2];
	pid_t pid;
	int r = 0;
	char byte = 0;

	if (pipe2(go, O_CLOEXEC) < 0)
		return fi_error_set(err, -errno, "pipe: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		return fi_error_set(err, -errno, "cannot fork: %s", strerror(errno));

	if (pid == 0) {
		(void)close(go[1]);
		/* The parent has written the pidfile, or given up. */
		if (read(go[0], &byte, 1) != 1)
			_exit(1);
		(void)close(go[0]);
		(void)setsid();
		return detach_stdio();
	}

	(void)close(go[0]);
	if (options->pidfile)
		r = write_pidfile(options->pidfile, pid, err);
	if (r == 0 && write(go[1], &byte, 1) != 1)
		r = fi_error_set(err, -errno, "the daemon has died");
	(void)close(go[1]);
	if (r < 0)
		(void)waitpid(pid, NULL, 0);
	return r < 0 ? r : 1;
}

static int say_ready(const struct fi_serve_options *options, struct fi_error *err)
{
	char byte = 0;
	int r = 0;

	if (options->status_fd < 0)
		return 0;
	/* The plugin stops reading our standard error when the byte arrives. */
	if (options->parent_pidfd >= 0)
		r = detach_stdio();
	if (r == 0 && write(options->status_fd, &byte, 1) != 1)
		r = fi_error_set(err, -errno, "cannot write to status descriptor %d: %s",
				 options->status_fd, strerror(errno));
	(void)close(options->status_fd);
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

static int serve(const struct fi_serve_options *options, struct fi_error *err)
{
	fi_auto_image struct fi_image *image = NULL;
	fi_auto_close int images_fd = -EBADF, log_fd = -EBADF, listener = -EBADF;
	int r;

	raise_nofile();
	images_fd = open_images(options, err);
	if (images_fd < 0)
		return images_fd;
	r = enter_work_dir(options, images_fd, err);
	if (r == 0)
		r = open_log(options, &log_fd, err);
	if (r == 0)
		r = fi_image_open(images_fd, &image, err);
	if (r < 0)
		return r;

	listener = fi_lazysock_listen(err);
	if (listener < 0)
		return listener;
	fi_log(FI_LOG_INFO, "faultin %s serves %zu tasks at '%s'", PACKAGE_VERSION,
	       fi_image_nr_tasks(image), FI_LAZYSOCK_NAME);

	if (options->daemon) {
		r = become_daemon(options, err);
		if (r == 1)
			return 0;
	}
	if (r == 0)
		r = say_ready(options, err);
	if (r == 0)
		r = run(options, image, listener, err);
	fi_lazysock_unlink();
	return r;
}

int fi_serve_main(int argc, char **argv)
{
	struct fi_serve_options options;
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

	r = serve(&options, &err);
	if (r < 0) {
		if (options.log_file)
			fi_log(FI_LOG_ERROR, "%s", err.text[0] ? err.text : strerror(-r));
		(void)fprintf(stderr, "faultin serve: %s\n", err.text[0] ? err.text : strerror(-r));
	}
	return r < 0 ? 1 : 0;
}

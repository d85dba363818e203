/* restore/serve.c - the verb `serve`: from a command line to a session.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The order of things is that of `criu lazy-pages`: images directory, work directory, log, image,
 * socket, daemon, pidfile, status byte.  Everything that can be refused is refused before the
 * socket exists, so that a restore fails before it has made a task.
 *
 * This process becomes the first keeper (keeper.h).  A reader reads and checks the image, engines serve
 * it; what they may do is in sandbox.h.  A later engine finds image and socket as they are.
 */
#include "config.h"

#include "restore/serve.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "images/frozen.h"
#include "restore/control.h"
#include "restore/durable.h"
#include "restore/keeper.h"
#include "restore/lazysock.h"
#include "restore/ledger.h"
#include "restore/owed.h"
#include "restore/pidfd.h"
#include "restore/pools.h"
#include "restore/sandbox.h"
#include "restore/session.h"
#include "restore/store.h"
#include "restore/trace.h"
#include "restore/upgrade.h"
#include "restore/workfile.h"

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
	"      --trace FILE       write each fault to FILE, for 'faultin inspect --trace' and "
	"others\n"
	"      --drain WHEN       bring in what nobody waits for: in the background (the "
	"default),\n"
	"                         eager or, with demand, not at all\n"
	"      --drain-rate BYTES at most so many a second in the background; K, M and G stand\n"
	"                         for 2^10, 2^20 and 2^30\n"
	"      --threads NUM      as many threads for the drain (default: auto)\n"
	"      --container ID     the container that is restored, for status and logs\n"
	"      --no-sandbox       for debugging: keep all rights, refuse no system call\n"
	"      --no-keeper        for measuring: one process, and no sandbox; its death is wrong "
	"memory\n"
	"  -V, --version          print the version\n"
	"  -h, --help             print this\n"
	"\n"
	"The plugin uses four more:\n"
	"      --images-dir-fd FD the checkpoint's directory, opened\n"
	"      --parent-pidfd FD  end when this process ends before the restore is finished\n"
	"      --handover-fd FD   the connection on which tasks are named, instead of the socket\n"
	"      --lazy-shared      on which shared memory may be named, too\n"
	"\n"
	"'faultin upgrade' uses one more:\n"
	"      --heir FDS         take over what these descriptors are\n"
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
	*ret = fi_workfile_log(options->log_file);
	if (*ret < 0)
		return fi_error_set(err, *ret, "cannot create log file '%s': %s", options->log_file,
				    strerror(-*ret));
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
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (dup2(fi_kept(FI_KEPT_NULL), fd) < 0)
			return -errno;
	return 0;
}

static int write_pidfile(const char *name, pid_t pid, struct fi_error *err)
{
	fi_auto_close int fd = fi_workfile_create(name);
	int r = fd < 0 ? fd : 0;

	if (r == 0 && dprintf(fd, "%d", (int)pid) < 0)
		r = -errno;
	return r < 0 ? fi_error_set(err, r, "cannot write pidfile '%s': %s", name, strerror(-r))
		     : 0;
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

/* Where the keeper takes it from at the end. */
static int write_report(const struct fi_report *report, struct fi_error *err)
{
	int fd = fi_kept(FI_KEPT_REPORT), r;

	if (fd < 0)
		return 0;
	/* An engine may have died when it had written half of it. */
	if (ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return fi_error_set(err, -errno, "the report: %s", strerror(errno));
	r = fi_report_write(report, fd, err);
	if (r == 0)
		fi_ledger()->session.reported = 1;
	return r;
}

static int run(const struct fi_session_config *config, struct fi_error *err)
{
	struct fi_report report;
	struct fi_error json_err;
	int r;

	r = fi_session_run(config, &report, err);
	fi_report_log(&report);
	if (write_report(&report, &json_err) < 0) {
		fi_log(FI_LOG_ERROR, "%s", json_err.text);
		return r < 0 ? r : fi_error_set(err, -EIO, "%s", json_err.text);
	}
	return r;
}

static int open_listener(struct fi_error *err)
{
	int listener;

	if (fi_kept(FI_KEPT_LISTENER) >= 0)
		return 0;
	listener = fi_lazysock_listen(err);
	if (listener < 0)
		return listener;
	fi_keep(FI_KEPT_LISTENER, listener);
	return 0;
}

/* An engine's own. */
static struct fi_procevents *open_procevents(void)
{
	struct fi_procevents *procevents = NULL;
	struct fi_error err = { "" };

	if (fi_procevents_open(&procevents, &err) < 0)
		fi_log(FI_LOG_WARN,
		       "no process events (%s): pids of forked children will be missing", err.text);
	fi_keep(FI_KEPT_EVENTS, procevents ? fi_procevents_fd(procevents) : -EBADF);
	return procevents;
}

struct service {
	const struct fi_serve_options *options;
	char **argv;
	int images_fd;
};

static int check_size(const struct fi_image *image, struct fi_error *err)
{
	uint64_t nr = fi_image_nr_lazy_pages(image);

	if (nr <= FI_OWED_MAX)
		return 0;
	return fi_error_set(err, -EFBIG,
			    "the image has %" PRIu64 " lazy pages, and more than %" PRIu64
			    " cannot be served: restore it without --lazy-pages",
			    nr, FI_OWED_MAX);
}

/* Reads and checks the image, and leaves it for the engines. */
static int read_image(const struct service *service, struct fi_error *err)
{
	fi_auto_image struct fi_image *image = NULL;
	int r;

	(void)fi_sandbox_enter(FI_SANDBOX_READER);
	r = service->options->lazy_shared ? fi_image_open_shared(service->images_fd, &image, err)
					  : fi_image_open(service->images_fd, &image, err);
	if (r == 0 && service->options->handover_fd >= 0)
		fi_image_ignore_marks(image); /* as the plugin does */
	if (r == 0)
		r = check_size(image, err);
	if (r == 0)
		r = fi_image_freeze(image, err);
	if (r < 0)
		return r;
	fi_keep(FI_KEPT_FROZEN, r);
	return 0;
}

static int serve(const struct service *service, struct fi_error *err)
{
	fi_auto_image struct fi_image *image = NULL;
	struct fi_session_config config = {
		.procevents = open_procevents(),
		.parent_pidfd = service->options->parent_pidfd,
	};
	int r;

	r = service->options->handover_fd < 0 ? open_listener(err) : 0;
	if (r == 0 && service->options->lazy_shared) {
		r = fi_pools_prepare();
		if (r < 0)
			(void)fi_error_set(err, r, "no userfaultfd for shared memory: %s",
					   strerror(-r));
	}
	if (r == 0) {
		(void)fi_sandbox_enter(FI_SANDBOX_ENGINE);
		r = fi_image_thaw(fi_kept(FI_KEPT_FROZEN), &image, err);
	}
	if (r == 0) {
		if (fi_ledger()->keeper.lives == 1)
			fi_log(FI_LOG_INFO, "faultin %s serves %zu tasks at '%s'", PACKAGE_VERSION,
			       fi_image_nr_tasks(image),
			       service->options->handover_fd < 0 ? FI_LAZYSOCK_NAME
								 : "a connection");
		fi_keeper_ready();
		r = report_to_parent();
	}
	if (r == 0)
		r = say_ready(service->options, err);
	if (r < 0 && fi_ledger()->keeper.lives > 1) {
		/* There may be spaces.  The next engine may have more luck. */
		fi_log(FI_LOG_ERROR, "cannot serve: %s", err->text[0] ? err->text : strerror(-r));
		_exit(1);
	}
	if (r < 0) {
		fi_procevents_close(config.procevents);
		return r;
	}
	config.image = image;
	config.shared = service->options->lazy_shared;
	config.listener = fi_kept(FI_KEPT_LISTENER);
	config.control = fi_kept(FI_KEPT_CONTROL);
	config.answers = service->options->handover_fd >= 0;
	return run(&config, err);
}

static void tell(const struct fi_serve_options *options, int r, const struct fi_error *err)
{
	const char *words = err->text[0] ? err->text : strerror(-r);

	if (options->log_file)
		fi_log(FI_LOG_ERROR, "%s", words);
	(void)fprintf(stderr, "faultin serve: %s\n", words);
}

static int exit_code(const struct service *service, int r, const struct fi_error *err)
{
	if (r < 0 && r != -ECHILD)
		tell(service->options, r, err);
	return r < 0 ? 1 : 0;
}

static int reader(void *arg)
{
	struct fi_error err = { "" };
	int r = read_image(arg, &err);

	return exit_code(arg, r, &err);
}

static int engine(void *arg)
{
	struct fi_error err = { "" };
	int r = serve(arg, &err);

	return exit_code(arg, r, &err);
}

/* What engines have no right to do. */
static int finish(void *arg)
{
	const struct service *service = arg;
	const char *path = service->options->json;
	struct fi_error err = { "" };
	int r = 0;

	fi_lazysock_unlink();
	fi_control_end();
	if (fi_ledger()->session.reported)
		r = fi_workfile_publish(fi_kept(FI_KEPT_REPORT), path, 0600);
	if (r < 0)
		(void)fi_error_set(&err, r, "cannot write '%s': %s", path, strerror(-r));
	return exit_code(service, r, &err);
}

static int open_report(struct fi_error *err)
{
	int fd = memfd_create("faultin-report", MFD_CLOEXEC);

	if (fd < 0)
		return fi_error_set(err, -errno, "no memory for the report: %s", strerror(errno));
	fi_keep(FI_KEPT_REPORT, fd);
	return 0;
}

/* Everything that the keepers and all engines have in common. */
static int prepare(const struct fi_serve_options *options, struct service *service,
		   struct fi_error *err)
{
	int log_fd = -EBADF, null, r;

	raise_nofile();
	r = options->no_keeper ? -EBADF : fi_durable_create();
	if (r < 0 && !options->no_keeper)
		return fi_error_set(err, r, "no memory to share: %s", strerror(-r));
	fi_keep(FI_KEPT_MEMORY, r);
	fi_ledger_stamp();
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return fi_error_set(err, -errno, "cannot open /dev/null: %s", strerror(errno));
	fi_keep(FI_KEPT_NULL, null);
	/* A daemon is not the process that a service manager has started. */
	if (!options->daemon && !options->no_keeper)
		fi_store_open();
	fi_keep(FI_KEPT_STATUS, options->status_fd);
	fi_keep(FI_KEPT_PARENT, options->parent_pidfd);
	fi_keep(FI_KEPT_CRIU, options->handover_fd);
	service->images_fd = open_images(options, err);
	if (service->images_fd < 0)
		return service->images_fd;
	fi_keep(FI_KEPT_IMAGES, service->images_fd);
	r = enter_work_dir(options, service->images_fd, err);
	if (r == 0)
		r = open_log(options, &log_fd, err);
	fi_keep(FI_KEPT_LOG, log_fd);
	if (r == 0 && options->json)
		r = open_report(err);
	if (r == 0 && options->trace)
		r = fi_trace_create(options->trace, err);
	return r;
}

/* Before rights are given up.  Without one the session cannot be asked or steered: no reason to refuse a
 * restore. */
static void open_control(int images_fd)
{
	struct fi_session_record *record = &fi_ledger()->session;
	struct fi_error err = { "" };
	char link[64];

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", images_fd);
	if (readlink(link, record->images_dir, sizeof(record->images_dir) - 1) < 0)
		record->images_dir[0] = '\0';
	if (fi_control_listen(getpid(), &err) < 0)
		fi_log(FI_LOG_WARN, "no control socket: %s", err.text);
	else
		fi_log(FI_LOG_INFO, "session '%s'", record->control);
}

/* What the engines are to do is theirs to know, each of them. */
static void settle(const struct fi_serve_options *options)
{
	struct fi_session_record *record = &fi_ledger()->session;

	record->policy.full = options->drain == FI_DRAIN_EAGER;
	record->policy.paused = options->drain == FI_DRAIN_DEMAND;
	record->policy.rate = options->drain == FI_DRAIN_EAGER ? 0 : options->drain_rate;
	record->policy.threads = options->threads;
	if (options->container)
		(void)snprintf(record->container, sizeof(record->container), "%s",
			       options->container);
	if (options->parent_pidfd >= 0)
		record->restorer = fi_pidfd_pid(options->parent_pidfd);
}

static void enable_sandbox(const struct fi_serve_options *options)
{
	if (!options->no_sandbox)
		fi_sandbox_enable();
}

/* Without a starter there will be no upgrade: no reason to refuse a restore. */
static void settle_keeper(void *arg)
{
	const struct service *service = arg;
	struct fi_error err = { "" };

	if (fi_upgrade_prepare(service->argv, &err) < 0)
		fi_log(FI_LOG_WARN, "no other program will be able to take over: %s", err.text);
	(void)fi_sandbox_enter(FI_SANDBOX_KEEPER);
}

/* Whether this program can read what another has left of the image.  In a process of its own: to look is to
 * map and close, and what is looked at may be anything. */
static bool can_thaw(const struct fi_serve_options *options)
{
	struct fi_image *image;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		enable_sandbox(options);
		(void)fi_sandbox_enter(FI_SANDBOX_READER);
		_exit(fi_image_thaw(fi_kept(FI_KEPT_FROZEN), &image, NULL) < 0);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/* A session of another program's. */
static int inherit(const struct fi_serve_options *options, struct service *service,
		   struct fi_error *err)
{
	int r = fi_upgrade_inherit(options->heir, err);

	if (r < 0)
		return r;
	raise_nofile();
	service->images_fd = fi_kept(FI_KEPT_IMAGES);
	fi_log_init(fi_kept(FI_KEPT_LOG) >= 0 ? fi_kept(FI_KEPT_LOG) : STDERR_FILENO,
		    options->level);
	if (!can_thaw(options))
		return fi_error_set(err, -EPROTONOSUPPORT,
				    "this program keeps images in another way");
	r = fi_upgrade_claim();
	if (r < 0)
		return fi_error_set(err, r, "the session's keeper has changed its mind");
	fi_log(FI_LOG_WARN, "faultin %s, process %d, takes over", PACKAGE_VERSION, (int)getpid());
	return 0;
}

/* All who had the session have died, and everything is in its place again. */
static int go_on(const struct fi_serve_options *options, struct service *service,
		 struct fi_error *err)
{
	int r;

	service->images_fd = fi_kept(FI_KEPT_IMAGES);
	r = enter_work_dir(options, service->images_fd, err);
	fi_log_init(fi_kept(FI_KEPT_LOG) >= 0 ? fi_kept(FI_KEPT_LOG) : STDERR_FILENO,
		    options->level);
	if (r == 0 && !can_thaw(options))
		r = fi_error_set(err, -EPROTONOSUPPORT, "this program keeps images in another way");
	if (r < 0)
		return r;
	fi_store_open();
	if (fi_kept(FI_KEPT_CONTROL) < 0)
		open_control(service->images_fd);
	fi_log(FI_LOG_WARN, "all processes of the session had died, process %d goes on",
	       (int)getpid());
	return 0;
}

/* Returns 0 in what is to be the session's first process, 1 in its parent. */
static int begin(const struct fi_serve_options *options, struct service *service,
		 struct fi_error *err)
{
	int r = prepare(options, service, err);

	if (r == 0)
		settle(options);
	if (r == 0 && options->daemon)
		r = become_daemon(options, err);
	if (r == 0)
		open_control(service->images_fd);
	return r;
}

/* Nobody will come to the sockets of a session that cannot be continued. */
static void clear_up(const struct fi_serve_options *options)
{
	struct fi_error err = { "" };

	if (!fi_ledger_is_ours())
		return;
	if (enter_work_dir(options, fi_kept(FI_KEPT_IMAGES), &err) == 0)
		fi_lazysock_unlink();
	fi_control_end();
}

/* The same, for whatever session there is. */
static int start(const struct fi_serve_options *options, struct service *service,
		 struct fi_keeper_job *job, struct fi_error *err)
{
	int r;

	job->heir = options->heir != NULL;
	if (job->heir)
		return inherit(options, service, err);
	r = fi_store_return(err);
	if (r == 0)
		return begin(options, service, err);
	job->returned = true;
	if (r > 0)
		r = go_on(options, service, err);
	if (r < 0) {
		clear_up(options);
		fi_store_refuse();
	}
	return r;
}

/* What a session costs without all that survives. */
static int serve_alone(struct service *service)
{
	int code = reader(service), failed;

	fi_ledger()->keeper.lives = 1;
	if (code == 0)
		code = engine(service);
	failed = finish(service);
	return code ? code : failed;
}

int fi_serve_main(int argc, char **argv)
{
	struct fi_serve_options options;
	struct service service = { .options = &options, .argv = argv, .images_fd = -EBADF };
	struct fi_keeper_job job = {
		.read = reader,
		.settle = settle_keeper,
		.engine = engine,
		.finish = finish,
		.arg = &service,
	};
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

	r = start(&options, &service, &job, &err);
	if (r == 1)
		return 0;
	if (r == 0 && options.no_keeper)
		return serve_alone(&service);
	if (r == 0) {
		enable_sandbox(&options);
		r = fi_keeper_run(&job, &err);
		if (r < 0)
			fi_control_end();
	}
	if (r >= 0)
		return r;
	if (r != -ECHILD) /* the daemon has said what there is to say */
		tell(&options, r, &err);
	return 1;
}

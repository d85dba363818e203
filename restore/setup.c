/* restore/setup.c - see setup.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Files are exchanged as a whole, by rename(2): nobody ever reads half of one.
 */
#include "config.h"

#include "restore/setup.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "restore/complain.h"
#include "restore/criu_conf.h"
#include "restore/options.h"

#define CONF_MAX   (1U << 20) /* bytes of a configuration file */
#define PLUGIN	   "faultin.so"
#define CRIU_OWN   "/usr/lib/criu" /* where most CRIUs look by themselves */
#define CRIU_CONFS "criu"	   /* in the sysconfdir */

static const char usage[] =
	"Usage: faultin setup RUNTIME [OPTION]...\n"
	"Have the CRIU of RUNTIME (runc, crun, podman or criu) load faultin's plugin, by one line\n"
	"in its configuration.  Restores are lazy then, if faultin.conf allows it.\n"
	"\n"
	"      --check            change nothing: is it so already?\n"
	"      --undo             take the line out again\n"
	"      --libdir DIR       where the plugin is (default: " FI_PLUGINDIR ")\n"
	"      --sysconfdir DIR   where the configuration is, in criu/ (default: /etc)\n"
	"  -V, --version          print the version\n"
	"  -h, --help             print this\n"
	"\n"
	"Exit code: 0 when it is as it was asked for, 1 when not, 2 for wrong options.\n";

static const struct option long_options[] = {
	{ "check", no_argument, NULL, 'c' },
	{ "undo", no_argument, NULL, 'u' },
	{ "libdir", required_argument, NULL, 'l' },
	{ "sysconfdir", required_argument, NULL, 's' },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static const struct fi_verb verb = { "setup", usage, ":Vh", long_options };

/* What a runtime has CRIU read; podman's runtime is one of two. */
static const struct runtime {
	const char *name;
	const char *confs[3]; /* up to a NULL */
} runtimes[] = {
	{ "runc", { "runc.conf" } },
	{ "crun", { "crun.conf" } },
	{ "podman", { "crun.conf", "runc.conf" } },
	{ "criu", { "default.conf" } },
};

struct setup_options {
	const struct runtime *runtime;
	const char *libdir, *sysconfdir;
	bool check, undo;
};

/* A configuration file that is being looked at. */
struct conf {
	char path[PATH_MAX];
	char *text; /* terminated; empty: there is none, or nothing is in it */
	size_t len;
	bool there;
	struct stat st;
};

static void conf_done(struct conf *conf)
{
	free(conf->text);
}

/* --- files --------------------------------------------------------------------------------------- */

static int read_conf(struct conf *conf, struct fi_error *err)
{
	fi_auto_close int fd = -EBADF;
	ssize_t n;

	conf->text = calloc(1, CONF_MAX + 1);
	if (!conf->text)
		return fi_error_set(err, -ENOMEM, "out of memory");
	fd = open(conf->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || fstat(fd, &conf->st) < 0)
		return fi_error_set(err, -errno, "'%s': %s", conf->path, strerror(errno));
	if (!S_ISREG(conf->st.st_mode))
		return fi_error_set(err, -EINVAL, "'%s' is not a regular file", conf->path);
	while (conf->len < CONF_MAX &&
	       (n = read(fd, conf->text + conf->len, CONF_MAX - conf->len)) != 0) {
		if (n < 0)
			return fi_error_set(err, -errno, "'%s': %s", conf->path, strerror(errno));
		conf->len += (size_t)n;
	}
	if (conf->len == CONF_MAX || memchr(conf->text, '\0', conf->len))
		return fi_error_set(err, -EFBIG, "'%s' is no configuration of CRIU", conf->path);
	conf->there = true;
	return 0;
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

static int fill(int fd, const struct conf *conf, const char *text, size_t len)
{
	mode_t mode = conf->there ? conf->st.st_mode & 07777 : 0644;

	if (conf->there && fchown(fd, conf->st.st_uid, conf->st.st_gid) < 0)
		return -errno;
	if (fchmod(fd, mode) < 0)
		return -errno;
	return write_all(fd, text, len);
}

/* Puts @text in the place of the file; of what a symlink refers to. */
static int replace(const struct conf *conf, const char *text, size_t len, struct fi_error *err)
{
	fi_auto_free char *real = conf->there ? realpath(conf->path, NULL) : strdup(conf->path);
	fi_auto_close int fd = -EBADF;
	char name[PATH_MAX + 16];
	int r;

	if (!real)
		return fi_error_set(err, -errno, "'%s': %s", conf->path, strerror(errno));
	(void)snprintf(name, sizeof(name), "%s.XXXXXX", real);
	fd = mkostemp(name, O_CLOEXEC);
	if (fd < 0)
		return fi_error_set(err, -errno, "cannot write beside '%s': %s", real,
				    strerror(errno));
	r = fill(fd, conf, text, len);
	if (r == 0 && rename(name, real) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlink(name);
		return fi_error_set(err, r, "cannot write '%s': %s", real, strerror(-r));
	}
	return 0;
}

/* CRIU's directory may not be there, where no distribution has installed CRIU. */
static int make_dir(const struct setup_options *options, struct fi_error *err)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/" CRIU_CONFS, options->sysconfdir);
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return fi_error_set(err, -errno, "cannot make '%s': %s", path, strerror(errno));
	return 0;
}

/* --- one file ------------------------------------------------------------------------------------ */

static int set_up(const struct setup_options *options, const struct conf *conf,
		  struct fi_error *err)
{
	fi_auto_free char *without = NULL, *text = NULL;
	const char *old = conf->text;
	size_t old_len = conf->len;
	bool made = !conf->there;
	int r;

	switch (fi_criu_conf_look(conf->text, conf->len, options->libdir)) {
	case FI_CRIU_CONF_OURS:
	case FI_CRIU_CONF_SAME:
		(void)printf("%s: already has 'libdir %s'\n", conf->path, options->libdir);
		return 0;
	case FI_CRIU_CONF_FOREIGN:
		return fi_error_set(err, -EEXIST,
				    "'%s' has a libdir of its own, which stays: CRIU takes plugins "
				    "from one directory only; a link to %s/" PLUGIN
				    " in that one does as well",
				    conf->path, options->libdir);
	case FI_CRIU_CONF_OTHER:
		without = fi_criu_conf_remove(conf->text, conf->len, &old_len, &made);
		if (!without)
			return fi_error_set(err, -ENOMEM, "out of memory");
		old = without;
		break;
	case FI_CRIU_CONF_NONE:
		break;
	}
	text = fi_criu_conf_add(old, old_len, options->libdir, made);
	if (!text)
		return fi_error_set(err, -ENOMEM, "out of memory");
	r = make_dir(options, err);
	if (r == 0)
		r = replace(conf, text, strlen(text), err);
	if (r == 0)
		(void)printf("%s: 'libdir %s' %s\n", conf->path, options->libdir,
			     conf->there ? "added; all else is as it was"
					 : "is all that there is in this new file");
	return r;
}

static int undo(const struct setup_options *options, const struct conf *conf, struct fi_error *err)
{
	fi_auto_free char *text = NULL;
	char dir[PATH_MAX];
	bool made = false;
	size_t len;
	int r;

	text = fi_criu_conf_remove(conf->text, conf->len, &len, &made);
	if (!text && errno == ENOMEM)
		return fi_error_set(err, -ENOMEM, "out of memory");
	if (!text) {
		(void)printf("%s: nothing of ours is in it\n", conf->path);
		return 0;
	}
	if (made && len == 0) {
		if (unlink(conf->path) < 0)
			return fi_error_set(err, -errno, "cannot remove '%s': %s", conf->path,
					    strerror(errno));
		(void)printf("%s: removed, as there was none before\n", conf->path);
		/* So that nothing is left where there was nothing; fails where there is something. */
		(void)snprintf(dir, sizeof(dir), "%s/" CRIU_CONFS, options->sysconfdir);
		(void)rmdir(dir);
		return 0;
	}
	r = replace(conf, text, len, err);
	if (r == 0)
		(void)printf("%s: is as it was\n", conf->path);
	return r;
}

static int check(const struct setup_options *options, const struct conf *conf)
{
	enum fi_criu_conf found = fi_criu_conf_look(conf->text, conf->len, options->libdir);
	bool is_set = found == FI_CRIU_CONF_OURS || found == FI_CRIU_CONF_SAME;

	(void)printf("%s: %s 'libdir %s'%s\n", conf->path, is_set ? "has" : "does not have",
		     options->libdir,
		     found == FI_CRIU_CONF_FOREIGN || found == FI_CRIU_CONF_OTHER ? ", but another"
										  : "");
	return is_set ? 0 : -ENOENT;
}

/* -ENOENT without words: --check has said no. */
static int treat(const struct setup_options *options, const char *name, struct fi_error *err)
{
	fi_cleanup(conf_done) struct conf conf = { .text = NULL };
	int r;

	if ((size_t)snprintf(conf.path, sizeof(conf.path), "%s/" CRIU_CONFS "/%s",
			     options->sysconfdir, name) >= sizeof(conf.path))
		return fi_error_set(err, -ENAMETOOLONG, "'%s' is too long", options->sysconfdir);
	r = read_conf(&conf, err);
	if (r < 0)
		return r;
	return options->check  ? check(options, &conf)
	       : options->undo ? undo(options, &conf, err)
			       : set_up(options, &conf, err);
}

/* --- the whole ----------------------------------------------------------------------------------- */

static int find_plugin(const struct setup_options *options, struct fi_error *err)
{
	char path[PATH_MAX];

	if (options->libdir[0] != '/' || strpbrk(options->libdir, "\"\n\\"))
		return fi_error_set(err, -EINVAL, "'%s' is no absolute path that CRIU could read",
				    options->libdir);
	(void)snprintf(path, sizeof(path), "%s/" PLUGIN, options->libdir);
	if (access(path, R_OK) < 0)
		return fi_error_set(err, -errno, "the plugin '%s': %s", path, strerror(errno));
	return 0;
}

/* CRIU loads the plugins of one directory only. */
static void warn_of_others(const struct setup_options *options)
{
	const struct dirent *entry;
	DIR *dir;

	if (strcmp(options->libdir, CRIU_OWN) == 0)
		return;
	dir = opendir(CRIU_OWN);
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		size_t len = strlen(entry->d_name);

		if (len > 3 && strcmp(entry->d_name + len - 3, ".so") == 0 &&
		    strcmp(entry->d_name, PLUGIN) != 0)
			(void)printf("note: CRIU will no longer load " CRIU_OWN
				     "/%s; link it into %s if it is needed\n",
				     entry->d_name, options->libdir);
	}
	(void)closedir(dir);
}

static int run(const struct setup_options *options)
{
	struct fi_error err = { "" };
	int code = 0, r = 0;

	if (!options->undo)
		r = find_plugin(options, &err);
	if (r < 0) {
		(void)fprintf(stderr, "faultin setup: %s\n", err.text);
		return 1;
	}
	for (size_t i = 0; options->runtime->confs[i]; i++) {
		err.text[0] = '\0';
		r = treat(options, options->runtime->confs[i], &err);
		if (r < 0)
			code = 1;
		if (err.text[0])
			(void)fprintf(stderr, "faultin setup: %s\n", err.text);
	}
	if (code == 0 && !options->check && !options->undo)
		warn_of_others(options);
	if (fflush(stdout) != 0 || ferror(stdout))
		code = 1;
	return code;
}

static const struct runtime *find_runtime(const char *name)
{
	for (size_t i = 0; i < FI_ARRAY_SIZE(runtimes); i++)
		if (strcmp(runtimes[i].name, name) == 0)
			return &runtimes[i];
	return NULL;
}

int fi_setup_main(int argc, char **argv)
{
	struct setup_options options = { .libdir = FI_PLUGINDIR, .sysconfdir = "/etc" };
	int c, code;

	while ((c = fi_option_next(&verb, argc, argv, &code)) > 0) {
		switch (c) {
		case 'c':
			options.check = true;
			break;
		case 'u':
			options.undo = true;
			break;
		case 'l':
			options.libdir = optarg;
			break;
		case 's':
			options.sysconfdir = optarg;
			break;
		}
	}
	if (c < 0)
		return code;
	if (options.check && options.undo)
		return fi_complain_misuse("setup", "--check or --undo, not both");
	if (optind + 1 != argc)
		return fi_complain_misuse("setup", "name one runtime");
	options.runtime = find_runtime(argv[optind]);
	if (!options.runtime)
		return fi_complain_misuse("setup", "the runtimes are runc, crun, podman and criu");
	return run(&options);
}

/* tests/unit/stub-criu.c - stands in for CRIU around the plugin.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * usage: [STUB_*=...] ARGV0 ARGUMENT...   in the work directory; the image is in ./img
 *
 * The arguments are only for the plugin to read, as /proc/self/cmdline.  It loads STUB_PLUGIN with
 * dlopen(3), or, built with STUB_LINKED, has the plugin linked in; calls init with STUB_STAGE, does
 * what STUB_DO says, calls exit with STUB_RET, and checks that no descriptor, no child, no SIGCHLD
 * and no changed signal mask comes of it.  What the plugin logs goes to ./criu.log.
 *
 *   STUB_DO=nothing   goes on
 *   STUB_DO=connect   connects to lazy-pages.socket and says that the restore is finished
 *   STUB_DO=break     connects and closes
 *   STUB_DO=die       ends at once by SIGKILL, without exit
 *   STUB_DO=dump      calls the hooks for itself, as a task that nobody serves
 *   STUB_DO=dump-owed the same, but a userfaultfd answers for a page of it
 *
 * Exit codes: 0 init gave 0; 3 it gave -1; 4 a hook gave -1; 1 a check failed (and says so on stderr).
 */
#include "config.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "plugin/criu_abi.h"

#define NEED(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			(void)fprintf(stderr, "stub criu: not so: %s\n", #condition);              \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

static int images_dir = -1;
static volatile sig_atomic_t nr_sigchld;

int criu_get_image_dir(void)
{
	return images_dir;
}

void print_on_level(unsigned int level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

void print_on_level(unsigned int level, const char *fmt, ...)
{
	FILE *file = fopen("criu.log", "ae");
	va_list ap;

	NEED(file != NULL);
	(void)fprintf(file, "%u ", level);
	va_start(ap, fmt);
	(void)vfprintf(file, fmt, ap);
	va_end(ap);
	(void)fclose(file);
}

/* By which a plugin knows that there are the hooks which it wants. */
int add_inventory_plugin(void);

int add_inventory_plugin(void)
{
	return 0;
}

static void on_sigchld(int sig)
{
	(void)sig;
	nr_sigchld++;
}

/* A sum over the numbers of the open descriptors. */
static unsigned int open_descriptors(void)
{
	const struct dirent *entry;
	unsigned int sum = 0;
	DIR *dir;

	dir = opendir("/proc/self/fd");
	NEED(dir != NULL);
	while ((entry = readdir(dir)))
		sum = sum * 31 + 1 + (unsigned int)atoi(entry->d_name);
	(void)closedir(dir);
	return sum;
}

static void connect_engine(int finished)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = "lazy-pages.socket" };
	uint32_t word = 0x52535446u;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	NEED(fd >= 0);
	NEED(connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0);
	if (finished)
		NEED(write(fd, &word, sizeof(word)) == sizeof(word));
	(void)close(fd);
}

/* Has a userfaultfd answer for a page. */
static void be_owed(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	NEED(fd >= 0 && page != MAP_FAILED);
	NEED(ioctl(fd, UFFDIO_API, &api) == 0);
	range.range.start = (uintptr_t)page;
	range.range.len = 4096;
	NEED(ioctl(fd, UFFDIO_REGISTER, &range) == 0);
}

/* Returns the exit code. */
static int call_hooks(const struct fi_criu_plugin *plugin)
{
	static const int hooks[] = { FI_CRIU_HOOK_PAUSE_DEVICES, FI_CRIU_HOOK_CHECKPOINT_DEVICES };
	int code = 0, r;

	for (int i = 0; i < FI_CRIU_NR_HOOKS; i++)
		NEED(!plugin->hooks[i] ==
		     (i != hooks[0] && i != hooks[1] && i != FI_CRIU_HOOK_RESUME_DEVICES_LATE));
	/* Nobody has begun a transparent restore. */
	NEED(plugin->hooks[FI_CRIU_HOOK_RESUME_DEVICES_LATE](getpid()) == -ENOTSUP);
	for (int i = 0; i < 2; i++) {
		(void)alarm(1000);
		r = plugin->hooks[hooks[i]](getpid());
		NEED(r == -ENOTSUP || r == -1);
		NEED(alarm(0) > 0); /* CRIU's */
		NEED(waitpid(-1, NULL, WNOHANG | __WALL) == -1 && errno == ECHILD);
		NEED(nr_sigchld == 0);
		if (r == -1)
			code = 4;
	}
	return code;
}

static struct fi_criu_plugin *load_plugin(void **handle)
{
#ifdef STUB_LINKED
	*handle = NULL;
	return &CR_PLUGIN_DESC;
#else
	struct fi_criu_plugin *plugin;

	*handle = dlopen(getenv("STUB_PLUGIN"), RTLD_LAZY);
	if (!*handle)
		(void)fprintf(stderr, "%s\n", dlerror());
	NEED(*handle != NULL);
	plugin = dlsym(*handle, "CR_PLUGIN_DESC");
	NEED(plugin != NULL);
	return plugin;
#endif
}

static int number(const char *name, int otherwise)
{
	const char *text = getenv(name);

	return text ? atoi(text) : otherwise;
}

int main(void)
{
	int stage = number("STUB_STAGE", FI_CRIU_STAGE_RESTORE);
	const char *act = getenv("STUB_DO");
	struct sigaction handler = { .sa_handler = on_sigchld, .sa_flags = SA_RESTART };
	struct fi_criu_plugin *plugin;
	unsigned int before;
	sigset_t mask, mask_after;
	void *handle;
	int code = 0, r;

	act = act ? act : "nothing";
	images_dir =
		open("img", O_RDONLY | O_DIRECTORY); /* not CLOEXEC: the engine must not care */
	NEED(images_dir >= 0);
	NEED(sigaction(SIGCHLD, &handler, NULL) == 0);
	NEED(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	(void)sigemptyset(&mask);
	(void)sigaddset(&mask, SIGINT);
	NEED(sigprocmask(SIG_SETMASK, &mask, NULL) == 0);

	plugin = load_plugin(&handle);
	NEED(plugin->version <= FI_CRIU_PLUGIN_VERSION);
	NEED(plugin->max_hooks == FI_CRIU_NR_HOOKS);
	NEED(strcmp(plugin->name, "faultin") == 0);

	if (strcmp(act, "dump-owed") == 0)
		be_owed();
	before = open_descriptors();
	r = plugin->init(stage);
	NEED(r == 0 || r == -1);
	NEED(open_descriptors() == before);
	NEED(waitpid(-1, NULL, WNOHANG | __WALL) == -1 && errno == ECHILD);
	NEED(nr_sigchld == 0);
	NEED(sigprocmask(SIG_BLOCK, NULL, &mask_after) == 0);
	for (int sig = 1; sig < NSIG; sig++)
		NEED(sigismember(&mask_after, sig) == (sig == SIGINT || sigismember(&mask, sig)));

	if (r == 0) {
		if (strcmp(act, "connect") == 0)
			connect_engine(1);
		else if (strcmp(act, "break") == 0)
			connect_engine(0);
		else if (strcmp(act, "die") == 0)
			(void)raise(SIGKILL);
		else if (strncmp(act, "dump", 4) == 0)
			code = call_hooks(plugin);
		plugin->exit(stage, number("STUB_RET", 0));
		NEED(open_descriptors() == before);
	}
	if (handle)
		(void)dlclose(handle);
	return r == 0 ? code : 3;
}

/* restore/hook.c - see hook.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which session is the container's?  The one that knows its id already; or the one whose CRIU was
 * started by the runtime that has called us; or the one that has restored the container's process.
 * Most containers are started, not restored, and then there is none: that has to be found out fast,
 * and without a word.
 */
#include "config.h"

#include "restore/hook.h"

#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "images/inspect/text.h"
#include "images/pagemap.h"
#include "restore/annotations.h"
#include "restore/client.h"
#include "restore/sessions.h"

/* No container waits longer for us, in seconds. */
#define PATIENCE 3

#define STATE_MAX (UINT64_C(4) << 20) /* bytes of the state */

/* From CRIU up to the runtime that has started it. */
#define MAX_GENERATIONS 4

static const char usage[] =
	"Usage: faultin hook STAGE\n"
	"For container runtimes: read a container's state on standard input, and tie the "
	"container\n"
	"to its restore, if it is being restored.  STAGE is an OCI hook's:\n"
	"\n"
	"  prestart, createRuntime, poststart\n"
	"                         name the container in status and log of its restore, and apply\n"
	"                         its annotations org.faultin.drain and org.faultin.drain-rate\n"
	"  poststop               say so if the container has ended before its memory was there\n"
	"\n"
	"  -V, --version          print the version\n"
	"  -h, --help             print this\n"
	"\n"
	"Exit code: 0, always.\n";

static const struct option long_options[] = {
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

struct container {
	const char *id;		   /* the state's */
	pid_t pid;		   /* 0: not known */
	struct json_object *state; /* as it came */
};

static void say(int level, const char *fmt, ...) fi_printf(2, 3);

/* To whoever reads our standard error, which runtimes show only when a hook fails, and to the system's
 * log. */
static void say(int level, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)fputs("faultin hook: ", stderr);
	fi_text_put(text, stderr);
	(void)fputc('\n', stderr);
	syslog(level, "hook: %s", text);
}

static void give_up(int sig)
{
	_exit(0);
}

/* --- the session --------------------------------------------------------------------------------- */

/* 0: there is no such process. */
static pid_t parent_of(pid_t pid)
{
	fi_auto_close int fd = -EBADF;
	char path[64], text[512], *at;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	at = strrchr(text, ')'); /* a name may have anything in it */
	return at && strlen(at) > 4 ? (pid_t)strtol(at + 4, NULL, 10) : 0;
}

static bool is_above(pid_t ancestor, pid_t pid)
{
	for (int i = 0; i < MAX_GENERATIONS && pid > 1; i++) {
		pid = parent_of(pid);
		if (pid == ancestor)
			return ancestor > 1;
	}
	return false;
}

static bool has_task(const struct json_object *session, pid_t pid)
{
	const struct json_object *spaces = fi_member(session, "spaces", json_type_array);
	size_t nr = spaces ? json_object_array_length(spaces) : 0;

	for (size_t i = 0; i < nr && pid > 0; i++)
		if (fi_member_u64(json_object_array_get_idx(spaces, i), "pid") == (uint64_t)pid)
			return true;
	return false;
}

static bool is_its(const struct json_object *session, const struct container *container)
{
	const char *id = fi_member_text(session, "container");

	if (id[0])
		return strcmp(id, container->id) == 0;
	return is_above(getppid(), (pid_t)fi_member_u64(session, "restorer")) ||
	       has_task(session, container->pid);
}

/* What the container's session says of itself, or NULL; @ref is then where it is. */
static struct json_object *find_session(const struct fi_sessions *sessions,
					const struct container *container,
					const struct fi_session_ref **ref)
{
	const struct fi_request request = { .command = FI_COMMAND_STATUS };

	for (size_t i = 0; i < sessions->nr; i++) {
		struct json_object *reply = NULL, *session;
		struct fi_error err = { "" };

		if (fi_ask(sessions->at[i].dir, sessions->at[i].name, &request, &reply, &err) < 0)
			continue; /* it ends, or is nobody's business */
		session = fi_member(reply, "session", json_type_object);
		if (session && is_its(session, container)) {
			*ref = &sessions->at[i];
			(void)json_object_get(session);
			(void)json_object_put(reply);
			return session;
		}
		(void)json_object_put(reply);
	}
	return NULL;
}

static void tell(const struct fi_session_ref *ref, const struct fi_request *request)
{
	struct json_object *reply = NULL;
	struct fi_error err = { "" };

	if (fi_ask(ref->dir, ref->name, request, &reply, &err) < 0)
		say(LOG_WARNING, "session %s: %s", ref->name, err.text);
	(void)json_object_put(reply);
}

/* The reply of this one comes at the end: nobody waits for it. */
static void hurry(const struct fi_session_ref *ref)
{
	const struct fi_request request = { .command = FI_COMMAND_COMPLETE };
	struct fi_call call;

	fi_call_send(&call, ref->dir, ref->name, &request);
	fi_close(&call.fd);
}

/* --- stages -------------------------------------------------------------------------------------- */

static void complain(void *arg, unsigned line, const char *words)
{
	const struct container *container = arg;

	say(LOG_WARNING, "container %s: %s", container->id, words);
}

/* The rest had to be known before: the plugin asks for it itself, where it can. */
static void apply(const struct fi_session_ref *ref, struct container *container)
{
	struct fi_settings settings;

	fi_settings_init(&settings);
	if (fi_annotations_take(&settings, container->state, complain, container, NULL) <= 0)
		return;
	if (settings.from[FI_KEY_DRAIN_RATE].origin == FI_ORIGIN_CONTAINER)
		tell(ref, &(struct fi_request){ .command = FI_COMMAND_RATE,
						.rate = settings.drain_rate });
	if (settings.from[FI_KEY_DRAIN].origin != FI_ORIGIN_CONTAINER)
		return;
	if (settings.drain == FI_DRAIN_EAGER)
		hurry(ref);
	else
		tell(ref, &(struct fi_request){ .command = settings.drain == FI_DRAIN_DEMAND
								   ? FI_COMMAND_PAUSE
								   : FI_COMMAND_RESUME });
}

static void on_start(const struct fi_sessions *sessions, struct container *container)
{
	struct fi_request request = { .command = FI_COMMAND_CONTAINER };
	const struct fi_session_ref *ref = NULL;
	struct json_object *session = find_session(sessions, container, &ref);

	if (!session)
		return;
	if (!fi_member_text(session, "container")[0]) {
		(void)snprintf(request.container, sizeof(request.container), "%s", container->id);
		tell(ref, &request);
	}
	apply(ref, container);
	(void)json_object_put(session);
}

static void on_stop(const struct fi_sessions *sessions, struct container *container)
{
	const struct fi_session_ref *ref = NULL;
	struct json_object *session = find_session(sessions, container, &ref);
	const struct json_object *pages = fi_member(session, "pages", json_type_object);
	uint64_t failed = fi_member_u64(session, "failed");

	if (session)
		say(failed ? LOG_ERR : LOG_INFO,
		    "container %s has stopped while session %s still owed it %" PRIu64
		    " of %" PRIu64 " bytes, after %" PRIu64 " faults%s",
		    container->id, ref->name, fi_member_u64(pages, "owed") * FI_PAGE_SIZE,
		    fi_member_u64(pages, "lazy") * FI_PAGE_SIZE, fi_member_u64(session, "faults"),
		    failed ? "; some of its processes could not be served" : "");
	(void)json_object_put(session);
}

static const struct stage {
	const char *name;
	void (*run)(const struct fi_sessions *sessions, struct container *container);
} stages[] = {
	{ "prestart", on_start },
	{ "createRuntime", on_start },
	{ "poststart", on_start },
	{ "poststop", on_stop },
};

static const struct stage *find_stage(const char *name)
{
	for (size_t i = 0; i < FI_ARRAY_SIZE(stages); i++)
		if (strcmp(stages[i].name, name) == 0)
			return &stages[i];
	return NULL;
}

static void run(const struct stage *stage)
{
	fi_auto_sessions struct fi_sessions sessions = { .at = NULL };
	struct container container = { .state = NULL };
	char *all[] = { NULL };
	struct fi_error err = { "" };
	int r;

	r = fi_json_read(STDIN_FILENO, STATE_MAX, &container.state, &err);
	if (r == 0) {
		container.id = fi_member_text(container.state, "id");
		container.pid = (pid_t)fi_member_u64(container.state, "pid");
		if (!fi_container_is_id(container.id))
			r = fi_error_set(&err, -EBADMSG, "there is no container's id in it");
	}
	if (r < 0)
		say(LOG_WARNING, "the state on standard input: %s", err.text);
	else if (fi_sessions_find(all, FI_OWN, &sessions, &err) < 0)
		say(LOG_WARNING, "%s", err.text);
	else
		stage->run(&sessions, &container);
	(void)json_object_put(container.state);
}

int fi_hook_main(int argc, char **argv)
{
	const struct sigaction on_alarm = { .sa_handler = give_up };
	const struct stage *stage;
	sigset_t alarms;
	int c;

	optind = 0;
	opterr = 0;
	while ((c = getopt_long(argc, argv, "+Vh", long_options, NULL)) != -1) {
		if (c == 'V')
			(void)printf("Version: %s\n", PACKAGE_VERSION);
		if (c == 'h')
			(void)fputs(usage, stdout);
		if (c == 'V' || c == 'h')
			return 0;
	}
	stage = optind < argc ? find_stage(argv[optind]) : NULL;
	if (!stage) {
		say(LOG_WARNING, "there is no such stage; 'faultin hook --help' names them");
		return 0;
	}
	/* Whatever the runtime has blocked or ignored. */
	(void)sigemptyset(&alarms);
	(void)sigaddset(&alarms, SIGALRM);
	(void)sigaction(SIGALRM, &on_alarm, NULL);
	(void)sigprocmask(SIG_UNBLOCK, &alarms, NULL);
	(void)alarm(PATIENCE);
	openlog("faultin", LOG_PID, LOG_DAEMON);
	run(stage);
	return 0;
}

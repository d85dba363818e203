/* restore/renew.c - see renew.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/renew.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "images/inspect/text.h"
#include "restore/client.h"
#include "restore/complain.h"
#include "restore/options.h"
#include "restore/sessions.h"

#define LOOK_MS	   20
#define PATIENCE_S 60

static const char usage[] =
	"Usage: faultin upgrade [OPTION]... [SESSION]...\n"
	"Have the program that sessions were started from, as it is installed by now, take them\n"
	"over: these sessions, or all that there are.\n"
	"\n"
	"  -V, --version  print the version\n"
	"  -h, --help     print this\n"
	"\n"
	"Exit code: 0 when it has, 1 when a session goes on with the program that it had, 2 for\n"
	"wrong options, 3 when there is no such session.\n";

static const struct option long_options[] = {
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static const struct fi_verb verb = { "upgrade", usage, ":Vh", long_options };

struct count {
	uint64_t upgrades, refused;
	char program[64];
};

static int ask(int dir, const char *name, enum fi_command command, struct count *ret,
	       struct fi_error *err)
{
	const struct fi_request request = { .command = command };
	const struct json_object *session;
	struct json_object *reply = NULL;
	int r = fi_ask(dir, name, &request, &reply, err);

	session = fi_member(reply, "session", json_type_object);
	if (session) {
		ret->upgrades = fi_member_u64(session, "upgrades");
		ret->refused = fi_member_u64(session, "refused_upgrades");
		(void)snprintf(ret->program, sizeof(ret->program), "%s",
			       fi_member_text(session, "program"));
	}
	(void)json_object_put(reply);
	return r;
}

/* Until it has been taken over, or has not. */
static int await(int dir, const char *name, const struct count *before, struct fi_error *err)
{
	const struct timespec pause = { .tv_nsec = LOOK_MS * 1000000L };
	uint64_t start = fi_now_ns();
	struct count now = *before;
	int r = 0;

	while (r == 0 && now.upgrades == before->upgrades && now.refused == before->refused) {
		if (fi_now_ns() - start > PATIENCE_S * UINT64_C(1000000000))
			return fi_error_set(err, -ETIMEDOUT, "nothing happens");
		(void)nanosleep(&pause, NULL);
		r = ask(dir, name, FI_COMMAND_STATUS, &now, err);
	}
	if (r == 0 && now.refused != before->refused)
		return fi_error_set(err, -EREMOTEIO,
				    "it goes on with the program that it had: its log says why");
	if (r == 0) {
		(void)printf("session %s: ", name);
		fi_text_put(before->program, stdout);
		(void)fputs(" -> ", stdout);
		fi_text_put(now.program, stdout);
		(void)putchar('\n');
	}
	return r;
}

/* One that is complete by now needs no other program. */
static int renew(const struct fi_session_ref *session, bool unnamed)
{
	struct fi_error err = { "" };
	struct count before = { 0 }, unused;
	int r = ask(session->dir, session->name, FI_COMMAND_STATUS, &before, &err);
	bool was_there = r == 0;

	if (r == 0)
		r = ask(session->dir, session->name, FI_COMMAND_UPGRADE, &unused, &err);
	if (r == 0)
		r = await(session->dir, session->name, &before, &err);
	if (r == 0 || ((r == -ESRCH || r == -ENOLINK) && (was_there || unnamed)))
		return 0;
	fi_complain("upgrade", session->name, err.text);
	return r == -ESRCH ? FI_NO_SUCH_SESSION : 1;
}

static int run(char **words)
{
	fi_auto_sessions struct fi_sessions sessions = { .dirs = NULL };
	struct fi_error err = { "" };
	int code = 0, r = fi_sessions_find(words, FI_OWN, &sessions, &err);

	if (r == -EINVAL)
		return fi_complain_misuse("upgrade", err.text);
	if (r < 0) {
		fi_complain("upgrade", NULL, err.text);
		return 1;
	}
	for (size_t i = 0; i < sessions.nr; i++) {
		int one = renew(&sessions.at[i], sessions.all);

		if (code == 0 || one == 1)
			code = one;
	}
	return code;
}

int fi_renew_main(int argc, char **argv)
{
	int code;

	return fi_option_next(&verb, argc, argv, &code) < 0 ? code : run(argv + optind);
}

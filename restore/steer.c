/* restore/steer.c - see steer.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/steer.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "common/bytes.h"
#include "restore/client.h"
#include "restore/complain.h"
#include "restore/options.h"
#include "restore/sessions.h"
#include "restore/tree.h"

#define OPTIONS_HELP                                                                               \
	"  -V, --version  print the version\n"                                                     \
	"  -h, --help     print this\n"

struct steer_verb {
	const char *name;
	enum fi_command command;
	bool names_one; /* session; else any number, none being all */
	bool waits;
	const char *usage;
};

static const struct steer_verb verbs[] = {
	{ "wait", FI_COMMAND_WAIT, false, true,
	  "Usage: faultin wait [OPTION]... [SESSION]...\n"
	  "Wait until everything is resident: in these sessions, or in all that there are.\n"
	  "\n" OPTIONS_HELP "\n"
	  "Exit code: 0 when it is, 1 when a session has failed, 2 for wrong options, 3 when "
	  "there\n"
	  "is no such session.\n" },
	{ "complete", FI_COMMAND_COMPLETE, false, true,
	  "Usage: faultin complete [OPTION]... [SESSION]...\n"
	  "Bring in all that is owed, as fast as can be, and wait for it: in these sessions, or "
	  "in\n"
	  "all that there are.\n"
	  "\n"
	  "      --tree PID  in those that serve process PID or a descendant, and until no memory "
	  "of\n"
	  "                  these is missing: whoever was to bring it in\n" OPTIONS_HELP "\n"
	  "Exit code: 0 when nothing is owed, 1 when a session has failed, 2 for wrong options, 3\n"
	  "when there is no such session.\n" },
	{ "pause", FI_COMMAND_PAUSE, true, false,
	  "Usage: faultin pause [OPTION]... SESSION\n"
	  "Bring in nothing that nobody waits for.  What a task touches is served as before.\n"
	  "\n" OPTIONS_HELP },
	{ "resume", FI_COMMAND_RESUME, true, false,
	  "Usage: faultin resume [OPTION]... SESSION\n"
	  "Undo 'faultin pause'.\n"
	  "\n" OPTIONS_HELP },
	{ "rate", FI_COMMAND_RATE, true, false,
	  "Usage: faultin rate [OPTION]... SESSION BYTES\n"
	  "Bring in at most BYTES a second that nobody waits for; K, M and G after the number "
	  "stand\n"
	  "for 2^10, 2^20 and 2^30, and 0 is no limit.\n"
	  "\n" OPTIONS_HELP },
};

static const struct option long_options[] = {
	{ "tree", required_argument, NULL, 't' }, /* first: `complete` only */
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static int parse_pid(const char *word, pid_t *ret)
{
	char *end;
	long value = strtol(word, &end, 10);

	if (end == word || *end || value < 1 || value > INT_MAX)
		return -EINVAL;
	*ret = (pid_t)value;
	return 0;
}

/* --- what sessions say -------------------------------------------------------------------------- */

/* Of a session that was not named nobody wants to know that it had died before. */
static int code_of(const struct steer_verb *verb, const struct fi_sessions *sessions,
		   const char *name, int r, const struct fi_error *err)
{
	bool gone = r == -ESRCH || (r == -ENOLINK && !verb->waits);

	if (r == 0 || (gone && sessions->all))
		return 0;
	fi_complain(verb->name, name, err->text);
	return gone ? FI_NO_SUCH_SESSION : 1;
}

static int await_end(const struct steer_verb *verb, const struct fi_sessions *sessions, size_t i,
		     struct fi_call *call)
{
	struct json_object *reply = NULL;
	struct fi_error err = { "" };
	int r = fi_call_reply(call, sessions->at[i].dir, -1, &reply, &err);
	const char *result = fi_member_text(reply, "result");

	if (r == 0 && strcmp(result, "complete") != 0)
		r = fi_error_set(&err, -EREMOTEIO, "%s", result[0] ? result : "no result");
	(void)json_object_put(reply);
	return code_of(verb, sessions, call->session, r, &err);
}

/* All are asked before one is waited for. */
static int await_all(const struct steer_verb *verb, const struct fi_sessions *sessions)
{
	const struct fi_request request = { .command = verb->command };
	fi_auto_free struct fi_call *calls = calloc(sessions->nr + 1, sizeof(calls[0]));
	int code = 0;

	if (!calls) {
		fi_complain(verb->name, NULL, "out of memory");
		return 1;
	}
	for (size_t i = 0; i < sessions->nr; i++)
		fi_call_send(&calls[i], sessions->at[i].dir, sessions->at[i].name, &request);
	for (size_t i = 0; i < sessions->nr; i++) {
		int one = await_end(verb, sessions, i, &calls[i]);

		if (code == 0 || one == 1)
			code = one;
	}
	return code;
}

static int tell(const struct steer_verb *verb, const struct fi_sessions *sessions,
		const struct fi_request *request)
{
	struct json_object *reply = NULL;
	struct fi_error err = { "" };
	int r = fi_ask(sessions->at[0].dir, sessions->at[0].name, request, &reply, &err);

	(void)json_object_put(reply);
	return code_of(verb, sessions, sessions->at[0].name, r, &err);
}

static void tell_owed(uint64_t nr_owed)
{
	(void)fprintf(stderr, "faultin complete: %" PRIu64 " pages are still owed\n", nr_owed);
}

static int complete_tree(const struct steer_verb *verb, pid_t root)
{
	struct fi_error err = { "" };

	if (fi_tree_complete(root, tell_owed, &err) == 0)
		return 0;
	fi_complain(verb->name, NULL, err.text);
	return 1;
}

/* --- words -------------------------------------------------------------------------------------- */

/* @words: those that are no options, up to a NULL. */
static int run(const struct steer_verb *verb, int nr, char **words)
{
	fi_auto_sessions struct fi_sessions sessions = { .dirs = NULL };
	struct fi_request request = { .command = verb->command };
	bool has_rate = verb->command == FI_COMMAND_RATE;
	struct fi_error err = { "" };
	int r;

	if (verb->names_one && nr != 1 + has_rate)
		return fi_complain_misuse(verb->name, has_rate ? "name one session and a rate"
							       : "name one session");
	if (has_rate) {
		if (fi_bytes_parse(words[1], FI_RATE_MAX, &request.rate) < 0)
			return fi_complain_misuse(verb->name, "the rate is not a number of bytes");
		words[1] = NULL;
	}
	r = fi_sessions_find(words, FI_OWN, &sessions, &err);
	if (r == -EINVAL)
		return fi_complain_misuse(verb->name, err.text);
	if (r < 0) {
		fi_complain(verb->name, NULL, err.text);
		return 1;
	}
	return verb->waits ? await_all(verb, &sessions) : tell(verb, &sessions, &request);
}

static const struct steer_verb *find_verb(const char *name)
{
	size_t i = 0;

	while (strcmp(verbs[i].name, name) != 0)
		i++;
	return &verbs[i];
}

int fi_steer_main(int argc, char **argv)
{
	const struct steer_verb *verb = find_verb(argv[0]);
	/* The others have no --tree. */
	const struct fi_verb words = { verb->name, verb->usage, ":Vh",
				       long_options + (verb->command != FI_COMMAND_COMPLETE) };
	pid_t root = 0;
	int c, code;

	while ((c = fi_option_next(&words, argc, argv, &code)) > 0)
		if (parse_pid(optarg, &root) < 0)
			return fi_complain_misuse(verb->name, "--tree wants a process id");
	if (c < 0)
		return code;
	if (root && argc > optind)
		return fi_complain_misuse(verb->name, "name sessions or a tree, not both");
	return root ? complete_tree(verb, root) : run(verb, argc - optind, argv + optind);
}

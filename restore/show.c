/* restore/show.c - see show.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Sessions tell what they have counted; rates are the difference of two looks at them.
 */
#include "config.h"

#include "restore/show.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "images/inspect/json.h"
#include "images/inspect/text.h"
#include "images/pagemap.h"
#include "restore/client.h"
#include "restore/sessions.h"

enum { NO_SUCH_SESSION = 3 };

/* Between the two looks of a single status. */
#define GLANCE_MS 200

static const char usage[] =
	"Usage: faultin status [OPTION]... [SESSION]\n"
	"Show running restores: all of them, or one.\n"
	"\n"
	"  -w, --watch[=SECONDS]  show them again and again (default: every second), until the\n"
	"                         session has ended, or for ever\n"
	"      --json             a JSON object a line in place of text; see faultin-control(5)\n"
	"  -V, --version          print the version\n"
	"  -h, --help             print this\n"
	"\n"
	"Exit code: 0, 1 when a session could not be asked, 2 for wrong options, 3 when there is "
	"no\n"
	"such session.\n";

static const struct option long_options[] = {
	{ "watch", optional_argument, NULL, 'w' },
	{ "json", no_argument, NULL, 'j' },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

struct show_options {
	bool watch, json;
	long pause_ms;
};

/* What all sessions said at one time. */
struct look {
	struct json_object *reply; /* { version, sessions: [] } */
	struct json_object *sessions;
	int code;   /* the exit code that it would be */
	bool quiet; /* says nothing of who could not be asked */
};

/* --- asking ------------------------------------------------------------------------------------ */

static void complain(const char *session, const char *words)
{
	(void)fputs("faultin status: ", stderr);
	if (session)
		(void)fprintf(stderr, "session %s: ", session);
	fi_text_put(words, stderr);
	(void)fputc('\n', stderr);
}

/* Takes the session out of its reply. */
static void keep(struct look *look, struct json_object *reply)
{
	struct json_object *session = fi_member(reply, "session", json_type_object);

	if (session && json_object_array_add(look->sessions, json_object_get(session)) < 0)
		(void)json_object_put(session);
	(void)json_object_put(reply);
}

static void hear(struct look *look, const struct fi_sessions *sessions, struct fi_call *call)
{
	struct json_object *reply;
	struct fi_error err = { "" };
	int r = fi_call_reply(call, sessions->dir, FI_CLIENT_PATIENCE_MS, &reply, &err);

	if (r == 0) {
		keep(look, reply);
	} else if (!sessions->all || (r != -ESRCH && r != -ENOLINK)) {
		if (!look->quiet)
			complain(call->session, err.text);
		look->code = r == -ESRCH || r == -ENOLINK ? NO_SUCH_SESSION : 1;
	}
}

static int look_at(const struct fi_sessions *sessions, bool quiet, struct look *ret,
		   struct fi_error *err)
{
	const struct fi_request request = { .command = FI_COMMAND_STATUS };
	fi_auto_free struct fi_call *calls = calloc(sessions->nr + 1, sizeof(calls[0]));
	struct look look = { .reply = json_object_new_object(), .quiet = quiet };
	struct fi_json js = { .failed = !look.reply || !calls };

	fi_json_u64(&js, look.reply, "version", FI_CONTROL_VERSION);
	look.sessions = fi_json_array(&js, look.reply, "sessions");
	if (js.failed) {
		(void)json_object_put(look.reply);
		return fi_error_set(err, -ENOMEM, "out of memory");
	}
	for (size_t i = 0; i < sessions->nr; i++)
		fi_call_send(&calls[i], sessions->dir, sessions->names[i], &request);
	for (size_t i = 0; i < sessions->nr; i++)
		hear(&look, sessions, &calls[i]);
	*ret = look;
	return 0;
}

/* --- rates ------------------------------------------------------------------------------------- */

static struct json_object *find(const struct look *look, const struct json_object *session)
{
	const char *name = fi_member_text(session, "name");

	for (size_t i = 0; i < json_object_array_length(look->sessions); i++) {
		struct json_object *other = json_object_array_get_idx(look->sessions, i);

		if (strcmp(fi_member_text(other, "name"), name) == 0)
			return other;
	}
	return NULL;
}

/* By how much a counter has grown; what dead engines had counted is missing afterwards. */
static double growth(const struct json_object *now, const struct json_object *before,
		     const char *key)
{
	uint64_t a = fi_member_u64(now, key), b = fi_member_u64(before, key);

	return a > b ? (double)(a - b) : 0;
}

static void add_rates(struct json_object *now, const struct json_object *before, struct fi_json *js)
{
	const struct json_object *pages = fi_member(now, "pages", json_type_object);
	const struct json_object *earlier = fi_member(before, "pages", json_type_object);
	double seconds = growth(now, before, "now_us") / 1e6, given, left_ms;
	struct json_object *rates;

	if (seconds <= 0 || fi_member_u64(now, "engines") != fi_member_u64(before, "engines"))
		return;
	given = growth(pages, earlier, "drained") + growth(pages, earlier, "demanded");
	rates = fi_json_object(js, now, "rates");
	fi_json_u64(js, rates, "faults_per_s", (uint64_t)(growth(now, before, "faults") / seconds));
	fi_json_u64(js, rates, "bytes_per_s", (uint64_t)(given * FI_PAGE_SIZE / seconds));
	left_ms = (double)fi_member_u64(pages, "owed") / given * seconds * 1000;
	if (given > 0)
		fi_json_u64(js, rates, "left_ms", (uint64_t)left_ms);
}

/* Sessions that have ended since are shown as they were. */
static void compare(struct look *now, const struct look *before)
{
	struct fi_json js = { .failed = false };

	for (size_t i = 0; i < json_object_array_length(now->sessions); i++) {
		struct json_object *session = json_object_array_get_idx(now->sessions, i);
		const struct json_object *earlier = find(before, session);

		if (earlier)
			add_rates(session, earlier, &js);
	}
}

/* --- showing ----------------------------------------------------------------------------------- */

static int show(const struct look *look, const struct show_options *options, bool clear)
{
	size_t nr = json_object_array_length(look->sessions);

	if (clear)
		(void)fputs("\033[H\033[J", stdout);
	if (options->json)
		(void)puts(json_object_to_json_string_ext(
			look->reply,
			options->watch ? JSON_C_TO_STRING_PLAIN : JSON_C_TO_STRING_PRETTY));
	for (size_t i = 0; i < nr && !options->json; i++)
		fi_show_text(json_object_array_get_idx(look->sessions, i), stdout);
	if (nr == 0 && !options->json && look->code == 0)
		(void)puts("no session is running");
	return fflush(stdout) != 0 || ferror(stdout) ? -EIO : 0;
}

static void nap(long ms)
{
	const struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	(void)nanosleep(&ts, NULL);
}

static int take_look(char **words, bool quiet, struct look *ret, struct fi_error *err)
{
	fi_auto_sessions struct fi_sessions sessions = { .dir = -EBADF };
	int r = fi_sessions_find(words, &sessions, err);

	return r < 0 ? r : look_at(&sessions, quiet, ret, err);
}

/* Two looks, for the rates.  Who has ended in between is shown as it was. */
static int show_once(char **words, const struct show_options *options, struct fi_error *err)
{
	struct look first, second;
	int code, r = take_look(words, false, &first, err);

	if (r < 0)
		return r;
	code = first.code;
	if (json_object_array_length(first.sessions) > 0) {
		nap(GLANCE_MS);
		r = take_look(words, true, &second, err);
		if (r == 0 && json_object_array_length(second.sessions) > 0) {
			compare(&second, &first);
			(void)json_object_put(first.reply);
			first = second;
		} else if (r == 0) {
			(void)json_object_put(second.reply);
		}
	}
	if (r == 0 && code != NO_SUCH_SESSION)
		r = show(&first, options, false);
	(void)json_object_put(first.reply);
	return r < 0 ? r : code;
}

static int show_again_and_again(char **words, const struct show_options *options,
				struct fi_error *err)
{
	const bool clear = !options->json && isatty(STDOUT_FILENO);
	struct look before = { .reply = NULL }, now;
	bool was_there = false;
	int code = 0, r;

	while ((r = take_look(words, before.reply != NULL, &now, err)) == 0) {
		if (before.reply)
			compare(&now, &before);
		(void)json_object_put(before.reply);
		before = (struct look){ .reply = now.reply, .sessions = now.sessions };
		code = now.code;
		if (code == NO_SUCH_SESSION)
			break;
		was_there = true; /* it was there: that it is no more is no error */
		r = show(&now, options, clear);
		if (r < 0)
			break;
		nap(options->pause_ms);
	}
	(void)json_object_put(before.reply);
	return r < 0 || was_there ? r : code;
}

/* --- words ------------------------------------------------------------------------------------- */

static int misuse(const char *words)
{
	complain(NULL, words);
	(void)fputs("Try 'faultin status --help'.\n", stderr);
	return 2;
}

static int parse_pause(const char *word, long *ret)
{
	char *end;
	double seconds;

	if (!word)
		return 0;
	seconds = strtod(word, &end);
	if (end == word || *end || !(seconds >= 0.1 && seconds <= 86400))
		return -EINVAL;
	*ret = (long)(seconds * 1000);
	return 0;
}

int fi_show_main(int argc, char **argv)
{
	struct show_options options = { .pause_ms = 1000 };
	struct fi_error err = { "" };
	int c, r;

	optind = 0;
	opterr = 0;
	while ((c = getopt_long(argc, argv, "w::Vh", long_options, NULL)) != -1) {
		switch (c) {
		case 'w':
			options.watch = true;
			if (parse_pause(optarg, &options.pause_ms) < 0)
				return misuse("--watch wants from 0.1 to 86400 seconds");
			break;
		case 'j':
			options.json = true;
			break;
		case 'V':
			(void)printf("Version: %s\n", PACKAGE_VERSION);
			return 0;
		case 'h':
			(void)fputs(usage, stdout);
			return 0;
		default:
			return misuse("unknown option");
		}
	}
	if (argc - optind > 1)
		return misuse("name one session, or none for all");
	r = options.watch ? show_again_and_again(argv + optind, &options, &err)
			  : show_once(argv + optind, &options, &err);
	if (r == -EINVAL)
		return misuse(err.text);
	if (r < 0)
		complain(NULL, err.text[0] ? err.text : strerror(-r));
	return r < 0 ? 1 : r;
}

/* restore/show.c - see show.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/show.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "restore/client.h"
#include "restore/complain.h"
#include "restore/look.h"
#include "restore/options.h"
#include "restore/show_text.h"

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

static const struct fi_verb verb = { "status", usage, ":w::Vh", long_options };

struct show_options {
	bool watch, json;
	int pause_ms;
};

/* --- showing ----------------------------------------------------------------------------------- */

static int show(const struct fi_look *look, const struct show_options *options, bool clear)
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
	if (nr == 0 && !options->json && fi_look_code(look) == 0)
		(void)puts("no session is running");
	return fflush(stdout) != 0 || ferror(stdout) ? -EIO : 0;
}

static void nap(long ms)
{
	const struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	(void)nanosleep(&ts, NULL);
}

static int take_look(char **words, struct fi_look *ret, struct fi_error *err)
{
	return fi_look_take(words, FI_CLIENT_PATIENCE_MS, ret, err);
}

/* Two looks, for the rates.  Who has ended in between is shown as it was. */
static int show_once(char **words, const struct show_options *options, struct fi_error *err)
{
	struct fi_look first, second;
	int code, r = take_look(words, &first, err);

	if (r < 0)
		return r;
	fi_look_complain(&first, "status");
	code = fi_look_code(&first);
	if (json_object_array_length(first.sessions) > 0) {
		nap(GLANCE_MS);
		r = take_look(words, &second, err);
		if (r == 0 && json_object_array_length(second.sessions) > 0) {
			fi_look_compare(&second, &first);
			fi_look_done(&first);
			first = second;
		} else if (r == 0) {
			fi_look_done(&second);
		}
	}
	if (r == 0 && code != FI_NO_SUCH_SESSION)
		r = show(&first, options, false);
	fi_look_done(&first);
	return r < 0 ? r : code;
}

static int show_again_and_again(char **words, const struct show_options *options,
				struct fi_error *err)
{
	const bool clear = !options->json && isatty(STDOUT_FILENO);
	struct fi_look before = { .reply = NULL }, now;
	bool was_there = false;
	int code = 0, r;

	while ((r = take_look(words, &now, err)) == 0) {
		if (before.reply)
			fi_look_compare(&now, &before);
		else
			fi_look_complain(&now, "status");
		fi_look_done(&before);
		before = now;
		code = fi_look_code(&now);
		if (code == FI_NO_SUCH_SESSION)
			break;
		was_there = true; /* it was there: that it is no more is no error */
		r = show(&now, options, clear);
		if (r < 0)
			break;
		nap(options->pause_ms);
	}
	fi_look_done(&before);
	return r < 0 || was_there ? r : code;
}

/* --- words ------------------------------------------------------------------------------------- */

int fi_show_main(int argc, char **argv)
{
	struct show_options options = { .pause_ms = 1000 };
	struct fi_error err = { "" };
	int c, code, r;

	while ((c = fi_option_next(&verb, argc, argv, &code)) > 0) {
		switch (c) {
		case 'w':
			options.watch = true;
			if (optarg && fi_look_parse_pause(optarg, &options.pause_ms) < 0)
				return fi_complain_misuse(
					"status", "--watch wants from 0.1 to 86400 seconds");
			break;
		case 'j':
			options.json = true;
			break;
		}
	}
	if (c < 0)
		return code;
	if (argc - optind > 1)
		return fi_complain_misuse("status", "name one session, or none for all");
	r = options.watch ? show_again_and_again(argv + optind, &options, &err)
			  : show_once(argv + optind, &options, &err);
	if (r == -EINVAL)
		return fi_complain_misuse("status", err.text);
	if (r < 0)
		fi_complain("status", NULL, err.text[0] ? err.text : strerror(-r));
	return r < 0 ? 1 : r;
}

/* restore/top.c - see top.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One loop: look at the sessions, show them, heed keys until it is time for the next look.
 */
#include "config.h"

#include "restore/top.h"

#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "restore/client.h"
#include "restore/complain.h"
#include "restore/options.h"
#include "restore/sessions.h"
#include "restore/terminal.h"

/* A session that does not answer must not keep us from the others, nor from the user. */
#define PATIENCE_MS 500

/* Between the first two looks, so that there are speeds soon. */
#define GLANCE_MS 200

static const char usage[] = "Usage: faultin top [OPTION]... [SESSION]...\n"
			    "Watch running restores, all of them or those named, and steer them.\n"
			    "\n"
			    "  -d, --delay SECONDS  between two looks (default: 1)\n"
			    "  -V, --version        print the version\n"
			    "  -h, --help           print this\n"
			    "\n"
			    "Keys: q quits, h shows the others.\n"
			    "\n"
			    "Exit code: 0, 1 without a terminal, 2 for wrong options.\n";

static const struct option long_options[] = {
	{ "delay", required_argument, NULL, 'd' },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static const struct fi_verb verb = { "top", usage, ":d:Vh", long_options };

struct top {
	char **words; /* the sessions that were named */
	int delay_ms;
	struct fi_look look;
	struct fi_top_view view;
	struct fi_top_frame frame;
	bool asking; /* whether the selected session is to be completed */
	bool over;
	char message[256];
};

/* --- looking and showing ------------------------------------------------------------------------- */

static int look(struct top *top, struct fi_error *err)
{
	struct fi_look now;
	int r = fi_look_take(top->words, PATIENCE_MS, &now, err);

	if (r < 0)
		return r;
	if (top->look.reply)
		fi_look_compare(&now, &top->look);
	fi_look_done(&top->look);
	top->look = now;
	return 0;
}

/* Takes a frame of the terminal's size. */
static int show(struct top *top, bool whole)
{
	unsigned width, height;
	int r = 0;

	fi_terminal_size(&width, &height);
	if (width != top->frame.width || height != top->frame.height) {
		fi_top_frame_done(&top->frame);
		r = fi_top_frame_new(width, height, &top->frame);
	}
	if (r < 0)
		return r;
	fi_top_frame_make(&top->frame, &top->look, &top->view);
	fi_terminal_show(&top->frame, whole);
	return 0;
}

/* --- steering ------------------------------------------------------------------------------------ */

static void say(struct top *top, const char *session, const char *words)
{
	(void)snprintf(top->message, sizeof(top->message), "session %s: %s", session, words);
	top->view.message = top->message;
}

/* Whoever completes a session waits for it; we only say it, and see whether it heeds it. */
static int tell(const struct fi_session_ref *ref, enum fi_command command, struct fi_error *err)
{
	const struct fi_request request = { .command = command };
	struct json_object *reply = NULL;
	struct fi_call call;
	int r;

	if (command == FI_COMMAND_COMPLETE) {
		fi_call_send(&call, ref->dir, ref->name, &request);
		r = call.fd;
		fi_close(&call.fd);
		return r < 0 ? fi_error_set(err, r, "%s", strerror(-r)) : 0;
	}
	fi_call_send(&call, ref->dir, ref->name, &request);
	r = fi_call_reply(&call, ref->dir, PATIENCE_MS, &reply, err);
	(void)json_object_put(reply);
	return r;
}

static void steer(struct top *top, enum fi_command command, const char *done)
{
	char *words[] = { top->view.selected, NULL };
	fi_auto_sessions struct fi_sessions sessions = { .dirs = NULL };
	struct fi_error err = { "" };
	int r;

	if (!fi_top_selected(&top->look, &top->view))
		return;
	r = fi_sessions_find(words, FI_EVERYBODYS, &sessions, &err);
	if (r == 0)
		r = tell(&sessions.at[0], command, &err);
	say(top, top->view.selected, r < 0 ? err.text : done);
}

static void ask_whether(struct top *top)
{
	if (!fi_top_selected(&top->look, &top->view))
		return;
	say(top, top->view.selected,
	    "bring in all that is owed, as fast as can be?  y yes, other keys no");
	top->asking = true;
}

/* --- keys ---------------------------------------------------------------------------------------- */

static void answer(struct top *top, int key)
{
	top->asking = false;
	top->view.message = NULL;
	if (key == 'y' || key == 'Y')
		steer(top, FI_COMMAND_COMPLETE, "is being completed");
}

static void scroll_tasks(struct top *top, bool down)
{
	size_t page = top->frame.height / 2 > 2 ? top->frame.height / 2 - 2 : 1;
	size_t *first = &top->view.first_task;

	if (down)
		*first += page;
	else
		*first = *first > page ? *first - page : 0;
}

/* Returns whether it is time for the next look. */
static bool heed(struct top *top, int key)
{
	struct fi_top_view *view = &top->view;

	view->message = NULL;
	switch (key) {
	case 'q':
	case 'Q':
		/* Of the help it is the way back, too. */
		top->over = !view->help;
		view->help = false;
		break;
	case 'h':
	case '?':
		view->help = !view->help;
		break;
	case FI_KEY_UP:
	case 'k':
		fi_top_move(&top->look, view, -1);
		break;
	case FI_KEY_DOWN:
	case 'j':
		fi_top_move(&top->look, view, 1);
		break;
	case FI_KEY_PAGE_UP:
	case FI_KEY_PAGE_DOWN:
		scroll_tasks(top, key == FI_KEY_PAGE_DOWN);
		break;
	case 's':
		view->order = view->order == FI_TOP_BY_P99 ? FI_TOP_BY_NAME : view->order + 1;
		return true; /* the order of the look is that of names again */
	case 'S':
		view->reverse = !view->reverse;
		return true;
	case 't':
		view->task_order = view->task_order == FI_TOP_TASKS_BY_FAULTS
					   ? FI_TOP_AS_GIVEN
					   : view->task_order + 1;
		return true;
	case 'p':
		steer(top, FI_COMMAND_PAUSE, "paused");
		return true;
	case 'r':
		steer(top, FI_COMMAND_RESUME, "goes on");
		return true;
	case 'c':
		ask_whether(top);
		break;
	case ' ':
		return true;
	default:
		break;
	}
	return false;
}

/* Until it is time for the next look, or the end. */
static int heed_keys(struct top *top, int delay_ms)
{
	uint64_t end = fi_now_ns() + (uint64_t)delay_ms * 1000000, now;
	bool again = false;
	int r = 0;

	while (r == 0 && !again && !top->over && (now = fi_now_ns()) < end) {
		int key = fi_terminal_key((int)((end - now + 999999) / 1000000));

		if (key == FI_KEY_HANG_UP || fi_terminal_signal()) {
			top->over = true;
		} else if (key == FI_KEY_RESIZE || key == FI_KEY_REDRAW) {
			r = show(top, true);
		} else if (key != FI_KEY_NONE) {
			if (top->asking)
				answer(top, key);
			else
				again = heed(top, key);
			if (!again && !top->over)
				r = show(top, false);
		}
	}
	return r;
}

static int watch(struct top *top, struct fi_error *err)
{
	int delay_ms = GLANCE_MS, r = 0;

	while (r == 0 && !top->over) {
		r = look(top, err);
		if (r == 0)
			r = show(top, false);
		if (r == 0)
			r = heed_keys(top, delay_ms);
		delay_ms = top->delay_ms;
	}
	return r < 0 && !err->text[0] ? fi_error_set(err, r, "%s", strerror(-r)) : r;
}

/* --- words --------------------------------------------------------------------------------------- */

/* What is no name is refused before the terminal is taken. */
static int run(struct top *top, struct fi_error *err)
{
	int r = look(top, err);

	if (r < 0)
		return r;
	r = fi_terminal_open(err);
	if (r < 0)
		return r;
	r = watch(top, err);
	fi_terminal_close();
	return r;
}

/* As whoever sent it expects. */
static void end_by_signal(int sig)
{
	sigset_t set;

	(void)signal(sig, SIG_DFL);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, sig);
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
	(void)raise(sig);
}

int fi_top_main(int argc, char **argv)
{
	struct top top = { .delay_ms = 1000 };
	struct fi_error err = { "" };
	int c, code, r;

	while ((c = fi_option_next(&verb, argc, argv, &code)) > 0) {
		switch (c) {
		case 'd':
			if (fi_look_parse_pause(optarg, &top.delay_ms) < 0)
				return fi_complain_misuse(
					"top", "--delay wants from 0.1 to 86400 seconds");
			break;
		}
	}
	if (c < 0)
		return code;
	(void)setlocale(LC_CTYPE, "");
	top.words = argv + optind;
	r = run(&top, &err);
	fi_look_done(&top.look);
	fi_top_frame_done(&top.frame);
	if (r == -EINVAL)
		return fi_complain_misuse("top", err.text);
	if (r < 0)
		fi_complain("top", NULL, err.text);
	else if (fi_terminal_signal())
		end_by_signal(fi_terminal_signal());
	return r < 0 ? 1 : 0;
}

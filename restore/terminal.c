/* restore/terminal.c - see terminal.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Signals that matter are let in only while we wait for a key, so none is missed before a wait.
 */
#include "config.h"

#include "restore/terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <ncurses.h>
#include <term.h>

#include "common/cleanup.h"

static const int ends[] = { SIGINT, SIGTERM, SIGHUP };

static struct {
	bool screen; /* else frames follow each other */
	SCREEN *curses;
	struct termios before;
	sigset_t waiting; /* what is blocked while we wait */
} terminal;

static volatile sig_atomic_t end_signal;

static void on_end(int sig)
{
	end_signal = sig;
}

/* Only to end the wait. */
static void on_winch(int sig)
{
}

static void take_signals(void)
{
	struct sigaction end = { .sa_handler = on_end }, winch = { .sa_handler = on_winch };
	sigset_t blocked;

	(void)sigemptyset(&blocked);
	for (size_t i = 0; i < FI_ARRAY_SIZE(ends); i++) {
		(void)sigaction(ends[i], &end, NULL);
		(void)sigaddset(&blocked, ends[i]);
	}
	(void)sigaction(SIGWINCH, &winch, NULL);
	(void)sigaddset(&blocked, SIGWINCH);
	(void)sigprocmask(SIG_BLOCK, &blocked, &terminal.waiting);
	for (size_t i = 0; i < FI_ARRAY_SIZE(ends); i++)
		(void)sigdelset(&terminal.waiting, ends[i]);
	(void)sigdelset(&terminal.waiting, SIGWINCH);
}

/* --- as a log ------------------------------------------------------------------------------------ */

static int open_plain(struct fi_error *err)
{
	struct termios raw = terminal.before;

	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 0;
	if (tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) < 0)
		return fi_error_set(err, -errno, "the terminal: %s", strerror(errno));
	return 0;
}

static void show_plain(const struct fi_top_frame *frame)
{
	for (unsigned i = 0; i < frame->height; i++)
		if (frame->rows[i].text[0])
			(void)printf("%ls\n", frame->rows[i].text);
	(void)putchar('\n');
	(void)fflush(stdout);
}

static int plain_key(void)
{
	unsigned char byte;

	return read(STDIN_FILENO, &byte, 1) == 1 ? byte : FI_KEY_NONE;
}

/* --- as a screen --------------------------------------------------------------------------------- */

static void take_colors(void)
{
	const char *no_color = getenv("NO_COLOR");

	if (!has_colors() || (no_color && no_color[0]))
		return;
	(void)start_color();
	(void)use_default_colors();
	(void)init_pair(1, COLOR_GREEN, -1);
	(void)init_pair(2, COLOR_RED, -1);
	(void)init_pair(3, COLOR_CYAN, -1);
}

static int open_screen(struct fi_error *err)
{
	terminal.curses = newterm(NULL, stdout, stdin);
	if (!terminal.curses)
		return fi_error_set(err, -ENOENT, "the terminal cannot be used");
	(void)cbreak();
	(void)noecho();
	(void)nonl();
	(void)intrflush(stdscr, FALSE);
	(void)keypad(stdscr, TRUE);
	(void)nodelay(stdscr, TRUE);
	(void)set_escdelay(25);
	(void)curs_set(0);
	take_colors();
	return 0;
}

static attr_t attributes(enum fi_top_style style)
{
	switch (style) {
	case FI_TOP_PLAIN:
		return A_NORMAL;
	case FI_TOP_TITLE:
		return A_BOLD;
	case FI_TOP_HEADER:
		return A_REVERSE;
	case FI_TOP_SELECTED:
		return A_BOLD | COLOR_PAIR(3);
	case FI_TOP_ERROR:
		return A_BOLD | COLOR_PAIR(2);
	case FI_TOP_KEYS:
		return A_DIM;
	}
	return A_NORMAL;
}

static void show_screen(const struct fi_top_frame *frame, bool whole)
{
	(void)erase();
	for (unsigned i = 0; i < frame->height; i++) {
		const struct fi_top_line *line = &frame->rows[i];

		(void)attrset((int)attributes(line->style));
		(void)mvaddwstr((int)i, 0, line->text);
		if (line->bar_cells > 0)
			(void)mvchgat((int)i, (int)line->bar, (int)line->bar_cells, A_BOLD, 1,
				      NULL);
	}
	(void)attrset(A_NORMAL);
	if (whole)
		(void)clearok(stdscr, TRUE);
	(void)refresh();
}

static int screen_key(void)
{
	int c = getch();

	switch (c) {
	case ERR:
		return FI_KEY_NONE;
	case KEY_UP:
		return FI_KEY_UP;
	case KEY_DOWN:
		return FI_KEY_DOWN;
	case KEY_PPAGE:
		return FI_KEY_PAGE_UP;
	case KEY_NPAGE:
		return FI_KEY_PAGE_DOWN;
	case 'L' - '@':
		return FI_KEY_REDRAW;
	default:
		return c < 0x100 ? c : FI_KEY_NONE;
	}
}

/* --- both ---------------------------------------------------------------------------------------- */

int fi_terminal_open(struct fi_error *err)
{
	const char *name = getenv("TERM"), *cup;
	int known;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) ||
	    tcgetattr(STDIN_FILENO, &terminal.before) < 0)
		return fi_error_set(err, -ENOTTY,
				    "standard input and output are no terminal; 'faultin status "
				    "--watch' needs none");
	if (setupterm(NULL, STDOUT_FILENO, &known) != OK)
		return fi_error_set(err, -ENOENT,
				    "the terminal '%s' is not known: what is in TERM?",
				    name ? name : "");
	cup = tigetstr("cup"); /* puts the cursor somewhere */
	terminal.screen = cup && cup != (char *)-1;
	(void)del_curterm(cur_term);
	take_signals();
	return terminal.screen ? open_screen(err) : open_plain(err);
}

void fi_terminal_size(unsigned *width, unsigned *height)
{
	struct winsize size;
	bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;

	*width = known && size.ws_col ? size.ws_col : 80;
	*height = known && size.ws_row ? size.ws_row : 24;
	if (terminal.screen && is_term_resized((int)*height, (int)*width))
		(void)resizeterm((int)*height, (int)*width);
}

void fi_terminal_show(const struct fi_top_frame *frame, bool whole)
{
	if (terminal.screen)
		show_screen(frame, whole);
	else
		show_plain(frame);
}

static int next_key(void)
{
	return terminal.screen ? screen_key() : plain_key();
}

int fi_terminal_key(int timeout_ms)
{
	const struct timespec timeout = { .tv_sec = timeout_ms / 1000,
					  .tv_nsec = timeout_ms % 1000 * 1000000L };
	struct pollfd pfd = { .fd = STDIN_FILENO, .events = POLLIN };
	int key = next_key(); /* what was read before, but not asked for */
	int n;

	if (key != FI_KEY_NONE || end_signal)
		return key;
	n = ppoll(&pfd, 1, &timeout, &terminal.waiting);
	if (n < 0)
		return errno == EINTR && !end_signal ? FI_KEY_RESIZE : FI_KEY_NONE;
	if (n == 0)
		return FI_KEY_NONE;
	key = next_key();
	return key == FI_KEY_NONE && (pfd.revents & (POLLHUP | POLLERR)) ? FI_KEY_HANG_UP : key;
}

int fi_terminal_signal(void)
{
	return end_signal;
}

void fi_terminal_close(void)
{
	if (terminal.screen) {
		(void)endwin();
		delscreen(terminal.curses);
	} else {
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &terminal.before);
	}
}

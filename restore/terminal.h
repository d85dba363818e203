/* restore/terminal.h - the user's terminal, while `top` has it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One that can put its cursor somewhere is used as a screen, of which only what changes is written.  On
 * others frames follow each other like the lines of a log.
 */
#ifndef FI_RESTORE_TERMINAL_H
#define FI_RESTORE_TERMINAL_H

#include "restore/top_frame.h"

/* What fi_terminal_key returns beside characters. */
enum fi_key {
	FI_KEY_NONE = -1,
	FI_KEY_UP = 0x1000,
	FI_KEY_DOWN,
	FI_KEY_PAGE_UP,
	FI_KEY_PAGE_DOWN,
	FI_KEY_RESIZE,	/* the size may have changed */
	FI_KEY_REDRAW,	/* what is on the screen may be somebody else's */
	FI_KEY_HANG_UP, /* the terminal is gone */
};

/* Takes the terminal that is standard input and output.  Errors, said in @err: -ENOTTY: they are none;
 * -ENOENT: what TERM says is not known. */
int fi_terminal_open(struct fi_error *err);

void fi_terminal_size(unsigned *width, unsigned *height);

/* @whole: writes all of it, whatever is thought to be on the screen. */
void fi_terminal_show(const struct fi_top_frame *frame, bool whole);

/* The next key; FI_KEY_NONE after @timeout_ms, or when a signal has to be heeded. */
int fi_terminal_key(int timeout_ms);

/* The signal that asks for the end; 0: none has come. */
int fi_terminal_signal(void);

/* Leaves it as it was found. */
void fi_terminal_close(void);

#endif

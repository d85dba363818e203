/* restore/gate.h - law 2: no copy into a space is in flight while an event is being read from it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The kernel lets a task go on as soon as its event is *read*; a copy that started from the layout
 * of before would then plant stale bytes in memory that the task has just discarded.  So copiers
 * pass the gate while it is open, any number at once, and the one reader of a space closes it
 * around reading and applying events.  Copiers never sleep here: a closed gate sends them to other
 * work, so the drain can never delay demand by more than the chunk in flight.
 *
 * The layout is changed only behind a closed gate, so whoever is inside may look at it, and so may
 * the reader at any time.
 */
#ifndef FI_RESTORE_GATE_H
#define FI_RESTORE_GATE_H

#include <stdatomic.h>
#include <stdbool.h>

struct fi_gate {
	_Atomic unsigned state; /* FI_GATE_CLOSED and the number of copiers inside */

	/* Set before the gate is used, or NULL.  The reader calls it before it sleeps: a copier
	 * inside has lost its CPU, or waits for something. */
	void (*stuck)(void *arg);
	void *arg;
};

#define FI_GATE_CLOSED (1u << 31)

/* Copiers: true, and inside, when the gate is open. */
bool fi_gate_enter(struct fi_gate *gate);
void fi_gate_leave(struct fi_gate *gate);

/* Copiers: waits about as long as a reader takes to read, while the gate is closed. */
void fi_gate_await(struct fi_gate *gate);

/* The reader: closes the gate and waits until nobody is inside; opens it.  One reader at a time.
 * Closing returns true when it had to sleep: a copier inside has lost its CPU, or waits for
 * something. */
bool fi_gate_close(struct fi_gate *gate);
void fi_gate_open(struct fi_gate *gate);

#endif

/* restore/room.h - the CPUs that demand leaves to others.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A CPU on which a demand worker is near (placement.h) is for it and for the thread that it serves.
 * Another thread of ours that so much as wakes up there makes the scheduler move that thread to
 * another CPU.
 */
#ifndef FI_RESTORE_ROOM_H
#define FI_RESTORE_ROOM_H

#include <sched.h>
#include <stdbool.h>

struct fi_engine;

/* Where one thread may run; the thread's own. */
struct fi_room {
	cpu_set_t everywhere, avoided;
	unsigned nr_avoided;
	unsigned nr_left; /* CPUs beside the avoided ones; 0: there is no room */
};

/* From the thread itself, at its start. */
void fi_room_init(struct fi_room *room);

/* Keeps the calling thread off the CPUs of demand workers that are near now; lets it back where they
 * have left.  Without room it stays where it is. */
void fi_room_make_way(struct fi_room *room, struct fi_engine *engine);

#endif

/* restore/room.h - the CPUs that demand leaves to others.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A CPU on which a demand worker is near (placement.h) is for it and for the thread that it serves.
 * Another thread of ours that so much as wakes up there makes the scheduler move that thread to
 * another CPU; the worker would follow, meet the next of ours there, and so on.  So the others are kept off
 * before it comes: by the worker itself, since they cannot know before they wake up.
 *
 * Safe from any thread.  To make way waits for nobody: a worker that starves may be in the middle of it.
 */
#ifndef FI_RESTORE_ROOM_H
#define FI_RESTORE_ROOM_H

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "common/settings.h"

struct fi_engine;

/* The threads that make way: each has a number. */
enum { FI_ROOM_GUARD, FI_ROOM_DRAIN, FI_ROOM_MEMBERS = FI_ROOM_DRAIN + FI_SETTINGS_THREADS };

struct fi_room {
	cpu_set_t everywhere;
	_Atomic unsigned nr_avoided; /* CPUs of demand workers that are near */
	_Atomic unsigned nr_left; /* the others; 0: there is no room, and all stay where they are */
	_Atomic int stale;	  /* somebody has moved since it was last looked */
	pthread_mutex_t lock;

	/* Under lock: */
	cpu_set_t avoided;
	pid_t tids[FI_ROOM_MEMBERS]; /* 0: none */
};

void fi_room_init(struct fi_room *room);
void fi_room_done(struct fi_room *room);

/* The calling thread is member @number from now on, in place of an earlier one; and before it ends it is none any
 * more, since its number may soon be somebody else's. */
void fi_room_enter(struct fi_room *room, unsigned number);
void fi_room_leave(struct fi_room *room, unsigned number);

/* Keeps the members off the CPUs of demand workers that are near now; lets them back where they have
 * left. */
void fi_room_make_way(struct fi_engine *engine);

#endif

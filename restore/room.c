/* restore/room.c - see room.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/room.h"

#include <sys/syscall.h>
#include <unistd.h>

#include "restore/workers.h"

void fi_room_init(struct fi_room *room)
{
	if (sched_getaffinity(0, sizeof(room->everywhere), &room->everywhere) < 0)
		CPU_ZERO(&room->everywhere);
	room->nr_left = (unsigned)CPU_COUNT(&room->everywhere);
	(void)pthread_mutex_init(&room->lock, NULL);
}

void fi_room_done(struct fi_room *room)
{
	(void)pthread_mutex_destroy(&room->lock);
}

static void demand_cpus(const struct fi_engine *engine, cpu_set_t *ret)
{
	CPU_ZERO(ret);
	for (unsigned i = 0; i < engine->nr_demand; i++) {
		int cpu = engine->demand[i].placement.cpu;

		if (cpu >= 0)
			CPU_SET(cpu, ret);
	}
}

/* Where members may be.  False: nowhere. */
static bool left(const struct fi_room *room, cpu_set_t *ret)
{
	CPU_XOR(ret, &room->everywhere, &room->avoided);
	CPU_AND(ret, ret, &room->everywhere);
	return CPU_COUNT(ret) > 0;
}

static void look(struct fi_room *room, const struct fi_engine *engine)
{
	cpu_set_t demand, there;

	demand_cpus(engine, &demand);
	if (CPU_EQUAL(&demand, &room->avoided))
		return;
	room->avoided = demand;
	room->nr_avoided = (unsigned)CPU_COUNT(&demand);
	if (!left(room, &there)) {
		room->nr_left = 0;
		return;
	}
	room->nr_left = (unsigned)CPU_COUNT(&there);
	for (unsigned i = 0; i < FI_ROOM_MEMBERS; i++)
		if (room->tids[i])
			(void)sched_setaffinity(room->tids[i], sizeof(there), &there);
}

void fi_room_enter(struct fi_room *room, unsigned number)
{
	cpu_set_t there;

	(void)pthread_mutex_lock(&room->lock);
	room->tids[number] = (pid_t)syscall(SYS_gettid);
	if (left(room, &there))
		(void)sched_setaffinity(0, sizeof(there), &there);
	(void)pthread_mutex_unlock(&room->lock);
}

void fi_room_leave(struct fi_room *room, unsigned number)
{
	(void)pthread_mutex_lock(&room->lock);
	if (room->tids[number] == (pid_t)syscall(SYS_gettid))
		room->tids[number] = 0;
	(void)pthread_mutex_unlock(&room->lock);
}

/* Who finds somebody else at it leaves his change to him. */
void fi_room_make_way(struct fi_engine *engine)
{
	struct fi_room *room = &engine->room;

	room->stale = 1;
	while (room->stale && pthread_mutex_trylock(&room->lock) == 0) {
		room->stale = 0;
		look(room, engine);
		(void)pthread_mutex_unlock(&room->lock);
	}
}

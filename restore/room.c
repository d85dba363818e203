/* restore/room.c - see room.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/room.h"

#include "restore/workers.h"

void fi_room_init(struct fi_room *room)
{
	*room = (struct fi_room){ 0 };
	if (sched_getaffinity(0, sizeof(room->everywhere), &room->everywhere) < 0)
		CPU_ZERO(&room->everywhere);
	room->nr_left = (unsigned)CPU_COUNT(&room->everywhere);
}

static void demand_cpus(struct fi_engine *engine, cpu_set_t *ret)
{
	CPU_ZERO(ret);
	for (unsigned i = 0; i < engine->nr_demand; i++) {
		int cpu = engine->demand[i].placement.cpu;

		if (cpu >= 0)
			CPU_SET(cpu, ret);
	}
}

void fi_room_make_way(struct fi_room *room, struct fi_engine *engine)
{
	cpu_set_t demand, left;

	demand_cpus(engine, &demand);
	if (CPU_EQUAL(&demand, &room->avoided))
		return;
	CPU_XOR(&left, &room->everywhere, &demand);
	CPU_AND(&left, &left, &room->everywhere);
	room->avoided = demand;
	room->nr_avoided = (unsigned)CPU_COUNT(&demand);
	room->nr_left = (unsigned)CPU_COUNT(&left);
	if (room->nr_left)
		(void)sched_setaffinity(0, sizeof(left), &left);
}

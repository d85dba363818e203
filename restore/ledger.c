/* restore/ledger.c - see ledger.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/ledger.h"

#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "restore/owed.h"

static const struct fi_stamp our_stamp = {
	.magic = 0x4c746966, /* "fitL" */
	.layout = FI_LEDGER_LAYOUT,
	.ledger_size = sizeof(struct fi_ledger),
	.slot_size = sizeof(struct fi_slot),
	.session_size = sizeof(struct fi_session_record),
	.durable_size = FI_DURABLE_SIZE,
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t first_free; /* no slot below it is FREE; under lock */

void fi_ledger_stamp(void)
{
	fi_ledger()->stamp = our_stamp;
}

bool fi_ledger_is_ours(void)
{
	return memcmp(&fi_ledger()->stamp, &our_stamp, sizeof(our_stamp)) == 0;
}

struct fi_slot *fi_slot_take(void)
{
	struct fi_ledger *ledger = fi_ledger();
	struct fi_slot *slot = NULL;
	uint32_t i;

	(void)pthread_mutex_lock(&lock);
	if (ledger->nr_slots == 0)
		first_free = 0; /* the memory is new */
	for (i = first_free; i < FI_LEDGER_ROOM && !slot; i++)
		if (ledger->slots[i].state == FI_SLOT_FREE)
			slot = &ledger->slots[i];
	first_free = i;
	if (slot) {
		slot->state = FI_SLOT_TAKEN;
		if (ledger->nr_slots < i)
			ledger->nr_slots = i;
	}
	(void)pthread_mutex_unlock(&lock);
	if (slot) {
		fi_inbox_clear(&slot->inbox);
		memset(&slot->count, 0, sizeof(slot->count));
	}
	return slot;
}

struct fi_watch_record *fi_watch_take(void)
{
	struct fi_ledger *ledger = fi_ledger();
	struct fi_watch_record *record = NULL;

	(void)pthread_mutex_lock(&lock);
	for (uint32_t i = 0; i < FI_WATCHES && !record; i++) {
		if (ledger->watches[i].state != FI_SLOT_FREE)
			continue;
		record = &ledger->watches[i];
		*record = (struct fi_watch_record){ .state = FI_SLOT_TAKEN };
		if (ledger->nr_watches <= i)
			ledger->nr_watches = i + 1;
	}
	(void)pthread_mutex_unlock(&lock);
	return record;
}

bool fi_ledger_claims(int uffd)
{
	const struct fi_ledger *ledger = fi_ledger();

	for (uint32_t i = 0; i < ledger->nr_slots; i++)
		if (fi_slot_has_space(&ledger->slots[i]) && ledger->slots[i].uffd == uffd)
			return true;
	for (uint32_t i = 0; i < ledger->nr_watches; i++)
		if (ledger->watches[i].state == FI_SLOT_LIVE && ledger->watches[i].uffd == uffd)
			return true;
	return fi_kept(FI_KEPT_POOLS) == uffd;
}

void fi_inbox_clear(struct fi_inbox *inbox)
{
	atomic_store_explicit(&inbox->reading, 0, memory_order_release);
	memset(inbox->msgs, 0, sizeof(inbox->msgs));
}

static void disown(const struct fi_geometry *geometry)
{
	fi_durable_release(fi_durable_at(geometry->layout));
	fi_durable_release(fi_durable_at(geometry->displaced));
	fi_durable_release(fi_durable_at(geometry->before));
	fi_durable_release(fi_durable_at(geometry->changes));
	fi_durable_release(fi_durable_at(geometry->left));
	fi_durable_release(fi_durable_at(geometry->heard));
}

static void own(const struct fi_geometry *geometry)
{
	fi_durable_share(fi_durable_at(geometry->layout));
	fi_durable_share(fi_durable_at(geometry->displaced));
	fi_durable_share(fi_durable_at(geometry->before));
	fi_durable_share(fi_durable_at(geometry->changes));
	fi_durable_share(fi_durable_at(geometry->left));
	fi_durable_share(fi_durable_at(geometry->heard));
}

void fi_slot_free(struct fi_slot *slot)
{
	const struct fi_geometry last = slot->geometry[slot->current];

	fi_slot_abandon(slot);
	disown(&last);
}

void fi_slot_abandon(struct fi_slot *slot)
{
	uint32_t index = (uint32_t)(slot - fi_ledger()->slots);

	slot->geometry[0] = slot->geometry[1] = (struct fi_geometry){ 0 };
	slot->inbox.reading = 0;
	slot->doomed = 0;
	(void)pthread_mutex_lock(&lock);
	slot->state = FI_SLOT_FREE;
	if (index < first_free)
		first_free = index;
	(void)pthread_mutex_unlock(&lock);
}

void fi_slot_show(struct fi_slot *slot, const struct fi_geometry *geometry)
{
	uint32_t now = slot->current;
	struct fi_geometry before = slot->geometry[now];

	own(geometry);
	slot->geometry[!now] = *geometry;
	atomic_store_explicit(&slot->current, !now, memory_order_release);
	disown(&before);
}

void fi_slot_own(struct fi_slot *slot)
{
	own(&slot->geometry[slot->current]);
}

void fi_ledger_ring(void)
{
	uint64_t one = 1;
	int bell = fi_kept(FI_KEPT_STORE);

	if (bell >= 0 && !atomic_exchange(&fi_ledger()->store.asked, 1) &&
	    write(bell, &one, sizeof(one)) < 0)
		fi_ledger()->store.asked = 0;
}

void fi_ledger_orphan(int uffd)
{
	struct fi_ledger *ledger = fi_ledger();
	uint32_t nr;

	(void)pthread_mutex_lock(&lock);
	nr = ledger->nr_orphans;
	if (nr < FI_MAX_ORPHANS)
		ledger->orphans[nr] = uffd;
	ledger->nr_orphans = nr + 1;
	(void)pthread_mutex_unlock(&lock);
	fi_ledger_ring();
}

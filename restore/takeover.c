/* restore/takeover.c - see takeover.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/takeover.h"

#include <errno.h>
#include <stdlib.h>

#include "restore/newborn.h"
#include "restore/past.h"
#include "restore/uffd.h"

/* The lowest address that tasks use; a wake may start there (vm.mmap_min_addr is lower). */
#define LOWEST UINT64_C(0x10000)

struct takeover {
	const struct fi_heir *heir;
	struct fi_space **spaces; /* by id */
	size_t nr, room;
	int r; /* a child could not be kept */
};

static int keep(struct takeover *t, struct fi_space *space)
{
	size_t at = t->nr;

	if (t->nr == t->room) {
		size_t room = t->room ? 2 * t->room : 64;
		struct fi_space **grown = realloc(t->spaces, room * sizeof(grown[0]));

		if (!grown)
			return -ENOMEM;
		t->spaces = grown;
		t->room = room;
	}
	for (; at > 0 && t->spaces[at - 1]->id > space->id; at--)
		t->spaces[at] = t->spaces[at - 1];
	t->spaces[at] = space;
	t->nr++;
	return 0;
}

static int adopt_all(struct takeover *t)
{
	struct fi_ledger *ledger = fi_ledger();
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < ledger->nr_slots; i++) {
		struct fi_slot *slot = &ledger->slots[i];
		struct fi_space *space;

		if (!fi_slot_has_space(slot))
			continue;
		r = fi_space_adopt(slot, t->heir->task(t->heir->arg, slot->image), t->heir->source,
				   &space);
		if (r == 0)
			r = keep(t, space);
	}
	return r;
}

static struct fi_space *space_with(const struct takeover *t, unsigned id)
{
	for (size_t i = 0; i < t->nr; i++)
		if (t->spaces[i]->id == id)
			return t->spaces[i];
	return NULL;
}

static bool is_unborn(const struct fi_space *space)
{
	return space->newborn && !space->newborn->begun && space->state == FI_SPACE_LIVE;
}

/* Children that are their parent's until it is settled.  Without it nobody will ever tell what they
 * have where. */
static int give_to_parents(struct takeover *t)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < t->nr; i++) {
		struct fi_space *child = t->spaces[i], *parent;

		if (!is_unborn(child))
			continue;
		parent = space_with(t, child->parent);
		if (parent && parent->state == FI_SPACE_LIVE) {
			r = fi_past_bear(parent, child);
			continue;
		}
		child->state = FI_SPACE_FAILED;
		fi_space_show_failed(child);
	}
	return r;
}

static void free_taken(void)
{
	struct fi_ledger *ledger = fi_ledger();

	for (uint32_t i = 0; i < ledger->nr_slots; i++)
		if (ledger->slots[i].state == FI_SLOT_TAKEN)
			fi_slot_abandon(&ledger->slots[i]);
}

/* --- messages that were read and not applied ---------------------------------------------- */

static bool is_recorded(const struct fi_space *parent, uint64_t birth)
{
	const struct fi_ledger *ledger = fi_ledger();

	for (uint32_t i = 0; i < ledger->nr_slots; i++) {
		const struct fi_slot *slot = &ledger->slots[i];

		if (fi_slot_has_space(slot) && slot->parent == parent->id && slot->birth == birth)
			return true;
	}
	return false;
}

static void on_born(void *arg, struct fi_space *parent, struct fi_space *child)
{
	struct takeover *t = arg;

	(void)parent;
	if (keep(t, child) < 0)
		t->r = -ENOMEM;
}

static void on_stillborn(void *arg, struct fi_space *parent, int uffd)
{
	const struct fi_birth *birth = &((struct takeover *)arg)->heir->birth;

	birth->stillborn(birth->arg, parent, uffd);
}

static bool on_wipes(void *arg, struct fi_space *parent, uint64_t addr, uint64_t *end, bool *ret)
{
	const struct fi_birth *birth = &((struct takeover *)arg)->heir->birth;

	return birth->wipes(birth->arg, parent, addr, end, ret);
}

static bool on_alone(void *arg, struct fi_space *space)
{
	const struct fi_birth *birth = &((struct takeover *)arg)->heir->birth;

	return birth->alone(birth->arg, space);
}

static int apply(struct fi_space *space, const struct uffd_msg *msg, const struct fi_birth *birth)
{
	if (msg->event != UFFD_EVENT_FORK || !is_recorded(space, space->applied + 1))
		return fi_event_apply(space, msg, birth);
	space->applied++;
	for (size_t i = 0; i < space->nr_newborns; i++)
		if (space->newborns[i]->slot->birth == space->applied)
			fi_past_begin(space); /* as it was when the child was recorded */
	return fi_space_show(space);
}

/* Nobody is inside the gate of a space that no thread knows, so there is no need to close it. */
static int empty_inbox(struct takeover *t, struct fi_space *space)
{
	const struct fi_birth birth = {
		.born = on_born,
		.stillborn = on_stillborn,
		.wipes = on_wipes,
		.alone = on_alone,
		.arg = t,
	};
	struct fi_inbox *inbox = &space->slot->inbox;
	uint64_t first = inbox->first, shown = space->applied;
	int r = 0;

	for (unsigned i = 0; inbox->reading && i < FI_INBOX_ROOM && inbox->msgs[i].event; i++) {
		if (first + i < shown)
			continue;
		space->applied = first + i;
		if (r == 0 && space->state == FI_SPACE_LIVE)
			r = apply(space, &inbox->msgs[i], &birth);
		else if (inbox->msgs[i].event == UFFD_EVENT_FORK &&
			 !is_recorded(space, first + i + 1))
			on_stillborn(t, space, (int)inbox->msgs[i].arg.fork.ufd);
		if (t->r < 0)
			return t->r;
	}
	if (r < 0) {
		fi_space_log(space, FI_LOG_ERROR, "cannot apply what another engine has read");
		space->state = FI_SPACE_FAILED;
		fi_space_show_failed(space);
	}
	fi_inbox_clear(inbox);
	/* Serial numbers of the dead engine's that were not shown must not come again. */
	if (space->applied < first + FI_INBOX_ROOM)
		space->applied = first + FI_INBOX_ROOM;
	return 0;
}

static int empty_inboxes(struct takeover *t)
{
	size_t nr = t->nr; /* children come with none */
	int r = 0;

	for (size_t i = 0; r == 0 && i < nr; i++)
		r = empty_inbox(t, t->spaces[i]);
	return r;
}

/* --- spaces that had come to their end ------------------------------------------------------ */

/* All children are recorded by now, so what has taken the number is known. */
static void finish_closing(void)
{
	struct fi_ledger *ledger = fi_ledger();

	for (uint32_t i = 0; i < ledger->nr_slots; i++) {
		struct fi_slot *slot = &ledger->slots[i];

		if (slot->state != FI_SLOT_CLOSING)
			continue;
		if (fi_uffd_is(slot->uffd) && !fi_ledger_claims(slot->uffd))
			fi_uffd_close(slot->uffd);
		fi_counters_add(&ledger->session.ended, &slot->count);
		fi_slot_abandon(slot);
	}
}

/* Whoever waits for a fault that the dead engine has read asks again.  How far addresses go depends
 * on the task, and a range that goes beyond is refused. */
static void wake_all(struct fi_space *space)
{
	int r = -EINVAL;

	for (unsigned bits = 63; r == -EINVAL && bits >= 31; bits--)
		r = fi_uffd_wake(space->uffd, LOWEST,
				 (UINT64_C(1) << bits) - FI_PAGE_SIZE - LOWEST);
}

int fi_takeover(const struct fi_heir *heir)
{
	struct takeover t = { .heir = heir };
	int r;

	fi_durable_forget();
	r = adopt_all(&t);
	if (r == 0) {
		free_taken();
		fi_durable_sweep();
		r = give_to_parents(&t);
	}
	if (r == 0)
		r = empty_inboxes(&t);
	if (r == 0)
		finish_closing();
	for (size_t i = 0, nr = t.nr; r >= 0 && i < nr; i++) {
		if (is_unborn(t.spaces[i]))
			continue;
		wake_all(t.spaces[i]);
		heir->found(heir->arg, t.spaces[i]);
		r++;
	}
	free(t.spaces);
	return r;
}

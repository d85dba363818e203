/* restore/counters.h - what was done for a space, or for many.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * They are in durable memory, so an engine that takes over goes on counting.  They are for people: an
 * event that an engine was applying when it was killed may be counted twice, and what a space did whose end
 * it was just noting may be counted not at all.
 */
#ifndef FI_RESTORE_COUNTERS_H
#define FI_RESTORE_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

struct fi_counters {
	_Atomic uint64_t faults; /* PAGEFAULT messages */
	_Atomic uint64_t forks;	 /* FORK messages */
	_Atomic uint64_t remaps, removes, unmaps;
	_Atomic uint64_t demanded; /* owed pages given because a task waited for one near */
	_Atomic uint64_t drained;  /* owed pages given while nobody waited */
	_Atomic uint64_t zeroed;   /* zero pages handed out */
	_Atomic uint64_t dropped;  /* owed pages that the task unmapped or discarded, or left behind
				      when it exited or exec'd */
	_Atomic uint64_t poisoned; /* owed pages that could not be read */
	_Atomic uint64_t stalled;  /* times that the reader had to sleep at the gate */
	_Atomic uint64_t parked;   /* faults that had to wait for an event or for memory */
};

static inline void fi_counters_add(struct fi_counters *sum, const struct fi_counters *more)
{
#define ADD(field) sum->field += more->field
	ADD(faults);
	ADD(forks);
	ADD(remaps);
	ADD(removes);
	ADD(unmaps);
	ADD(demanded);
	ADD(drained);
	ADD(zeroed);
	ADD(dropped);
	ADD(poisoned);
	ADD(stalled);
	ADD(parked);
#undef ADD
}

#endif

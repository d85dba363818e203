/* restore/gate.c - see gate.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One word.  The reader spins for about as long as a chunk takes, because a sleep and a wake-up of
 * its CPU cost more than that; a copier that takes longer has lost its CPU or waits for memory, and
 * then the reader sleeps on the word with a futex.
 */
#include "config.h"

#include "restore/gate.h"

#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SPINS	   2000
#define READ_SPINS 400

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

bool fi_gate_enter(struct fi_gate *gate)
{
	unsigned seen = atomic_load_explicit(&gate->state, memory_order_relaxed);

	do {
		if (seen & FI_GATE_CLOSED)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(
		&gate->state, &seen, seen + 1, memory_order_acquire, memory_order_relaxed));
	return true;
}

void fi_gate_leave(struct fi_gate *gate)
{
	unsigned before = atomic_fetch_sub_explicit(&gate->state, 1, memory_order_release);

	if (before == (FI_GATE_CLOSED | 1))
		(void)syscall(SYS_futex, &gate->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void fi_gate_await(struct fi_gate *gate)
{
	for (int spins = 0; spins < READ_SPINS; spins++) {
		if (!(atomic_load_explicit(&gate->state, memory_order_relaxed) & FI_GATE_CLOSED))
			return;
		relax();
	}
}

bool fi_gate_close(struct fi_gate *gate)
{
	unsigned seen = FI_GATE_CLOSED | atomic_fetch_or_explicit(&gate->state, FI_GATE_CLOSED,
								  memory_order_acquire);
	int spins = 0;

	for (; seen != FI_GATE_CLOSED; spins++) {
		if (spins == SPINS && gate->stuck)
			gate->stuck(gate->arg);
		if (spins < SPINS)
			relax();
		else
			(void)syscall(SYS_futex, &gate->state, FUTEX_WAIT_PRIVATE, seen, NULL, NULL,
				      0);
		seen = atomic_load_explicit(&gate->state, memory_order_acquire);
	}
	return spins > SPINS;
}

void fi_gate_open(struct fi_gate *gate)
{
	atomic_store_explicit(&gate->state, 0, memory_order_release);
}

/* restore/priority.h - which threads come first, and which last.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The drain is nobody's hurry: its threads give way to everybody.
 * On a machine with CPUs to spare this changes nothing.  Where CPUs are short, the programs that
 * have been restored, and CRIU restoring others, come before pages that nobody waits for.
 *
 * A thread that gives way may lose its CPU inside a gate (gate.h), and who closes that gate would wait
 * for as long as others want the CPU.  So the one who waits hurries it: it is like others until it is
 * out of the gate.
 */
#ifndef FI_RESTORE_PRIORITY_H
#define FI_RESTORE_PRIORITY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

/* Whether the kernel lets a thread of ours that has given way (SCHED_IDLE, nice) be a normal one
 * again: with CAP_SYS_NICE, or RLIMIT_NICE of 20 or more. */
bool fi_priority_may_return(void);

/* The calling thread runs for microseconds at a time, and comes before all normal threads from now on (SCHED_FIFO);
 * not so the threads that it starts.  Without permission nothing changes. */
void fi_priority_first(void);

/* Of one thread. */
struct fi_courtesy {
	_Atomic pid_t tid; /* 0: it never gives way */
	_Atomic bool hurried;
	_Atomic int normal; /* nice(2) value that it returns to */
	bool gives_way;	    /* the thread's own */
};

/* From the thread itself, at its start.  Without the right to return it never gives way. */
void fi_courtesy_init(struct fi_courtesy *courtesy);

/* From the thread itself, outside of gates: whether it gives way from now on. */
void fi_courtesy_set(struct fi_courtesy *courtesy, bool give_way);

/* From any thread: it must not give way now.  Until its next fi_courtesy_set. */
void fi_courtesy_hurry(struct fi_courtesy *courtesy);

#endif

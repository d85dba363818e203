/* tests/unit/fake-uffd.h - a scripted door: restore/uffd.h without a kernel.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A fake userfaultfd is an eventfd (readable while messages wait, so epoll works) with a queue of
 * messages, a queue of scripted results for each kind of call, and a log of the calls.  A call
 * without a script succeeds in full.  It knows nothing of pages: what a kernel would say to a
 * sequence of calls is the test's to script.  Safe from any thread.
 */
#ifndef FI_TESTS_FAKE_UFFD_H
#define FI_TESTS_FAKE_UFFD_H

#include <stdbool.h>

#include "restore/uffd.h"

enum fake_op {
	FAKE_READ,
	FAKE_COPY,
	FAKE_ZERO,
	FAKE_POISON,
	FAKE_WAKE,
	FAKE_PROBE,
	FAKE_UNREGISTER,
	FAKE_CLOSE,
	FAKE_NR_OPS,
};

struct fake_call {
	enum fake_op op;
	int fd;
	uint64_t addr, len;
	uint64_t word; /* COPY: the first one of the source */
	int r;
	uint64_t done;
};

int fake_uffd_new(void);

/* In a child process: its fakes are its own from here on. */
void fake_forked(void);

/* Closes every fake and forgets all that was scripted and logged; no space may be in use. */
void fake_reset(void);

void fake_push(int fd, struct uffd_msg msg);
void fake_push_if_open(int fd, struct uffd_msg msg); /* it may be closed at any time */
struct uffd_msg fake_fault(uint64_t addr);
struct uffd_msg fake_fork(int uffd);
struct uffd_msg fake_remap(uint64_t from, uint64_t to, uint64_t len);
struct uffd_msg fake_remove(uint64_t start, uint64_t end);
struct uffd_msg fake_unmap(uint64_t start, uint64_t end);

/* The next call of this kind that has no script yet answers @r, having filled @done bytes. */
void fake_script(int fd, enum fake_op op, int r, uint64_t done);

/* Calls without a script answer @r from now on (READ: when there are no messages). */
void fake_always(int fd, enum fake_op op, int r);
bool fake_always_if_open(int fd, enum fake_op op, int r);

/* Messages that were not read yet. */
size_t fake_waiting(int fd);

/* The log, over all descriptors: how many calls of a kind, and the i-th of it (from the end when
 * negative). */
size_t fake_nr(enum fake_op op);
struct fake_call fake_get(enum fake_op op, int i);
void fake_forget_calls(void);

/* Answers every PROBE, instead of scripts and without a log, while it is set. */
extern int (*fake_probe)(int fd, uint64_t addr);

/* Called at the beginning of each call, with no result in it yet. */
extern void (*_Atomic fake_watch)(const struct fake_call *call);

#endif

/* restore/uffd.h - the only door to userfaultfd.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Thin calls with errno translated into return values, so that tests can put a model of the kernel
 * behind the same names.  Lengths and addresses are bytes and page aligned; ranges are
 * [start, start + len).  Semantics are userfaultfd(2)'s and ioctl_userfaultfd(2)'s; what they leave
 * out was measured on Linux 6.18 and is said here.  Every call is safe from any thread; which calls
 * may overlap is the gate's business (restore/gate.h), not this file's.
 */
#ifndef FI_RESTORE_UFFD_H
#define FI_RESTORE_UFFD_H

#include <linux/userfaultfd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Agrees with the kernel about a new userfaultfd, whose owner need not be the caller: messages of
 * forks, moves, discards and unmaps are wanted, as CRIU wants them.  Forks take CAP_SYS_PTRACE. */
int fi_uffd_agree(int fd);

/* A userfaultfd for this process's own memory, which sends no events: to fill what is mapped with others by
 * way of a mapping that nobody else can change.  Returns the descriptor or a negative errno. */
int fi_uffd_own(void);

/* Watches the range for missing pages.  Its holes need no page; what is mapped there has to be of a
 * kind that can be watched (-EINVAL), by nobody else (-EBUSY). */
int fi_uffd_register(int fd, uint64_t start, uint64_t len);

/* Whether a fault waits to be read, by @info, the userfaultfd's open file in /proc/PID/fdinfo: events do
 * not count there.  False also when it cannot be told. */
bool fi_uffd_fault_waits(int info);

/* Reads up to @nr messages without blocking.
 *
 * Returns how many (> 0); -EAGAIN when there are none; -EMFILE, -ENFILE or -ENOMEM when a FORK
 * message cannot be read yet (it stays); else what read(2) gave.  The task behind an event goes on
 * as soon as its message is read.  A FORK message carries the descriptor of the
 * child's userfaultfd, which is now the caller's.
 */
int fi_uffd_read(int fd, struct uffd_msg *msgs, size_t nr);

/* Copy @len bytes from @src, or map zeros, and wake whoever waits for the pages that were filled.
 *
 * *@done is always set to the bytes filled from @dst on, also beside an error.  Returns 0 when all
 * are, or:
 *   -EAGAIN  *@done > 0: something stopped it after them (a page that was there, a fatal error:
 *            ask again from there on); *@done == 0: an event waits to be read first
 *   -EEXIST  the first page is there already; its waiters were not woken
 *   -ENOENT  the range is not inside one VMA registered with this userfaultfd; nothing was filled
 *   -EFAULT  the source cannot be read
 *   -ENOMEM  no memory for the page (a full memory cgroup among the reasons)
 *   -ESRCH   the address space is gone (kernels before 4.13 said -ENOSPC: translated)
 */
int fi_uffd_copy(int fd, uint64_t dst, const void *src, uint64_t len, uint64_t *done);
int fi_uffd_zero(int fd, uint64_t dst, uint64_t len, uint64_t *done);

/* Makes a touch of the pages raise SIGBUS (UFFDIO_POISON, Linux 6.6) and wakes who waits for them.
 * Errors as above; -EINVAL or -ENOTTY where the kernel has no such thing. */
int fi_uffd_poison(int fd, uint64_t dst, uint64_t len, uint64_t *done);

/* Wakes who waits in the range; they look again, and fault again if the page is still missing. */
int fi_uffd_wake(int fd, uint64_t start, uint64_t len);

/* Asks, without changing anything, how a copy to @addr would fare now.  @addr is any page below the
 * end of user space; it need not be mapped.
 *
 * Returns 0; -EAGAIN (an event waits to be read first); -ESRCH (the address space is gone); -ENOENT
 * (nothing watched is at @addr, or is there any more: the kernel looks for events, for the VMA and
 * for events again, but where it finds no VMA it does not come to the last.  Twice in a row, with no
 * event read in between, means that nothing watched was there when none was pending). */
int fi_uffd_probe(int fd, uint64_t addr);

/* Stops watching the range.  -ENOMEM when a VMA would have to be split at vm.max_map_count.
 * Unlike a copy, it does not notice an event that waits to be read: only for spaces that owe
 * nothing. */
int fi_uffd_unregister(int fd, uint64_t start, uint64_t len);

/* Whether the number is that of an open userfaultfd. */
bool fi_uffd_is(int fd);

/* Closes the descriptor.  When it is the last one, every page still missing reads as zero from
 * here on: law 1 is the caller's. */
void fi_uffd_close(int fd);

#endif

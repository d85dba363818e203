/* restore/lazysock.h - lazy-pages.socket: how CRIU hands over userfaultfds.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * `criu restore --lazy-pages` connects once; all tasks that it restores share that connection.
 * Source of the format: CRIU's criu/uffd.c, and what 4.2.1 was seen to send.
 *   int32 vpid       > 0: one SCM_RIGHTS message (one byte) with the task's userfaultfd follows
 *                    < 0: task -vpid is a zombie, nothing follows
 *   uint32           0x52535446 in place of a vpid: the restore is finished
 * What the plugin says in transparent mode (plugin/handover.h) has two words more, with the number of
 * a sharer (images/sharers.h) in it; a descriptor follows, as with a task's:
 *   FILE + number    the file of that sharer's segment, open for reading and writing
 *   WATCH + number   a userfaultfd for what its task has of that segment
 * All in the byte order of the machine.  A task sends its own message, so SCM_CREDENTIALS names
 * its pid in our pid namespace.
 */
#ifndef FI_RESTORE_LAZYSOCK_H
#define FI_RESTORE_LAZYSOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/error.h"

#define FI_LAZYSOCK_NAME     "lazy-pages.socket"
#define FI_LAZYSOCK_FINISHED UINT32_C(0x52535446)

#define FI_LAZYSOCK_FILE    UINT32_C(0x54000000) /* no vpid is as large */
#define FI_LAZYSOCK_WATCH   UINT32_C(0x55000000)
#define FI_LAZYSOCK_SHARERS UINT32_C(0x10000) /* their numbers are below */
#define FI_LAZYSOCK_POOLS   64		      /* segments that can be named */
#define FI_LAZYSOCK_WATCHES 4096	      /* and sharers of them */

enum fi_lazy_kind {
	FI_LAZY_TASK,
	FI_LAZY_FILE,
	FI_LAZY_WATCH,
	FI_LAZY_ZOMBIE,
	FI_LAZY_FINISHED,
	FI_LAZY_CLOSED, /* the last sender has gone; the same answer from then on */
};

struct fi_lazy_msg {
	enum fi_lazy_kind kind;
	uint32_t vpid; /* TASK, ZOMBIE; FILE, WATCH: the number */
	int uffd;      /* TASK, WATCH; FILE: the file.  Now the caller's */
	pid_t pid;     /* with uffd: 0 when the kernel did not say, or not in our pid namespace */
};

/* Durable memory may hold it: the kernel writes into it what has come, so that an engine that takes
 * over finds that, whenever the one before has died (fi_lazysock_resume). */
struct fi_lazysock {
	int fd; /* owned */
	uint32_t vpid;
	unsigned char word[4]; /* zeros before it has come */
	uint32_t have;	       /* bytes of word that have arrived */
	bool wants_fd;
	bool told; /* a message was handed out, and is done with at the next call */
	union {
		uint64_t align;
		char room[256];
	} control; /* with the descriptor */
};

/* Binds and listens at FI_LAZYSOCK_NAME in the working directory, replacing a file that is in the
 * way, as CRIU does.  Returns the descriptor or a negative errno, said in @err. */
int fi_lazysock_listen(struct fi_error *err);

/* Removes the file of the socket that fi_lazysock_listen made last, unless somebody else's is in its
 * place by now: another engine that was started in the same directory meanwhile. */
void fi_lazysock_unlink(void);

/* Accepts CRIU's connection; only our own user or root may be at the other end (-EPERM).
 * Release with fi_lazysock_done. */
int fi_lazysock_accept(int listener, struct fi_lazysock *ret, struct fi_error *err);

/* The same for a connection that was accepted already.  Takes @fd on success only. */
int fi_lazysock_welcome(int fd, struct fi_lazysock *ret, struct fi_error *err);

/* Whether @fd, a socket of this family, is at this end of a connection to FI_LAZYSOCK_NAME. */
bool fi_lazysock_is_name(int fd);

/* The next message, without blocking; the caller is through with the one before.  Returns 0, -EAGAIN when none is complete yet, -EPROTO when
 * this is not the protocol (said in @err), or what recvmsg(2) gave. */
int fi_lazysock_next(struct fi_lazysock *sock, struct fi_lazy_msg *ret, struct fi_error *err);

/* Of an engine that has died: the message that it was given, or had not looked at, comes again. */
void fi_lazysock_resume(struct fi_lazysock *sock);

/* A descriptor that has come and was not handed out for good; -EBADF: none. */
int fi_lazysock_holds(const struct fi_lazysock *sock);

void fi_lazysock_done(struct fi_lazysock *sock);

#endif

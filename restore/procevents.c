/* restore/procevents.c - see procevents.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One multicast group of the connector carries every fork, exec, exit and more of the whole
 * machine; each datagram holds one netlink message with one struct cn_msg with one struct
 * proc_event.  What is none of ours (threads, other kinds, other senders) is dropped here.
 *
 * What an exit is: the kernel announces each task's exit, on its way out and without saying
 * whether it was the last of its thread group.  The leader's exit (pid == tgid) counts as the
 * process's.  It comes too early in two rare cases: a main thread that ended by pthread_exit(3)
 * beside running threads, and an exec by another thread than the leader (an EXEC with the same pid
 * follows then).  To count threads instead would need all that were there before the subscription,
 * for events that are hints anyway.
 *
 * Who forked: the kernel names the new process's parent.  That is who forked, unless it was done
 * with CLONE_PARENT, where the child is given the forker's own parent.
 *
 * Not here: any memory of processes; what to do about an event.
 */

#include "config.h"

#include "restore/procevents.h"

#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "common/cleanup.h"

/* Room for some ten thousand events: a fork storm between two looks at the socket. */
#define RECEIVE_BYTES (8 * 1024 * 1024)

/* One datagram: netlink header, connector header, event.  The kernel's events may grow. */
#define DATAGRAM_BYTES 512

/* The kernel acknowledges while it handles the subscription, so silence is an answer, too. */
#define ACK_TIMEOUT_MS 250

struct fi_procevents {
	struct nl_sock *sock;
	int fd; /* of sock */
	bool listening;
};

/* A message of the group, copied out because the kernel aligns events to 4 bytes only. */
struct message {
	uint32_t
		ack; /* of an answer: one more than the question's; seq is the kernel's own count */
	struct proc_event event;
};

static void free_message(struct nl_msg **msg)
{
	nlmsg_free(*msg);
}

static void close_events(struct fi_procevents **pe)
{
	fi_procevents_close(*pe);
}

/* libnl numbers its own errors: these can come from here, anything else is -EIO. */
static int from_nl(int nlerr)
{
	switch (nlerr < 0 ? -nlerr : nlerr) {
	case NLE_SUCCESS:
		return 0;
	case NLE_INTR:
		return -EINTR;
	case NLE_BAD_SOCK:
		return -EBADF;
	case NLE_AGAIN:
		return -EAGAIN;
	case NLE_NOMEM:
		return -ENOMEM;
	case NLE_EXIST:
		return -EEXIST;
	case NLE_INVAL:
		return -EINVAL;
	case NLE_MSG_TRUNC:
	case NLE_MSG_TOOSHORT:
		return -EBADMSG;
	case NLE_PROTO_MISMATCH:
	case NLE_AF_NOSUPPORT:
		return -EPROTONOSUPPORT;
	case NLE_NOACCESS:
	case NLE_PERM:
		return -EPERM;
	default:
		return -EIO;
	}
}

/* The kernel drops, without a word, what comes from other user and pid namespaces, and refuses
 * nobody aloud while nobody else listens. */
static int not_allowed(struct fi_error *err)
{
	return fi_error_set(err, -EPERM,
			    "no process events: they need CAP_NET_ADMIN in the initial user, pid "
			    "and network namespaces");
}

/* Receives one datagram.
 *
 * Returns 1 and fills *@ret when it was an event from the kernel, 0 when it was something else,
 * -EAGAIN when there is none, -ENOBUFS when the socket overflowed, or another errno.
 */
static int receive(struct fi_procevents *pe, struct message *ret)
{
	fi_auto_free unsigned char *buf = NULL;
	struct sockaddr_nl from = { 0 };
	const struct nlmsghdr *nlh;
	struct cn_msg cn;
	size_t len;
	int n;

	n = nl_recv(pe->sock, &from, &buf, NULL);
	if (n == 0)
		return -EAGAIN;
	if (n == -NLE_NOMEM) /* libnl's name for the kernel's ENOBUFS, and for its own ENOMEM */
		return -ENOBUFS;
	if (n < 0)
		return from_nl(n);

	nlh = (const struct nlmsghdr *)buf;
	if (from.nl_pid != 0 || !nlmsg_ok(nlh, n) || nlmsg_datalen(nlh) < (int)sizeof(cn))
		return 0;

	memcpy(&cn, nlmsg_data(nlh), sizeof(cn));
	len = (size_t)nlmsg_datalen(nlh) - sizeof(cn);
	if (len > cn.len)
		len = cn.len;
	if (cn.id.idx != CN_IDX_PROC || cn.id.val != CN_VAL_PROC ||
	    len < offsetof(struct proc_event, event_data))
		return 0;

	*ret = (struct message){ .ack = cn.ack };
	memcpy(&ret->event, (const unsigned char *)nlmsg_data(nlh) + sizeof(cn),
	       len < sizeof(ret->event) ? len : sizeof(ret->event));
	return 1;
}

static int ask(struct fi_procevents *pe, enum proc_cn_mcast_op op, uint32_t token,
	       struct fi_error *err)
{
	fi_cleanup(free_message) struct nl_msg *msg = NULL;
	uint32_t body = op;
	struct cn_msg cn = {
		.id = { .idx = CN_IDX_PROC, .val = CN_VAL_PROC },
		.seq = token,
		.ack = token,
		.len = sizeof(body),
	};
	int r;

	msg = nlmsg_alloc_simple(NLMSG_DONE, 0);
	if (!msg)
		return fi_error_set(err, -ENOMEM, "process events");
	r = nlmsg_append(msg, &cn, sizeof(cn), 0);
	if (r >= 0)
		r = nlmsg_append(msg, &body, sizeof(body), 0);
	if (r < 0)
		return fi_error_set(err, from_nl(r), "process events: %s", nl_geterror(r));

	errno = 0;
	r = nl_send_auto(pe->sock, msg);
	if (r >= 0)
		return 0;
	if (errno == ECONNREFUSED) /* nobody answers to the connector in this network namespace */
		return not_allowed(err);
	return fi_error_set(err, errno == EPERM ? -EPERM : from_nl(r),
			    "cannot ask for process events: %s", nl_geterror(r));
}

/* Waits for the answer to the subscription @token.  Events before it are nobody's yet, however many they
 * are and however late we come to them: only where nothing more is to be read is there no answer. */
static int wait_for_ack(struct fi_procevents *pe, uint32_t token, struct fi_error *err)
{
	struct timespec now, start;
	struct pollfd pfd = { .fd = pe->fd, .events = POLLIN };
	struct message msg;
	int64_t left;
	int r;

	(void)clock_gettime(CLOCK_MONOTONIC, &start);
	for (;;) {
		r = receive(pe, &msg);
		if (r == 1 && msg.event.what == PROC_EVENT_NONE && msg.ack == token + 1) {
			if (msg.event.event_data.ack.err == 0)
				return 0;
			return fi_error_set(err, -(int)msg.event.event_data.ack.err,
					    "the kernel refuses process events: %s",
					    strerror((int)msg.event.event_data.ack.err));
		}
		if (r < 0 && r != -EAGAIN && r != -ENOBUFS)
			return fi_error_set(err, r, "process events: %s", strerror(-r));

		if (r != -EAGAIN)
			continue;
		(void)clock_gettime(CLOCK_MONOTONIC, &now);
		left = ACK_TIMEOUT_MS - ((int64_t)(now.tv_sec - start.tv_sec) * 1000 +
					 (now.tv_nsec - start.tv_nsec) / 1000000);
		if (left <= 0)
			return not_allowed(err);
		(void)poll(&pfd, 1, (int)left);
	}
}

int fi_procevents_open(struct fi_procevents **ret, struct fi_error *err)
{
	fi_cleanup(close_events) struct fi_procevents *pe = NULL;
	int bytes = RECEIVE_BYTES;
	struct timespec now;
	uint32_t token;
	int r;

	pe = calloc(1, sizeof(*pe));
	if (!pe)
		return fi_error_set(err, -ENOMEM, "process events");
	pe->fd = -EBADF;
	pe->sock = nl_socket_alloc();
	if (!pe->sock)
		return fi_error_set(err, -ENOMEM, "process events");
	nl_socket_disable_auto_ack(pe->sock);
	nl_socket_disable_msg_peek(pe->sock);

	r = nl_socket_set_msg_buf_size(pe->sock, DATAGRAM_BYTES);
	if (r < 0)
		return fi_error_set(err, from_nl(r), "process events: %s", nl_geterror(r));
	r = nl_connect(pe->sock, NETLINK_CONNECTOR); /* the socket is CLOEXEC */
	if (r < 0) {
		r = from_nl(r);
		return fi_error_set(err, r, "%s",
				    r == -EPROTONOSUPPORT ? "the kernel has no proc connector"
							  : "cannot open a connector socket");
	}
	pe->fd = nl_socket_get_fd(pe->sock);
	r = nl_socket_set_nonblocking(pe->sock);
	if (r < 0)
		return fi_error_set(err, from_nl(r), "process events: %s", nl_geterror(r));

	/* Beyond net.core.rmem_max where CAP_NET_ADMIN allows it, else as far as that goes. */
	if (setsockopt(pe->fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0)
		(void)setsockopt(pe->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));

	r = nl_socket_add_membership(pe->sock, CN_IDX_PROC);
	if (r < 0)
		return fi_error_set(err, from_nl(r), "cannot listen to process events: %s",
				    nl_geterror(r));

	/* Acks are multicast, too: the token tells ours from those to other listeners. */
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	token = nl_socket_get_local_port(pe->sock) ^ (uint32_t)now.tv_nsec;
	r = ask(pe, PROC_CN_MCAST_LISTEN, token, err);
	if (r < 0)
		return r;
	r = wait_for_ack(pe, token, err);
	if (r < 0)
		return r;
	pe->listening = true;

	*ret = FI_TAKE(pe);
	return 0;
}

int fi_procevents_fd(const struct fi_procevents *pe)
{
	return pe->fd;
}

/* Whether the message is one that the contract names. */
static bool translate(const struct proc_event *event, struct fi_proc_event *ret)
{
	switch (event->what) {
	case PROC_EVENT_FORK:
		*ret = (struct fi_proc_event){
			.kind = FI_PROC_FORK,
			.time = event->timestamp_ns,
			.pid = event->event_data.fork.child_tgid,
			.parent = event->event_data.fork.parent_tgid,
		};
		return event->event_data.fork.child_pid == event->event_data.fork.child_tgid;
	case PROC_EVENT_EXEC:
		*ret = (struct fi_proc_event){
			.kind = FI_PROC_EXEC,
			.time = event->timestamp_ns,
			.pid = event->event_data.exec.process_tgid,
		};
		return true;
	case PROC_EVENT_EXIT:
		*ret = (struct fi_proc_event){
			.kind = FI_PROC_EXIT,
			.time = event->timestamp_ns,
			.pid = event->event_data.exit.process_tgid,
		};
		return event->event_data.exit.process_pid == event->event_data.exit.process_tgid;
	default:
		return false;
	}
}

int fi_procevents_next(struct fi_procevents *pe, struct fi_proc_event *ret)
{
	struct fi_proc_event event;
	struct message msg;
	int r;

	for (;;) {
		r = receive(pe, &msg);
		if (r == -ENOBUFS) {
			*ret = (struct fi_proc_event){ .kind = FI_PROC_LOST };
			return 0;
		}
		if (r < 0)
			return r;
		if (r == 1 && translate(&msg.event, &event)) {
			*ret = event;
			return 0;
		}
	}
}

void fi_procevents_close(struct fi_procevents *pe)
{
	if (!pe)
		return;
	/* Kernels before 6.6 go on counting a listener that leaves without a word. */
	if (pe->listening)
		(void)ask(pe, PROC_CN_MCAST_IGNORE, 0, NULL);
	nl_socket_free(pe->sock); /* NULL is fine, and the descriptor goes with it */
	free(pe);
}

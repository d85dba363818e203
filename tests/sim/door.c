/* tests/sim/door.c - see door.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Takes the place of restore/uffd.c and restore/gate.c.  Before and after each call others may run;
 * inside, wherever the model yields.
 */
#include "config.h"

#include "tests/sim/door.h"

#include <errno.h>
#include <string.h>

#include "restore/gate.h"
#include "restore/uffd.h"

struct door door;

const char *const plant_names[PLANT_NR] = {
	"none",		 "no-gate",	   "read-early",     "zero-eagain",	 "eexist-no-wake",
	"short-length",	 "no-inheritance", "remove-unheard", "unmap-unheard",	 "remap-unheard",
	"fork-lost",	 "fork-forgotten", "close-owing",    "enoent-forever",	 "esrch-wrongly",
	"fault-dropped", "parked-dropped", "probe-nowhere",  "takeover-no-wake",
};

/* These are to be found by what comes of them. */
static bool gate_is_broken(void)
{
	return door.plant == PLANT_NO_GATE || door.plant == PLANT_READ_EARLY;
}

/* --- restore/uffd.h --------------------------------------------------------------------------- */

static bool hear(struct uffd_msg *msg)
{
	switch (msg->event) {
	case UFFD_EVENT_REMOVE:
		return door.plant != PLANT_REMOVE_UNHEARD;
	case UFFD_EVENT_UNMAP:
		if (door.plant == PLANT_SHORT_LENGTH &&
		    msg->arg.remove.end - msg->arg.remove.start > 2 * M_PAGE)
			msg->arg.remove.end = msg->arg.remove.start + 2 * M_PAGE;
		return door.plant != PLANT_UNMAP_UNHEARD;
	case UFFD_EVENT_REMAP:
		return door.plant != PLANT_REMAP_UNHEARD;
	case UFFD_EVENT_FORK:
		if (door.plant == PLANT_FORK_LOST)
			(void)m_close(door.m, (int)msg->arg.fork.ufd);
		return door.plant != PLANT_FORK_LOST && door.plant != PLANT_FORK_FORGOTTEN;
	default:
		return door.plant != PLANT_FAULT_DROPPED || ++door.calls % 7;
	}
}

int fi_uffd_read(int fd, struct uffd_msg *msgs, size_t nr)
{
	int n, heard = 0;

	door.yield("before read");
	if (door.copying[fd] && !gate_is_broken())
		door.violation("law 2: events are read while a copy is in flight");
	door.enter();
	n = m_read(door.m, fd, msgs, nr);
	door.leave();
	door.progress += n > 0;
	for (int i = 0; i < n; i++) {
		door.trace("  fd %d: message %x, %llx %llx %llx", fd, msgs[i].event,
			   (unsigned long long)msgs[i].arg.remap.from,
			   (unsigned long long)msgs[i].arg.remap.to,
			   (unsigned long long)msgs[i].arg.remap.len);
		if (hear(&msgs[i]))
			msgs[heard++] = msgs[i];
	}
	door.yield("after read");
	return n < 0 ? n : heard ? heard : -EAGAIN;
}

static int filled(int fd, const char *what, uint64_t dst, uint64_t len, int r, int64_t bytes,
		  uint64_t *done)
{
	door.copying[fd]--;
	*done = bytes > 0 ? (uint64_t)bytes : 0;
	door.progress += bytes > 0;
	door.trace("  fd %d: %s %lld+%lld: %s, %lld", fd, what,
		   (long long)((dst - M_BASE) / M_PAGE), (long long)(len / M_PAGE),
		   r ? strerrorname_np(-r) : "ok", (long long)(*done / M_PAGE));
	if (r == -ENOENT && door.plant == PLANT_ENOENT_FOREVER)
		r = -EAGAIN;
	if (r == -EAGAIN && !*done && door.plant == PLANT_ESRCH_WRONGLY && ++door.calls % 5 == 0)
		r = -ESRCH;
	door.yield("after a fill");
	return r;
}

int fi_uffd_copy(int fd, uint64_t dst, const void *src, uint64_t len, uint64_t *done)
{
	int64_t bytes = 0;
	int r;

	*done = 0;
	if (fd < 0)
		return -EBADF; /* closed meanwhile: planted faults only */
	door.copying[fd]++;
	door.yield("before copy");
	door.enter();
	r = m_copy(door.m, fd, dst, src, M_PAGE, len, 0, &bytes);
	door.leave();
	return filled(fd, "copy", dst, len, r, bytes, done);
}

int fi_uffd_zero(int fd, uint64_t dst, uint64_t len, uint64_t *done)
{
	int64_t bytes = 0;
	int r;

	*done = 0;
	if (fd < 0)
		return -EBADF;
	door.copying[fd]++;
	door.yield("before zero");
	door.enter();
	r = m_zeropage(door.m, fd, dst, len, 0, &bytes);
	door.leave();
	if (r == -EAGAIN && bytes <= 0 && door.plant == PLANT_ZERO_EAGAIN) {
		bytes = (int64_t)len;
		r = 0;
	}
	return filled(fd, "zero", dst, len, r, bytes, done);
}

int fi_uffd_poison(int fd, uint64_t dst, uint64_t len, uint64_t *done)
{
	int64_t bytes = 0;
	int r;

	*done = 0;
	if (fd < 0)
		return -EBADF;
	door.copying[fd]++;
	door.yield("before poison");
	door.enter();
	r = m_poison(door.m, fd, dst, len, 0, &bytes);
	door.leave();
	return filled(fd, "poison", dst, len, r, bytes, done);
}

int fi_uffd_wake(int fd, uint64_t start, uint64_t len)
{
	door.yield("before wake");
	if (door.plant == PLANT_EEXIST_NO_WAKE)
		return 0;
	door.trace("  fd %d: wake %lld", fd, (long long)((start - M_BASE) / M_PAGE));
	if (door.taking_over && door.plant == PLANT_TAKEOVER_NO_WAKE)
		return 0;
	return m_wake(door.m, fd, start, len);
}

int fi_uffd_probe(int fd, uint64_t addr)
{
	int64_t bytes = 0;
	int r;

	door.yield("before probe");
	door.enter();
	r = m_copy(door.m, fd, addr, NULL, M_PAGE, M_PAGE, 0, &bytes);
	door.leave();
	door.trace("  fd %d: probe %lld: %s", fd, (long long)((addr - M_BASE) / M_PAGE),
		   r ? strerrorname_np(-r) : "ok");
	if (r != -EAGAIN && door.plant == PLANT_PROBE_NOWHERE)
		r = -ENOENT;
	return r == -EAGAIN || r == -ESRCH || r == -ENOENT ? r : 0;
}

int fi_uffd_unregister(int fd, uint64_t start, uint64_t len)
{
	int r;

	door.yield("before unregister");
	door.trace("  fd %d: unregister %lld+%lld", fd, (long long)((start - M_BASE) / M_PAGE),
		   (long long)(len / M_PAGE));
	door.enter();
	r = m_unregister(door.m, fd, start, len);
	door.leave();
	return r;
}

bool fi_uffd_is(int fd)
{
	return fd >= 0 && fd < M_FDS && door.m->fds[fd].ctx >= 0;
}

void fi_uffd_close(int fd)
{
	door.yield("before close");
	door.trace("  fd %d: close", fd);
	door.enter();
	(void)m_close(door.m, fd);
	door.leave();
	door.progress++;
}

/* --- restore/gate.h --------------------------------------------------------------------------- */

bool fi_gate_enter(struct fi_gate *gate)
{
	door.yield("before the gate");
	if (gate->state & FI_GATE_CLOSED && door.plant != PLANT_NO_GATE)
		return false;
	gate->state++;
	return true;
}

void fi_gate_leave(struct fi_gate *gate)
{
	gate->state--;
}

bool fi_gate_close(struct fi_gate *gate)
{
	gate->state |= FI_GATE_CLOSED;
	while (gate->state != FI_GATE_CLOSED && !gate_is_broken())
		door.yield("at the gate");
	return false;
}

void fi_gate_open(struct fi_gate *gate)
{
	gate->state &= ~FI_GATE_CLOSED;
}

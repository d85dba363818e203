/* tests/unit/fake-uffd.c - see fake-uffd.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "tests/unit/fake-uffd.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "restore/durable.h"

/* reallocarray is not among the calls that fail-alloc.h lets fail. */
#define MAX_FD 4096
#define MAX_Q  64

struct script {
	struct {
		int r;
		uint64_t done;
	} at[MAX_Q];
	unsigned first, nr;
	int always;
};

struct fake {
	struct uffd_msg *msgs;
	size_t first, nr, room;
	struct script script[FAKE_NR_OPS];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct fake *fakes[MAX_FD];
static struct fake_call *calls;
static size_t nr_calls, room_calls;

void (*_Atomic fake_watch)(const struct fake_call *call);
int (*fake_probe)(int fd, uint64_t addr);

static void oops(const char *what)
{
	(void)fprintf(stderr, "fake-uffd: %s\n", what);
	abort();
}

static struct fake *get(int fd)
{
	if (fd < 0 || fd >= MAX_FD || !fakes[fd])
		oops("not an open fake userfaultfd");
	return fakes[fd];
}

int fake_uffd_new(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0 || fd >= MAX_FD)
		oops("no descriptor");
	(void)pthread_mutex_lock(&lock);
	fakes[fd] = calloc(1, sizeof(*fakes[fd]));
	if (!fakes[fd])
		oops("no memory");
	fakes[fd]->script[FAKE_READ].always = -EAGAIN;
	(void)pthread_mutex_unlock(&lock);
	return fd;
}

static void fake_free(int fd)
{
	if (!fakes[fd])
		return;
	free(fakes[fd]->msgs);
	free(fakes[fd]);
	fakes[fd] = NULL;
	(void)close(fd);
}

void fake_reset(void)
{
	for (int fd = 0; fd < MAX_FD; fd++)
		fake_free(fd);
	free(calls);
	calls = NULL;
	nr_calls = room_calls = 0;
	fake_watch = NULL;
	fake_probe = NULL;
	fi_durable_reset(); /* no space is in use any more */
}

void fake_forked(void)
{
	for (int fd = 0; fd < MAX_FD; fd++) {
		int own;

		if (!fakes[fd])
			continue;
		own = eventfd(fakes[fd]->nr > 0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (own < 0 || dup2(own, fd) < 0)
			oops("no descriptor");
		(void)close(own);
	}
}

/* Under the lock. */
static void push(struct fake *fake, int fd, struct uffd_msg msg)
{
	uint64_t one = 1;

	if (fake->first + fake->nr == fake->room) {
		fake->room = 2 * fake->room + 16;
		fake->msgs = reallocarray(fake->msgs, fake->room, sizeof(fake->msgs[0]));
		if (!fake->msgs)
			oops("no memory");
	}
	fake->msgs[fake->first + fake->nr++] = msg;
	if (write(fd, &one, sizeof(one)) < 0)
		oops("write");
}

void fake_push(int fd, struct uffd_msg msg)
{
	(void)pthread_mutex_lock(&lock);
	push(get(fd), fd, msg);
	(void)pthread_mutex_unlock(&lock);
}

void fake_push_if_open(int fd, struct uffd_msg msg)
{
	(void)pthread_mutex_lock(&lock);
	if (fakes[fd])
		push(fakes[fd], fd, msg);
	(void)pthread_mutex_unlock(&lock);
}

struct uffd_msg fake_fault(uint64_t addr)
{
	struct uffd_msg msg = { .event = UFFD_EVENT_PAGEFAULT };

	msg.arg.pagefault.address = addr;
	return msg;
}

struct uffd_msg fake_fork(int uffd)
{
	struct uffd_msg msg = { .event = UFFD_EVENT_FORK };

	msg.arg.fork.ufd = (uint32_t)uffd;
	return msg;
}

struct uffd_msg fake_remap(uint64_t from, uint64_t to, uint64_t len)
{
	struct uffd_msg msg = { .event = UFFD_EVENT_REMAP };

	msg.arg.remap.from = from;
	msg.arg.remap.to = to;
	msg.arg.remap.len = len;
	return msg;
}

struct uffd_msg fake_remove(uint64_t start, uint64_t end)
{
	struct uffd_msg msg = { .event = UFFD_EVENT_REMOVE };

	msg.arg.remove.start = start;
	msg.arg.remove.end = end;
	return msg;
}

struct uffd_msg fake_unmap(uint64_t start, uint64_t end)
{
	struct uffd_msg msg = fake_remove(start, end);

	msg.event = UFFD_EVENT_UNMAP;
	return msg;
}

void fake_script(int fd, enum fake_op op, int r, uint64_t done)
{
	struct script *script;

	(void)pthread_mutex_lock(&lock);
	script = &get(fd)->script[op];
	if (script->nr == MAX_Q)
		oops("script too long");
	script->at[(script->first + script->nr) % MAX_Q].r = r;
	script->at[(script->first + script->nr++) % MAX_Q].done = done;
	(void)pthread_mutex_unlock(&lock);
}

void fake_always(int fd, enum fake_op op, int r)
{
	(void)pthread_mutex_lock(&lock);
	get(fd)->script[op].always = r;
	(void)pthread_mutex_unlock(&lock);
}

bool fake_always_if_open(int fd, enum fake_op op, int r)
{
	bool open;

	(void)pthread_mutex_lock(&lock);
	open = fakes[fd] != NULL;
	if (open)
		fakes[fd]->script[op].always = r;
	(void)pthread_mutex_unlock(&lock);
	return open;
}

size_t fake_waiting(int fd)
{
	size_t nr;

	(void)pthread_mutex_lock(&lock);
	nr = get(fd)->nr;
	(void)pthread_mutex_unlock(&lock);
	return nr;
}

size_t fake_nr(enum fake_op op)
{
	size_t nr = 0;

	(void)pthread_mutex_lock(&lock);
	for (size_t i = 0; i < nr_calls; i++)
		nr += calls[i].op == op;
	(void)pthread_mutex_unlock(&lock);
	return nr;
}

struct fake_call fake_get(enum fake_op op, int i)
{
	struct fake_call call = { 0 };
	bool found = false;
	int at = i >= 0 ? i : (int)fake_nr(op) + i;

	(void)pthread_mutex_lock(&lock);
	for (size_t k = 0; k < nr_calls && !found; k++) {
		if (calls[k].op != op || at-- > 0)
			continue;
		call = calls[k];
		found = true;
	}
	(void)pthread_mutex_unlock(&lock);
	if (!found)
		oops("no such call");
	return call;
}

void fake_forget_calls(void)
{
	(void)pthread_mutex_lock(&lock);
	nr_calls = 0;
	(void)pthread_mutex_unlock(&lock);
}

/* The script's word, or the default.  Under the lock. */
static int answer(struct fake *fake, enum fake_op op, uint64_t len, uint64_t *done)
{
	struct script *script = &fake->script[op];
	int r;

	if (!script->nr) {
		*done = script->always ? 0 : len;
		return script->always;
	}
	r = script->at[script->first].r;
	*done = script->at[script->first].done;
	script->first = (script->first + 1) % MAX_Q;
	script->nr--;
	return r;
}

static void record(const struct fake_call *call)
{
	if (nr_calls == room_calls) {
		room_calls = 2 * room_calls + 64;
		calls = reallocarray(calls, room_calls, sizeof(calls[0]));
		if (!calls)
			oops("no memory");
	}
	calls[nr_calls++] = *call;
}

static void watch(const struct fake_call *call)
{
	void (*look)(const struct fake_call *) = fake_watch;

	if (look)
		look(call);
}

static int called(struct fake_call call, uint64_t *done)
{
	uint64_t ignored;

	watch(&call);
	(void)pthread_mutex_lock(&lock);
	call.r = answer(get(call.fd), call.op, call.len, &call.done);
	record(&call);
	if (call.op == FAKE_CLOSE)
		fake_free(call.fd);
	(void)pthread_mutex_unlock(&lock);
	*(done ? done : &ignored) = call.done;
	return call.r;
}

int fi_uffd_read(int fd, struct uffd_msg *msgs, size_t nr)
{
	struct fake_call call = { .op = FAKE_READ, .fd = fd };
	uint64_t one = 1, count;
	struct fake *fake;

	watch(&call);
	(void)pthread_mutex_lock(&lock);
	fake = get(fd);
	if (fake->script[FAKE_READ].nr || !fake->nr) {
		call.r = answer(fake, FAKE_READ, 0, &count);
	} else {
		if (nr > fake->nr)
			nr = fake->nr;
		memcpy(msgs, fake->msgs + fake->first, nr * sizeof(msgs[0]));
		fake->first += nr;
		fake->nr -= nr;
		if (read(fd, &count, sizeof(count)) < 0 ||
		    (fake->nr && write(fd, &one, sizeof(one)) < 0))
			oops("eventfd");
		call.r = (int)nr;
	}
	record(&call);
	(void)pthread_mutex_unlock(&lock);
	return call.r;
}

int fi_uffd_copy(int fd, uint64_t dst, const void *src, uint64_t len, uint64_t *done)
{
	uint64_t word;

	memcpy(&word, src, sizeof(word));
	return called((struct fake_call){ FAKE_COPY, fd, dst, len, word, 0, 0 }, done);
}

int fi_uffd_zero(int fd, uint64_t dst, uint64_t len, uint64_t *done)
{
	return called((struct fake_call){ FAKE_ZERO, fd, dst, len, 0, 0, 0 }, done);
}

int fi_uffd_poison(int fd, uint64_t dst, uint64_t len, uint64_t *done)
{
	return called((struct fake_call){ FAKE_POISON, fd, dst, len, 0, 0, 0 }, done);
}

int fi_uffd_wake(int fd, uint64_t start, uint64_t len)
{
	return called((struct fake_call){ FAKE_WAKE, fd, start, len, 0, 0, 0 }, NULL);
}

int fi_uffd_probe(int fd, uint64_t addr)
{
	if (fake_probe)
		return fake_probe(fd, addr);
	return called((struct fake_call){ FAKE_PROBE, fd, addr, 0, 0, 0, 0 }, NULL);
}

int fi_uffd_unregister(int fd, uint64_t start, uint64_t len)
{
	return called((struct fake_call){ FAKE_UNREGISTER, fd, start, len, 0, 0, 0 }, NULL);
}

int fi_uffd_own(void)
{
	return -ENOSYS;
}

int fi_uffd_register(int fd, uint64_t start, uint64_t len)
{
	(void)fd;
	(void)start;
	(void)len;
	return -ENOSYS;
}

bool fi_uffd_fault_waits(int info)
{
	(void)info;
	return false;
}

bool fi_uffd_is(int fd)
{
	bool is;

	(void)pthread_mutex_lock(&lock);
	is = fd >= 0 && fd < MAX_FD && fakes[fd];
	(void)pthread_mutex_unlock(&lock);
	return is;
}

void fi_uffd_close(int fd)
{
	(void)called((struct fake_call){ FAKE_CLOSE, fd, 0, 0, 0, 0, 0 }, NULL);
}

/* tests/unit/test-pool.c - pools, stepped by hand, against the real kernel and a plain model.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Programs (forked children of the test) share a segment, watch what they have mapped of it, and hand
 * that over.  They read, write and change their mappings as they are told, while the test steps
 * the pool: which step comes next, and whether one comes at all, is chance.  A table of what each page is to hold is
 * the model.
 *
 * One race is too narrow for chance, and is planted: an event in a fault's place, while a copy is on its way.
 */
#include "config.h"

#include "tests/unit/cmocka-first.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "plugin/pass.h"
#include "restore/pidfd.h"
#include "restore/pool.h"
#include "restore/uffd.h"
#include "tests/unit/toy-image.h"

#define PAGES	 192
#define PROGRAMS 3
#define BASE	 UINT64_C(0x200000000000)
#define AWAY	 UINT64_C(0x210000000000)

/* The image has nothing for these. */
#define HOLE_FROM 64
#define HOLE_NR	  32

/* --- the programs ------------------------------------------------------------------------------ */

enum order { READ, WRITE, FORK, REMOVE, DONTNEED, UNMAP, MOVE, DUPLICATE, NR_ORDERS };

struct command {
	enum order order;
	uint64_t page, nr, word;
};

static volatile uint64_t *word_at(uint64_t base, uint64_t page)
{
	return (volatile uint64_t *)(uintptr_t)(base + page * PAGE);
}

static void *at(uint64_t page)
{
	return (void *)(uintptr_t)(BASE + page * PAGE);
}

/* Returns what it has seen; all ones: something went wrong. */
static uint64_t obey(const struct command *c)
{
	void *map;
	int status;
	pid_t pid;

	switch (c->order) {
	case READ:
		return *word_at(BASE, c->page);
	case WRITE:
		*word_at(BASE, c->page) = c->word;
		return c->word;
	case FORK: /* the child sees what its parent does */
		pid = fork();
		if (pid == 0)
			_exit(*word_at(BASE, c->page) != c->word);
		return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : UINT64_MAX;
	case REMOVE:
	case DONTNEED:
		return madvise(at(c->page), c->nr * PAGE,
			       c->order == REMOVE ? MADV_REMOVE : MADV_DONTNEED) == 0
			       ? 0
			       : UINT64_MAX;
	case UNMAP:
		return munmap(at(c->page), c->nr * PAGE) == 0 ? 0 : UINT64_MAX;
	case MOVE: /* there and back again */
		map = mremap(at(c->page), c->nr * PAGE, c->nr * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
			     (void *)(uintptr_t)AWAY);
		if (map == MAP_FAILED || *word_at(AWAY, 0) != c->word)
			return UINT64_MAX;
		map = mremap(map, c->nr * PAGE, c->nr * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
			     at(c->page));
		return map == MAP_FAILED ? UINT64_MAX : 0;
	case DUPLICATE:
		map = mremap(at(c->page), 0, c->nr * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
			     (void *)(uintptr_t)AWAY);
		if (map == MAP_FAILED || *word_at(AWAY, 0) != c->word)
			return UINT64_MAX;
		return munmap(map, c->nr * PAGE) == 0 ? 0 : UINT64_MAX;
	default:
		return UINT64_MAX;
	}
}

static _Noreturn void be_program(int socket, int file)
{
	void *map = mmap(at(0), PAGES * PAGE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED_NOREPLACE, file, 0);
	int uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	struct command command;
	char byte = 0;

	/* What the test has of others would stay open here. */
	for (uint32_t i = 0; i < fi_ledger()->nr_watches; i++)
		if (fi_ledger()->watches[i].state == FI_SLOT_LIVE)
			(void)close(fi_ledger()->watches[i].uffd);
	if (map != at(0) || uffd < 0 || fi_uffd_agree(uffd) < 0 ||
	    fi_uffd_register(uffd, BASE, PAGES * PAGE) < 0 || fi_pass(socket, &byte, 1, uffd) < 0)
		_exit(1);
	(void)close(uffd);
	(void)close(file);
	while (recv(socket, &command, sizeof(command), 0) == sizeof(command) &&
	       command.order != NR_ORDERS) {
		uint64_t seen = obey(&command);

		if (send(socket, &seen, sizeof(seen), MSG_NOSIGNAL) != sizeof(seen))
			_exit(1);
	}
	_exit(0);
}

/* --- the pool ---------------------------------------------------------------------------------- */

struct program {
	pid_t pid;
	int socket;
	struct fi_watch *watch;
};

struct world {
	uint64_t random;
	struct toy *toy;
	struct fi_window window;
	struct fi_sharer sharer;
	struct fi_pool *pool; /* NULL: it has ended */
	int own;
	bool paused; /* nothing is drained, and no engine dies */
	struct program programs[PROGRAMS];
	uint64_t want[PAGES]; /* the first word of each page */
};

static struct fi_pool_record *record(void)
{
	return &fi_ledger()->pools[0];
}

static void start(struct world *w, struct program *program, void (*be)(int, int),
		  const struct fi_sharer *sharer)
{
	struct fi_watch_record *watch = fi_watch_take();
	int pair[2], uffd;
	char byte;

	assert_non_null(watch);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	program->pid = fork();
	assert_true(program->pid >= 0);
	if (program->pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* the test may fail */
		be(pair[1], record()->file);
	}
	(void)close(pair[1]);
	program->socket = pair[0];
	assert_int_equal(fi_pass_take(pair[0], &byte, 1, &uffd), 0);
	watch->uffd = uffd;
	watch->pid = program->pid;
	watch->pidfd = fi_pidfd_open(program->pid);
	watch->state = FI_SLOT_LIVE;
	assert_int_equal(fi_pool_watch(w->pool, watch, sharer, &program->watch), 0);
}

static void begin_pool(struct world *w, uint64_t seed)
{
	const struct fi_vma vma = { .start = 0, .end = PAGES * PAGE, .lazy = true };
	const struct fi_run runs[] = {
		{ .addr = 0, .nr_pages = HOLE_FROM, .lazy = true },
		{ .addr = (HOLE_FROM + HOLE_NR) * PAGE,
		  .nr_pages = PAGES - HOLE_FROM - HOLE_NR,
		  .lazy = true },
	};
	int file = memfd_create("pool", MFD_CLOEXEC);

	*w = (struct world){ .random = seed, .window = { BASE, 0, PAGES * PAGE } };
	w->sharer = (struct fi_sharer){ .windows = &w->window, .nr_windows = 1 };
	w->toy = toy_new(&vma, 1, runs, 2);
	for (uint64_t i = 0; i < PAGES; i++)
		w->want[i] = i >= HOLE_FROM && i < HOLE_FROM + HOLE_NR ? 0 : toy_word(i * PAGE);
	assert_true(file >= 0);
	assert_int_equal(ftruncate(file, PAGES * PAGE), 0);
	w->own = fi_uffd_own();
	assert_true(w->own >= 0);
	*record() = (struct fi_pool_record){ .segment = 7, .file = file };
	record()->state = FI_POOL_LIVE;
	assert_int_equal(
		fi_pool_new(record(), &w->toy->pagemap, w->toy->source, w->own, 8, &w->pool), 0);
	assert_int_equal(fi_pool_nr_owed(w->pool), PAGES - HOLE_NR);
}

static void begin(struct world *w, uint64_t seed)
{
	begin_pool(w, seed);
	for (size_t i = 0; i < PROGRAMS; i++)
		start(w, &w->programs[i], be_program, &w->sharer);
}

static bool is_ready(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, 0) > 0;
}

/* Everything that a thread of pools.c might do next. */
static void step(struct world *w)
{
	const size_t i = toy_random(&w->random, PROGRAMS);
	struct fi_watch *watch = w->programs[i].watch;

	if (!w->pool)
		return;
	if (watch && !watch->shut && !watch->dead && is_ready(watch->record->uffd))
		fi_pool_hear(watch);
	if (w->pool->hurried || (!w->paused && toy_random(&w->random, 40) == 0))
		(void)fi_pool_drain(w->pool);
	if (fi_pool_look(w->pool)) {
		fi_pool_end(w->pool);
		w->pool = NULL;
	}
}

/* The engine dies, and another one finds what there is. */
static void take_over(struct world *w)
{
	struct fi_ledger *ledger = fi_ledger();

	fi_pool_free(w->pool);
	(void)close(w->own);
	w->own = fi_uffd_own();
	assert_int_equal(
		fi_pool_new(record(), &w->toy->pagemap, w->toy->source, w->own, 8, &w->pool), 0);
	for (uint32_t i = 0; i < ledger->nr_watches; i++) {
		struct fi_watch_record *watch = &ledger->watches[i];
		struct fi_watch *found;

		if (watch->state != FI_SLOT_LIVE)
			continue;
		assert_int_equal(fi_pool_watch(w->pool, watch, &w->sharer, &found), 0);
		fi_pool_recover(found);
		for (size_t p = 0; p < PROGRAMS; p++)
			if (w->programs[p].pid == watch->pid)
				w->programs[p].watch = found;
	}
}

static uint64_t tell(struct world *w, size_t i, struct command command)
{
	const int socket = w->programs[i].socket;
	uint64_t seen = 0;

	assert_int_equal(send(socket, &command, sizeof(command), MSG_NOSIGNAL), sizeof(command));
	while (!is_ready(socket)) {
		if (w->pool && !w->paused && toy_random(&w->random, 200) == 0)
			take_over(w);
		step(w);
	}
	assert_int_equal(recv(socket, &seen, sizeof(seen), 0), sizeof(seen));
	return seen;
}

static void end_program(struct program *program)
{
	const struct command command = { .order = NR_ORDERS };
	int status;

	if (program->pid == 0)
		return;
	/* Its siblings have copies of our end. */
	assert_int_equal(send(program->socket, &command, sizeof(command), MSG_NOSIGNAL),
			 sizeof(command));
	(void)close(program->socket);
	assert_int_equal(waitpid(program->pid, &status, 0), program->pid);
	assert_int_equal(status, 0);
	program->pid = 0;
}

static void end(struct world *w)
{
	for (size_t i = 0; i < PROGRAMS; i++)
		end_program(&w->programs[i]);
	while (w->pool)
		step(w); /* nobody wants the rest */
	assert_int_equal(record()->state, FI_POOL_NONE);
	for (uint32_t i = 0; i < fi_ledger()->nr_watches; i++)
		assert_int_equal(fi_ledger()->watches[i].state, FI_SLOT_FREE);
	(void)close(w->own);
	toy_free(w->toy);
}

/* --- the tests --------------------------------------------------------------------------------- */

static void read_page(struct world *w, size_t program, uint64_t page)
{
	const struct command command = { .order = READ, .page = page };

	assert_int_equal(tell(w, program, command), w->want[page]);
}

static void write_page(struct world *w, size_t program, uint64_t page)
{
	const struct command command = { .order = WRITE,
					 .page = page,
					 .word = toy_random(&w->random, 1000) };

	w->want[page] = command.word;
	assert_int_equal(tell(w, program, command), command.word);
}

/* One of the calls that wait until the pool is whole. */
static void change(struct world *w, size_t program, enum order order)
{
	struct command c = { .order = order };

	c.page = toy_random(&w->random, PAGES);
	c.nr = 1 + toy_random(&w->random, PAGES - c.page);
	c.word = w->want[c.page];
	assert_int_equal(tell(w, program, c), 0);
	for (uint64_t i = c.page; order == REMOVE && i < c.page + c.nr; i++)
		w->want[i] = 0;
}

/* The last act of a program, since it has a gap then. */
static void unmap(struct world *w, size_t program)
{
	change(w, program, UNMAP);
	end_program(&w->programs[program]);
}

static void act(struct world *w)
{
	const size_t program = toy_random(&w->random, PROGRAMS);
	const uint64_t page = toy_random(&w->random, PAGES), dice = toy_random(&w->random, 100);

	if (w->programs[program].pid == 0)
		return;
	if (dice < 60)
		read_page(w, program, page);
	else if (dice < 97)
		write_page(w, program, page);
	else if (dice < 98)
		unmap(w, program);
	else
		change(w, program, FORK + (enum order)toy_random(&w->random, UNMAP - FORK));
}

static void pages_are_what_they_should_be(void **state)
{
	uint64_t seed = toy_seed("test-pool");

	for (int round = 0; round < 12; round++) {
		struct world w;

		begin(&w, toy_random(&seed, UINT64_MAX) | 1);
		for (int i = 0; i < 150; i++)
			act(&w);
		for (uint64_t page = 0; page < PAGES; page++)
			for (size_t i = 0; i < PROGRAMS; i++)
				if (w.programs[i].pid)
					read_page(&w, i, page);
		end(&w);
	}
}

/* Each kind of change comes first, when all is owed. */
static void a_change_waits_for_all(void **state)
{
	uint64_t seed = toy_seed("test-pool");

	for (enum order order = FORK; order < NR_ORDERS; order++) {
		struct world w;

		begin(&w, toy_random(&seed, UINT64_MAX) | 1);
		change(&w, 0, order);
		assert_null(w.pool);
		for (uint64_t page = 0; page < PAGES; page++)
			read_page(&w, 1, page);
		end(&w);
	}
}

static void nobody_is_left(void **state)
{
	struct world w;

	begin(&w, 1);
	w.paused = true;
	read_page(&w, 1, 5);
	for (size_t i = 0; i < PROGRAMS; i++)
		end_program(&w.programs[i]);
	while (w.pool)
		step(&w);
	assert_int_equal(record()->count.demanded, 1);
	assert_int_equal(record()->count.dropped, PAGES - HOLE_NR - 1);
	end(&w);
}

/* Its tasks do not run on. */
static void what_cannot_be_read_kills(void **state)
{
	const struct command command = { .order = READ, .page = 3 };
	struct world w;
	int status;

	begin(&w, 1);
	assert_int_equal(ftruncate(w.toy->pages.fd, 0), 0);
	assert_int_equal(send(w.programs[1].socket, &command, sizeof(command), 0), sizeof(command));
	while (w.pool)
		step(&w);
	for (size_t i = 0; i < PROGRAMS; i++) {
		assert_int_equal(waitpid(w.programs[i].pid, &status, 0), w.programs[i].pid);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		(void)close(w.programs[i].socket);
		w.programs[i].pid = 0;
	}
	end(&w);
}

/* --- an event in a fault's place --------------------------------------------------------------- */

#define HALF (PAGES / 2)

/* In a program that has two parts of the segment, this page follows where the first one ends. */
#define OTHER (HALF + 8)

/* How long it takes its time while nothing comes of the event. */
#define PATIENCE 1000

/* What a program's threads and the test tell each other. */
struct plant {
	_Atomic bool away, change, changed, looked;
	uint64_t seen;
	bool discards;
	bool goes_on; /* to the change, when its fault is answered */
};

static struct plant *plant;

/* Where the drain takes its time: before it has chosen by whom it copies, or after. */
enum spot { FETCH, COPY, NR_SPOTS };

/* What is planted; the test's. */
static struct {
	struct program *victim; /* NULL: nothing is */
	enum spot spot;
	bool answers; /* the fault itself is what the drain is at */
	pthread_t drainer;
	_Atomic bool on_its_way;
} race;

static void nap(void)
{
	(void)nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
}

static void await(const _Atomic bool *flag)
{
	while (!*flag)
		nap();
}

/* A signal takes the thread out of its fault, and keeps it. */
static void stay_away(int signal)
{
	(void)signal;
	plant->away = true;
	for (;;)
		(void)pause();
}

/* Of SIGUSR1, which is for one thread. */
static void mask_signal(int how)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGUSR1);
	(void)pthread_sigmask(how, &set, NULL);
}

static void *touch(void *arg)
{
	(void)arg;
	mask_signal(SIG_UNBLOCK);
	plant->seen = *word_at(BASE, 1);
	if (plant->goes_on)
		plant->change = true;
	return NULL;
}

/* Where the second part was there is more of the first one then, of which no event tells. */
static bool grow_over(void)
{
	return munmap(at(HALF), (PAGES - OTHER) * PAGE) == 0 &&
	       mremap(at(0), HALF * PAGE, (HALF + 1) * PAGE, 0) == at(0);
}

static bool map_parts(int file, uint64_t second)
{
	return mmap(at(0), HALF * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE,
		    file, 0) == at(0) &&
	       mmap(at(HALF), (PAGES - second) * PAGE, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_FIXED_NOREPLACE, file, (off_t)(second * PAGE)) == at(HALF);
}

/* Of two threads, one touches what is owed, and one changes the mapping. */
static _Noreturn void be_two(int socket, int file)
{
	const uint64_t second = plant->discards ? HALF : OTHER;
	int uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	const struct sigaction action = { .sa_handler = stay_away };
	pthread_t thread;
	char byte = 0;

	mask_signal(SIG_BLOCK);
	if (sigaction(SIGUSR1, &action, NULL) < 0 || !map_parts(file, second) || uffd < 0 ||
	    fi_uffd_agree(uffd) < 0 ||
	    fi_uffd_register(uffd, BASE, (HALF + PAGES - second) * PAGE) < 0 ||
	    fi_pass(socket, &byte, 1, uffd) < 0 || pthread_create(&thread, NULL, touch, NULL) != 0)
		_exit(1);
	(void)close(uffd);
	(void)close(file);
	await(&plant->change);
	if (!(plant->discards ? madvise(at(HALF), HALF * PAGE, MADV_REMOVE) == 0 : grow_over()))
		_exit(1);
	plant->changed = true;
	plant->seen = *word_at(BASE, HALF);
	plant->looked = true;
	for (;;)
		(void)pause();
}

static bool is_dead(pid_t pid)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid;
}

/* Where the pool looks whether a fault waits: it does, and then it is gone, and an event there. */
bool __real_fi_uffd_fault_waits(int info);
bool __wrap_fi_uffd_fault_waits(int info);
bool __wrap_fi_uffd_fault_waits(int info)
{
	bool waits = __real_fi_uffd_fault_waits(info);

	if (!race.victim || race.answers || plant->change)
		return waits;
	assert_true(waits);
	assert_int_equal(kill(race.victim->pid, SIGUSR1), 0);
	await(&plant->away);
	assert_false(__real_fi_uffd_fault_waits(info));
	plant->change = true;
	while (!is_ready(race.victim->watch->record->uffd))
		nap();
	return true;
}

/* Returns whether this was where time was to be taken. */
static bool pass(enum spot spot)
{
	if (!race.victim || race.spot != spot || race.on_its_way ||
	    !pthread_equal(race.drainer, pthread_self()))
		return false;
	race.on_its_way = true;
	for (int i = 0; i < PATIENCE && !plant->changed && !is_dead(race.victim->pid); i++)
		nap();
	return true;
}

const uint8_t *__real_fi_source_fetch(struct fi_source *source, unsigned file, const uint8_t *bytes,
				      uint64_t len, uint8_t *room, enum fi_fetch why);
const uint8_t *__wrap_fi_source_fetch(struct fi_source *source, unsigned file, const uint8_t *bytes,
				      uint64_t len, uint8_t *room, enum fi_fetch why);
const uint8_t *__wrap_fi_source_fetch(struct fi_source *source, unsigned file, const uint8_t *bytes,
				      uint64_t len, uint8_t *room, enum fi_fetch why)
{
	(void)pass(FETCH);
	return __real_fi_source_fetch(source, file, bytes, len, room, why);
}

int __real_fi_uffd_copy(int fd, uint64_t dst, const void *src, uint64_t len, uint64_t *done);
int __wrap_fi_uffd_copy(int fd, uint64_t dst, const void *src, uint64_t len, uint64_t *done);
int __wrap_fi_uffd_copy(int fd, uint64_t dst, const void *src, uint64_t len, uint64_t *done)
{
	bool answers = pass(COPY) && race.answers;
	int r = __real_fi_uffd_copy(fd, dst, src, len, done);

	while (answers && !is_ready(race.victim->watch->record->uffd))
		nap();
	return r;
}

static void *drain(void *arg)
{
	struct fi_pool *pool = arg;

	race.drainer = pthread_self();
	(void)fi_pool_drain(pool);
	return NULL;
}

/* What follows @page is on its way, at @spot, when @victim is heard. */
static void hear_while(struct world *w, struct program *victim, uint64_t page, enum spot spot)
{
	pthread_t thread;

	while (!is_ready(victim->watch->record->uffd))
		nap();
	w->pool->cursor = page;
	race.on_its_way = false;
	race.spot = spot;
	race.victim = victim;
	assert_int_equal(pthread_create(&thread, NULL, drain, w->pool), 0);
	await(&race.on_its_way);
	fi_pool_hear(victim->watch);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(plant->change);
	assert_true(victim->watch->shut);
	race.victim = NULL;
	race.answers = false;
}

static void kill_program(struct program *program)
{
	int status;

	(void)kill(program->pid, SIGKILL);
	assert_int_equal(waitpid(program->pid, &status, 0), program->pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	(void)close(program->socket);
	program->pid = 0;
}

static void grow_while(enum spot spot)
{
	struct fi_window windows[] = { { BASE, 0, HALF * PAGE },
				       { BASE + HALF * PAGE, OTHER * PAGE, PAGES * PAGE } };
	struct fi_sharer sharer = { .windows = windows, .nr_windows = 2 };
	struct world w;

	begin_pool(&w, 1);
	*plant = (struct plant){ 0 };
	start(&w, &w.programs[0], be_two, &sharer);
	hear_while(&w, &w.programs[0], OTHER, spot);
	while (w.pool)
		step(&w);
	await(&plant->looked);
	assert_int_equal(plant->seen, w.want[HALF]);
	kill_program(&w.programs[0]);
	end(&w);
}

static void nothing_comes_where_something_else_has_grown(void **state)
{
	for (enum spot spot = FETCH; spot < NR_SPOTS; spot++)
		grow_while(spot);
}

static void discard_while(enum spot spot)
{
	struct fi_watch_record *other;
	struct world w;

	begin_pool(&w, 1);
	*plant = (struct plant){ .discards = true };
	start(&w, &w.programs[0], be_program, &w.sharer);
	start(&w, &w.programs[1], be_two, &w.sharer);
	/* It lives on to see what comes by it. */
	other = w.programs[0].watch->record;
	(void)close(other->pidfd);
	other->pidfd = -EBADF;
	hear_while(&w, &w.programs[1], HALF, spot);
	assert_true(w.pool->doomed);
	kill_program(&w.programs[1]);
	assert_int_equal(fi_pool_drain(w.pool), 0);
	assert_int_equal(lseek(record()->file, HALF * PAGE, SEEK_DATA), -1);
	kill_program(&w.programs[0]);
	end(&w);
}

static void what_was_discarded_does_not_come_back(void **state)
{
	for (enum spot spot = FETCH; spot < NR_SPOTS; spot++)
		discard_while(spot);
}

/* The drain gives the very page that a thread waits for, which goes on to an event: that is not read in the
 * place of the fault that was there. */
static void a_fault_that_the_drain_answers_is_looked_for_no_more(void **state)
{
	struct world w;

	begin_pool(&w, 1);
	*plant = (struct plant){ .discards = true, .goes_on = true };
	start(&w, &w.programs[0], be_two, &w.sharer);
	race.answers = true;
	hear_while(&w, &w.programs[0], 1, COPY);
	assert_false(w.pool->doomed);
	while (w.pool)
		step(&w);
	await(&plant->looked);
	assert_int_equal(plant->seen, 0);
	kill_program(&w.programs[0]);
	end(&w);
}

static int share_plant(void **state)
{
	plant = mmap(NULL, sizeof(*plant), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	return plant == MAP_FAILED;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_are_what_they_should_be),
		cmocka_unit_test(a_change_waits_for_all),
		cmocka_unit_test(nobody_is_left),
		cmocka_unit_test(what_cannot_be_read_kills),
		cmocka_unit_test(nothing_comes_where_something_else_has_grown),
		cmocka_unit_test(what_was_discarded_does_not_come_back),
		cmocka_unit_test(a_fault_that_the_drain_answers_is_looked_for_no_more),
	};

	return cmocka_run_group_tests(tests, share_plant, NULL);
}

/* tests/unit/test-uffd.c - one space, stepped by hand, against the real kernel.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A program (a forked child of the test) maps memory at the addresses of a toy image, watches it
 * with a userfaultfd and hands that over; the test serves it with fi_demand_step and fi_drain_step
 * while the program does things to its memory and judges every word of it.
 */
#include "config.h"

#include "tests/unit/cmocka-first.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "restore/demand.h"
#include "restore/drain.h"
#include "restore/fate.h"
#include "restore/smaps.h"
#include "restore/uffd.h"
#include "tests/unit/toy-image.h"

#define BASE  UINT64_C(0x200000000000)
#define PAGES 256
#define AWAY  UINT64_C(0x210000000000)

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

/* --- the program ------------------------------------------------------------------------------- */

static void check(bool good, int line)
{
	if (!good)
		_exit(line > 0 && line < 2560 ? 1 + line / 10 : 255);
}
#define CHECK(good) check((good), __LINE__)

static uint64_t word_at(uint64_t addr)
{
	return *(volatile uint64_t *)(uintptr_t)addr;
}

static bool is_page_of(uint64_t addr, uint64_t origin)
{
	return word_at(addr) == toy_word(origin) && word_at(addr + PAGE - 8) == toy_word(origin);
}

static bool is_zero(uint64_t addr)
{
	return word_at(addr) == 0 && word_at(addr + PAGE - 8) == 0;
}

/* The pages of BASE from @first on are what they were at the dump. */
static bool are_pages(uint64_t addr, uint64_t first, uint64_t nr)
{
	for (uint64_t i = 0; i < nr; i++)
		if (!is_page_of(addr + i * PAGE, BASE + (first + i) * PAGE))
			return false;
	return true;
}

static void *at(uint64_t page)
{
	return (void *)(uintptr_t)(BASE + page * PAGE);
}

static uint64_t move(uint64_t page, uint64_t nr, uint64_t new_nr, int flags, uint64_t to)
{
	void *moved = mremap(at(page), nr * PAGE, new_nr * PAGE, flags, (void *)(uintptr_t)to);

	CHECK(moved != MAP_FAILED);
	return (uintptr_t)moved;
}

static void reads_everything(void)
{
	CHECK(are_pages(BASE, 0, PAGES));
}

static void moves(void)
{
	uint64_t to;

	to = move(0, 8, 8, MREMAP_MAYMOVE | MREMAP_FIXED, AWAY);
	CHECK(are_pages(to, 0, 8));
	to = move(10, 8, 20, MREMAP_MAYMOVE | MREMAP_FIXED, AWAY + 100 * PAGE); /* and grows */
	CHECK(are_pages(to, 10, 8));
	for (uint64_t i = 8; i < 20; i++)
		CHECK(is_zero(to + i * PAGE));
	(void)move(30, 8, 4, 0, 0); /* shrinks in place */
	CHECK(are_pages(BASE + 30 * PAGE, 30, 4));
	(void)move(40, 8, 8, MREMAP_MAYMOVE | MREMAP_FIXED, BASE + 60 * PAGE); /* onto lazy pages */
	CHECK(are_pages(BASE + 60 * PAGE, 40, 8));
	CHECK(are_pages(BASE + 68 * PAGE, 68, 8));
	to = move(80, 8, 8, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0);
	CHECK(are_pages(to, 80, 8));
	for (uint64_t i = 80; i < 88; i++)
		CHECK(is_zero(BASE + i * PAGE));
	/* Grown in place, over what was unmapped a moment ago. */
	CHECK(munmap(at(104), 4 * PAGE) == 0);
	(void)move(100, 4, 8, 0, 0);
	CHECK(are_pages(BASE + 100 * PAGE, 100, 4));
	for (uint64_t i = 104; i < 108; i++)
		CHECK(is_zero(BASE + i * PAGE));
	CHECK(are_pages(BASE + 108 * PAGE, 108, PAGES - 108));
}

/* Shrinks and moves at once, to just before other lazy pages.  Before Linux 6.17 the event tells
 * the length from before the shrinking. */
static void shrinks_and_moves(void)
{
	(void)move(0, 8, 4, MREMAP_MAYMOVE | MREMAP_FIXED, BASE + 100 * PAGE);
	CHECK(are_pages(BASE + 100 * PAGE, 0, 4));
	CHECK(are_pages(BASE + 104 * PAGE, 104, 50));
	CHECK(are_pages(BASE + 8 * PAGE, 8, 92));
}

static void discards(void)
{
	CHECK(madvise(at(10), 10 * PAGE, MADV_DONTNEED) == 0);
	CHECK(is_page_of(BASE + 30 * PAGE, BASE + 30 * PAGE));
	CHECK(madvise(at(30), 2 * PAGE, MADV_DONTNEED) == 0);
	for (uint64_t i = 0; i < 40; i++)
		CHECK((i >= 10 && i < 20) || i == 30 || i == 31
			      ? is_zero(BASE + i * PAGE)
			      : is_page_of(BASE + i * PAGE, BASE + i * PAGE));
	CHECK(munmap(at(50), 10 * PAGE) == 0);
	CHECK(mmap(at(50), 10 * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == at(50));
	CHECK(is_zero(BASE + 55 * PAGE));
	CHECK(mmap(at(70), 5 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
	      at(70));
	CHECK(is_zero(BASE + 72 * PAGE));
	CHECK(are_pages(BASE + 75 * PAGE, 75, PAGES - 75));
}

/* Every boundary that mprotect makes is an ENOENT in the middle of a stream or chunk. */
static void protects(void)
{
	for (uint64_t i = 3; i + 5 < PAGES; i += 7)
		CHECK(mprotect(at(i), 2 * PAGE, PROT_READ) == 0);
	CHECK(are_pages(BASE, 0, PAGES));
}

static void syscalls_touch_first(void)
{
	int fd = memfd_create("out", MFD_CLOEXEC);
	uint64_t word;

	CHECK(write(fd, at(7), 5 * PAGE) == (ssize_t)(5 * PAGE));
	for (uint64_t i = 0; i < 5; i++) {
		CHECK(pread(fd, &word, 8, (off_t)(i * PAGE)) == 8);
		CHECK(word == toy_word(BASE + (7 + i) * PAGE));
	}
	CHECK(pread(fd, (char *)at(100) + 8, 8, 0) == 8); /* the kernel writes into a lazy page */
	CHECK(word_at(BASE + 100 * PAGE) == toy_word(BASE + 100 * PAGE));
	CHECK(word_at(BASE + 100 * PAGE + 8) == toy_word(BASE + 7 * PAGE));
}

static void *read_all(void *arg)
{
	uint64_t step = (uintptr_t)arg;

	for (uint64_t i = 0; i < PAGES; i++)
		CHECK(is_page_of(BASE + i * step % PAGES * PAGE, BASE + i * step % PAGES * PAGE));
	return NULL;
}

static void threads_fault_at_once(void)
{
	static const uintptr_t steps[] = { 1, 3, 255, 1, 1 };
	pthread_t threads[5];

	for (int i = 0; i < 5; i++)
		CHECK(pthread_create(&threads[i], NULL, read_all, (void *)steps[i]) == 0);
	for (int i = 0; i < 5; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
}

static void await(pid_t pid)
{
	int status;

	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status));
	if (WEXITSTATUS(status))
		_exit(WEXITSTATUS(status));
}

static void forks(void)
{
	pid_t child, grandchild;

	CHECK(are_pages(BASE, 0, 5));
	*(uint64_t *)at(1) = 17;
	CHECK(madvise(at(20), 5 * PAGE, MADV_DONTNEED) == 0);
	(void)move(30, 4, 4, MREMAP_MAYMOVE | MREMAP_FIXED, AWAY);
	child = fork();
	if (child == 0) {
		CHECK(word_at(BASE + PAGE) == 17);
		CHECK(is_zero(BASE + 22 * PAGE));
		CHECK(are_pages(AWAY, 30, 4));
		CHECK(munmap(at(40), 10 * PAGE) == 0);
		*(uint64_t *)at(2) = 18;
		grandchild = fork();
		if (grandchild == 0) {
			CHECK(word_at(BASE + 2 * PAGE) == 18);
			CHECK(are_pages(BASE + 50 * PAGE, 50, PAGES - 50));
			_exit(0);
		}
		*(uint64_t *)at(60) = 19;
		CHECK(are_pages(BASE + 61 * PAGE, 61, PAGES - 61));
		await(grandchild);
		_exit(0);
	}
	CHECK(is_page_of(BASE + 2 * PAGE, BASE + 2 * PAGE));
	CHECK(are_pages(BASE + 34 * PAGE, 34, PAGES - 34));
	await(child);
}

static void forks_many_from_threads(void)
{
	pthread_t thread;

	CHECK(pthread_create(&thread, NULL, read_all, (void *)3) == 0);
	for (int i = 0; i < 30; i++) {
		pid_t child = fork();

		if (child == 0) {
			uint64_t page = (uint64_t)i * 37 % PAGES;

			CHECK(is_page_of(BASE + page * PAGE, BASE + page * PAGE));
			_exit(0);
		}
		CHECK(child > 0);
		await(child);
	}
	CHECK(pthread_join(thread, NULL) == 0);
}

/* Blocks that several threads move about, as realloc does: each looks for its own. */
static void *move_about(void *arg)
{
	uint64_t block = (uintptr_t)arg, addr = BASE + block * 32 * PAGE;

	for (int i = 0; i < 300; i++) {
		void *moved = mremap(
			(void *)(uintptr_t)addr, 32 * PAGE, 32 * PAGE,
			MREMAP_MAYMOVE | MREMAP_FIXED,
			(void *)(uintptr_t)(AWAY + (block * 1000 + (uint64_t)i % 7 * 64) * PAGE));

		CHECK(moved != MAP_FAILED);
		addr = (uintptr_t)moved;
		CHECK(is_page_of(addr + (uint64_t)i % 32 * PAGE,
				 BASE + (block * 32 + (uint64_t)i % 32) * PAGE));
	}
	CHECK(are_pages(addr, block * 32, 32));
	return NULL;
}

static void threads_move_memory(void)
{
	pthread_t threads[4];

	for (uintptr_t i = 0; i < 4; i++)
		CHECK(pthread_create(&threads[i], NULL, move_about, (void *)i) == 0);
	for (int i = 0; i < 4; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	CHECK(are_pages(BASE + 128 * PAGE, 128, PAGES - 128));
}

/* One thread leaves a place, and another comes to it as soon as it is free, which is before the
 * first one's mremap returns and long before all its events are read. */
#define PLACES 200

static _Atomic int arrived = -1;

static uint64_t place(int i)
{
	return AWAY + (uint64_t)i * 64 * PAGE;
}

static void go(uint64_t from, uint64_t to)
{
	CHECK(mremap((void *)(uintptr_t)from, 8 * PAGE, 8 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		     (void *)(uintptr_t)to) != MAP_FAILED);
}

static void *lead(void *arg)
{
	for (int i = 0; i <= PLACES; i++) {
		go(i ? place(i - 1) : BASE, place(i));
		arrived = i;
	}
	return NULL;
}

static void *follow(void *arg)
{
	for (int i = 0; i < PLACES; i++) {
		unsigned char in;

		while (arrived < i || mincore((void *)(uintptr_t)place(i), PAGE, &in) == 0)
			;
		go(i ? place(i - 1) : BASE + 8 * PAGE, place(i));
	}
	return NULL;
}

static void threads_take_each_others_places(void)
{
	pthread_t threads[2];

	arrived = -1;
	CHECK(pthread_create(&threads[0], NULL, lead, NULL) == 0);
	CHECK(pthread_create(&threads[1], NULL, follow, NULL) == 0);
	for (int i = 0; i < 2; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	CHECK(are_pages(place(PLACES), 0, 8));
	CHECK(are_pages(place(PLACES - 1), 8, 8));
}

static void *unmap_beyond(void *arg)
{
	CHECK(munmap((void *)(uintptr_t)(AWAY + 103 * PAGE), 5 * PAGE) == 0);
	return arg;
}

/* A munmap of a place that has nothing of the image, and a move to there.  The munmap tells another
 * userfaultfd first, and sleeps until we read that; so its UNMAP comes when the REMAP was read. */
static void unmaps_where_others_land(void)
{
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_EVENT_UNMAP };
	struct uffdio_register reg = { .range = { AWAY + 103 * PAGE, PAGE },
				       .mode = UFFDIO_REGISTER_MODE_MISSING };
	int other = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	struct uffd_msg msg;
	pthread_t thread;

	(void)move(0, 4, 8, MREMAP_MAYMOVE | MREMAP_FIXED, AWAY); /* its end is watched and empty */
	CHECK(mremap((void *)(uintptr_t)(AWAY + 4 * PAGE), 4 * PAGE, 4 * PAGE,
		     MREMAP_MAYMOVE | MREMAP_FIXED,
		     (void *)(uintptr_t)(AWAY + 104 * PAGE)) != MAP_FAILED);
	CHECK(mmap((void *)(uintptr_t)reg.range.start, PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != MAP_FAILED);
	CHECK(ioctl(other, UFFDIO_API, &api) == 0 && ioctl(other, UFFDIO_REGISTER, &reg) == 0);
	CHECK(pthread_create(&thread, NULL, unmap_beyond, NULL) == 0);
	{
		struct pollfd pfd = { .fd = other, .events = POLLIN };

		while (poll(&pfd, 1, -1) != 1 || !(pfd.revents & POLLIN))
			(void)usleep(1000);
	}
	(void)move(20, 4, 4, MREMAP_MAYMOVE | MREMAP_FIXED, AWAY + 104 * PAGE);
	CHECK(read(other, &msg, sizeof(msg)) == sizeof(msg) && msg.event == UFFD_EVENT_UNMAP);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK(are_pages(AWAY + 104 * PAGE, 20, 4));
	(void)close(other);
}

static void *fork_and_read(void *arg)
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0)
		_exit(are_pages(BASE + 40 * PAGE, 40, 4) ? 0 : 1);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	return arg;
}

/* A fork, and a munmap right after it.  The fork tells another userfaultfd first, and sleeps until we
 * read that; so its FORK comes when the UNMAP was read.  The child has the memory. */
static void unmaps_after_a_fork(void)
{
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_EVENT_FORK };
	struct uffdio_register reg = { .range = { BASE - 16 * PAGE, PAGE },
				       .mode = UFFDIO_REGISTER_MODE_MISSING };
	int other = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	struct pollfd pfd = { .fd = other, .events = POLLIN };
	struct uffd_msg msg;
	pthread_t thread;

	CHECK(mmap((void *)(uintptr_t)reg.range.start, PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != MAP_FAILED);
	CHECK(ioctl(other, UFFDIO_API, &api) == 0 && ioctl(other, UFFDIO_REGISTER, &reg) == 0);
	CHECK(pthread_create(&thread, NULL, fork_and_read, NULL) == 0);
	while (poll(&pfd, 1, -1) != 1 || !(pfd.revents & POLLIN))
		(void)usleep(1000);
	CHECK(munmap(at(40), 4 * PAGE) == 0);
	CHECK(read(other, &msg, sizeof(msg)) == sizeof(msg) && msg.event == UFFD_EVENT_FORK);
	CHECK(pthread_join(thread, NULL) == 0);
	(void)close(other);
}

/* One thread: what it has moved and unmapped again is gone, whoever grows there. */
static void unmaps_what_it_has_moved(void)
{
	for (uint64_t i = 0; i < 8; i++) {
		uint64_t to = AWAY + 100 * i * PAGE;

		(void)move(16 * i, 4, 4, MREMAP_MAYMOVE | MREMAP_FIXED, to);
		(void)move(16 * i + 8, 4, 4, MREMAP_MAYMOVE | MREMAP_FIXED, to + 4 * PAGE);
		CHECK(munmap((void *)(uintptr_t)(to + 4 * PAGE), 4 * PAGE) == 0);
		CHECK(mremap((void *)(uintptr_t)to, 4 * PAGE, 8 * PAGE, 0) != MAP_FAILED);
		CHECK(are_pages(to, 16 * i, 4));
		for (uint64_t page = 4; page < 8; page++)
			CHECK(is_zero(to + page * PAGE));
	}
}

static void exits_with_pages_owed(void)
{
	CHECK(are_pages(BASE + 10 * PAGE, 10, 1));
}

static void is_killed_with_pages_owed(void)
{
	CHECK(are_pages(BASE + 10 * PAGE, 10, 1));
	(void)kill(getpid(), SIGKILL);
}

/* --- its server ---------------------------------------------------------------------------------- */

static struct toy *toy;
static struct fi_space *served[512]; /* that are still live */
static int nr_served, nr_births;

static void born(void *arg, struct fi_space *parent, struct fi_space *child)
{
	assert_true(nr_served < 512);
	served[nr_served++] = child;
	nr_births++;
}

static void stillborn(void *arg, struct fi_space *parent, int uffd)
{
	fail_msg("stillborn");
}

static bool alone(void *arg, struct fi_space *asked)
{
	return asked->pid && fi_smaps_alone(asked->pid);
}

static const struct fi_birth birth = { .born = born, .stillborn = stillborn, .alone = alone };

/* A userfaultfd with CRIU's features over the toy's addresses, of the calling process. */
static int watch_memory(void)
{
	struct uffdio_api api = { .api = UFFD_API,
				  .features = UFFD_FEATURE_EVENT_FORK | UFFD_FEATURE_EVENT_REMAP |
					      UFFD_FEATURE_EVENT_REMOVE |
					      UFFD_FEATURE_EVENT_UNMAP };
	struct uffdio_register reg = { .range = { BASE, PAGES * PAGE },
				       .mode = UFFDIO_REGISTER_MODE_MISSING };
	int uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (uffd < 0)
		return -errno;
	if (ioctl(uffd, UFFDIO_API, &api) < 0 ||
	    mmap(at(0), PAGES * PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != at(0) ||
	    ioctl(uffd, UFFDIO_REGISTER, &reg) < 0) {
		int saved = errno;

		(void)close(uffd);
		return -saved;
	}
	return uffd;
}

static void require_userfaultfd(void)
{
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_EVENT_FORK };
	int uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	int r = uffd < 0 ? -errno : ioctl(uffd, UFFDIO_API, &api) < 0 ? -errno : 0;

	if (uffd >= 0)
		(void)close(uffd);
#ifdef __SANITIZE_THREAD__
	print_message("skipped: the programs' addresses are the thread sanitizer's\n");
	skip();
#endif
	if (r < 0) {
		print_message("skipped: userfaultfd with fork events: %s\n", strerror(-r));
		skip();
	}
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* One turn for every space; those that are over go, as an engine lets them go.  Returns whether any had something
 * to do. */
static bool turn(bool drain)
{
	bool busy = false;

	for (int i = 0; i < nr_served; i++) {
		struct fi_space *space = served[i];
		struct fi_claim claim = { 0 };
		enum fi_step step = fi_demand_step(space, &birth);
		enum fi_fate fate;

		busy |= step == FI_STEP_MORE || step == FI_STEP_RETRY;
		if (drain && step != FI_STEP_END)
			busy |= fi_drain_step(space, &claim, FI_PACE_FULL) == FI_STEP_MORE;
		fate = fi_fate_called(space, drain, false, &birth);
		assert_int_not_equal(fate, FI_FATE_DOOM);
		if (fate == FI_FATE_END) {
			fi_space_retire(space);
			fi_space_put(space);
			served[i--] = served[--nr_served];
			busy = true;
		}
	}
	return busy;
}

/* Runs the program and serves it to its end; returns its wait status. */
static int serve(void (*program)(void), bool drain)
{
	int ready[2], status = -1, pid_seen = 0, uffd;
	struct fi_space *space = NULL;
	uint64_t deadline = now_ms() + 60000;
	pid_t pid;

	require_userfaultfd();
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		uint32_t number;
		int mine = watch_memory();

		CHECK(mine >= 0);
		number = (uint32_t)mine;
		(void)signal(SIGBUS, SIG_DFL); /* not cmocka's */
		(void)signal(SIGSEGV, SIG_DFL);
		CHECK(write(ready[1], &number, sizeof(number)) == sizeof(number));
		/* Ours until the server has taken a copy. */
		(void)raise(SIGSTOP);
		(void)close(mine);
		program();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	if (!WIFSTOPPED(status))
		fail_msg("the program did not start: %#x", (unsigned)status);
	{
		uint32_t number;
		int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

		assert_int_equal(read(ready[0], &number, sizeof(number)), sizeof(number));
		uffd = (int)syscall(SYS_pidfd_getfd, pidfd, (int)number, 0);
		assert_true(uffd >= 0);
		(void)close(pidfd);
	}
	(void)close(ready[0]);
	(void)close(ready[1]);
	assert_int_equal(fi_space_new(uffd, &toy->task, toy->source, &space), 0);
	space->id = 1;
	space->pid = pid;
	served[0] = space;
	nr_served = 1;
	nr_births = 0;
	(void)kill(pid, SIGCONT);
	while (!pid_seen || nr_served) {
		if (!turn(drain)) {
			struct pollfd pfd[512];

			for (int i = 0; i < nr_served; i++)
				pfd[i] = (struct pollfd){ .fd = served[i]->uffd, .events = POLLIN };
			(void)poll(pfd, (nfds_t)nr_served, 1);
		}
		if (!pid_seen && waitpid(pid, &status, WNOHANG) == pid)
			pid_seen = 1;
		if (now_ms() > deadline) {
			(void)kill(pid, SIGKILL);
			fail_msg("hangs");
		}
	}
	return status;
}

static void serves(void (*program)(void))
{
	for (int drain = 0; drain < 2; drain++) {
		int status = serve(program, drain);

		if (status)
			fail_msg("%s the drain: status %#x: a check near line %d failed",
				 drain ? "with" : "without", (unsigned)status,
				 (WEXITSTATUS(status) - 1) * 10);
	}
}

static int setup(void **state)
{
	toy = toy_simple(BASE, PAGES);
	return 0;
}

static int teardown(void **state)
{
	while (nr_served) {
		fi_space_retire(served[--nr_served]);
		fi_space_put(served[nr_served]);
	}
	toy_free(toy);
	return 0;
}

#define PROGRAM(name)                                                                              \
	static void test_##name(void **state)                                                      \
	{                                                                                          \
		serves(name);                                                                      \
	}
PROGRAM(reads_everything)
PROGRAM(moves)
PROGRAM(shrinks_and_moves)
PROGRAM(discards)
PROGRAM(protects)
PROGRAM(syscalls_touch_first)
PROGRAM(threads_fault_at_once)
PROGRAM(forks)
PROGRAM(forks_many_from_threads)
PROGRAM(threads_move_memory)
PROGRAM(threads_take_each_others_places)
PROGRAM(unmaps_where_others_land)
PROGRAM(unmaps_after_a_fork)
PROGRAM(unmaps_what_it_has_moved)
PROGRAM(exits_with_pages_owed)

static void test_is_killed_with_pages_owed(void **state)
{
	for (int drain = 0; drain < 2; drain++)
		assert_int_equal(serve(is_killed_with_pages_owed, drain), SIGKILL);
}

/* A pages file that was truncated: SIGBUS for who touches the page, and for nobody else. */
static void touches_what_cannot_be_read(void)
{
	CHECK(are_pages(BASE, 0, 100));
	(void)word_at(BASE + 200 * PAGE);
}

static void test_what_cannot_be_read_is_poisoned(void **state)
{
	int status;

	assert_int_equal(ftruncate(toy->pages.fd, (off_t)(128 * PAGE)), 0);
	status = serve(touches_what_cannot_be_read, false);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGBUS)
		fail_msg("status %#x", (unsigned)status);
	status = serve(touches_what_cannot_be_read, true);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGBUS)
		fail_msg("status %#x", (unsigned)status);
}

/* No descriptor for a child: its parent waits in fork, and goes on when there is one. */
static void forks_once(void)
{
	pid_t child = fork();

	if (child == 0) {
		CHECK(are_pages(BASE, 0, PAGES));
		_exit(0);
	}
	CHECK(child > 0);
	await(child);
}

static void test_a_fork_waits_for_a_descriptor(void **state)
{
	struct rlimit before, low;
	const struct timespec tick = { .tv_nsec = 200000 };
	const uint64_t deadline = now_ms() + 60000;
	int status, uffd, pidfd;
	struct fi_space *space;
	pid_t pid;

	require_userfaultfd();
	pid = fork();
	if (pid == 0) {
		CHECK(watch_memory() == 3 || true);
		(void)raise(SIGSTOP);
		forks_once();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	/* The program's first free descriptor is its userfaultfd. */
	for (int fd = 3; (uffd = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0)) >= 0; fd++) {
		char path[64], name[64] = "";

		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", uffd);
		(void)!readlink(path, name, sizeof(name) - 1);
		if (strstr(name, "userfaultfd"))
			break;
		(void)close(uffd);
	}
	assert_true(uffd >= 0);
	(void)close(pidfd);
	assert_int_equal(fi_space_new(uffd, &toy->task, toy->source, &space), 0);
	served[0] = space;
	nr_served = 1;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	low = before;
	low.rlim_cur = 3; /* all are in use already */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	(void)kill(pid, SIGCONT);
	while (!space->starved && now_ms() < deadline)
		if (!turn(false))
			(void)nanosleep(&tick, NULL);
	for (int i = 0; i < 5; i++)
		(void)turn(false);
	assert_true(space->starved);
	assert_int_equal(space->state, FI_SPACE_LIVE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	while (nr_served && now_ms() < deadline)
		if (!turn(true))
			(void)nanosleep(&tick, NULL);
	assert_int_equal(nr_served, 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* UFFDIO_UNREGISTER in the middle of a VMA of a process with as many VMAs as it may have. */
static void test_unregister_at_the_limit_of_maps(void **state)
{
	struct fi_claim claim = { 0 };
	int go[2], back[2], status, uffd, limit = 0;
	struct fi_space *space = NULL;
	FILE *sysctl = fopen("/proc/sys/vm/max_map_count", "re");
	pid_t pid;
	int pidfd;
	char byte;
	uint32_t number;

	require_userfaultfd();
	if (!sysctl || fscanf(sysctl, "%d", &limit) != 1 || limit > 100000) {
		print_message("skipped: vm.max_map_count is %d\n", limit);
		skip();
	}
	(void)fclose(sysctl);
	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	assert_int_equal(pipe2(back, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		int mine = watch_memory();
		char *many = mmap(NULL, 2 * (size_t)limit * PAGE, PROT_READ,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		CHECK(mine >= 0 && many != MAP_FAILED);
		for (size_t i = 0; mprotect(many + 2 * i * PAGE, PAGE, PROT_NONE) == 0; i++)
			CHECK(i < (size_t)limit);
		number = (uint32_t)mine;
		CHECK(write(back[1], &number, sizeof(number)) == sizeof(number));
		CHECK(read(go[0], &byte, 1) == 1);
		CHECK(are_pages(BASE + 10 * PAGE, 10, 10));
		CHECK(is_zero(BASE + 30 * PAGE) || are_pages(BASE + 30 * PAGE, 30, 1));
		_exit(0);
	}
	assert_int_equal(read(back[0], &number, sizeof(number)), sizeof(number));
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	uffd = (int)syscall(SYS_pidfd_getfd, pidfd, (int)number, 0);
	assert_true(uffd >= 0);
	(void)close(pidfd);
	assert_int_equal(fi_uffd_unregister(uffd, BASE + 10 * PAGE, 2 * PAGE), -ENOMEM);

	assert_int_equal(fi_space_new(uffd, &toy->task, toy->source, &space), 0);
	while (fi_drain_step(space, &claim, FI_PACE_FULL) != FI_STEP_IDLE)
		;
	fi_space_retire(space); /* what cannot be unregistered goes with the descriptor */
	fi_space_put(space);
	assert_int_equal(write(go[1], "x", 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	(void)close(go[0]);
	(void)close(go[1]);
	(void)close(back[0]);
	(void)close(back[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(reads_everything),
		TEST(moves),
		TEST(shrinks_and_moves),
		TEST(discards),
		TEST(protects),
		TEST(syscalls_touch_first),
		TEST(threads_fault_at_once),
		TEST(forks),
		TEST(forks_many_from_threads),
		TEST(threads_move_memory),
		TEST(threads_take_each_others_places),
		TEST(unmaps_where_others_land),
		TEST(unmaps_after_a_fork),
		TEST(unmaps_what_it_has_moved),
		TEST(exits_with_pages_owed),
		TEST(is_killed_with_pages_owed),
		TEST(what_cannot_be_read_is_poisoned),
		TEST(a_fork_waits_for_a_descriptor),
		TEST(unregister_at_the_limit_of_maps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

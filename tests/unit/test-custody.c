/* tests/unit/test-custody.c - the real kernel, and engines that are killed one after the other.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * This process is the keeper in miniature: it shares its table of descriptors with an engine, and its
 * durable memory, and nothing else.  It kills the engine at a random moment, looks whether every
 * userfaultfd in the table is known by a record or by a message in an inbox, and starts another,
 * while a program forks, moves, discards and judges its memory.
 */
#include "config.h"

#include "tests/unit/cmocka-first.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "restore/drain.h"
#include "restore/fate.h"
#include "restore/smaps.h"
#include "restore/takeover.h"
#include "restore/uffd.h"
#include "tests/unit/toy-image.h"

#define BASE	   UINT64_C(0x200000000000)
#define AWAY	   UINT64_C(0x210000000000)
#define PAGES	   512
#define FORKS	   400
#define MAX_SPACES 1024

#define LIFE_NS	    UINT64_C(4000000)
#define LIFE_MAX_NS UINT64_C(500000000)

/* --- the program ------------------------------------------------------------------------------- */

static void check(bool good, int line)
{
	if (!good)
		_exit(line > 0 && line < 2560 ? 1 + line / 10 : 255);
}
#define CHECK(good) check((good), __LINE__)

static bool is(uint64_t addr, uint64_t word)
{
	const volatile uint64_t *page = (volatile uint64_t *)(uintptr_t)addr;

	return page[0] == word && page[PAGE / 8 - 1] == word;
}

static uint64_t page(uint64_t i)
{
	return BASE + i * PAGE;
}

/* The first half of memory and a bit more stay as they are; what is above is moved and discarded. */
static void child(uint64_t n)
{
	uint64_t own = page(PAGES / 2 + n % (PAGES / 8));

	CHECK(is(own, toy_word(own)));
	for (uint64_t i = n % 7; i < PAGES / 2; i += 37)
		CHECK(is(page(i), toy_word(page(i))));
	if (n % 5 == 0) {
		pid_t pid = fork();
		int status;

		if (pid == 0) {
			for (uint64_t i = n % 5; i < PAGES / 2; i += 29)
				CHECK(is(page(i), toy_word(page(i))));
			_exit(0);
		}
		CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	}
	_exit(0);
}

static void program(void)
{
	uint64_t moved = 0, gone = 3 * PAGES / 4;
	pid_t pids[8] = { 0 };
	int status;

	for (uint64_t n = 0; n < FORKS; n++) {
		pid_t *pid = &pids[n % 8];

		CHECK(!*pid || (waitpid(*pid, &status, 0) == *pid && status == 0));
		*pid = fork();
		if (*pid == 0)
			child(n);
		CHECK(*pid > 0);
		if (n % 4 == 0 && gone < PAGES - 2) { /* never seen, and gone */
			CHECK(madvise((void *)(uintptr_t)page(gone), PAGE, MADV_DONTNEED) == 0);
			CHECK(is(page(gone), 0));
			CHECK(munmap((void *)(uintptr_t)page(gone + 1), PAGE) == 0);
			gone += 2;
		}
		if (n % 16 == 8) { /* away, and looked at there */
			uint64_t from = page(3 * PAGES / 4 - 1 - moved), to = AWAY + moved * PAGE;

			CHECK(mremap((void *)(uintptr_t)from, PAGE, PAGE,
				     MREMAP_MAYMOVE | MREMAP_FIXED,
				     (void *)(uintptr_t)to) == (void *)(uintptr_t)to);
			CHECK(is(to, toy_word(from)));
			moved++;
		}
	}
	for (int i = 0; i < 8; i++)
		CHECK(waitpid(pids[i], &status, 0) == pids[i] && status == 0);
	for (uint64_t i = 0; i < PAGES / 2; i++)
		CHECK(is(page(i), toy_word(page(i))));
	_exit(0);
}

static pid_t start_program(struct toy *toy, int *uffd)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_EVENT_FORK | UFFD_FEATURE_EVENT_REMAP |
			    UFFD_FEATURE_EVENT_REMOVE | UFFD_FEATURE_EVENT_UNMAP,
	};
	struct uffdio_register reg = {
		.range = { .start = BASE, .len = PAGES * PAGE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int go[2], back[2], fd, pidfd;
	char byte = 0;
	pid_t pid;

	(void)toy;
	assert_return_code(pipe(go), errno);
	assert_return_code(pipe(back), errno);
	pid = fork();
	if (pid == 0) {
		(void)close(back[0]);
		CHECK(mmap((void *)(uintptr_t)BASE, PAGES * PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED);
		fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
		CHECK(fd >= 0 && ioctl(fd, UFFDIO_API, &api) == 0 &&
		      ioctl(fd, UFFDIO_REGISTER, &reg) == 0);
		CHECK(write(back[1], &fd, sizeof(fd)) == sizeof(fd));
		CHECK(read(go[0], &byte, 1) == 1);
		(void)close(fd);
		program();
	}
	(void)close(back[1]);
	assert_int_equal(read(back[0], &fd, sizeof(fd)), sizeof(fd));
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	*uffd = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	assert_true(*uffd >= 0);
	assert_int_equal(write(go[1], &byte, 1), 1);
	(void)close(pidfd);
	(void)close(go[0]);
	(void)close(go[1]);
	(void)close(back[0]);
	return pid;
}

/* --- the engine ---------------------------------------------------------------------------------- */

static struct toy *toy;
static struct fi_space *spaces[MAX_SPACES];
static size_t nr_spaces;

static const struct fi_task_image *task(void *arg, uint32_t vpid)
{
	return &toy->task;
}

static void found(void *arg, struct fi_space *space)
{
	if (nr_spaces == MAX_SPACES)
		abort();
	spaces[nr_spaces++] = space;
}

static void born(void *arg, struct fi_space *parent, struct fi_space *child_space)
{
	found(NULL, child_space);
}

static void stillborn(void *arg, struct fi_space *parent, int uffd)
{
	abort();
}

static bool wipes(void *arg, struct fi_space *parent, uint64_t addr, uint64_t *end, bool *ret)
{
	return false;
}

static bool alone(void *arg, struct fi_space *space)
{
	return space->pid && fi_smaps_alone(space->pid);
}

static void __attribute__((noreturn)) engine(void)
{
	static const struct fi_birth birth = { born, stillborn, wipes, alone, NULL };
	const struct fi_heir heir = {
		.task = task, .source = toy->source, .birth = birth, .found = found
	};

	if (fi_takeover(&heir) < 0)
		abort();
	while (nr_spaces) {
		for (size_t i = 0; i < nr_spaces; i++) {
			struct fi_space *space = spaces[i];
			struct fi_claim claim = { 0 };
			enum fi_fate fate;

			(void)fi_demand_step(space, &birth);
			if (space->parent && space->state == FI_SPACE_LIVE)
				(void)fi_drain_step(space, &claim, FI_PACE_SHORT);
			fate = fi_fate_called(space, true, false, &birth);
			if (fate == FI_FATE_DOOM)
				abort();
			if (fate != FI_FATE_END)
				continue;
			fi_space_retire(space);
			fi_space_put(space);
			spaces[i--] = spaces[--nr_spaces];
		}
	}
	_exit(0);
}

/* --- the keeper ---------------------------------------------------------------------------------- */

static bool is_known(int fd)
{
	struct fi_ledger *ledger = fi_ledger();

	for (uint32_t i = 0; i < ledger->nr_slots; i++) {
		struct fi_slot *slot = &ledger->slots[i];

		if (slot->state == FI_SLOT_FREE || slot->state == FI_SLOT_TAKEN)
			continue;
		if (slot->uffd == fd)
			return true;
		for (int m = 0; slot->inbox.reading && m < FI_INBOX_ROOM; m++)
			if (slot->inbox.msgs[m].event == UFFD_EVENT_FORK &&
			    (int)slot->inbox.msgs[m].arg.fork.ufd == fd)
				return true;
	}
	return false;
}

static unsigned check_table(void)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;
	unsigned nr = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		int fd = (int)strtol(entry->d_name, NULL, 10);

		if (!fi_uffd_is(fd))
			continue;
		nr++;
		if (!is_known(fd))
			fail_msg("nobody knows userfaultfd %d", fd);
	}
	(void)closedir(dir);
	return nr;
}

/* Where a new engine does not get so far before it is killed, the next ones are given more. */
static long a_while(uint64_t *random, unsigned nr_killed)
{
	uint64_t most = LIFE_NS * (1 + nr_killed / 256);

	return (long)toy_random(random, most < LIFE_MAX_NS ? most : LIFE_MAX_NS);
}

static void engines_are_killed(void **state)
{
	uint64_t random = toy_seed("custody");
	unsigned nr_killed = 0, nr_seen = 0;
	struct fi_space *space;
	int uffd, status;
	pid_t pid;

	assert_true(fi_durable_create() >= 0);
	toy = toy_simple(BASE, PAGES);
	pid = start_program(toy, &uffd);
	assert_int_equal(fi_space_new(uffd, &toy->task, toy->source, &space), 0);
	fi_space_put(space);

	for (;;) {
		struct timespec ts = { .tv_nsec = a_while(&random, nr_killed) };
		pid_t engine_pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);

		if (engine_pid == 0)
			engine();
		(void)nanosleep(&ts, NULL);
		(void)kill(engine_pid, SIGKILL);
		assert_int_equal(waitpid(engine_pid, &status, 0), engine_pid);
		if (WIFEXITED(status))
			break;
		assert_int_equal(WTERMSIG(status), SIGKILL);
		nr_killed++;
		nr_seen += check_table();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status)
		fail_msg("the program: wait status %#x, line %d or so", status,
			 (WEXITSTATUS(status) - 1) * 10);
	assert_int_equal(check_table(), 0);
	print_message("# %u engines were killed, with %u descriptors\n", nr_killed, nr_seen);
	toy_free(toy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(engines_are_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
